"""Tests of the Fulfillment API as the suite calls it: right by default, faulty where a test says so."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.client import (
    DEFAULT,
    HOLDS,
    AcceptedAnswer,
    FulfillmentClient,
    ListAnswer,
    OperationListAnswer,
    ResolveAnswer,
)
from fulfillment_conformance.exchange import Exchange

BASE = "https://market.example/api"
SUBSCRIPTIONS = f"{BASE}/saas/subscriptions"
VERSION = "?api-version=2018-08-31"

Call = Callable[[FulfillmentClient], Answer]


def client(script: Scripted, base_url: str = BASE) -> FulfillmentClient:
    return FulfillmentClient(base_url, http=script.http, access_token=lambda: "own")


def sent(call: Call) -> Exchange:
    script = Scripted()
    answer = call(client(script))
    [exchange] = script.sent
    assert answer.exchange is exchange
    return exchange


def headers(exchange: Exchange) -> dict[str, str]:
    return dict(exchange.request_headers)


# --- each call ---

CALLS: list[tuple[str, Call, str, str, Any]] = [
    ("resolve", lambda it: it.resolve("t"), "POST", "/resolve", None),
    ("activate", lambda it: it.activate("s"), "POST", "/s/activate", None),
    (
        "activate",
        lambda it: it.activate("s", plan="gold", quantity=3),
        "POST",
        "/s/activate",
        {"planId": "gold", "quantity": 3},
    ),
    ("activate", lambda it: it.activate("s", plan=None), "POST", "/s/activate", {"planId": None}),
    ("activate", lambda it: it.activate("s", quantity=0), "POST", "/s/activate", {"quantity": 0}),
    ("list subscriptions", lambda it: it.list_subscriptions(), "GET", "", None),
    ("get subscription", lambda it: it.get_subscription("s"), "GET", "/s", None),
    ("list available plans", lambda it: it.list_available_plans("s"), "GET", "/s/listAvailablePlans", None),
    ("change plan", lambda it: it.change_plan("s", "gold"), "PATCH", "/s", {"planId": "gold"}),
    ("change plan", lambda it: it.change_plan("s", DEFAULT), "PATCH", "/s", None),
    ("change quantity", lambda it: it.change_quantity("s", "7"), "PATCH", "/s", {"quantity": "7"}),
    ("cancel", lambda it: it.cancel("s"), "DELETE", "/s", None),
    ("list operations", lambda it: it.list_operations("s"), "GET", "/s/operations", None),
    ("get operation", lambda it: it.get_operation("s", "o"), "GET", "/s/operations/o", None),
    (
        "update operation",
        lambda it: it.update_operation("s", "o", "Success"),
        "PATCH",
        "/s/operations/o",
        {"status": "Success"},
    ),
    ("anything", lambda it: it.request("PUT", "/x", "anything"), "PUT", "/x", None),
]


@pytest.mark.parametrize(("purpose", "call", "method", "path", "body"), CALLS)
def test_a_call_is_right_by_default(purpose: str, call: Call, method: str, path: str, body: Any) -> None:
    exchange = sent(call)

    assert (exchange.method, exchange.url, exchange.purpose) == (method, SUBSCRIPTIONS + path + VERSION, purpose)
    assert (json.loads(exchange.request_body) if exchange.request_body else None) == body
    assert headers(exchange)["authorization"] == "Bearer own"
    assert headers(exchange)["content-type"] == "application/json"


def test_nothing_but_the_purchase_token_is_added_to_the_headers() -> None:
    assert set(headers(sent(lambda it: it.get_subscription("s")))) == {"authorization", "content-type"}
    assert headers(sent(lambda it: it.resolve("a+b/c="))) == {
        "authorization": "Bearer own",
        "content-type": "application/json",
        "x-ms-marketplace-token": "a+b/c=",
    }
    assert "x-ms-marketplace-token" not in headers(sent(lambda it: it.resolve(None)))


def test_ids_are_percent_encoded_as_one_part_of_the_path() -> None:
    assert sent(lambda it: it.get_operation("../a b", "o/p?q")).url == (
        f"{SUBSCRIPTIONS}/..%2Fa%20b/operations/o%2Fp%3Fq{VERSION}"
    )
    assert sent(lambda it: it.activate("a/b")).url == f"{SUBSCRIPTIONS}/a%2Fb/activate{VERSION}"
    assert sent(lambda it: it.cancel("a/b")).url == f"{SUBSCRIPTIONS}/a%2Fb{VERSION}"
    assert sent(lambda it: it.change_plan("a/b", "p")).url == f"{SUBSCRIPTIONS}/a%2Fb{VERSION}"
    assert sent(lambda it: it.update_operation("s", "a/b", "x")).url == (f"{SUBSCRIPTIONS}/s/operations/a%2Fb{VERSION}")


def test_a_filter_and_a_continuation_are_query_parameters() -> None:
    plans = sent(lambda it: it.list_available_plans("s", plan="a b"))
    page = sent(lambda it: it.list_subscriptions(continuation="x=&y"))

    assert plans.url == f"{SUBSCRIPTIONS}/s/listAvailablePlans?planId=a%20b&api-version=2018-08-31"
    assert page.url == f"{SUBSCRIPTIONS}?continuationToken=x%3D%26y&api-version=2018-08-31"


def test_a_slash_at_the_end_of_the_address_does_not_count() -> None:
    script = Scripted()
    client(script, f"{BASE}/").list_subscriptions()

    assert script.last.url == SUBSCRIPTIONS + VERSION


def test_a_link_is_followed_exactly_as_it_stands() -> None:
    exchange = sent(lambda it: it.follow("https://elsewhere.example/page?x=1", token="other"))

    assert (exchange.method, exchange.url) == ("GET", "https://elsewhere.example/page?x=1")
    assert exchange.purpose == "follow link"
    assert headers(exchange)["authorization"] == "Bearer other"
    assert sent(lambda it: it.follow("https://elsewhere.example/", "look")).purpose == "look"


# --- faults ---


@pytest.mark.parametrize(
    ("faults", "value"),
    [
        ({"token": "other"}, "Bearer other"),
        ({"token": None}, None),
        ({"authorization": "Basic abc"}, "Basic abc"),
        ({"authorization": None}, None),
        ({"authorization": None, "token": "other"}, None),
        ({"headers": {"Authorization": "mine"}}, "mine"),
        ({"headers": {"authorization": None}}, None),
    ],
)
def test_the_credentials_can_be_faulty(faults: dict[str, Any], value: str | None) -> None:
    assert headers(sent(lambda it: it.get_subscription("s", **faults))).get("authorization") == value


def test_a_token_of_its_own_is_not_asked_for_when_another_is_given() -> None:
    def ask() -> str:
        raise AssertionError("asked for a token")

    script = Scripted()
    asking = FulfillmentClient(BASE, http=script.http, access_token=ask)
    asking.get_subscription("s", token="other")
    asking.get_subscription("s", authorization=None)

    assert len(script.sent) == 2


def test_headers_are_added_replaced_and_left_out() -> None:
    exchange = sent(lambda it: it.resolve("t", headers={"X-Ms-RequestId": "1", "Content-Type": None}))

    assert headers(exchange) == {
        "authorization": "Bearer own",
        "x-ms-marketplace-token": "t",
        "x-ms-requestid": "1",
    }
    assert headers(sent(lambda it: it.resolve("t", headers={"x-ms-marketplace-token": "u"})))[
        "x-ms-marketplace-token"
    ] == ("u")


@pytest.mark.parametrize(
    ("faults", "query"),
    [
        ({"api_version": None}, ""),
        ({"api_version": "2017"}, "?api-version=2017"),
        ({"query": {"a": "b c"}}, "?a=b%20c&api-version=2018-08-31"),
        ({"query": {"a": ""}, "api_version": None}, "?a="),
    ],
)
def test_the_query_can_be_faulty(faults: dict[str, Any], query: str) -> None:
    assert sent(lambda it: it.get_subscription("s", **faults)).url == f"{SUBSCRIPTIONS}/s{query}"


def test_a_query_of_the_tests_own_comes_beside_the_calls_own() -> None:
    plans = sent(lambda it: it.list_available_plans("s", plan="p", query={"planId": "q", "x": "1"}))
    page = sent(lambda it: it.list_subscriptions(continuation="c", query={"continuationToken": "d"}))

    assert plans.url.endswith("?planId=q&x=1&api-version=2018-08-31")
    assert page.url.endswith("?continuationToken=d&api-version=2018-08-31")


@pytest.mark.parametrize(
    ("faults", "body"),
    [({"json": []}, b"[]"), ({"json": None}, b"null"), ({"content": b"{"}, b"{"), ({"content": b""}, b"")],
)
def test_the_body_can_be_faulty(faults: dict[str, Any], body: bytes) -> None:
    calls: list[Call] = [
        lambda it: it.activate("s", plan="p", **faults),
        lambda it: it.change_plan("s", "p", **faults),
        lambda it: it.change_quantity("s", 3, **faults),
        lambda it: it.update_operation("s", "o", "Success", **faults),
        lambda it: it.resolve("t", **faults),
    ]
    for call in calls:
        assert sent(call).request_body == body


def test_another_publisher_calls_the_same_api_with_its_own_token() -> None:
    script = Scripted()
    other = client(script).as_("theirs")
    other.get_subscription("s")

    assert (script.last.url, headers(script.last)["authorization"]) == (f"{SUBSCRIPTIONS}/s{VERSION}", "Bearer theirs")
    assert (other.access_token(), client(script).access_token()) == ("theirs", "own")


def test_what_is_left_to_the_call_is_called_default() -> None:
    assert repr(DEFAULT) == "DEFAULT"


# --- answers ---


def answered(body: Any = b"", status: int = 200, **fields: str) -> Exchange:
    script = Scripted(lambda exchange: reply(exchange, status, body, **fields))
    return script.send("GET", BASE)


def test_a_resolved_token_shows_the_subscription_inside() -> None:
    answer = ResolveAnswer(answered({"id": "s", "subscription": {"planId": "gold", "saasSubscriptionStatus": "x"}}))

    assert answer.subscription.plan.value == "gold"
    assert answer.subscription.status.value == "x"
    assert answer.subscription.quantity.absent
    assert answer.subscription.status_code == 200
    assert answer.subscription.exchange is answer.exchange
    assert ResolveAnswer(answered({"planId": "gold"})).subscription.plan.absent


def test_a_page_has_entries_and_perhaps_a_link_to_the_next() -> None:
    page = ListAnswer(answered({"subscriptions": [{"id": "a"}, {"id": "b"}], "@nextLink": "https://next"}))

    assert [entry["id"].value for entry in page.entries] == ["a", "b"]
    assert page.next_link == "https://next"


@pytest.mark.parametrize("body", [b"", b"{}", {"subscriptions": {}}, {"@nextLink": ""}, {"@nextLink": None}, [1]])
def test_the_last_page_has_no_link(body: Any) -> None:
    page = ListAnswer(answered(body))

    assert (page.entries, page.next_link) == ([], None)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"operations": [{"id": "a"}]}, ["a"]),
        ([{"id": "b"}, {"id": "c"}], ["b", "c"]),
        ({"operations": []}, []),
        (b"", []),
    ],
)
def test_operations_are_listed_in_an_object_or_bare(body: Any, ids: list[str]) -> None:
    assert [entry["id"].value for entry in OperationListAnswer(answered(body)).entries] == ids


@pytest.mark.parametrize(
    ("location", "operation_id"),
    [
        (f"{SUBSCRIPTIONS}/s/operations/o?api-version=2018-08-31", "o"),
        (f"{SUBSCRIPTIONS}/s/operations/o/", "o"),
        (f"{SUBSCRIPTIONS}/s/operations/o?x=/a/b?c", "o"),
        ("o", "o"),
        ("", None),
    ],
)
def test_an_accepted_call_names_its_operation(location: str, operation_id: str | None) -> None:
    answer = AcceptedAnswer(answered(status=202, operation_location=location))

    assert answer.operation_location == location
    assert answer.operation_id == operation_id


def test_an_answer_without_a_location_names_no_operation() -> None:
    answer = AcceptedAnswer(answered(status=202))

    assert (answer.operation_location, answer.operation_id) == (None, None)


def test_each_call_has_its_kind_of_answer() -> None:
    it = client(Scripted())

    kinds = [type(call(it)).__name__ for _, call, *_ in CALLS]

    assert kinds == [
        *("ResolveAnswer", "Answer", "Answer", "Answer", "Answer", "ListAnswer", "SubscriptionAnswer", "Answer"),
        *("AcceptedAnswer", "AcceptedAnswer", "AcceptedAnswer", "AcceptedAnswer"),
        *("OperationListAnswer", "OperationAnswer", "Answer", "Answer"),
    ]


# --- put off ---


def put_off(times: int, retry_after: str) -> tuple[Scripted, list[float], FulfillmentClient]:
    """Return what answers 429 so many times before it answers, the waits, and a client of it."""
    script, waited = Scripted(), list[float]()

    def answer(exchange: Exchange) -> None:
        if len(script.sent) <= times:
            reply(exchange, 429, **{"Retry-After": retry_after})

    script.answer = answer
    return script, waited, FulfillmentClient(BASE, http=script.http, access_token=lambda: "own", sleep=waited.append)


def test_a_call_that_was_put_off_is_sent_again() -> None:
    script, waited, it = put_off(2, "2")

    assert it.change_plan("s", "gold").status_code == 200
    assert (waited, len(script.sent)) == ([2.0, 2.0], 3)
    assert [each.purpose for each in script.sent] == ["change plan", *["change plan, again after 429"] * 2]
    assert len({each.request_body for each in script.sent}) == 1


@pytest.mark.parametrize("retry_after", ["11", "soon", "-1", "99999"])
def test_whoever_asks_for_long_or_for_nothing_is_not_waited_for(retry_after: str) -> None:
    script, waited, it = put_off(1, retry_after)

    assert it.get_subscription("s").status_code == 429
    assert (waited, len(script.sent)) == ([], 1)


def test_not_all_calls_are_waited_for_without_end() -> None:
    _, waited, it = put_off(1_000, "10")
    for _ in range(20):
        assert it.get_subscription("s").status_code == 429

    assert sum(waited) == HOLDS
