from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonpointer import JsonPointerException

from fulfillment_conformance import openapi_file, yamlfile
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.resources import folder

PACKAGED = folder("openapi") / "fulfillment-v2.yaml"


@pytest.fixture
def broken(tmp_path: Path) -> Any:
    """Return a function that writes the packaged file with one text replaced, reads it, and returns the complaint."""

    def read(old: str, new: str) -> str:
        text = PACKAGED.read_text("utf-8")
        assert old in text
        file = tmp_path / "mine.yaml"
        file.write_text(text.replace(old, new, 1), "utf-8")
        with pytest.raises(UsageProblem) as caught:
            openapi_file.read(file)
        return str(caught.value)

    return read


def line_of(text: str) -> int:
    return PACKAGED.read_text("utf-8").partition(text)[0].count("\n") + 1


def test_the_packaged_file_is_read() -> None:
    assert openapi_file.read(PACKAGED).data["openapi"] == "3.1.0"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(yamlfile.UnreadableFile, match=r"nothing\.yaml: no such file"):
        openapi_file.read(tmp_path / "nothing.yaml")


def test_broken_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("openapi: 3.1.0\ninfo: {title: x\n", "utf-8")
    with pytest.raises(yamlfile.MalformedYaml, match=r"mine\.yaml:\d+: not valid YAML"):
        openapi_file.read(file)


def test_another_version_is_refused(broken: Any) -> None:
    said = broken("openapi: 3.1.0", 'openapi: "3.0.3"')
    assert said.endswith("mine.yaml:1: openapi: expected an OpenAPI version 3.1.x, got '3.0.3'")


def test_another_kind_of_file_is_refused_once_for_each_part_that_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text("role: publisher\n", "utf-8")
    with pytest.raises(yamlfile.InvalidContent) as caught:
        openapi_file.read(file)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["openapi", "paths", "webhooks", "components"]
    assert "start from the packaged file" in lines[1]


def test_a_reference_to_nothing_is_named_with_the_nearest_name(broken: Any) -> None:
    text = "#/components/headers/RequestId"
    said = broken(text, "#/components/headers/RequestID_")
    assert f"mine.yaml:{line_of(text)}: paths./saas/subscriptions/resolve.post.responses.200.headers" in said
    assert said.endswith("nothing is at '#/components/headers/RequestID_'; did you mean 'RequestId'?")


def test_a_reference_below_nothing_says_what_to_do(broken: Any) -> None:
    said = broken("#/components/headers/RequestId", "#/nowhere/at/all")
    assert said.endswith("nothing is at '#/nowhere/at/all'; add it or mend the name")


def test_a_reference_out_of_the_file_is_refused(broken: Any) -> None:
    said = broken("#/components/headers/RequestId", "other.yaml#/headers/RequestId")
    assert said.endswith("leads out of this file; put what it names below components")


def test_references_that_go_round_are_refused(broken: Any) -> None:
    start = "    RequestId:\n      description: Made by"
    said = broken(start, '    RequestId:\n      $ref: "#/components/headers/RequestId"\n      description: Made by')
    assert "leads back to itself; name what is meant" in said


def test_a_missing_operation_is_named_with_the_one_it_may_be(broken: Any) -> None:
    said = broken("operationId: resolve", "operationId: resolved")
    assert said.endswith("paths: no operation has the operationId 'resolve'; did you mean 'resolved'?")


def test_two_operations_of_one_name_are_refused(broken: Any) -> None:
    said = broken("operationId: getOperation", "operationId: listOperations")
    assert "'listOperations' is the name of another operation too; rename one" in said
    assert "no operation has the operationId 'getOperation'; add it" in said


def test_an_operation_without_a_name_is_refused(broken: Any) -> None:
    assert "has no operationId; give it one of resolve, " in broken("operationId: resolve", "x-was: resolve")


def test_responses_have_to_be_descriptions(broken: Any) -> None:
    said = broken('"404":\n          description: >-\n', '"404": not found\n        x:\n          y: >-\n')
    assert said.endswith("describes no responses; map each status to its description")


def test_a_path_has_to_be_a_mapping(broken: Any) -> None:
    said = broken("paths:\n", "paths:\n  /other: nothing\n")
    assert said.endswith("paths./other: expected a mapping of methods, got 'nothing'")


def test_a_missing_webhook_is_named(broken: Any) -> None:
    said = broken("  Renew:\n    post:", "  Renewed:\n    post:")
    assert said.endswith("webhooks: no webhook 'Renew'; did you mean 'Renewed'?")


def test_a_webhook_without_a_schema_is_refused(broken: Any) -> None:
    said = broken('schema: { $ref: "#/components/schemas/RenewNotification" }', "x: y")
    assert said.endswith("webhooks.Renew: has no schema at post.requestBody.content.application/json; add it")


def test_a_key_given_twice_is_refused(broken: Any) -> None:
    said = broken("webhooks:\n", "webhooks:\n  Renew: {}\n")
    assert "webhooks.Renew: key given twice" in said


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    document = yaml.safe_load(PACKAGED.read_text("utf-8"))
    del document["webhooks"]["Suspend"], document["paths"]["/saas/subscriptions/resolve"]
    document["components"]["schemas"]["Plan"]["properties"]["planId"]["$ref"] = "#/components/schemas/Nowhere"
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    with pytest.raises(yamlfile.InvalidContent) as caught:
        openapi_file.read(file)
    assert len(caught.value.problems) == 3


def test_pointers_lead_through_any_key() -> None:
    keys = ("paths", "/a~b/{id}", "get")
    document = {"paths": {"/a~b/{id}": {"get": 1}}}
    assert openapi_file.pointer_to(*keys) == "/paths/~1a~0b~1{id}/get"
    assert openapi_file.at(document, openapi_file.pointer_to(*keys)) == 1
    assert openapi_file.at(document, openapi_file.target("#/paths/~1a~0b~1%7Bid%7D/get")) == 1
    with pytest.raises(JsonPointerException):
        openapi_file.at(document, "/paths/other")
