from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from fulfillment_conformance.filemodel import FileModel, Marker, validate
from fulfillment_conformance.variables import substitute
from fulfillment_conformance.yamlfile import Document, InvalidContent, parse


class Settings(FileModel):
    text: str = ""
    number: int = 0
    listed: tuple[str, ...] = Field(default=(), strict=False)
    table: dict[str, str] = Field(default_factory=dict)
    secret: Annotated[SecretStr, Field(min_length=1), Marker.SECRET] | None = None
    address: Annotated[str, Marker.ADDRESS] | None = None


def substituted(text: str, **environ: str) -> Document:
    return substitute(parse(text, Path("f.yaml")), Settings, environ)


def complaint(text: str, **environ: str) -> str:
    with pytest.raises(InvalidContent) as refused:
        validate(substituted(text, **environ), Settings)
    return str(refused.value)


def test_a_variable_may_be_a_whole_value_anywhere() -> None:
    document = substituted("text: ${A}\nlisted: ['${A}', b]\ntable:\n  k: ${B}\n", A="canary", B="bird")

    assert document.data == {"text": "canary", "listed": ["canary", "b"], "table": {"k": "bird"}}
    assert document.secrets == {"canary", "bird"}


def test_secrets_and_addresses_may_contain_variables() -> None:
    document = substituted("secret: a-${A}-${B}\naddress: https://h/p?code=${C}\n", A="x", B="y", C="canary")

    assert document.data == {"secret": "a-x-y", "address": "https://h/p?code=canary"}
    assert document.secrets == {"x", "y", "canary"}


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("https://sandbox.example/api", set()),
        ("https://me:p%20w@sandbox.example/api?key=canary&empty=", {"p%20w", "p w", "canary"}),
        ("http://[broken", {"http://[broken"}),
    ],
)
def test_of_an_address_that_comes_whole_only_password_and_query_are_secret(address: str, secrets: set[str]) -> None:
    assert substituted("address: ${BASE}\n", BASE=address).secrets == secrets


def test_text_without_variables_stays_as_it_is() -> None:
    document = substituted("text: $A costs 5$ {here}\nnumber: 5\n", A="canary")

    assert document.data == {"text": "$A costs 5$ {here}", "number": 5}
    assert document.secrets == frozenset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\ntext: ${CLIENT_SECRT}",
            (
                "f.yaml:2: text: environment variable CLIENT_SECRT is not set; did you mean "
                "'CLIENT_SECRET'? set it and run the command again"
            ),
        ),
        (
            "text: ${NOWHERE}",
            "f.yaml:1: text: environment variable NOWHERE is not set; set it and run the command again",
        ),
        (
            "text: ${EMPTY}",
            "f.yaml:1: text: environment variable EMPTY is empty; give it a value and run the command again",
        ),
        (
            "text: a-${CLIENT_SECRET}",
            "f.yaml:1: text: ${NAME} must be the whole value here; only secrets and addresses",
        ),
        ("listed: ['a-${CLIENT_SECRET}']", "f.yaml:1: listed[0]: ${NAME} must be the whole value here"),
        ("secret: ${CLIENT_SECRET", "f.yaml:1: secret: '${' needs a variable's name and '}' after it; write ${NAME}"),
        ("secret: ${A B}", "f.yaml:1: secret: 'A B' cannot name a variable; use letters, digits and _ in ${NAME}"),
        ("secret: ${}", "f.yaml:1: secret: '' cannot name a variable; use letters, digits and _ in ${NAME}"),
        ("secret: canary", "f.yaml:1: secret: a secret is not written into the file; write ${NAME} here and set that"),
        ("secret: 12345", "f.yaml:1: secret: a secret is not written into the file; write ${NAME} here and set that"),
        ("number: ${CLIENT_SECRET}", "f.yaml:1: number: expected a whole number, got a value that is not shown"),
    ],
)
def test_what_is_wrong_with_a_variable_is_told_without_its_value(text: str, message: str) -> None:
    told = complaint(text, CLIENT_SECRET="canary", EMPTY="")
    told = "\n".join(line for line in told.splitlines() if "a: unknown key" not in line)

    assert told.startswith(message)
    assert "\n" not in told
    assert "canary" not in told


def test_all_unset_variables_are_told_at_once() -> None:
    assert complaint("text: ${A}\nsecret: ${B}${C}\n").count("is not set") == 3


def test_a_secret_that_is_left_empty_is_a_matter_of_the_model() -> None:
    assert validate(substituted("secret:\n"), Settings).secret is None


def test_values_under_unknown_keys_are_substituted_too_and_stay_secret() -> None:
    assert substituted("unknown: ${A}\n", A="canary").secrets == {"canary"}
