"""Tests of the core as the oracle of stories: what it answers, and what it says that a target has to show."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fulfillment_conformance.drivers.base import OfferInfo, PlanInfo
from fulfillment_conformance.lifecycle_model import ACCEPTED, Oracle, Step, View, read_steps
from fulfillment_conformance.marketplace import DOCUMENTED, OBSERVED, Rules

START = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)
OFFERS = (
    OfferInfo(
        offer_id="crm",
        publisher_id="contoso",
        plans=(
            PlanInfo(plan_id="silver", term_units=("P1M",)),
            PlanInfo(plan_id="gold", term_units=("P1Y",)),
            PlanInfo(plan_id="auto", term_units=("P1M",), auto_activate=True),
            PlanInfo(plan_id="withdrawn", term_units=("P1M",), is_stop_sell=True),
            PlanInfo(plan_id="closed", term_units=("P1M",), is_private=True, audience=("nobody",)),
        ),
    ),
    OfferInfo(
        offer_id="seats",
        publisher_id="contoso",
        plans=(
            PlanInfo(plan_id="gold", term_units=(), is_price_per_seat=True, min_quantity=5, max_quantity=20),
            PlanInfo(plan_id="open", term_units=("P1M",), is_price_per_seat=True),
        ),
    ),
)


class Told:
    """An oracle that is told steps in few words."""

    def __init__(self, rules: Rules = DOCUMENTED) -> None:
        self.oracle = Oracle(OFFERS, start=START, rules=rules)

    def __call__(self, do: Any, key: str = "", *, of: str = "A", **words: Any) -> int:
        return self.oracle.play(Step(do=do, of=of, **words), key)

    def later(self, **span: float) -> View:
        self.oracle.tick(self.oracle.now + timedelta(**span))
        return self.oracle.view("A")

    @property
    def view(self) -> View:
        return self.oracle.view("A")


def active(plan: str = "silver", *, offer: str = "crm", quantity: int | None = None, rules: Rules = DOCUMENTED) -> Told:
    told = Told(rules)
    assert told("buy", offer=offer, plan=plan, quantity=quantity) == 201
    assert told("activate") == 200
    return told


# --- steps ---


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            Step(do="buy", of="A", offer="crm", plan="silver"),
            "A customer buys silver of crm: subscription A.",
        ),
        (
            Step(do="buy", of="B", offer="seats", plan="gold", quantity=7),
            "A customer buys gold of seats with 7 seats: subscription B.",
        ),
        (Step(do="activate", of="A"), "The publisher activates A."),
        (Step(do="change plan", of="A", plan="gold"), "The publisher asks for plan gold on A."),
        (Step(do="change seats", of="A", quantity=0), "The publisher asks for 0 seats on A."),
        (Step(do="cancel", of="A"), "The publisher cancels A."),
        (
            Step(do="settle", of="A", word="Failure"),
            "The publisher reports Failure of the latest operation of A.",
        ),
        (
            Step(do="event", of="A", word="ChangePlan", plan="gold"),
            "The customer of A asks for plan gold at the marketplace.",
        ),
        (
            Step(do="event", of="A", word="ChangeQuantity", quantity=9, answer=400),
            "The customer of A asks for 9 seats at the marketplace; the webhook answers 400.",
        ),
        (Step(do="event", of="A", word="Suspend"), "The payment for A is missing (Suspend)."),
        (Step(do="event", of="A", word="Reinstate"), "The payment for A arrives (Reinstate)."),
        (Step(do="event", of="A", word="Renew"), "The term of A is renewed (Renew)."),
        (
            Step(do="event", of="A", word="Unsubscribe"),
            "The customer of A cancels at the marketplace (Unsubscribe).",
        ),
        (
            Step(do="switch auto-renewal", of="A", on=True),
            "The customer switches automatic renewal of A on.",
        ),
        (
            Step(do="switch auto-renewal", of="A", on=False),
            "The customer switches automatic renewal of A off.",
        ),
        (Step(do="wait", seconds=1200.0), "0:20:00 pass."),
        (Step(do="wait"), "0:00:00 pass."),
    ],
)
def test_a_step_is_a_sentence(step: Step, sentence: str) -> None:
    assert step.words == sentence


@pytest.mark.parametrize(
    ("step", "data"),
    [
        (Step(do="wait", seconds=6.0), {"do": "wait", "seconds": 6.0}),
        (
            Step(do="switch auto-renewal", of="A", on=False),
            {"do": "switch auto-renewal", "of": "A", "on": False},
        ),
        (
            Step(do="change seats", of="A", quantity=0),
            {"do": "change seats", "of": "A", "quantity": 0},
        ),
        (
            Step(do="event", of="B", word="ChangePlan", plan="gold", answer=400),
            {"do": "event", "of": "B", "plan": "gold", "word": "ChangePlan", "answer": 400},
        ),
    ],
)
def test_a_step_is_written_without_what_says_nothing_and_read_again(step: Step, data: Mapping[str, Any]) -> None:
    assert step.to_json() == data
    assert read_steps([step.to_json(), data]) == [step, step]


def test_a_step_with_an_unknown_word_is_not_read() -> None:
    with pytest.raises(TypeError):
        read_steps([{"do": "wait", "minutes": 3}])


# --- a purchase, and its activation ---


def test_a_purchase_shows_what_was_bought_and_no_term() -> None:
    told = Told()

    assert told("buy", offer="seats", plan="gold", quantity=7) == 201
    assert told.view == View("PendingFulfillmentStart", "gold", 7, None, None, {}, ())


def test_plans_of_the_same_name_are_told_apart_by_their_offer() -> None:
    told = Told()
    told("buy", offer="crm", plan="gold")
    told("buy", of="B", offer="seats", plan="gold", quantity=5)
    told("activate", of="A")
    told("activate", of="B")

    assert told.oracle.view("A") == View(
        "Subscribed", "gold", None, date(2026, 1, 10), date(2027, 1, 9), {}, ()
    )  # a year, as the plan has it
    assert told.oracle.view("B") == View("Subscribed", "gold", 5, date(2026, 1, 10), date(2026, 2, 9), {}, ())


def test_a_plan_with_automatic_activation_is_active_at_once() -> None:
    told = Told()
    told("buy", offer="crm", plan="auto")

    assert told.view.status == "Subscribed"


@pytest.mark.parametrize(
    ("offer", "plan", "quantity"),
    [
        ("crm", "withdrawn", None),
        ("crm", "closed", None),
        ("crm", "nothing", None),
        ("seats", "gold", 4),
        ("seats", "gold", 21),
        ("seats", "open", 0),
    ],
)
def test_what_is_not_on_sale_is_not_bought(offer: str, plan: str, quantity: int | None) -> None:
    assert Told()("buy", offer=offer, plan=plan, quantity=quantity) == 400


@pytest.mark.parametrize(("plan", "quantity"), [("gold", 5), ("gold", 20), ("open", 1), ("open", 1_000_000)])
def test_what_keeps_to_the_limits_is_bought(plan: str, quantity: int) -> None:
    told = active(plan, offer="seats", quantity=quantity)

    assert told.view.quantity == quantity


def test_activating_again_changes_nothing() -> None:
    told = active()
    before = told.view

    assert told("activate") == 200
    assert told.view == before


# --- changes ---


def test_a_change_of_the_publisher_waits_for_its_word() -> None:
    told = active()

    assert told("change plan", "A1", plan="gold") == ACCEPTED == 202
    assert told.view == View(
        "Subscribed", "silver", None, date(2026, 1, 10), date(2026, 2, 9), {"A1": "InProgress"}, ("A1",)
    )
    assert told.oracle.wanted("A1") == ("gold", None)
    assert told.oracle.is_own("A1")
    assert told("settle", word="Success") == 200
    assert (told.view.plan, told.view.operations, told.view.pending) == ("gold", {"A1": "Succeeded"}, ())


def test_a_change_that_the_publisher_does_not_want_fails() -> None:
    told = active("gold", offer="seats", quantity=10)
    told("change seats", "A1", quantity=11)
    assert told.oracle.wanted("A1") == ("gold", 11)
    told("settle", word="Failure")

    assert (told.view.quantity, told.view.operations) == (10, {"A1": "Failed"})
    assert told("settle", word="Success") == 409


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"do": "change plan", "plan": "silver"}, 400),
        ({"do": "change plan", "plan": "a-plan-that-nobody-made"}, 400),
        ({"do": "event", "word": "Reinstate"}, 409),
        ({"do": "event", "word": "ChangeQuantity", "quantity": 3}, 400),
        ({"do": "event", "word": "ChangePlan", "plan": "silver"}, 202),
        ({"do": "settle", "word": "Success"}, 409),
        ({"do": "change plan", "plan": "gold"}, 202),
    ],
)
def test_what_is_refused_begins_no_operation(words: dict[str, Any], status: int) -> None:
    told = active()
    told("change plan", "A1", plan="gold")
    told("settle", word="Failure")

    assert told(**words, key="A2") == status
    assert ("A2" in told.view.operations) == (status == ACCEPTED)


@pytest.mark.parametrize(("quantity", "status"), [(4, 400), (5, 202), (20, 202), (21, 400), (10, 400), (None, 400)])
def test_seats_have_limits(quantity: int | None, status: int) -> None:
    told = active("gold", offer="seats", quantity=10)

    assert told("change seats", "A1", quantity=quantity) == status


def test_while_a_change_is_pending_another_one_is_refused() -> None:
    told = active()
    told("change plan", "A1", plan="gold")

    assert told("change plan", "A2", plan="gold") == 409
    assert list(told.view.operations) == ["A1"]


@pytest.mark.parametrize(
    ("answer", "after", "plan"), [(200, "InProgress", "silver"), (None, "InProgress", "silver"), (400, "Failed", None)]
)
def test_the_webhook_answers_a_change_of_the_customer(answer: int | None, after: str, plan: str | None) -> None:
    told = active()

    assert told("event", "A1", word="ChangePlan", plan="gold", answer=answer) == ACCEPTED
    assert not told.oracle.is_own("A1")
    assert told.view.operations == {"A1": after}
    assert told.view.plan == "silver"
    assert told.later(seconds=11).plan == ("silver" if plan is None else "gold")


@pytest.mark.parametrize(("answer", "status"), [(399, "InProgress"), (400, "Failed")])
def test_an_answer_refuses_from_400_on(answer: int, status: str) -> None:
    told = active()
    told("event", "A1", word="ChangePlan", plan="gold", answer=answer)

    assert told.view.operations == {"A1": status}


def test_a_refusal_is_for_one_notification_of_one_subscription() -> None:
    told = active()
    told("buy", of="B", offer="crm", plan="silver")
    told("activate", of="B")
    told("event", "A1", word="ChangePlan", plan="gold", answer=400)
    told("event", "B1", of="B", word="ChangePlan", plan="gold", answer=200)
    told("event", "A2", word="ChangePlan", plan="gold", answer=200)

    assert told.oracle.view("A").operations == {"A1": "Failed", "A2": "InProgress"}
    assert told.oracle.view("B").operations == {"B1": "InProgress"}


def test_a_refusal_without_a_notification_is_not_kept_for_the_next_one() -> None:
    told = active("gold", offer="seats", quantity=10)
    assert told("event", "A1", word="ChangeQuantity", quantity=10, answer=400) == ACCEPTED
    told("event", "A2", word="ChangeQuantity", quantity=12, answer=200)

    assert told.view.operations["A2"] == "InProgress"
    assert told.later(seconds=11).quantity == 12


def test_silence_accepts_a_change_after_ten_seconds() -> None:
    told = active()
    told("event", "A1", word="ChangePlan", plan="gold")

    assert told.later(seconds=9.9).plan == "silver"
    assert told.later(seconds=0.2).plan == "gold"


# --- events, and what time leads to ---


def test_a_missing_payment_suspends_and_its_arrival_reinstates() -> None:
    told = active()

    assert told("event", "A1", word="Suspend") == ACCEPTED
    assert told.view.status == "Suspended"
    assert told("event", "A2", word="Reinstate") == ACCEPTED
    assert (told.view.status, told.view.pending) == ("Suspended", ("A2",))
    assert told("settle", word="Success") == 200
    assert (told.view.status, told.view.pending) == ("Subscribed", ())


def test_the_publishers_word_is_about_the_latest_operation_that_can_be_acknowledged() -> None:
    told = active()
    told("event", "A1", word="ChangePlan", plan="gold")
    told("event", "A2", word="Renew")

    assert told("settle", word="Success") == 200
    assert told.view.operations == {"A1": "Succeeded", "A2": "Succeeded"}
    assert told.view.plan == "gold"


def test_what_a_target_has_ended_already_is_caught_up_with() -> None:
    told = active()
    told("event", "A1", word="Suspend")
    told("event", "A2", word="Reinstate")
    told.oracle.catch_up("A2")

    assert (told.view.status, told.view.operations["A2"]) == ("Subscribed", "Succeeded")


def test_thirty_days_without_payment_end_a_subscription() -> None:
    told = active()
    told("event", "A1", word="Suspend")

    assert told.later(days=29).status == "Suspended"
    assert told.later(days=2).status == "Unsubscribed"


def test_a_term_is_followed_by_the_next_unless_renewal_is_switched_off() -> None:
    renewed, ended = active(), active()
    assert ended("switch auto-renewal", on=False) == 204

    assert ended.view.status == "Subscribed"
    assert renewed.later(days=31).first_day == date(2026, 2, 10)
    assert ended.later(days=31).status == "Unsubscribed"


def test_renewal_can_be_switched_on_again() -> None:
    told = active()
    told("switch auto-renewal", on=False)
    told("switch auto-renewal", on=True)

    assert told.later(days=31).status == "Subscribed"


def test_a_renewal_begins_the_next_term() -> None:
    told = active()

    assert told("event", "A1", word="Renew") == ACCEPTED
    assert (told.view.first_day, told.view.operations) == (date(2026, 2, 10), {"A1": "Succeeded"})


@pytest.mark.parametrize("by_publisher", [True, False])
def test_a_cancellation_is_final(by_publisher: bool) -> None:
    told = active()
    cancelled = told("cancel", "A1") if by_publisher else told("event", "A1", word="Unsubscribe")

    assert cancelled == ACCEPTED
    assert told.view.status == "Unsubscribed"
    assert told("cancel", "A2") == 200
    assert list(told.view.operations) == ["A1"]
    assert told("activate") == 404


def test_time_moves_by_ticks_and_never_back() -> None:
    told = active()
    told.oracle.tick(START + timedelta(hours=2))
    told.oracle.tick(START + timedelta(hours=1))

    assert told.oracle.now == START + timedelta(hours=2)


def test_what_is_due_at_the_very_moment_has_happened() -> None:
    told = active(rules=replace(DOCUMENTED, acceptance_window=timedelta(seconds=10)))
    told("event", "A1", word="ChangePlan", plan="gold")
    told.oracle.tick(START + timedelta(seconds=10))

    assert told.view.operations == {"A1": "Succeeded"}


def test_each_profile_has_its_own_oracle() -> None:
    documented, observed = active(), active(rules=OBSERVED)
    for told in (documented, observed):
        told("event", "A1", word="Suspend")
        told("event", "A2", word="Reinstate")

    assert (documented.view.status, observed.view.status) == ("Suspended", "Subscribed")


def test_subscriptions_show_their_own_operations_only() -> None:
    told = active()
    told("buy", of="B", offer="crm", plan="silver")
    told("activate", of="B")
    told("change plan", "B1", of="B", plan="gold")

    assert told.oracle.view("A").operations == {}
    assert told.oracle.view("A").pending == ()
    assert told.oracle.view("B").pending == ("B1",)
