"""What counts as a sign of life of an API, and what does not."""

import json
from typing import Any

import pytest

from fulfillment_conformance.backend.signs import NOTIFICATIONS, MarketplaceSigns
from fulfillment_conformance.drivers.base import OfferInfo, PlanInfo
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import Life

BASE = "http://127.0.0.1:1/api"
BOUGHT = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OTHER = "529f53e1-c04f-47d6-8d48-6f2a8f8b9f1c"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
OFFER = OfferInfo(offer_id="contoso-crm", publisher_id="contoso", plans=(PlanInfo(plan_id="silver", term_units=()),))


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def signs(life: Life) -> MarketplaceSigns:
    signs = MarketplaceSigns(BASE, life)
    signs.bought(BOUGHT, OFFER)
    return signs


def call(
    method: str, path: str, answer: Any = None, *, sent: Any = None, status: int = 200, location: str = ""
) -> Exchange:
    return Exchange(
        sender="suite",
        receiver="marketplace",
        method=method,
        url=f"{BASE}/saas/subscriptions{path}?api-version=2018-08-31",
        request_body=b"" if sent is None else json.dumps(sent).encode(),
        status=status,
        response_headers=(("Operation-Location", location),) if location else (),
        response_body=b"" if answer is None else json.dumps(answer).encode(),
    )


def shown(status: str, subscription_id: str = BOUGHT) -> Exchange:
    body = {"id": subscription_id, "planId": "silver", "saasSubscriptionStatus": status}
    return call("GET", f"/{subscription_id}", body)


def operation(status: str = "InProgress") -> Exchange:
    return call("GET", f"/{BOUGHT}/operations/{OPERATION}", {"id": OPERATION, "status": status})


LOCATION = f"{BASE}/saas/subscriptions/{BOUGHT}/operations/{OPERATION}?api-version=2018-08-31"
SEEN = shown("PendingFulfillmentStart")
GENUINE = {
    "resolve": [call("POST", "/resolve", {"id": BOUGHT})],
    "list subscriptions": [call("GET", "", {"subscriptions": [{"id": OTHER}, {"id": BOUGHT.upper()}]})],
    "get subscription": [SEEN],
    "list available plans": [call("GET", f"/{BOUGHT}/listAvailablePlans", {"plans": [{"planId": "silver"}]})],
    "activate": [call("POST", f"/{BOUGHT}/activate"), shown("Subscribed")],
    "change plan": [call("PATCH", f"/{BOUGHT}", sent={"planId": "x"}, status=202, location=LOCATION), operation()],
    "change quantity": [call("PATCH", f"/{BOUGHT}", sent={"quantity": 2}, status=202, location=LOCATION), operation()],
    "cancel": [call("DELETE", f"/{BOUGHT}", status=202), shown("Unsubscribed")],
    "get operation": [operation()],
    "list operations": [call("GET", f"/{BOUGHT}/operations", {"operations": [{"id": OPERATION}]}), operation()],
    "update operation": [
        call("PATCH", f"/{BOUGHT}/operations/{OPERATION}", sent={"status": "Success"}),
        operation("Succeeded"),
    ],
}
SILENT = {
    "resolve": [
        call("POST", "/resolve", {}),
        call("POST", "/resolve", {"id": OTHER}),
        call("POST", "/resolve", {"id": BOUGHT}, status=404),
    ],
    "list subscriptions": [
        call("GET", "", {"subscriptions": []}),
        call("GET", "/", {"subscriptions": [{"id": OTHER}]}),
    ],
    "get subscription": [
        shown("Resting"),
        call("GET", f"/{BOUGHT}", {"id": BOUGHT}),
        call("GET", f"/{BOUGHT}", {"id": OTHER, "planId": "silver", "saasSubscriptionStatus": "Subscribed"}),
    ],
    "list available plans": [
        call("GET", f"/{BOUGHT}/listAvailablePlans", {"plans": []}),
        call("GET", f"/{BOUGHT}/listAvailablePlans", {"plans": [{"planId": "Platinum001"}, None]}),
    ],
    "activate": [call("POST", f"/{BOUGHT}/activate"), SEEN],
    "change plan": [call("PATCH", f"/{BOUGHT}", sent={"planId": "x"}, status=202, location=LOCATION)],
    "change quantity": [call("PATCH", f"/{BOUGHT}", sent={"quantity": 2}, status=202), operation()],
    "cancel": [call("DELETE", f"/{BOUGHT}", status=202), SEEN],
    "get operation": [call("GET", f"/{BOUGHT}/operations/{OPERATION}", {"id": OPERATION, "status": "fine"})],
    "list operations": [call("GET", f"/{BOUGHT}/operations", {"operations": []})],
    "update operation": [call("PATCH", f"/{BOUGHT}/operations/{OPERATION}"), operation()],
}


@pytest.mark.parametrize("part", GENUINE)
def test_what_only_a_working_service_says_is_a_sign(signs: MarketplaceSigns, life: Life, part: str) -> None:
    for exchange in GENUINE[part]:
        signs(exchange)

    assert part in signs.alive()
    assert part in life.take_called()


@pytest.mark.parametrize("part", SILENT)
def test_what_anybody_can_say_is_no_sign(signs: MarketplaceSigns, life: Life, part: str) -> None:
    for exchange in SILENT[part]:
        signs(exchange)

    assert part not in signs.alive()
    assert part in life.take_called()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b'{"id": []}', b'{"subscriptions": {"id": 1}}'])
@pytest.mark.parametrize("part", GENUINE)
def test_nonsense_is_no_sign_and_no_error(signs: MarketplaceSigns, part: str, body: bytes) -> None:
    exchange = call("GET", "")
    exchange.method, exchange.url, exchange.response_body = GENUINE[part][0].method, GENUINE[part][0].url, body
    signs(exchange)

    assert signs.alive() == set()


@pytest.mark.parametrize("odd", [[1], {"a": 1}, None, 7])
def test_a_status_that_is_no_word_is_no_sign(signs: MarketplaceSigns, odd: Any) -> None:
    signs(call("GET", f"/{BOUGHT}", {"id": BOUGHT, "saasSubscriptionStatus": odd}))
    signs(call("GET", f"/{BOUGHT}/operations/{OTHER}", {"id": OTHER, "status": odd}))

    assert signs.alive() == set()


def test_what_was_never_bought_counts_once_it_has_been_shown() -> None:
    signs = MarketplaceSigns(BASE, Life())
    signs(call("POST", "/resolve", {"id": OTHER}))
    assert signs.alive() == set()

    signs(call("GET", "", {"subscriptions": [{"id": OTHER}]}))
    signs(shown("Subscribed", OTHER))
    assert signs.alive() == {"get subscription", "list subscriptions", "resolve"}


def test_a_list_of_nothing_is_a_sign_where_there_is_nothing(signs: MarketplaceSigns) -> None:
    nobody_buys = MarketplaceSigns(BASE, Life())
    for each in (nobody_buys, signs):
        each(call("GET", "", {"subscriptions": []}))

    assert nobody_buys.alive() == {"list subscriptions"}
    assert signs.alive() == set()


def test_an_empty_list_of_operations_is_a_sign_where_nothing_else_is_expected() -> None:
    signs = MarketplaceSigns(BASE, Life(), keeps_operations=False)
    signs(call("GET", f"/{BOUGHT}/operations", {}))
    assert signs.alive() == set()

    signs(call("GET", f"/{BOUGHT}/operations", {"operations": []}))
    assert signs.alive() == {"list operations"}


def test_notifications_are_a_sign_beside_an_api_that_gives_one(signs: MarketplaceSigns) -> None:
    body = json.dumps({"subscriptionId": BOUGHT}).encode()
    signs(Exchange(sender="marketplace", receiver="suite", method="POST", url="http://h/webhook", request_body=body))
    assert signs.alive() == set()

    signs(SEEN)
    assert signs.alive() == {"get subscription", NOTIFICATIONS}


@pytest.mark.parametrize("document", [{"subscriptionId": OTHER}, {}])
def test_a_notification_about_what_nobody_knows_is_no_sign(signs: MarketplaceSigns, document: dict[str, str]) -> None:
    body = json.dumps(document).encode()
    signs(Exchange(sender="marketplace", receiver="suite", method="POST", url="http://h/webhook", request_body=body))
    signs(SEEN)

    assert signs.alive() == {"get subscription"}


def test_other_addresses_and_unanswered_calls_say_nothing(signs: MarketplaceSigns, life: Life) -> None:
    elsewhere = shown("Subscribed")
    elsewhere.url = elsewhere.url.replace(BASE, "http://127.0.0.1:2/api")
    lost = shown("Subscribed")
    lost.status = None
    for exchange in (elsewhere, lost, call("PUT", f"/{BOUGHT}"), call("GET", "/a/b/c/d")):
        signs(exchange)

    assert signs.alive() == set()
    assert life.take_called() == ("get subscription", "the target")
