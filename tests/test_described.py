"""Tests of all answers of a run beside the description of the API."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.described import MOST, Breach, DescribedAnswers, operation_of, requirements_of
from fulfillment_conformance.exchange import LONGEST_REMEMBERED, Exchange, Party

BASE = "https://market.example/api"
ID = "7a1d5c02-4b8e-4f61-8a2c-6d9e1b4f7a20"
JSON = {"Content-Type": "application/json", "x-ms-requestid": ID, "x-ms-correlationid": ID}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract.load()


@pytest.fixture
def described(contract: Contract) -> DescribedAnswers:
    return DescribedAnswers(contract, BASE)


def example(contract: Contract, operation: str, status: str = "200") -> Any:
    """Return a copy of the first example of an answer."""
    answers = contract.operation(operation).definition["responses"][status]["content"]["application/json"]["examples"]
    name = next(iter(answers.values()))["$ref"].rpartition("/")[2]
    return copy.deepcopy(contract.document["components"]["examples"][name]["value"])


def exchange(
    method: str,
    path: str,
    status: int | None = 200,
    body: Any = None,
    *,
    receiver: Party = "marketplace",
    headers: Mapping[str, str] = JSON,
    asked: Mapping[str, str] | None = None,
    sent: Any = None,
    base: str = BASE,
) -> Exchange:
    return Exchange(
        sender="suite",
        receiver=receiver,
        method=method,
        url=f"{base}/saas/subscriptions{path}",
        request_headers=tuple((asked or {}).items()),
        request_body=b"" if sent is None else sent if isinstance(sent, bytes) else json.dumps(sent).encode(),
        status=status,
        response_headers=tuple(headers.items()),
        response_body=b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def places(described: DescribedAnswers) -> list[tuple[str, str]]:
    return [(breach.operation, breach.violation.pointer) for breach in described.breaches]


# --- which operation ---


@pytest.mark.parametrize(
    ("method", "path", "sent", "operation"),
    [
        ("POST", "/resolve", None, "resolve"),
        ("GET", "", None, "listSubscriptions"),
        ("GET", "/", None, "listSubscriptions"),
        ("GET", "?api-version=2018-08-31", None, "listSubscriptions"),
        ("GET", f"/{ID}?api-version=1", None, "getSubscription"),
        ("GET", "/no-guid", None, "getSubscription"),
        ("DELETE", f"/{ID}", None, "deleteSubscription"),
        ("POST", f"/{ID}/activate", None, "activate"),
        ("GET", f"/{ID}/listAvailablePlans", None, "listAvailablePlans"),
        ("GET", f"/{ID}/operations", None, "listOperations"),
        ("GET", f"/{ID}/operations/{ID}", None, "getOperation"),
        ("PATCH", f"/{ID}/operations/{ID}", None, "updateOperation"),
        ("PATCH", f"/{ID}", {"planId": "gold"}, "changePlan"),
        ("PATCH", f"/{ID}", {"quantity": 3}, "changeQuantity"),
        ("PATCH", f"/{ID}", {"quantity": 3, "planId": "gold"}, "changePlan"),
        ("PATCH", f"/{ID}", {}, "changePlan"),
        ("PATCH", f"/{ID}", ["quantity"], "changePlan"),
        ("PATCH", f"/{ID}", b"{quantity", "changePlan"),
        ("PATCH", f"/{ID}", None, "changePlan"),
    ],
)
def test_a_request_was_made_to_an_operation(
    contract: Contract, method: str, path: str, sent: Any, operation: str
) -> None:
    found = operation_of(contract, exchange(method, path, sent=sent), BASE)

    assert found is not None
    assert found.id == operation


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", f"/{ID}"), ("GET", "/resolve/more/still"), ("GET", f"/{ID}/activate/x"), ("POST", ""), ("GET", "X")],
)
def test_what_is_not_described_is_no_operation(contract: Contract, method: str, path: str) -> None:
    assert operation_of(contract, exchange(method, path), BASE) is None


def test_the_address_of_the_api_may_be_any(contract: Contract) -> None:
    for base in ("https://market.example", "http://127.0.0.1:8080/some/api"):
        found = operation_of(contract, exchange("GET", f"/{ID}", base=base), base)
        assert found is not None
        assert found.id == "getSubscription"


# --- what is looked at ---


@pytest.mark.parametrize(
    "seen",
    [
        exchange("GET", f"/{ID}", 200, {"nonsense": 1}, receiver="publisher"),
        exchange("GET", f"/{ID}", 200, {"nonsense": 1}, base="https://elsewhere.example/api"),
        exchange("GET", f"/{ID}", None),
        exchange("PUT", f"/{ID}", 200, {"nonsense": 1}),
    ],
)
def test_what_is_no_answer_of_the_api_is_passed_over(described: DescribedAnswers, seen: Exchange) -> None:
    described(seen)

    assert described.breaches == []
    assert described.other_headers == {}
    assert described.shown("GET-011") == 0


def test_an_answer_as_described_breaks_nothing_and_is_counted(contract: Contract, described: DescribedAnswers) -> None:
    body = example(contract, "getSubscription")
    described(exchange("GET", f"/{ID}", 200, body))
    described(exchange("GET", f"/{ID}", 299, body))

    assert [each for each in places(described) if each != ("getSubscription", "")] == []
    assert described.shown("GET-011") == 2


@pytest.mark.parametrize("status", [199, 300, 404, 500])
def test_only_successful_answers_show_a_shape(described: DescribedAnswers, status: int) -> None:
    described(exchange("GET", f"/{ID}", status, {}))

    assert described.shown("GET-011") == 0


def test_a_breach_is_kept_once_with_the_first_answer_that_shows_it(
    contract: Contract, described: DescribedAnswers
) -> None:
    body = example(contract, "getSubscription")
    del body["planId"]
    first = exchange("GET", f"/{ID}", 200, body)
    described(first)
    described(exchange("GET", f"/{ID}", 200, body))

    [breach] = described.breaches
    assert (breach.operation, breach.violation.pointer) == ("getSubscription", "/planId")
    assert breach.exchange is first
    assert "GET-011" in breach.requirements
    assert list(breach.requirements) == sorted(breach.requirements)
    assert str(breach) == "getSubscription: body /planId: is missing"


def test_breaches_of_different_operations_and_places_are_kept_apart(
    contract: Contract, described: DescribedAnswers
) -> None:
    one, other, page = (example(contract, name) for name in ("getSubscription", "getSubscription", "listSubscriptions"))
    del one["planId"]
    del other["offerId"]
    del page["subscriptions"][0]["planId"]
    described(exchange("GET", f"/{ID}", 200, one))
    described(exchange("GET", f"/{ID}", 200, other))
    described(exchange("GET", "", 200, page))

    assert places(described) == [
        ("getSubscription", "/planId"),
        ("getSubscription", "/offerId"),
        ("listSubscriptions", "/subscriptions/0/planId"),
    ]


def test_a_breach_of_the_whole_body_has_no_place(described: DescribedAnswers) -> None:
    described(exchange("GET", f"/{ID}", 200, b"<html>"))

    [breach] = described.breaches
    assert str(breach).startswith("getSubscription: body: is not JSON")
    assert breach.requirements == ("HDR-016",)


def test_the_entries_of_a_list_break_it_in_one_way(contract: Contract, described: DescribedAnswers) -> None:
    page = example(contract, "listSubscriptions")
    page["subscriptions"] = [copy.deepcopy(page["subscriptions"][0]) for _ in range(12)]
    for entry in page["subscriptions"]:
        del entry["planId"]
    described(exchange("GET", "", 200, page))

    assert places(described) == [("listSubscriptions", "/subscriptions/0/planId")]


def test_one_member_that_is_missing_hides_no_other(contract: Contract, described: DescribedAnswers) -> None:
    body = example(contract, "getSubscription")
    del body["id"]
    described(exchange("GET", f"/{ID}", 200, body))
    del body["planId"]
    del body["purchaser"]["tenantId"]
    del body["beneficiary"]["tenantId"]
    described(exchange("GET", f"/{ID}", 200, body))

    assert {place for _, place in places(described)} >= {"/id", "/planId"}
    assert {row for breach in described.breaches for row in breach.requirements} >= {"GET-011"}


def test_what_a_list_nests_is_judged_in_the_name_of_the_list_only(
    contract: Contract, described: DescribedAnswers
) -> None:
    page, resolved = example(contract, "listSubscriptions"), example(contract, "resolve")
    del page["subscriptions"][0]["planId"]
    del resolved["subscription"]["planId"]
    described(exchange("GET", "", 200, page))
    described(exchange("POST", "/resolve", 200, resolved))

    page["subscriptions"][0]["saasSubscriptionStatus"] = resolved["subscription"]["saasSubscriptionStatus"] = "odd"
    described(exchange("GET", "", 200, page))
    described(exchange("POST", "/resolve", 200, resolved))

    assert sorted(places(described)) == [
        ("listSubscriptions", "/subscriptions/0/planId"),
        ("listSubscriptions", "/subscriptions/0/saasSubscriptionStatus"),
        ("resolve", "/subscription/planId"),
        ("resolve", "/subscription/saasSubscriptionStatus"),
    ]
    assert {row.partition("-")[0] for breach in described.breaches for row in breach.requirements} <= {"LST", "RES"}


# --- lists of nothing, echoes ---


@pytest.mark.parametrize("path", ["", f"/{ID}/listAvailablePlans", f"/{ID}/operations"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b" {} \n"])
def test_how_a_list_says_nothing_is_judged_elsewhere(described: DescribedAnswers, path: str, body: bytes) -> None:
    described(exchange("GET", path, 200, body))

    assert described.breaches == []


def test_nothing_where_something_is_described_is_a_breach(described: DescribedAnswers) -> None:
    described(exchange("GET", f"/{ID}", 200, b"{}"))

    assert ("getSubscription", "/planId") in places(described)


@pytest.mark.parametrize(
    ("asked", "header", "kept"),
    [
        ({"x-ms-requestid": ""}, "", False),
        ({"X-MS-RequestId": ""}, "", False),
        ({"x-ms-requestid": "mine"}, "", True),
        ({"x-ms-requestid": "mine"}, "theirs", False),
        ({}, "", True),
    ],
)
def test_what_the_caller_wrote_itself_is_not_held_against_the_answer(
    contract: Contract, described: DescribedAnswers, asked: Mapping[str, str], header: str, kept: bool
) -> None:
    body = example(contract, "getSubscription")
    described(exchange("GET", f"/{ID}", 200, body, headers=JSON | {"x-ms-requestid": header}, asked=asked))

    assert (("getSubscription", "/x-ms-requestid") in places(described)) == kept


# --- what no page says ---


@pytest.mark.parametrize(("status", "kept"), [(429, True), (503, True), (500, False), (428, False), (200, False)])
def test_answers_that_ask_for_patience_are_kept(described: DescribedAnswers, status: int, kept: bool) -> None:
    seen = exchange("GET", f"/{ID}", status, {})
    described(seen)

    assert described.throttled == ([seen] if kept else [])


def test_headers_that_nobody_mentions_are_kept_once(described: DescribedAnswers) -> None:
    of_http = ("Content-Type", "content-length", "DATE", "Server", "connection", "Transfer-Encoding", "keep-alive")
    known = dict.fromkeys((*of_http, "x-ms-requestid", "x-ms-correlationid", "Operation-Location"), "1")
    first = exchange("GET", f"/{ID}", 404, headers=known | {"X-Powered-By": "PHP"})
    described(first)
    described(exchange("GET", f"/{ID}", 404, headers={"x-powered-by": "Perl", "Via": "proxy"}))

    assert set(described.other_headers) == {"x-powered-by", "via"}
    assert described.other_headers["x-powered-by"] is first


# --- requirements ---


def test_the_requirements_of_an_operation_are_those_of_its_successful_shapes(contract: Contract) -> None:
    found = {name: requirements_of(contract, contract.operation(name)) for name in ("getSubscription", "getOperation")}

    assert {"GET-001", "GET-011", "GET-012", "GET-029", "GET-030", "HDR-016"} <= found["getSubscription"]
    assert {"OPG-001", "OPG-003", "HDR-016"} <= found["getOperation"]
    assert not {row for row in found["getOperation"] if row.startswith(("OPL-", "GET-"))}


@pytest.mark.parametrize(
    ("operation", "own", "others"),
    [
        ("resolve", "RES", ("GET", "LST", "OPG", "OPL", "CHP", "CHQ", "DEL")),
        ("listSubscriptions", "LST", ("RES", "OPG", "OPL", "CHP", "CHQ", "DEL")),
        ("getSubscription", "GET", ("RES", "LST", "OPG", "OPL", "CHP", "CHQ", "DEL")),
        ("listOperations", "OPL", ("RES", "LST", "GET", "OPG", "CHP", "CHQ", "DEL")),
        ("getOperation", "OPG", ("RES", "LST", "GET", "OPL", "CHP", "CHQ", "DEL")),
        ("changePlan", "CHP", ("RES", "LST", "GET", "OPL", "OPG", "CHQ", "DEL")),
        ("changeQuantity", "CHQ", ("RES", "LST", "GET", "OPL", "OPG", "CHP", "DEL")),
        ("deleteSubscription", "DEL", ("RES", "LST", "GET", "OPL", "OPG", "CHP", "CHQ")),
    ],
)
def test_shared_shapes_are_judged_in_the_name_of_the_operation_that_shows_them(
    contract: Contract, operation: str, own: str, others: tuple[str, ...]
) -> None:
    themes = {row.partition("-")[0] for row in requirements_of(contract, contract.operation(operation))}

    assert own in themes
    assert not themes & set(others)


@pytest.mark.parametrize("row", ["GET-027", "GET-028", "HDR-012", "HDR-013", "PLN-008"])
def test_what_no_shape_can_decide_is_in_no_requirement(contract: Contract, row: str) -> None:
    assert not [one.id for one in contract.operations if row in requirements_of(contract, one)]


def test_answers_are_counted_for_the_requirements_of_their_operation(
    contract: Contract, described: DescribedAnswers
) -> None:
    described(exchange("GET", f"/{ID}/operations/{ID}", 200, example(contract, "getOperation")))
    described(exchange("GET", f"/{ID}", 200, example(contract, "getSubscription")))
    described(exchange("GET", f"/{ID}", 200, example(contract, "getSubscription")))

    assert described.shown("OPG-003") == 1
    assert described.shown("GET-011") == 2
    assert described.shown("HDR-016") == 3
    assert described.shown("LST-001") == 0


def test_a_breach_names_its_part() -> None:
    from fulfillment_conformance.contract import Violation

    breach = Breach("resolve", Violation("/x-ms-requestid", "is missing", "/s", "header"), (), exchange("GET", ""))

    assert str(breach) == "resolve: header /x-ms-requestid: is missing"


@pytest.mark.parametrize("status", [200, 429])
def test_a_service_that_is_wrong_in_ever_new_ways_is_not_remembered_for_ever(
    described: DescribedAnswers, status: int
) -> None:
    for number in range(MOST + 100):
        headers = {**JSON, f"x-{number}": "1"}
        described(exchange("GET", "", status, b"x" * (LONGEST_REMEMBERED + 1), headers=headers))

    assert len(described.other_headers) == MOST
    assert len(described.throttled) == (MOST if status == 429 else 0)
    assert not any(each.response_body for each in [*described.throttled, *described.other_headers.values()])
