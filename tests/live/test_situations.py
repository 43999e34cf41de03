import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.live.account import DOOMED, FLAT, PENDING, SEATS, TOKEN, Account, account

from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.live.guard import NO_TOKEN, Forbidden
from fulfillment_conformance.live.opening import LiveService
from fulfillment_conformance.live.situations import FoundSituations
from fulfillment_conformance.redaction import Redactor


@contextmanager
def found(acc: Account, **changes: Any) -> Iterator[FoundSituations]:
    with acc.service() as service:
        yield situations(service, **changes)


def situations(service: LiveService, **changes: Any) -> FoundSituations:
    return FoundSituations(
        service.driver, service.client, service.http, service.section, service.undo, redactor=Redactor(), **changes
    )


def test_what_a_test_asks_for_is_looked_up_once_each(acc: Account) -> None:
    with found(acc) as there, there.during_test():
        first, second = there.subscribed(), there.subscribed()
        seats = there.subscribed("per-seat")

        assert [first.id, second.id, seats.id] == [FLAT, DOOMED, SEATS]
        assert (first.plan, first.quantity, first.offer.offer_id) == ("silver", None, "contoso-crm-preview")
        assert (seats.plan, seats.quantity, seats.plan_info.max_quantity) == ("team", 10, 100)
        assert there.other_plan(first).plan_id == "gold"
        with pytest.raises(MissingCapability, match="another flat subscription that is Subscribed is not listed"):
            there.subscribed()


def test_the_next_test_gets_them_again(acc: Account) -> None:
    with found(acc) as there:
        for _ in range(2):
            with there.during_test():
                assert there.subscribed().id == FLAT


def test_those_come_first_that_allow_what_the_test_is_about(acc: Account) -> None:
    with found(acc) as there:
        for claims, wanted in ((["DEL-001"], DOOMED), (["CHP-001"], SEATS), (["GET-001"], SEATS)):
            with there.during_test(claims):
                assert there.subscribed(None).id == wanted


def test_a_purchase_waits_for_activation_and_has_its_token(acc: Account) -> None:
    with found(acc) as there, there.during_test():
        purchase = there.buy()

        assert (purchase.id, purchase.token) == (PENDING, TOKEN)
        assert there.manage_token(purchase) == TOKEN
        assert there.client.resolve(purchase.token)["id"].value == PENDING
        with pytest.raises(MissingCapability, match="older than 24 hours"):
            there.manage_token(purchase, expired=True)


def test_without_a_fresh_token_nothing_is_resolved(acc: Account) -> None:
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    with found(acc, clock=lambda: tomorrow) as there, there.during_test():
        purchase = there.buy()

        assert purchase.token == f"{NO_TOKEN}{PENDING}"
        with pytest.raises(Forbidden, match="younger than 24 hours"):
            there.client.resolve(purchase.token)
        assert there.manage_token(purchase, expired=True) == TOKEN


def change_and_fail(there: FoundSituations) -> None:
    with there.during_test():
        there.change_plan(there.subscribed(), "gold")
        raise ZeroDivisionError


def test_what_was_changed_is_put_back_after_the_test(acc: Account) -> None:
    with found(acc) as there:
        with pytest.raises(ZeroDivisionError):
            change_and_fail(there)

        assert acc.state()[FLAT][0] == "silver"
    assert "gold" in {json.loads(each.request_body).get("planId") for each in acc.arrived if each.method == "PATCH"}


def change_for_good(there: FoundSituations, acc: Account) -> None:
    with there.during_test():
        there.change_plan(there.subscribed(), "gold")
        acc.emulator.faults.add(Answers(403, {}), call="change_subscription")


def test_what_could_not_be_put_back_is_told_at_once(acc: Account) -> None:
    with found(acc) as there, pytest.raises(EnvironmentUnavailable, match="run restore when that has changed"):
        change_for_good(there, acc)


def test_whoever_watches_for_signs_of_life_hears_what_is_lent(acc: Account) -> None:
    heard: list[tuple[str, str]] = []
    with found(acc) as there, there.during_test():
        there.on_purchase = lambda identity, offer: heard.append((identity, offer.offer_id))
        there.buy()

    assert heard == [(PENDING, "contoso-crm-preview")]


@pytest.mark.parametrize(
    ("asks", "capability", "said"),
    [
        (lambda there: there.suspended(), "purchases", "flat subscription that is Suspended is not listed"),
        (lambda there: there.unsubscribed(), "purchases", "that is Unsubscribed is not listed"),
        (lambda there: there.in_status("Suspended"), "purchases", "buy one in the portal"),
        (lambda there: there.buy("per-seat"), "purchases", "per-seat subscription that is PendingFulfillmentStart"),
        (lambda there: there.buy(channel="csp"), "csp", "channel=csp cannot be looked up"),
        (lambda there: there.buy(free_trial=True), "free-trial", "free_trial=True"),
        (lambda there: there.buy(term_unit="P1Y"), "purchases", "term_unit=P1Y"),
        (lambda there: there.subscribed("per-seat", quantity=77), "purchases", "with 77 seats is not listed"),
        (lambda there: there.takes_any_call(), "generated-calls", "are not sent to the live service"),
        (lambda there: there.pass_time(days=1), "clock", "capability 'clock' is missing"),
        (lambda there: there.event(there.subscribed(), "Renew"), "events", "capability 'events' is missing"),
    ],
)
def test_what_is_not_there_is_named(acc: Account, asks: Any, capability: str, said: str) -> None:
    with found(acc) as there, there.during_test(), pytest.raises(MissingCapability, match=said) as missing:
        asks(there)

    assert missing.value.capability == capability


def test_any_purchase_will_do_where_its_state_does_not_matter(tmp_path: Path) -> None:
    only = {"subscriptions": [{"id": PENDING, "offer": "contoso-crm-preview", "plan": "gold"}]}
    with account(tmp_path, only) as acc, found(acc) as there, there.during_test():
        assert there.any_purchase().id == PENDING
    with account(tmp_path) as acc, found(acc) as there, there.during_test():
        assert there.any_purchase().id == FLAT
        assert there.any_purchase("per-seat").id == SEATS
    with (
        account(tmp_path, {"subscriptions": [], "purchase_tokens": []}) as acc,
        found(acc) as there,
        pytest.raises(MissingCapability, match="no flat subscription is listed that could be read"),
    ):
        there.any_purchase()


def test_waiting_is_bounded_and_grows_slower(acc: Account) -> None:
    pauses: list[float] = []
    with found(acc, wait=pauses.append) as there, there.during_test():
        subscribed = there.subscribed()
        answer = there.wait(lambda: there.client.get_subscription(subscribed.id), lambda _got: len(pauses) == 10)

    assert answer.status.value == "Subscribed"
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15.0
