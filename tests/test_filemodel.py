from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import (
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from fulfillment_conformance.filemodel import FileModel, Marker, complaints, keys_of, site, validate
from fulfillment_conformance.yamlfile import InvalidContent, parse


class Left(FileModel):
    left: str
    depth: int = 0


class Right(FileModel):
    right: str


def _side(value: Any) -> str | None:
    found = [name for name in ("left", "right") if isinstance(value, dict) and name in value]
    return f"side {found[0]}" if found else None


Either = Annotated[Annotated[Left, Tag("side left")] | Annotated[Right, Tag("side right")], Discriminator(_side)]


class Inner(FileModel):
    needed: str = Field(description="a word")
    plain: int = 0
    secret: Annotated[SecretStr, Marker.SECRET] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.plain == 13:
            raise complaints([("plain", "is unlucky"), ("needed", "goes down with it"), ("", "both")])
        return self


class Shape(FileModel):
    text: Annotated[str, Field(min_length=1)] = "x"
    flag: bool = False
    whole: int = Field(default=1, ge=1, le=9)
    real: Annotated[float, Field(gt=0)] = 1.0
    word: Literal["alpha", "beta"] = "alpha"
    number: Literal[1, 2] = 1
    switch: Literal[True, False, "both"] = False
    inner: Inner | None = None
    table: dict[str, int] = Field(default_factory=dict)
    listed: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=("x",), strict=False, min_length=1)
    sides: tuple[Either, ...] = Field(default=(), strict=False)
    camel_case: str = Field(default="", alias="camelCase")
    checked: str = ""

    @field_validator("checked")
    @classmethod
    def _check(cls, value: str, info: ValidationInfo) -> str:
        if value not in (info.context or {}).get("allowed", [""]):
            raise ValueError("expected something that is allowed")
        return value


def complaint(text: str) -> str:
    with pytest.raises(InvalidContent) as refused:
        validate(parse(text, Path("f.yaml")), Shape)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("txt: a", "f.yaml:1: txt: unknown key; did you mean 'text'? allowed: text, flag, whole, real, word, number"),
        ("zzzzz: a", "f.yaml:1: zzzzz: unknown key; allowed: text, flag, whole"),
        ("camel_case: a", "f.yaml:1: camel_case: unknown key; did you mean 'camelCase'? allowed: text"),
        ("text:", "f.yaml:1: text: expected text, got nothing"),
        ("text: 5", "f.yaml:1: text: expected text, got the number 5; put it in quotes"),
        ("text: true", "f.yaml:1: text: expected text, got true; put it in quotes"),
        ("text: [a]", "f.yaml:1: text: expected text, got a list"),
        ("text: ''", "f.yaml:1: text: must not be empty"),
        ("flag: yes", "f.yaml:1: flag: expected true or false, got 'yes'"),
        ("whole: 1.5", "f.yaml:1: whole: expected a whole number, got the number 1.5"),
        ("whole: '5'", "f.yaml:1: whole: expected a whole number, got '5'"),
        ("whole: 0", "f.yaml:1: whole: must be at least 1, got the number 0"),
        ("whole: 10", "f.yaml:1: whole: must be at most 9, got the number 10"),
        ("real: much", "f.yaml:1: real: expected a number, got 'much'"),
        ("real: 0", "f.yaml:1: real: must be greater than 0, got the number 0"),
        ("word: Alpa", "f.yaml:1: word: got 'Alpa'; did you mean 'alpha'? allowed: alpha, beta"),
        ("word: gamma-ray", "f.yaml:1: word: got 'gamma-ray'; allowed: alpha, beta"),
        ("word: 3", "f.yaml:1: word: got the number 3; allowed: alpha, beta"),
        ("number: 3", "f.yaml:1: number: got the number 3; allowed: 1, 2"),
        ("switch: bth", "f.yaml:1: switch: got 'bth'; did you mean 'both'? allowed: true, false, both"),
        ("inner: 5", "f.yaml:1: inner: expected a mapping with the keys needed, plain, secret, got the number 5"),
        ("inner:\n  plain: 1", "f.yaml:1: inner.needed: missing; expected a word"),
        ("inner:\n  needed: a\n  plan: 1", "f.yaml:3: inner.plan: unknown key; did you mean 'plain'? allowed: needed"),
        (
            "inner: {needed: a, secret: [canary]}",
            "f.yaml:1: inner.secret: expected text, got a value that is not shown",
        ),
        ("table: [1]", "f.yaml:1: table: expected a mapping, got a list"),
        ("table:\n  a: 1\n  b: x", "f.yaml:3: table.b: expected a whole number, got 'x'"),
        ("listed: a", "f.yaml:1: listed: expected a list, got 'a'"),
        ("listed: []", "f.yaml:1: listed: needs at least 1 entry"),
        ("listed:\n  - a\n  - ''", "f.yaml:3: listed[1]: must not be empty"),
        ("sides:\n  - left: 5", "f.yaml:2: sides[0].left: expected text, got the number 5; put it in quotes"),
        (
            "sides:\n  - left: a\n    dept: 5",
            "f.yaml:3: sides[0].dept: unknown key; did you mean 'depth'? allowed: left",
        ),
        ("checked: this", "f.yaml:1: checked: got 'this'; expected something that is allowed"),
    ],
)
def test_each_kind_of_mistake_is_told_with_line_key_and_what_is_allowed(text: str, message: str) -> None:
    told = complaint(text)

    assert told.startswith(message)
    assert "\n" not in told
    assert "canary" not in told


def test_a_kind_of_error_without_a_sentence_of_its_own_keeps_pydantics(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long(FileModel):
        word: Annotated[str, Field(max_length=3)]

    with pytest.raises(InvalidContent) as refused:
        validate(parse("word: abcd", Path("f.yaml")), Long)

    assert str(refused.value) == "f.yaml:1: word: got 'abcd'; string should have at most 3 characters"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    told = complaint("word: c\nwhole: 1\nwhole: 2\nunknown: 1\ninner:\n  plain: x\ntext: 5\n").splitlines()

    assert [line.split(":")[1] for line in told] == ["1", "3", "4", "5", "6", "7"]


def test_a_place_that_parsing_already_complained_about_is_not_told_twice() -> None:
    assert complaint("text: *x\n") == "f.yaml:1: text: the alias *x is not allowed; write the value out"


def test_a_document_with_problems_is_refused_even_if_its_content_fits() -> None:
    assert complaint("text: a\ntext: b\n") == "f.yaml:2: text: key given twice, first on line 1; remove one of them"


def test_a_model_can_complain_about_several_of_its_keys() -> None:
    assert complaint("inner:\n  needed: a\n  plain: 13\n").splitlines() == [
        "f.yaml:1: inner: both",
        "f.yaml:2: inner.needed: goes down with it",
        "f.yaml:3: inner.plain: is unlucky",
    ]


def test_what_fits_becomes_the_model() -> None:
    document = parse("camelCase: a\ninner: {needed: b}\nsides: [{right: c}]\nchecked: this\n", Path("f.yaml"))

    shape = validate(document, Shape, context={"allowed": ["this"]})

    assert shape.camel_case == "a"
    assert shape.inner == Inner(needed="b")
    assert shape.sides == (Right(right="c"),)
    with pytest.raises(ValidationError, match="frozen"):
        shape.text = "changed"


def test_a_site_knows_its_metadata_and_the_keys_around_it() -> None:
    data = {"inner": {"secret": "x"}, "sides": [{"left": "a"}], "table": {"k": 1}}

    assert Marker.SECRET in site(Shape, ("inner", "secret"), data).metadata
    assert site(Shape, ("sides", 0, "left"), data).owner is Left
    assert site(Shape, ("sides", 0, "side left", "left"), data).path == ("sides", 0, "left")
    assert site(Shape, ("table", "k"), data).annotation is int
    assert site(Shape, ("unknown", "below"), data).annotation is None
    assert list(keys_of(Inner)) == ["needed", "plain", "secret"]
