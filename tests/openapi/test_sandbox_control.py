"""The control protocol's description has every call of version 1."""

from typing import Any, get_args

import pytest

from fulfillment_conformance.drivers.base import CAPABILITIES, Action, Channel, TokenKind

Node = dict[str, Any]

CALLS = {
    ("get", "/control", "200"),
    ("post", "/control/reset", "204"),
    ("get", "/control/offers", "200"),
    ("post", "/control/purchases", "201"),
    ("post", "/control/subscriptions/{subscriptionId}/tokens", "201"),
    ("post", "/control/subscriptions/{subscriptionId}/events", "202"),
    ("put", "/control/subscriptions/{subscriptionId}/auto-renew", "204"),
    ("get", "/control/clock", "200"),
    ("post", "/control/clock", "200"),
    ("put", "/control/webhook", "204"),
    ("put", "/control/landing-page", "204"),
    ("get", "/control/deliveries", "200"),
    ("post", "/control/access-tokens", "201"),
    ("get", "/control/identity", "200"),
}


def operations(control: Node) -> dict[tuple[str, str], Node]:
    return {
        (method, path): definition
        for path, item in control["paths"].items()
        for method, definition in item.items()
        if method != "parameters"
    }


def test_every_call_is_there_with_its_success(control: Node) -> None:
    described = {
        (method, path, status)
        for (method, path), definition in operations(control).items()
        for status in definition["responses"]
        if status.startswith("2")
    }
    assert described == CALLS


def test_every_call_can_ask_for_the_control_key(control: Node) -> None:
    assert control["security"] == [{}, {"controlKey": []}]
    assert control["components"]["securitySchemes"]["controlKey"]["name"] == "x-control-key"
    assert all("401" in definition["responses"] for definition in operations(control).values())


def test_what_names_a_subscription_can_miss_it(control: Node) -> None:
    for (_, path), definition in operations(control).items():
        assert ("{subscriptionId}" in path) == ("404" in definition["responses"]), path


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("Capability",), CAPABILITIES),
        (("Event", "properties", "action"), get_args(Action)),
        (("Purchase", "properties", "channel"), get_args(Channel)),
        (("AccessTokenWanted", "properties", "kind"), get_args(TokenKind)),
    ],
)
def test_its_words_are_those_that_drivers_use(control: Node, place: tuple[str, ...], words: Any) -> None:
    schema = control["components"]["schemas"]
    for key in place:
        schema = schema[key]
    assert set(schema["enum"]) == set(words)


def test_capabilities_belong_to_calls_or_to_what_calls_ask_for(control: Node) -> None:
    called = {definition.get("x-capability") for definition in operations(control).values()} - {None}
    asked_for = {"expired-tokens", "foreign-publisher", "csp", "private-plans", "free-trial", "auto-activate"}
    assert called | asked_for == CAPABILITIES
    assert not called & asked_for
