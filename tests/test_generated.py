"""Tests of calls made up from a description: which are made, in which order, and what is told of each."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.scripted import reply

from fulfillment_conformance.errors import SuiteFault
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.generated import PHASES, GeneratedCall, MadeUp, Phase, generate

ID = "7a1d5c02-4b8e-4f61-8a2c-6d9e1b4f7a20"
TRACKING = [{"$ref": "#/components/parameters/RequestId"}, {"$ref": "#/components/parameters/CorrelationId"}]
OWN_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}, "example": ID}
FOUND = {
    "description": "found",
    "content": {"application/json": {"schema": {"type": "object"}}},
    "links": {"change": {"operationId": "updateSubscription", "parameters": {"id": "$response.body#/id"}}},
}
DESCRIPTION: Mapping[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "small", "version": "1"},
    "servers": [{"url": "https://elsewhere.example/api"}],
    "paths": {
        "/saas/subscriptions/{id}": {
            "summary": "one",
            "get": {
                "operationId": "getSubscription",
                "parameters": [OWN_ID, *TRACKING],
                "responses": {"200": FOUND},
            },
            "patch": {
                "operationId": "updateSubscription",
                "parameters": [OWN_ID, *TRACKING],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"quantity": {"type": "integer", "minimum": 1, "maximum": 9}},
                                "required": ["quantity"],
                                "additionalProperties": False,
                            },
                            "example": {"quantity": 3},
                        }
                    },
                },
                "responses": {"202": {"description": "accepted"}},
            },
        }
    },
    "components": {
        "parameters": {
            name: {"name": header, "in": "header", "schema": {"type": "string", "format": "uuid"}}
            for name, header in (("RequestId", "x-ms-requestid"), ("CorrelationId", "x-ms-correlationid"))
        },
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    },
    "security": [{"bearer": []}],
}


class Api:
    """Answers made-up calls, and keeps them."""

    def __init__(self, answer: Callable[[Exchange], object] | None = None) -> None:
        self.asked: list[MadeUp] = []
        self.answered: list[Exchange] = []
        self._answer = answer or (lambda exchange: reply(exchange, 200, {"id": ID}, Content_Type="application/json"))

    def __call__(self, made_up: MadeUp) -> Exchange:
        exchange = Exchange(sender="suite", receiver="marketplace", method=made_up.method, url=made_up.path)
        self._answer(exchange)
        self.asked.append(made_up)
        self.answered.append(exchange)
        return exchange


def calls(api: Api, phase: Phase, folder: Path, **bounds: Any) -> list[GeneratedCall]:
    return list(
        generate(DESCRIPTION, phase, send=api, folder=folder, **{"seed": 1, "examples": 2, "steps": 3} | bounds)
    )


Made = Callable[[Phase], tuple[Api, list[GeneratedCall]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the calls of a phase, with all answers right; made once."""

    @functools.cache
    def made(phase: Phase) -> tuple[Api, list[GeneratedCall]]:
        api = Api()
        return api, calls(api, phase, tmp_path_factory.mktemp(phase))

    return made


def body(made_up: MadeUp) -> Any:
    try:
        return json.loads(made_up.body)
    except ValueError:
        return None


def test_there_are_four_kinds_of_calls() -> None:
    assert PHASES == ("examples", "coverage", "fuzzing", "stateful")


@pytest.mark.parametrize("phase", PHASES)
def test_each_call_is_told_with_its_answer(made: Made, phase: Phase) -> None:
    api, told = made(phase)

    assert told
    assert [id(call.exchange) for call in told] == [id(exchange) for exchange in api.answered]
    assert {call.operation for call in told} <= {"getSubscription", "updateSubscription"}
    for call, made_up in zip(told, api.asked, strict=True):
        assert call.exchange.method == made_up.method
        assert call.about
    assert all(made_up.path.startswith("/saas/subscriptions/") for made_up in api.asked)


@pytest.mark.parametrize("phase", ["fuzzing", "stateful"])
def test_equal_seeds_make_equal_calls_and_others_make_others(tmp_path: Path, phase: Phase) -> None:
    # Hypothesis also draws constants of the modules that are loaded, so that all are made at one moment.
    first, again, other = Api(), Api(), Api()
    calls(first, phase, tmp_path, seed=1)
    calls(again, phase, tmp_path, seed=1)
    calls(other, phase, tmp_path, seed=2)

    assert first.asked == again.asked
    assert first.asked != other.asked


def test_the_examples_are_those_of_the_description(made: Made) -> None:
    api, told = made("examples")

    assert {(call.operation, call.valid) for call in told} == {
        ("getSubscription", True),
        ("updateSubscription", True),
    }
    assert {(made_up.method, made_up.path) for made_up in api.asked} == {
        ("GET", f"/saas/subscriptions/{ID}"),
        ("PATCH", f"/saas/subscriptions/{ID}"),
    }
    assert {(body(made_up) or {}).get("quantity") for made_up in api.asked} == {None, 3}


def test_edges_of_the_schemas_are_tried_on_both_sides(made: Made) -> None:
    api, told = made("coverage")
    seats = {
        body(made_up)["quantity"]: call.valid
        for call, made_up in zip(told, api.asked, strict=True)
        if isinstance(body(made_up), dict) and type(body(made_up).get("quantity")) is int
    }

    assert (seats[1], seats[9], seats[0], seats[10]) == (True, True, False, False)
    assert {call.valid for call in told} == {True, False}
    assert len({call.about for call in told}) > 3


def test_a_method_that_is_not_described_is_tried_and_never_valid(made: Made) -> None:
    _, told = made("coverage")
    others = [call for call in told if call.exchange.method not in {"GET", "PATCH"}]

    assert {call.exchange.method for call in others} == {"PUT"}
    assert not any(call.valid for call in others)


def test_random_calls_are_as_many_as_asked_for(tmp_path: Path) -> None:
    few, more = (calls(Api(), "fuzzing", tmp_path, examples=examples) for examples in (1, 8))

    assert len(few) < len(more) <= 2 * 2 * 8


def test_walks_follow_the_links_of_answers(tmp_path: Path) -> None:
    other = "99999999-4b8e-4f61-8a2c-6d9e1b4f7a20"
    api = Api(lambda exchange: reply(exchange, 200, {"id": other}, Content_Type="application/json"))
    calls(api, "stateful", tmp_path, examples=4, steps=4)
    changed = [made_up.path for made_up in api.asked if made_up.method == "PATCH"]

    assert f"/saas/subscriptions/{other}" in changed


def test_walks_are_as_long_as_asked_for(tmp_path: Path) -> None:
    short, long = (calls(Api(), "stateful", tmp_path, examples=2, steps=steps) for steps in (2, 6))

    assert len(short) < len(long)


@pytest.mark.parametrize("phase", PHASES)
def test_a_call_carries_nothing_of_the_connection_and_no_credentials(made: Made, phase: Phase) -> None:
    api, _ = made(phase)
    names = {name for made_up in api.asked for name, _ in made_up.headers}

    assert not names & {"authorization", "host", "user-agent", "accept", "accept-encoding", "connection"}
    assert not names & {"content-length", "transfer-encoding", "cookie"}
    assert "x-schemathesis-testcaseid" not in names
    assert all(name == name.lower() for name in names)
    assert all(dict(made_up.headers).get("content-type") for made_up in api.asked if body(made_up))


def test_tracking_ids_are_tried_on_one_operation_only(made: Made) -> None:
    api, _ = made("coverage")
    tracked = {
        (made_up.method, name)
        for made_up in api.asked
        for name, _ in made_up.headers
        if re.fullmatch("x-ms-(request|correlation)id", name)
    }

    assert {name for method, name in tracked if method == "GET"} == {"x-ms-requestid", "x-ms-correlationid"}
    assert not [name for method, name in tracked if method == "PATCH"]


def test_the_description_is_left_as_it_is(tmp_path: Path) -> None:
    before = json.dumps(DESCRIPTION)
    calls(Api(), "examples", tmp_path)

    assert json.dumps(DESCRIPTION) == before


def test_no_answer_is_told_as_it_came(tmp_path: Path) -> None:
    told = calls(Api(lambda exchange: reply(exchange, None)), "examples", tmp_path)

    assert told
    assert {(call.exchange.status, call.exchange.error) for call in told} == {(None, "ConnectError: refused")}


def test_an_answer_that_lies_about_its_length_or_encoding_disturbs_nobody(tmp_path: Path) -> None:
    headers = {"Content_Length": "1", "Content_Encoding": "gzip", "Transfer_Encoding": "chunked", "Connection": "close"}
    told = calls(Api(lambda exchange: reply(exchange, 200, b'{"id": 1}', **headers)), "examples", tmp_path)

    assert {call.exchange.status for call in told} == {200}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("odd", ["[1]", '{"id": "a"}', "null", "7", "true", r'"\ud83d"', '"' + 3000 * "a" + '"'])
def test_an_answer_whose_ids_are_no_text_disturbs_nobody(tmp_path: Path, phase: Phase, odd: str) -> None:
    answer = f'{{"id": {odd}, "subscriptions": [{{"id": {odd}}}]}}'.encode()
    told = calls(Api(lambda exchange: reply(exchange, 200, answer, Content_Type="application/json")), phase, tmp_path)

    assert told
    assert {call.exchange.response_body for call in told} == {answer}


def test_what_goes_wrong_on_the_way_is_the_suites_own_fault(tmp_path: Path) -> None:
    def fail(_exchange: Exchange) -> None:
        raise RuntimeError("the sandbox is gone")

    with pytest.raises(SuiteFault, match=r"schemathesis could not generate calls: .*the sandbox is gone"):
        calls(Api(fail), "examples", tmp_path)


def test_what_cannot_be_generated_from_is_the_suites_own_fault(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(DESCRIPTION))
    broken["paths"]["/saas/subscriptions/{id}"]["get"]["parameters"][0] = {"$ref": "#/components/parameters/Nothing"}

    with pytest.raises(SuiteFault, match="schemathesis could not generate calls: "):
        list(generate(broken, "fuzzing", send=Api(), seed=1, folder=tmp_path, examples=1))
