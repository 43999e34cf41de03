import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.commands import call
from tests.live.account import FLAT, SEATS

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.live.drift import drift
from fulfillment_conformance.resources import folder

URL = "https://marketplaceapi.microsoft.com/api/saas/subscriptions"


def exchange(
    path: str, body: Any, *, status: int = 200, receiver: str = "marketplace", **headers: str
) -> dict[str, Any]:
    return {
        "number": "1",
        "test": "t",
        "sender": "suite",
        "receiver": receiver,
        "at": "2026-11-22T00:00:00+00:00",
        "seconds": 0.1,
        "request": {"method": "GET", "url": f"{URL}{path}?api-version=1", "headers": [], "body": ""},
        "response": {
            "status": status,
            "headers": [["Date", "now"], *([name, value] for name, value in headers.items())],
            "body": body if isinstance(body, str) else json.dumps(body),
        },
        "error": None,
    }


def recording(file: Path, *exchanges: dict[str, Any]) -> Path:
    file.write_text("".join(f"{json.dumps(each)}\n" for each in exchanges), encoding="utf-8")
    return file


def test_values_ids_and_repetition_make_no_difference(tmp_path: Path) -> None:
    old = recording(tmp_path / "old.jsonl", exchange(f"/{FLAT}", {"id": FLAT, "quantity": 1}))
    new = recording(
        tmp_path / "new.jsonl",
        exchange(f"/{SEATS}", {"id": SEATS, "quantity": 2}),
        exchange(f"/{SEATS}", {"id": SEATS, "quantity": 3}),
        exchange("", {}, receiver="identity"),
    )

    assert drift(old, new) == []


def test_fields_types_headers_and_statuses_do(tmp_path: Path) -> None:
    old = recording(
        tmp_path / "old.jsonl",
        exchange(f"/{FLAT}", {"quantity": 1, "term": {"termUnit": "P1M"}, "plans": [{"planId": "a"}]}, etag="x"),
        exchange(f"/{FLAT}/operations/1", {"status": "Succeeded"}),
    )
    new = recording(
        tmp_path / "new.jsonl",
        exchange(f"/{FLAT}", {"quantity": "1", "term": None, "plans": [], "created": "now"}, server="y"),
        exchange(f"/{FLAT}/operations/2", "<html>", status=500),
    )

    call = "GET /saas/subscriptions/{id}"
    assert list(map(str, drift(old, new))) == [
        f"+ {call} 200 /created: string",
        f"- {call} 200 /plans/*: object",
        f"- {call} 200 /plans/*/planId: string",
        f"~ {call} 200 /quantity: number -> string",
        f"~ {call} 200 /term: object -> null",
        f"- {call} 200 /term/termUnit: string",
        f"- {call} 200 header etag: sent",
        f"+ {call} 200 header server: sent",
        f"- {call}/operations/{{operationId}} 200: answered",
        f"- {call}/operations/{{operationId}} 200 /status: string",
        f"- {call}/operations/{{operationId}} 200 body: object",
        f"+ {call}/operations/{{operationId}} 500: answered",
        f"+ {call}/operations/{{operationId}} 500 body: no JSON",
    ]


def test_a_description_is_compared_with_itself_and_with_one_that_changed(tmp_path: Path) -> None:
    file = folder("openapi") / "fulfillment-v2.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert drift(file, file) == []

    document["info"]["description"] = "other words"
    schema = document["components"]["schemas"]["Subscription"]
    schema.setdefault("properties", {})["cloud"] = {"type": "string", "description": "prose"}
    del document["paths"][next(iter(document["paths"]))]
    changed = tmp_path / "changed.yaml"
    changed.write_text(json.dumps(document), encoding="utf-8")
    differences = drift(file, changed)

    assert [str(each) for each in differences if each.kind == "new"] == [
        "+ /components/schemas/Subscription/properties/cloud/type: string"
    ]
    assert {each.kind for each in differences} == {"new", "gone"}


def test_only_like_is_compared_with_like(tmp_path: Path) -> None:
    old = recording(tmp_path / "exchanges.jsonl", exchange("", {}))
    other = tmp_path / "other.yaml"
    other.write_text("a: 1\n", encoding="utf-8")

    assert drift(tmp_path, old) == []
    with pytest.raises(UsageProblem, match=r"is a recording and .* a description"):
        drift(old, folder("openapi") / "fulfillment-v2.yaml")
    with pytest.raises(UsageProblem, match="no recording"):
        drift(other, other)
    with pytest.raises(UsageProblem, match="cannot read"):
        drift(tmp_path / "missing.jsonl", old)


def test_the_command_ends_with_one_if_they_differ(tmp_path: Path) -> None:
    old = recording(tmp_path / "old.jsonl", exchange("", {"a": 1}))
    new = recording(tmp_path / "new.jsonl", exchange("", {"a": 1, "b": 2}))

    same, other = call("drift", old, old), call("drift", old, new)

    assert (same.code, same.out, same.err) == (0, "", "no difference\n")
    assert (other.code, other.out) == (1, "+ GET /saas/subscriptions 200 /b: number\n")
