"""What holds for both descriptions: they are OpenAPI, whole, plain YAML, and their examples are true."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from jsonpointer import resolve_pointer
from openapi_spec_validator import OpenAPIV31SpecValidator

from fulfillment_conformance import yamlfile
from fulfillment_conformance.resources import folder

Node = dict[str, Any]


def nodes(value: Any, place: str = "") -> Iterator[tuple[str, Node]]:
    """Every mapping of a document with its JSON pointer, values of examples left out."""
    if isinstance(value, dict):
        yield place, value
        for key, inner in value.items():
            if key not in {"value", "example"}:
                yield from nodes(inner, f"{place}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, f"{place}/{index}")


def resolved(document: Node, node: Node) -> Node:
    while "$ref" in node:
        node = resolve_pointer(document, node["$ref"][1:])
    return node


def examples(document: Node) -> Iterator[tuple[str, Node, Any]]:
    """Every example beside a schema: its place, the schema, the value."""
    for place, node in nodes(document):
        if not isinstance(node.get("schema"), dict):
            continue
        if "example" in node:
            yield place, node["schema"], node["example"]
        for name, example in node.get("examples", {}).items():
            yield f"{place}/examples/{name}", node["schema"], resolved(document, example)["value"]


def faults(document: Node, schema: Node, value: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator(
        {**schema, "components": document["components"]}, validate_formats=True
    )
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]


def test_it_is_valid_openapi(document: Node) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("name", ["fulfillment-v2.yaml", "sandbox-control.yaml"])
def test_every_yaml_reader_reads_the_same(name: str) -> None:
    """No value that YAML 1.1 takes for a date, a truth value or an octal number, and no alias."""
    file = folder("openapi") / name
    ours = yamlfile.read(file)
    assert not ours.problems
    assert ours.data == yaml.safe_load(file.read_text("utf-8"))


def test_every_reference_leads_somewhere(document: Node) -> None:
    for place, node in nodes(document):
        if isinstance(node.get("$ref"), str):
            assert isinstance(resolved(document, node), dict), place


def test_everything_that_can_be_referred_to_is(document: Node) -> None:
    referred = {node["$ref"] for _, node in nodes(document) if isinstance(node.get("$ref"), str)}
    kept_for_itself = {"#/components/schemas/ErrorBody"}
    known = {
        f"#/components/{kind}/{name}"
        for kind, members in document["components"].items()
        if kind != "securitySchemes"
        for name in members
    }
    assert known - referred <= kept_for_itself


def test_every_operation_has_a_name_of_its_own(document: Node) -> None:
    names = [node["operationId"] for _, node in nodes(document) if "operationId" in node and "responses" in node]
    assert names
    assert len(names) == len(set(names))


def test_every_example_fits_its_schema(document: Node) -> None:
    found = list(examples(document))
    assert len(found) > 10
    assert {place: wrong for place, schema, value in found if (wrong := faults(document, schema, value))} == {}


def test_every_body_has_an_example(document: Node) -> None:
    bodies = [(place, node) for place, node in nodes(document) if place.endswith("/content/application~1json")]
    assert bodies
    assert [place for place, node in bodies if not node.get("examples")] == []


def test_a_wrong_example_would_be_found(document: Node) -> None:
    """Otherwise the test above could not fail."""
    _, schema, value = next(found for found in examples(document) if isinstance(found[2], dict))
    required = resolved(document, schema)["required"]
    assert faults(document, schema, {key: kept for key, kept in value.items() if key != required[0]})


def test_request_bodies_are_closed_and_answers_are_open(document: Node) -> None:
    def objects(schema: Node) -> Iterator[Node]:
        schema = resolved(document, schema) | {key: kept for key, kept in schema.items() if key != "$ref"}
        if schema.get("type") == "object":
            yield schema
        for inner in (*schema.get("oneOf", ()), *schema.get("properties", {}).values()):
            if isinstance(inner, dict):
                yield from objects(inner)

    sent = [
        node for place, node in nodes(document["paths"]) if place.endswith("/requestBody/content/application~1json")
    ]
    assert sent
    for media_type in sent:
        for schema in objects(media_type["schema"]):
            if "properties" in schema and "action" not in schema.get("required", ()):
                assert schema["additionalProperties"] is False
    answered = [
        resolved(document, node["schema"])
        for place, node in nodes(document)
        if re.search(r"/responses/\w+/content/application~1json$", place)
    ]
    assert answered
    assert all("additionalProperties" not in schema for schema in answered)


def test_no_line_is_too_long_to_read_in_a_review() -> None:
    unbreakable = re.compile(r"\s*(- )?(pattern|example): \"|.*https?://")
    for file in folder("openapi").glob("*.yaml"):
        for number, line in enumerate(Path(file).read_text("utf-8").splitlines(), 1):
            assert len(line) <= 120 or unbreakable.match(line), f"{file.name}:{number}"
