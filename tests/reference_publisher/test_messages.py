from collections.abc import Callable
from typing import Any

import pytest

from fulfillment_conformance.reference_publisher.messages import (
    Event,
    Operation,
    Plan,
    Status,
    Subscription,
    Term,
    seats,
    text,
)

Document = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (4, 4),
        ("4", 4),
        (" 25", 25),
        (4.0, 4),
        (-1, -1),
        ("-1", -1),
        ("", None),
        (None, None),
        (True, None),
        (4.5, None),
        (float("inf"), None),
        ("--4", None),
        ("four", None),
        ("9" * 5000, None),
        ([4], None),
    ],
)
def test_seats_are_read_in_every_form(value: object, read: int | None) -> None:
    assert seats(value) == read


@pytest.mark.parametrize(("value", "read"), [("x", "x"), (" x ", "x"), (None, ""), (7, ""), ({}, "")])
def test_text_is_read_without_blanks(value: object, read: str) -> None:
    assert text(value) == read


@pytest.mark.parametrize("nothing", [None, [], "text", 7, {}])
def test_nothing_reads_as_nothing(nothing: object) -> None:
    assert Subscription.read(nothing) == Subscription(id="")
    assert Operation.read(nothing) == Operation(id="")
    assert Plan.read(nothing) == Plan(id="")
    assert Term.read(nothing) == Term()


def test_a_subscription_is_read(subscription: Document) -> None:
    read = Subscription.read(subscription(quantity="7", saasSubscriptionStatus=" Suspended "))

    assert read.id == "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
    assert (read.quantity, read.status) == (7, Status.SUSPENDED)
    assert read.beneficiary.tenant_id == "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"
    assert read.term == Term(start="2026-01-01T00:00:00Z", end="2026-01-31T00:00:00Z", unit="P1M")
    assert read.allows("Update")


def test_an_unknown_status_word_reads_as_unknown(subscription: Document) -> None:
    assert Subscription.read(subscription(saasSubscriptionStatus="Provisioning")).status is None


@pytest.mark.parametrize(
    ("allowed", "update"), [(["Read"], False), (["Read", "Update"], True), (None, True), ("Read", True)]
)
def test_what_is_not_said_is_allowed(subscription: Document, allowed: object, update: bool) -> None:
    assert Subscription.read(subscription(allowedCustomerOperations=allowed)).allows("Update") is update


@pytest.mark.parametrize(
    "term",
    [
        {"startDate": "0001-01-01T00:00:00", "endDate": "0001-01-01T00:00:00", "termUnit": None},
        {"startDate": None, "endDate": 5},
        "P1M",
    ],
)
def test_dates_that_are_none_read_as_none(term: object) -> None:
    assert Term.read(term) == Term()


def test_resolve_is_read_with_and_without_the_nested_subscription(subscription: Document) -> None:
    outer = {"id": "1", "subscriptionName": "n", "offerId": "o", "planId": "p", "quantity": 0}

    full = Subscription.read_resolved({**outer, "subscription": subscription(quantity=None)})
    bare = Subscription.read_resolved(outer)

    assert (full.id, full.plan_id, full.quantity, full.status) == (subscription()["id"], "silver", 0, Status.SUBSCRIBED)
    assert (bare.id, bare.name, bare.offer_id, bare.plan_id) == ("1", "n", "o", "p")


@pytest.mark.parametrize(
    ("status", "ended", "succeeded"),
    [
        ("NotStarted", False, False),
        ("InProgress", False, False),
        ("", False, False),
        ("Succeeded", True, True),
        ("Failed", True, False),
        ("Conflict", True, False),
    ],
)
def test_an_operation_has_ended_when_it_has_an_outcome(status: str, ended: bool, succeeded: bool) -> None:
    operation = Operation(id="1", status=status)

    assert (operation.ended, operation.succeeded) == (ended, succeeded)


@pytest.mark.parametrize(
    ("operation", "shown"),
    [
        (Operation(id="1", action="ChangePlan", plan_id="silver"), True),
        (Operation(id="1", action="ChangePlan", plan_id="gold"), False),
        (Operation(id="1", action="ChangeQuantity", quantity=5), True),
        (Operation(id="1", action="ChangeQuantity", quantity=6), False),
        (Operation(id="1", action="Reinstate"), True),
    ],
)
def test_a_subscription_shows_what_has_been_changed(operation: Operation, shown: bool) -> None:
    assert operation.shown_by(Subscription(id="1", plan_id="silver", quantity=5)) is shown


def test_an_event_needs_its_ids_and_its_action() -> None:
    full: dict[str, Any] = {
        "id": "1",
        "subscriptionId": "2",
        "action": "Renew",
        "planId": None,
        "quantity": " 3",
        "extra": {},
    }

    assert Event.read(full) == Event(operation_id="1", subscription_id="2", action="Renew", quantity=3)
    with pytest.raises(ValueError, match="lacks id, action"):
        Event.read({"subscriptionId": "2", "id": 5, "action": ""})


def test_seat_limits_are_those_of_plans_priced_per_seat() -> None:
    limits = {"planId": "p", "displayName": "P", "minQuantity": 1, "maxQuantity": "9"}

    assert Plan.read({**limits, "isPricePerSeat": True}) == Plan(id="p", name="P", per_seat=True, minimum=1, maximum=9)
    assert Plan.read(limits) == Plan(id="p", name="P")
