"""Tests of what can come next in a story, and how often it is chosen."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, cast

import pytest
from tests.scripted import Scripted

from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.situations import Purchase, Situations
from fulfillment_conformance.backend.stories import Story, Subject
from fulfillment_conformance.backend.story_menu import SPANS, possible_steps, purchase
from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import OfferInfo, PlanInfo
from fulfillment_conformance.lifecycle_model import Step, View
from fulfillment_conformance.redaction import Redactor

PENDING, ACTIVE, SUSPENDED, CANCELLED = "PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"

SILVER, GOLD = (PlanInfo(plan_id=name, term_units=("P1M",)) for name in ("silver", "gold"))
TEAM = PlanInfo(plan_id="team", term_units=("P1M",), is_price_per_seat=True, min_quantity=5, max_quantity=20)
OPEN = PlanInfo(plan_id="open", term_units=("P1M",), is_price_per_seat=True)
SMALL = PlanInfo(plan_id="small", term_units=("P1M",), is_price_per_seat=True, max_quantity=3)
LARGE = PlanInfo(plan_id="large", term_units=("P1M",), is_price_per_seat=True, min_quantity=50)
CRM = OfferInfo(offer_id="crm", publisher_id="contoso", plans=(SILVER, GOLD))
SEATS = OfferInfo(offer_id="seats", publisher_id="contoso", plans=(TEAM, OPEN, SMALL, LARGE))


class Selling(BareDriver):
    """Sells what it is told to, and can do what it is told that it can."""

    def __init__(self, offers: Sequence[OfferInfo], capabilities: frozenset[str]) -> None:
        self._offers = offers
        self._capabilities = capabilities

    @property
    def capabilities(self) -> frozenset[str]:
        return self._capabilities

    def offers(self) -> Sequence[OfferInfo]:
        return self._offers


def situations(*offers: OfferInfo, can: frozenset[str] = frozenset({"events", "auto-renew"})) -> Situations:
    client = FulfillmentClient("https://m", http=Scripted().http, access_token=lambda: "t")
    return Situations(Selling(offers or (CRM, SEATS), can), client, redactor=Redactor())


class Standing:
    """A story that has come to where a test wants it."""

    def __init__(self, *, can_wait: bool = True, **views: View) -> None:
        self.can_wait = can_wait
        self.views = views
        self.subjects = {name: self.subject(view) for name, view in views.items()}

    @classmethod
    def of(cls, subscriptions: int) -> "Standing":
        standing = cls()
        standing.views = dict.fromkeys("ABC"[:subscriptions], view())
        standing.subjects = {name: cls.subject(each) for name, each in standing.views.items()}
        return standing

    @staticmethod
    def subject(view: View) -> Subject:
        offer = CRM if view.quantity is None else SEATS
        bought = next(plan for plan in offer.plans if plan.plan_id == view.plan)
        return Subject(Purchase(id="s", token="t", offer=offer, plan_info=bought, quantity=view.quantity))

    def view(self, name: str) -> View:
        return self.views[name]

    def next_name(self) -> str:
        return "ABCDE"[len(self.subjects)]

    @property
    def story(self) -> Story:
        return cast("Story", self)


def view(
    status: str = ACTIVE, plan: str = "silver", quantity: int | None = None, pending: tuple[str, ...] = ()
) -> View:
    return View(status, plan, quantity, date(2026, 1, 1), date(2026, 1, 31), {}, pending)


def menu(standing: Standing, at: Situations | None = None) -> Counter[Step]:
    return Counter(possible_steps(standing.story, at or situations()))


def about(standing: Standing, at: Situations | None = None, **words: Any) -> dict[Any, int]:
    """Return how often the steps that have these words are on the menu."""
    found = {
        step: count
        for step, count in menu(standing, at).items()
        if all(getattr(step, name) == value for name, value in words.items())
    }
    return {(step.plan or step.quantity or step.word, step.answer): count for step, count in found.items()}


def worth(standing: Standing, **words: Any) -> int:
    return sum(about(standing, **words).values())


# --- purchases ---


def test_a_purchase_takes_another_plan_each_time() -> None:
    bought = [purchase(Standing.of(count).story, situations(), per_seat=False) for count in range(3)]

    assert bought == [
        Step(do="buy", of="A", offer="crm", plan="silver"),
        Step(do="buy", of="B", offer="crm", plan="gold"),
        Step(do="buy", of="C", offer="crm", plan="silver"),
    ]


@pytest.mark.parametrize(("plan", "seats"), [(TEAM, 10), (OPEN, 10), (SMALL, 3), (LARGE, 50)])
def test_ten_seats_are_bought_where_the_plan_allows_them(plan: PlanInfo, seats: int) -> None:
    offer = OfferInfo(offer_id="seats", publisher_id="contoso", plans=(plan,))

    assert purchase(Standing().story, situations(offer), per_seat=True) == Step(
        do="buy", of="A", offer="seats", plan=plan.plan_id, quantity=seats
    )


def test_where_no_plan_is_of_a_kind_another_one_is_bought() -> None:
    assert purchase(Standing().story, situations(CRM), per_seat=True).plan == "silver"
    assert purchase(Standing().story, situations(SEATS), per_seat=False).quantity == 10


@pytest.mark.parametrize(("subscriptions", "purchases"), [(0, 2), (1, 2), (2, 2), (3, 0)])
def test_three_subscriptions_are_enough(subscriptions: int, purchases: int) -> None:
    standing = Standing.of(subscriptions)

    found = [step for step in possible_steps(standing.story, situations()) if step.do == "buy"]

    assert len(found) == purchases
    assert {step.quantity is None for step in found} == ({True, False} if purchases else set())


# --- waiting ---


def test_time_passes_in_spans_that_come_near_no_limit() -> None:
    waits = {step.seconds: count for step, count in menu(Standing()).items() if step.do == "wait"}

    assert waits == {6.0: 2, 1200.0: 1, 777_600.0: 1}
    assert sum(SPANS[:1]) < 10 < sum(SPANS[:2])
    assert not about(Standing(can_wait=False), do="wait")


# --- one subscription ---


@pytest.mark.parametrize(("status", "weight"), [(PENDING, 6), (ACTIVE, 1), (SUSPENDED, 1), (CANCELLED, 3)])
def test_activation_is_worth_most_where_it_is_due(status: str, weight: int) -> None:
    assert worth(Standing(A=view(status)), do="activate") == weight


@pytest.mark.parametrize(("status", "weight"), [(PENDING, 1), (ACTIVE, 3), (SUSPENDED, 1), (CANCELLED, 1)])
def test_a_change_to_another_plan_is_worth_most_while_active(status: str, weight: int) -> None:
    assert about(Standing(A=view(status)), do="change plan") == {
        ("gold", None): weight,
        ("silver", None): 1,
        ("a-plan-that-nobody-made", None): 1,
    }


def test_the_other_plan_is_another_one_of_the_same_offer() -> None:
    assert ("silver", None) in about(Standing(A=view(plan="gold")), do="change plan")
    assert about(Standing(A=view(plan="gold")), do="change plan")["silver", None] == 3
    assert about(Standing(A=view(plan="team", quantity=10)), do="change plan")["open", None] == 3


def test_a_plan_without_a_sibling_is_not_changed() -> None:
    alone = situations(OfferInfo(offer_id="crm", publisher_id="contoso", plans=(SILVER,)))
    standing = Standing(A=view())

    assert about(standing, alone, do="change plan") == {}
    assert about(standing, alone, word="ChangePlan") == {}


@pytest.mark.parametrize(
    ("plan", "present", "seats"),
    [
        ("team", 10, {11, 9, 10, 21, 4}),
        ("team", 20, {19, 20, 21, 4}),
        ("team", 5, {6, 5, 21, 4}),
        ("open", 10, {11, 9, 10, None}),
        ("open", 1, {2, 1, None}),
        ("small", 3, {2, 3, 4, None}),
    ],
)
def test_seats_are_changed_to_and_beyond_the_limits(plan: str, present: int, seats: set[int | None]) -> None:
    standing = Standing(A=view(plan=plan, quantity=present))

    # a minimum of one leads to a wish for no seats, which reads as none here
    assert {wish for wish, _ in about(standing, do="change seats")} == seats


@pytest.mark.parametrize(("status", "weight"), [(ACTIVE, 4), (SUSPENDED, 2)])
def test_each_number_of_seats_is_worth_as_much(status: str, weight: int) -> None:
    standing = Standing(A=view(status, plan="team", quantity=10))

    assert set(about(standing, do="change seats").values()) == {weight}


def test_a_wish_for_no_seats_at_all_is_on_the_menu() -> None:
    steps = possible_steps(Standing(A=view(plan="open", quantity=10)).story, situations())

    assert [step.quantity for step in steps if step.do == "change seats" and not step.quantity] == [0] * 4


def test_a_flat_plan_has_no_seats_to_change() -> None:
    assert about(Standing(A=view()), do="change seats") == {}
    assert about(Standing(A=view()), word="ChangeQuantity") == {}


def test_the_limits_are_those_of_the_plan_that_it_has_now() -> None:
    standing = Standing(A=view(plan="team", quantity=10))
    standing.views["A"] = view(plan="small", quantity=3)

    assert {wish for wish, _ in about(standing, do="change seats")} == {2, 3, 4, None}


def test_a_plan_that_is_not_known_has_the_limits_of_the_purchased_one() -> None:
    standing = Standing(A=view(plan="team", quantity=20))
    standing.views["A"] = view(plan="negotiated", quantity=20)

    assert {wish for wish, _ in about(standing, do="change seats")} == {19, 20, 21, 4}


def test_a_subscription_can_be_cancelled_at_any_time() -> None:
    assert [worth(Standing(A=view(status)), do="cancel") for status in (PENDING, ACTIVE, CANCELLED)] == [1, 1, 1]


@pytest.mark.parametrize(("pending", "weight"), [((), 1), (("A1",), 4)])
def test_the_publishers_word_is_worth_more_while_something_waits_for_it(pending: tuple[str, ...], weight: int) -> None:
    standing = Standing(A=view(pending=pending))
    assert about(standing, do="settle") == {}
    standing.subjects["A"].operations["A1"] = "o"

    assert about(standing, do="settle") == {("Success", None): weight, ("Failure", None): weight}


@pytest.mark.parametrize(
    ("status", "weights"),
    [
        (PENDING, {"Suspend": 1, "Renew": 1, "Reinstate": 1, "Unsubscribe": 1}),
        (ACTIVE, {"Suspend": 3, "Renew": 3, "Reinstate": 1, "Unsubscribe": 1}),
        (SUSPENDED, {"Suspend": 1, "Renew": 1, "Reinstate": 4, "Unsubscribe": 1}),
        (CANCELLED, {"Reinstate": 1}),
    ],
)
def test_events_are_worth_most_where_they_belong(status: str, weights: dict[str, int]) -> None:
    standing = Standing(A=view(status))

    assert {
        word: count
        for word in ("Suspend", "Renew", "Reinstate", "Unsubscribe")
        if (count := worth(standing, do="event", word=word))
    } == weights


@pytest.mark.parametrize(("can_wait", "answers"), [(True, [200, 400]), (False, [None])])
@pytest.mark.parametrize(("status", "weight"), [(ACTIVE, 3), (SUSPENDED, 1)])
def test_the_webhook_answers_changes_of_the_customer_where_it_is_waited_for(
    can_wait: bool, answers: list[int | None], status: str, weight: int
) -> None:
    standing = Standing(can_wait=can_wait, A=view(status, plan="team", quantity=10))

    assert about(standing, do="event", word="ChangePlan") == {("open", answer): weight for answer in answers}
    assert about(standing, do="event", word="ChangeQuantity") == {(11, answer): weight for answer in answers}


def test_the_customer_of_a_cancelled_subscription_changes_nothing() -> None:
    standing = Standing(A=view(CANCELLED, plan="team", quantity=10))

    assert about(standing, word="ChangePlan") == about(standing, word="ChangeQuantity") == {}


def test_seats_at_their_maximum_do_not_grow_by_the_customer() -> None:
    assert about(Standing(A=view(plan="team", quantity=20)), word="ChangeQuantity") == {}


@pytest.mark.parametrize(("status", "switches"), [(PENDING, 2), (ACTIVE, 2), (SUSPENDED, 2), (CANCELLED, 0)])
def test_automatic_renewal_is_switched_both_ways_until_the_end(status: str, switches: int) -> None:
    steps = [
        step
        for step in possible_steps(Standing(A=view(status)).story, situations())
        if step.do == "switch auto-renewal"
    ]

    assert len(steps) == switches
    assert {step.on for step in steps} == ({True, False} if switches else set())


@pytest.mark.parametrize(("capability", "deed"), [("events", "event"), ("auto-renew", "switch auto-renewal")])
def test_what_the_target_cannot_do_is_not_on_the_menu(capability: str, deed: str) -> None:
    without = situations(can=frozenset({"events", "auto-renew"}) - {capability})
    standing = Standing(A=view())

    assert deed in {step.do for step in menu(standing)}
    assert deed not in {step.do for step in menu(standing, without)}


def test_what_is_left_out_of_the_story_is_not_on_the_menu() -> None:
    standing = Standing(A=view(), B=view())
    standing.subjects["A"].aside = True

    assert {step.of for step in menu(standing) if step.do not in {"buy", "wait"}} == {"B"}
