"""Tests of the situations that tests are put in: how each is arranged, waited for, or refused with a reason."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.answers import OperationAnswer, SubscriptionAnswer
from fulfillment_conformance.backend import situations as module
from fulfillment_conformance.backend.client import AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.backend.patience import Patience
from fulfillment_conformance.backend.situations import FINAL, Change, Purchase, Situations
from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import CAPABILITIES, Action, Bought, OfferInfo, PlanInfo
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Beside, CannotArrange, Interruption, MissingCapability, Precondition
from fulfillment_conformance.redaction import Redactor

MONTHLY = ("P1M",)
SILVER, GOLD = PlanInfo(plan_id="silver", term_units=MONTHLY), PlanInfo(plan_id="gold", term_units=MONTHLY)
TEAM = PlanInfo(plan_id="team", term_units=MONTHLY, is_price_per_seat=True, min_quantity=5, max_quantity=20)
OPEN = PlanInfo(plan_id="open", term_units=MONTHLY, is_price_per_seat=True)
PRIVATE = PlanInfo(plan_id="private", term_units=MONTHLY, is_private=True, audience=("customer",))
HIDDEN = PlanInfo(plan_id="hidden", term_units=MONTHLY, is_private=True, audience=("another",))
WITHDRAWN = PlanInfo(plan_id="withdrawn", term_units=MONTHLY, is_stop_sell=True)
AUTO = PlanInfo(plan_id="auto", term_units=MONTHLY, auto_activate=True)
START = datetime(2026, 1, 10, tzinfo=UTC)


def offer(*plans: PlanInfo, name: str = "crm", publisher: str = "contoso") -> OfferInfo:
    return OfferInfo(offer_id=name, publisher_id=publisher, plans=plans)


CRM, SEATS = offer(PRIVATE, AUTO, WITHDRAWN, SILVER, GOLD, HIDDEN), offer(TEAM, OPEN, name="seats")
DESK = offer(PlanInfo(plan_id="basic", term_units=MONTHLY), name="desk", publisher="fabrikam")


class Sandbox(BareDriver):
    """Notes what it is asked to arrange; its clock is moved by hand."""

    def __init__(self, offers: Sequence[OfferInfo], capabilities: frozenset[str]) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.time = START
        self.refusal: Exception | None = None
        self.called = "sandbox"
        self._offers = offers
        self.able = capabilities

    @property
    def name(self) -> str:
        return self.called

    @property
    def capabilities(self) -> frozenset[str]:
        return self.able

    def offers(self) -> Sequence[OfferInfo]:
        self.asked.append(("offers",))
        return self._offers

    def reset(self) -> None:
        self.asked.append(("reset",))

    def purchase(self, **details: Any) -> Bought:
        self.asked.append(("purchase", details))
        return Bought(subscription_id="s", token="purchase-t0ken", landing_page_url="https://isv.example/?token=x")

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> Bought:
        self.asked.append(("token", subscription_id, expired))
        return Bought(subscription_id=subscription_id, token="manage-t0ken")

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        self.asked.append((action, plan_id or quantity))
        if self.refusal is not None:
            raise self.refusal
        return f"{action}-operation"

    def now(self) -> datetime:
        return self.time

    def advance(self, span: timedelta) -> datetime:
        self.time += span
        return self.time


class World:
    """Situations on a sandbox whose API answers as a test says."""

    def __init__(self, *offers: OfferInfo, without: tuple[str, ...] = (), publisher_id: str | None = None) -> None:
        self.driver = Sandbox(offers or (CRM, SEATS), CAPABILITIES - set(without))
        self.shown: dict[str, Any] = {"saasSubscriptionStatus": "Subscribed"}
        self.operation: dict[str, Any] = {"status": "InProgress"}
        self.statuses: dict[str, int | None] = {"activate": 200, "change plan": 202, "change quantity": 202}
        self.statuses["cancel"] = 202
        self.locations: bool = True
        self.every: Callable[[Exchange], object] = lambda _exchange: None
        self.script = Scripted(self._answer)
        self.redactor = Redactor()
        client = FulfillmentClient("https://m", http=self.script.http, access_token=lambda: "t")
        self.at = Situations(self.driver, client, redactor=self.redactor, publisher_id=publisher_id)

    def _answer(self, exchange: Exchange) -> None:
        self.every(exchange)
        purpose = exchange.purpose
        body = self.operation if "operation" in purpose else self.shown if purpose == "get subscription" else b""
        headers = {"Operation_Location": "https://m/operations/o"} if self.locations else {}
        reply(exchange, self.statuses.get(purpose, 200), body, **headers)

    @property
    def calls(self) -> list[str]:
        return [exchange.purpose for exchange in self.script.sent]

    @property
    def purchase(self) -> Purchase:
        return Purchase(id="s", token="t", offer=CRM, plan_info=SILVER)

    @property
    def team(self) -> Purchase:
        return Purchase(id="s", token="t", offer=SEATS, plan_info=TEAM, quantity=10)

    def becoming(self, status: str, *, after: int) -> None:
        """Let a subscription show a status from the look on that comes after so many others."""
        looks: list[Exchange] = []

        def count(exchange: Exchange) -> None:
            if exchange.purpose == "get subscription":
                looks.append(exchange)
                if len(looks) > after:
                    self.shown["saasSubscriptionStatus"] = status

        self.every = count


class RealTime:
    """Stands for the module `time`: it passes while one sleeps, and a little with each look at it."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> RealTime:
    time = RealTime()
    monkeypatch.setattr(module, "time", time)
    return time


def ended(why: str) -> Any:
    return pytest.raises(Interruption, match=why)


# --- what is on offer ---


def test_the_offers_are_those_of_one_publisher_and_asked_for_once() -> None:
    world = World(CRM, DESK, SEATS)

    assert world.at.offers == world.at.offers == (CRM, SEATS)
    assert world.driver.asked == [("offers",)]
    assert World(CRM, DESK, publisher_id="fabrikam").at.offers == (DESK,)
    nothing = World(CRM, publisher_id="nobody")
    assert nothing.at.offers == ()


def test_a_sandbox_without_offers_sells_nothing() -> None:
    world = World(CRM)
    world.driver._offers = ()

    assert world.at.offers == ()
    with ended("no public plan is on offer"):
        world.at.a_plan()


@pytest.mark.parametrize(
    ("kind", "plans"),
    [(None, ["silver", "gold", "team", "open"]), ("flat", ["silver", "gold"]), ("per-seat", ["team", "open"])],
)
def test_plans_are_public_on_sale_and_activated_by_hand(kind: Any, plans: list[str]) -> None:
    assert [plan.plan_id for _, plan in World().at.plans(kind)] == plans


def test_a_plan_with_a_sibling_comes_first() -> None:
    alone = offer(PlanInfo(plan_id="alone", term_units=MONTHLY), name="lonely")

    assert World(alone, CRM).at.a_plan("flat") == (CRM, SILVER)
    assert World(alone).at.a_plan() == (alone, alone.plans[0])
    assert World(SEATS).at.a_plan() == (SEATS, TEAM)
    with ended("no public per-seat plan is on offer"):
        World(CRM).at.a_plan("per-seat")


def test_another_plan_is_of_the_same_offer() -> None:
    world = World()

    assert world.at.other_plan(world.purchase) is GOLD
    assert world.at.other_plan(world.team) is OPEN
    with ended("offer crm has no second public plan"):
        World(offer(SILVER, HIDDEN)).at.other_plan(world.purchase)


def test_a_plan_with_a_limit_is_the_one_with_the_highest_lower_bound() -> None:
    small = PlanInfo(plan_id="small", term_units=MONTHLY, is_price_per_seat=True, min_quantity=2)
    top = PlanInfo(plan_id="top", term_units=MONTHLY, is_price_per_seat=True, max_quantity=9)
    seats = offer(OPEN, small, TEAM, top)

    assert World(seats).at.plan_with_a_limit("min_quantity")[1] is TEAM
    assert World(seats).at.plan_with_a_limit("max_quantity")[1] is TEAM
    assert World(offer(OPEN, top)).at.plan_with_a_limit("max_quantity")[1] is top
    with ended("no per-seat plan on offer has a min_quantity"):
        World(offer(OPEN, top)).at.plan_with_a_limit("min_quantity")


def test_a_plan_that_allows_one_number_of_seats_has_no_limit_to_try() -> None:
    only = PlanInfo(plan_id="only", term_units=MONTHLY, is_price_per_seat=True, min_quantity=25, max_quantity=25)

    assert World(offer(only, TEAM)).at.plan_with_a_limit("min_quantity")[1] is TEAM
    with ended("no per-seat plan on offer has a max_quantity, and room beside it"):
        World(offer(only)).at.plan_with_a_limit("max_quantity")


def test_what_a_further_situation_lacks_is_no_gap() -> None:
    world = World(without=("events",))

    with pytest.raises(Beside, match="others stand for: the target cannot arrange it"), world.at.further():
        world.at.needs("events")
    with pytest.raises(Precondition), world.at.further():
        raise Precondition("it did not work")


def test_a_private_plan_is_for_the_customers_tenant_or_closed_to_it() -> None:
    world = World()
    world.shown = {"beneficiary": {"tenantId": "customer"}}

    assert world.at.private_plan(world.purchase, visible=True) is PRIVATE
    assert world.at.private_plan(world.purchase, visible=False) is HIDDEN
    world.shown = {"beneficiary": {"tenantId": "another"}}
    assert world.at.private_plan(world.purchase, visible=True) is HIDDEN


def test_a_private_plan_is_looked_for_in_every_offer() -> None:
    seats = PlanInfo(plan_id="p", term_units=MONTHLY, is_private=True, audience=("another",), is_price_per_seat=True)
    world = World(offer(SILVER, GOLD, PRIVATE), offer(TEAM, OPEN, seats, name="seats"))
    world.shown |= {"beneficiary": {"tenantId": "customer"}}

    assert world.at.beside_a_private_plan(visible=True)[1] is PRIVATE
    purchase, closed = world.at.beside_a_private_plan(visible=False)
    assert (purchase.plan, closed) == ("team", seats)
    with ended("no offer has both public and private plans"):
        World(offer(SILVER, GOLD), offer(OPEN, seats, name="lonely")).at.beside_a_private_plan(visible=True)
    with ended("offer seats has no private plan for its customer"):
        World(offer(TEAM, OPEN, seats, name="seats")).at.beside_a_private_plan(visible=True)


def test_plans_of_another_market_are_nothing_to_change_to() -> None:
    here, there = (PlanInfo(plan_id=name, term_units=MONTHLY, market=name.upper()) for name in ("nl", "jp"))
    world = World(offer(here, there, SILVER))
    bought = Purchase(id="s", token="t", offer=offer(here, there, SILVER), plan_info=here)

    assert world.at.siblings(bought) == [SILVER]
    assert world.at.other_plan(bought) is SILVER


@pytest.mark.parametrize(("visible", "said"), [(True, "for its customer"), (False, "closed to its customer")])
def test_a_private_plan_is_like_the_purchased_one_and_on_sale(visible: bool, said: str) -> None:
    per_seat = PlanInfo(
        plan_id="p", term_units=MONTHLY, is_private=True, audience=("customer",), is_price_per_seat=True
    )
    stopped = PlanInfo(plan_id="q", term_units=MONTHLY, is_private=True, audience=("customer",), is_stop_sell=True)
    world = World()
    world.shown = {"beneficiary": {"tenantId": "customer" if visible else "another"}}
    bought = Purchase(id="s", token="t", offer=offer(SILVER, per_seat, stopped), plan_info=SILVER)

    with ended(f"offer crm has no private plan {said}"):
        world.at.private_plan(bought, visible=visible)


def test_a_plan_of_another_offer_is_one_that_the_own_offer_lacks() -> None:
    world = World()

    assert world.at.plan_of_another_offer(world.purchase) is TEAM
    assert world.at.plan_of_another_offer(world.team) is SILVER
    with ended("no second offer with other plans is on sale"):
        World(CRM).at.plan_of_another_offer(world.purchase)


def test_an_automatically_activated_plan_is_public_and_on_sale() -> None:
    others = [
        PlanInfo(plan_id="a", term_units=MONTHLY, auto_activate=True, is_private=True),
        PlanInfo(plan_id="b", term_units=MONTHLY, auto_activate=True, is_stop_sell=True),
    ]

    assert World(offer(*others, AUTO)).at.auto_activated_plan()[1] is AUTO
    with ended("no public plan with auto activation is on offer"):
        World(offer(*others, SILVER)).at.auto_activated_plan()


# --- buying ---


@pytest.mark.parametrize(
    ("least", "most", "seats"),
    [(5, 20, 10), (15, None, 15), (None, 4, 3), (1, 10, 9), (4, 4, 4), (None, None, 10), (1, 100, 10)],
)
def test_ten_seats_are_bought_where_the_plan_allows_them_and_one_more(
    least: int | None, most: int | None, seats: int
) -> None:
    plan = PlanInfo(plan_id="p", term_units=MONTHLY, is_price_per_seat=True, min_quantity=least, max_quantity=most)
    world = World(offer(plan))

    assert world.at.buy("per-seat").quantity == seats
    assert world.driver.asked[-1] == ("purchase", {"offer_id": "crm", "plan_id": "p", "quantity": seats})


def test_what_is_bought_is_told_and_its_token_kept_secret() -> None:
    world = World()
    bought = world.at.buy(plan=(SEATS, OPEN), quantity=3, name="mine")

    assert world.driver.asked[-1] == (
        "purchase",
        {"offer_id": "seats", "plan_id": "open", "quantity": 3, "name": "mine"},
    )
    assert (bought.id, bought.token, bought.plan, bought.quantity) == ("s", "purchase-t0ken", "open", 3)
    assert (bought.offer, bought.landing_page_url) == (SEATS, "https://isv.example/?token=x")
    assert "purchase-t0ken" not in world.redactor.text("it is purchase-t0ken")
    assert "t0ken" not in repr(bought)
    assert "isv.example" not in repr(bought)
    assert world.at.buy().quantity is None


@pytest.mark.parametrize("expired", [True, False])
def test_who_manages_an_account_gets_another_token(expired: bool) -> None:
    world = World()

    assert world.at.manage_token(world.purchase, expired=expired) == "manage-t0ken"
    assert world.driver.asked == [("token", "s", expired)]
    assert "manage-t0ken" not in world.redactor.text("manage-t0ken")
    world = World(without=("expired-tokens" if expired else "manage-tokens",))
    with ended(f"'{'expired' if expired else 'manage'}-tokens' is missing"):
        world.at.manage_token(world.purchase, expired=expired)


# --- states ---


@pytest.mark.parametrize("kind", ["flat", "per-seat"])
def test_an_active_subscription_was_activated_as_bought(kind: Any) -> None:
    world = World()
    bought = world.at.subscribed(kind, name="mine")

    assert world.driver.asked[-1][1]["name"] == "mine"
    assert world.calls == ["activate", "get subscription"]
    seats = b', "quantity": 10' if kind == "per-seat" else b""
    assert world.script.sent[0].request_body == b'{"planId": "%b"%b}' % (bought.plan.encode(), seats)


@pytest.mark.parametrize(("status", "came"), [(500, "500"), (404, "404"), (None, "not at all: ConnectError: refused")])
def test_an_activation_that_does_not_work_is_a_precondition(status: int | None, came: str) -> None:
    world = World()
    world.statuses["activate"] = status

    with pytest.raises(Precondition, match=rf"activating the purchase was answered {came} \(ACT-001\)") as failed:
        world.at.subscribed()
    assert failed.value.exchange is world.script.last


def test_an_activation_that_never_shows_is_a_precondition() -> None:
    world = World()
    world.shown = {"saasSubscriptionStatus": "PendingFulfillmentStart"}

    with pytest.raises(Precondition) as failed:
        world.at.subscribed()
    assert str(failed.value) == (
        "the subscription did not become Subscribed after activate (ACT-003); Get Subscription answered 200 with "
        "saasSubscriptionStatus 'PendingFulfillmentStart'"
    )
    assert world.driver.time - START == timedelta(minutes=10)


def test_a_suspended_subscription_lacks_a_payment() -> None:
    world = World()
    world.becoming("Suspended", after=1)
    world.at.suspended("per-seat")

    assert world.driver.asked[-1] == ("Suspend", None)
    world.shown["saasSubscriptionStatus"] = "Subscribed"
    world.every = lambda _exchange: None
    with ended(r"did not become Suspended after Suspend \(LCY-007\)"):
        world.at.suspended()
    with ended("'events' is missing"):
        World(without=("events",)).at.suspended()


def test_a_reinstatement_is_confirmed_and_waited_for() -> None:
    world = World()
    world.becoming("Suspended", after=1)
    suspended = world.at.suspended()
    world.becoming("Subscribed", after=1)
    world.at.reinstate(suspended)

    assert world.driver.asked[-1] == ("Reinstate", None)
    assert "update operation" in world.calls
    with ended("'events' is missing"):
        World(without=("events",)).at.reinstate(suspended)


def test_a_cancelled_subscription_was_cancelled_by_the_customer_where_that_can_be_arranged() -> None:
    world = World()
    world.becoming("Unsubscribed", after=1)
    world.at.unsubscribed()

    assert world.driver.asked[-1] == ("Unsubscribe", None)
    assert "cancel" not in world.calls


def test_a_cancelled_subscription_was_cancelled_by_the_publisher_elsewhere() -> None:
    world = World(without=("events",))
    world.becoming("Unsubscribed", after=1)
    world.at.unsubscribed()
    assert "cancel" in world.calls

    world = World(without=("events",))
    world.statuses["cancel"] = 500
    with ended(r"cancelling was answered 500 \(DEL-001\)"):
        world.at.unsubscribed()
    world.statuses["cancel"] = 202
    with ended(r"did not become Unsubscribed after the cancellation \(DEL-003\)"):
        world.at.unsubscribed()


@pytest.mark.parametrize(
    ("status", "arranged"),
    [
        ("PendingFulfillmentStart", []),
        ("Subscribed", ["activate"]),
        ("Suspended", ["activate", "Suspend"]),
        ("Unsubscribed", ["activate", "Unsubscribe"]),
    ],
)
def test_each_of_the_four_states_can_be_asked_for(status: str, arranged: list[str]) -> None:
    world = World()
    if status in {"Suspended", "Unsubscribed"}:
        world.becoming(status, after=1)
    assert world.at.in_status(status, "per-seat").plan == "team"

    events = [asked[0] for asked in world.driver.asked if asked[0] not in {"offers", "purchase"}]
    assert [call for call in world.calls if call == "activate"] + events == arranged


def test_a_purchase_is_had_of_each_kind_of_plan_on_offer() -> None:
    both, flat_only = World(), World(CRM)

    assert [each.plan for each in both.at.of_each_kind(both.at.buy)] == ["silver", "team"]
    assert [each.plan for each in flat_only.at.of_each_kind(flat_only.at.buy)] == ["silver"]


def test_no_kind_of_plan_is_to_be_had_without_purchases() -> None:
    at = World(without=("purchases",)).at

    with pytest.raises(MissingCapability, match="purchases"):
        list(at.of_each_kind(at.buy))


@pytest.mark.parametrize(("plan", "seats"), [(TEAM, [5, 20]), (OPEN, [1, 1000])], ids=["limited", "open"])
def test_seats_are_bought_at_the_limits_of_a_plan(plan: PlanInfo, seats: list[int]) -> None:
    world = World(offer(plan))

    assert [each.quantity for each in world.at.at_the_limits()] == seats


def test_there_is_no_fifth_state() -> None:
    with pytest.raises(KeyError):
        World().at.in_status("NotStarted")


# --- events ---


def test_an_event_is_arranged_or_refused_by_the_sandbox() -> None:
    world = World()

    assert world.at.event(world.purchase, "ChangePlan", plan_id="gold") == "ChangePlan-operation"
    assert world.at.refused_event(world.purchase, "Renew") is None
    assert world.driver.asked == [("ChangePlan", "gold"), ("Renew", None)]
    for call in (World(without=("events",)).at.event, World(without=("events",)).at.refused_event):
        with ended("'events' is missing"):
            call(world.purchase, "Renew")


@pytest.mark.parametrize("status", [400, 409, 499])
def test_a_refusal_is_given_back(status: int) -> None:
    world = World()
    refusal = Exchange(sender="suite", receiver="control", method="POST", url="https://c", status=status)
    world.driver.refusal = CannotArrange("no", refusal)

    assert world.at.refused_event(world.purchase, "Renew") is refusal


@pytest.mark.parametrize("status", [399, 500, None])
def test_what_is_no_refusal_ends_the_test(status: int | None) -> None:
    world = World()
    failure = Exchange(sender="suite", receiver="control", method="POST", url="https://c", status=status)
    for refusal in (CannotArrange("no", failure), CannotArrange("not possible here")):
        world.driver.refusal = refusal
        with pytest.raises(CannotArrange):
            world.at.refused_event(world.purchase, "Renew")


@pytest.mark.parametrize("action", ["Suspend", "Renew", "Unsubscribe"])
def test_an_event_happens_to_a_new_subscription(action: Action) -> None:
    purchase, operation = World().at.happening(action)

    assert (purchase.plan, operation) == ("silver", f"{action}-operation")


def test_a_reinstatement_happens_to_what_is_suspended() -> None:
    world = World()
    world.becoming("Suspended", after=1)

    assert world.at.happening("Reinstate")[1] == "Reinstate-operation"
    assert [asked[0] for asked in world.driver.asked[-2:]] == ["Suspend", "Reinstate"]


@pytest.mark.parametrize(("action", "plan"), [("ChangePlan", "silver"), ("ChangeQuantity", "team")])
def test_a_change_happens_to_a_plan_of_its_kind(action: Action, plan: str) -> None:
    purchase, operation = World().at.happening(action)

    assert (purchase.plan, operation) == (plan, f"{action}-operation")


# --- changes ---


@pytest.mark.parametrize(
    ("seats", "least", "most", "other"),
    [(10, 5, 20, 11), (20, 5, 20, 19), (19, 5, 20, 20), (7, None, None, 8), (2, None, 2, 1), (None, None, None, 2)],
)
def test_another_number_of_seats_is_one_more_or_one_fewer(
    seats: int | None, least: int | None, most: int | None, other: int
) -> None:
    plan = PlanInfo(plan_id="p", term_units=MONTHLY, is_price_per_seat=True, min_quantity=least, max_quantity=most)

    assert World().at.other_quantity(Purchase(id="s", token="t", offer=SEATS, plan_info=plan, quantity=seats)) == other


@pytest.mark.parametrize(("least", "most"), [(5, 5), (None, 1)])
def test_a_plan_of_one_size_has_no_other_number_of_seats(least: int | None, most: int) -> None:
    plan = PlanInfo(plan_id="p", term_units=MONTHLY, is_price_per_seat=True, min_quantity=least, max_quantity=most)

    with ended("plan p allows one number of seats only"):
        World().at.other_quantity(Purchase(id="s", token="t", offer=SEATS, plan_info=plan, quantity=most))


def test_a_change_is_begun_by_either_side() -> None:
    world = World()
    by_customer = world.at.begin_change(world.purchase)
    seats = world.at.begin_change(world.team, "seats")
    own = world.at.begin_change(world.purchase, by="publisher")
    own_seats = world.at.begin_change(world.team, "seats", by="publisher")

    assert [asked for asked in world.driver.asked if asked != ("offers",)] == [
        ("ChangePlan", "gold"),
        ("ChangeQuantity", 11),
    ]
    assert world.calls == ["change plan", "change quantity"]
    assert [exchange.request_body for exchange in world.script.sent] == [b'{"planId": "gold"}', b'{"quantity": 11}']
    assert (by_customer.by, by_customer.operation_id) == ("customer", "ChangePlan-operation")
    assert (own.by, own.operation_id) == ("publisher", "o")
    assert [(each.action, each.wanted, each.before) for each in (by_customer, seats, own, own_seats)] == [
        ("ChangePlan", "gold", "silver"),
        ("ChangeQuantity", 11, 10),
    ] * 2


@pytest.mark.parametrize(
    ("shown", "right"),
    [({"quantity": 11}, True), ({"quantity": " 11 "}, True), ({"quantity": 10}, False), ({}, False)],
)
def test_a_change_shows_in_an_answer_however_seats_are_written(shown: dict[str, Any], right: bool) -> None:
    world = World()
    change = Change(purchase=world.team, operation_id="o", by="customer", quantity=11)
    world.shown = shown
    answer = world.at.client.get_subscription("s")

    assert isinstance(answer, SubscriptionAnswer)
    assert change.shows_in(answer) == right
    assert change.value_in(answer).name == "quantity"
    plan = Change(purchase=world.purchase, operation_id="o", by="customer", plan="gold")
    assert plan.value_in(answer).name == "planId"
    assert not plan.shows_in(answer)


def test_a_pending_change_is_the_customers_where_one_can_be_arranged() -> None:
    assert World().at.pending_change().by == "customer"
    assert World(without=("events",)).at.pending_change("seats").by == "publisher"
    world = World()
    assert world.at.pending_change(of=world.purchase).purchase == world.purchase
    assert "activate" not in world.calls


def test_a_change_that_does_not_wait_is_a_precondition() -> None:
    world = World()
    world.operation = {"status": "Succeeded"}

    with ended(r"does not wait: Get Operation answered 200 with status 'Succeeded' \(WHK-047\)"):
        world.at.pending_change()


@pytest.mark.parametrize(
    ("status", "location", "said"), [(200, True, "200"), (202, False, "202, without Operation-Location")]
)
def test_a_change_that_has_not_begun_is_a_precondition(status: int, location: bool, said: str) -> None:
    world = World()
    world.locations = location
    world.statuses |= {"change plan": status, "cancel": status}

    with ended(rf"the change was answered {said} \(CHP-001, CHP-002, CHQ-001, CHQ-003\)"):
        world.at.change_plan(world.purchase, "gold")
    with ended(rf"cancelling was answered {status} \(DEL-001, DEL-002\)"):
        world.at.cancelled(world.purchase)


def test_a_change_is_completed_by_the_publishers_word() -> None:
    world = World()
    world.operation = {"status": "Succeeded"}
    world.at.change_plan(world.purchase, "gold")
    world.at.change_quantity(world.team, 12)

    assert world.calls == [
        *("change plan", "update operation", "get operation"),
        *("change quantity", "update operation", "get operation"),
    ]
    assert world.script.sent[1].request_body == b'{"status": "Success"}'
    world.operation = {"status": "Failed"}
    with ended(r"the change ended 'Failed' \(OPP-012\)"):
        world.at.change_plan(world.purchase, "gold")


@pytest.mark.parametrize("status", sorted(FINAL))
def test_an_operation_ends_in_a_status_in_which_it_stays(status: str) -> None:
    world = World()
    world.operation = {"status": status}
    change = Change(purchase=world.purchase, operation_id="o", by="customer", plan="gold")

    assert world.at.ended(change).status.value == status
    assert world.at.cancelled(world.purchase).status.value == status
    assert {"Succeeded", "Failed", "Conflict"} == FINAL


def test_a_cancellation_whose_operation_cannot_be_read_is_not_waited_for() -> None:
    world = World()
    world.statuses["get operation"] = 404
    world.at.cancelled(world.purchase)

    assert world.calls == ["cancel", "get operation"]


# --- time ---


def test_the_targets_time_passes_where_it_has_a_clock() -> None:
    world = World()
    world.becoming("Unsubscribed", after=3)
    world.at.wait_for_status(world.purchase, "Unsubscribed")

    assert world.driver.time - START == timedelta(seconds=90)
    assert world.at.now() == world.driver.time
    world.at.pass_time(days=2, hours=1)
    assert world.at.now() - START == timedelta(days=2, hours=1, seconds=90)


def test_the_targets_time_passes_for_ten_minutes_unless_something_else_is_said() -> None:
    world = World()
    answer = world.at.wait(lambda: world.at.client.get_subscription("s"), lambda _: False, limit=timedelta(minutes=2))

    assert world.driver.time - START == timedelta(minutes=2)
    assert len(world.calls) == 5
    assert answer.exchange is world.script.last


def test_a_target_that_gives_no_answer_is_not_waited_for() -> None:
    world = World()
    world.statuses["get subscription"] = None
    world.at.wait_for_status(world.purchase, "Suspended")

    assert len(world.calls) == 1


def test_real_time_passes_elsewhere_in_longer_and_longer_pauses(real: RealTime) -> None:
    world = World(without=("clock",))
    world.at.wait_for_status(world.purchase, "Suspended")

    assert real.slept[:7] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert set(real.slept[6:]) == {2.0}
    assert 30.0 <= sum(real.slept) < 32.0
    assert abs(world.at.now() - datetime.now(UTC)) < timedelta(minutes=1)
    with ended("'clock' is missing"):
        world.at.pass_time(days=1)


def test_what_shows_is_not_waited_for_any_longer(real: RealTime) -> None:
    world = World(without=("clock",))
    world.becoming("Suspended", after=2)
    answer = world.at.wait_for_status(world.purchase, "Suspended")

    assert answer.status.value == "Suspended"
    assert real.slept == [0.05, 0.1]


def test_once_an_operation_has_ended_its_effect_is_waited_for_a_while_only(real: RealTime) -> None:
    world = World(without=("clock",))
    world.operation = {"status": "Succeeded"}
    world.at.wait_for_status(world.purchase, "Suspended", operation="o")

    assert 10.0 <= sum(real.slept) < 12.1
    assert world.calls.count("get operation") == 1


def test_an_operation_that_goes_on_is_waited_for(real: RealTime) -> None:
    world = World(without=("clock",))
    world.at.wait_for_status(world.purchase, "Suspended", operation="o")

    assert 30.0 <= sum(real.slept) < 32.0
    assert world.calls.count("get operation") > 1


def test_a_quick_target_is_waited_for_less(real: RealTime) -> None:
    world = World(without=("clock",))
    world.operation = {"status": "Succeeded"}
    for _ in range(50):
        world.at.wait_for_status(world.purchase, "Subscribed")
    world.at.wait_for_status(world.purchase, "Suspended", operation="o")

    assert 2.0 <= sum(real.slept) < 4.1


def test_an_operation_is_asked_after_only_where_time_is_real(real: RealTime) -> None:
    patience = Patience(shortest=2.0, longest=10.0)
    world, timeless = World(), World(without=("clock",))
    world.operation = timeless.operation = {"status": "Succeeded"}

    assert not world.at.idle_after(world.purchase, "o", patience)()
    assert not timeless.at.idle_after(world.purchase, None, patience)()
    assert (world.calls, timeless.calls) == ([], [])
    idle = timeless.at.idle_after(world.purchase, "o", patience)
    assert not idle()
    real.seconds += 9.9
    assert not idle()
    real.seconds += 0.1
    assert idle()
    assert timeless.calls == ["get operation"]


def test_what_shows_soon_is_looked_for_without_moving_the_targets_time(real: RealTime) -> None:
    world = World()
    world.becoming("Suspended", after=3)
    assert world.at.shows_soon(world.purchase, "Suspended").status.value == "Suspended"
    assert real.slept == [0.05] * 3
    world.at.shows_soon(world.purchase, "Unsubscribed")

    assert 5.0 <= sum(real.slept[3:]) < 5.2
    assert world.driver.time == START
    world.statuses["get subscription"] = None
    slept = len(real.slept)
    world.at.shows_soon(world.purchase, "Unsubscribed")
    assert len(real.slept) == slept


def test_the_publishers_word_shows_in_the_operation_and_then_in_the_subscription(real: RealTime) -> None:
    world = World()
    change = Change(purchase=world.purchase, operation_id="o", by="customer", plan="gold")
    world.operation, world.shown = {"status": "Succeeded"}, {"planId": "gold"}
    operation, subscription = world.at.ended_at_a_word(change)
    assert isinstance(operation, OperationAnswer)
    assert (operation.status.value, subscription.plan.value, real.slept) == ("Succeeded", "gold", [])

    world.shown = {"planId": "silver"}
    world.at.ended_at_a_word(change)
    assert 5.0 <= sum(real.slept) < 5.2
    real.slept.clear()
    world.operation = {"status": "Failed"}
    world.at.ended_at_a_word(change)
    assert real.slept == []
    world.operation = {"status": "InProgress"}
    world.at.ended_at_a_word(change)
    assert 5.0 <= sum(real.slept) < 5.2


@pytest.mark.parametrize(("end", "moved"), [("2026-02-09", 30), ("2026-01-10", 0), ("2026-01-01", 0)])
def test_time_passes_to_the_last_day_of_a_term(end: str, moved: int) -> None:
    world = World()
    world.shown = {"term": {"startDate": "2026-01-10", "endDate": end}}

    assert world.at.pass_to_the_last_day(world.purchase) == (date(2026, 1, 10), date.fromisoformat(end))
    assert world.driver.time - START == timedelta(days=moved)


@pytest.mark.parametrize("term", [{}, {"startDate": "2026-01-10"}, {"endDate": "2026-01-10"}])
def test_a_term_that_does_not_show_is_a_precondition(term: dict[str, str]) -> None:
    world = World()
    world.shown |= {"term": term}

    with ended(r"Get Subscription shows no term \(GET-029, GET-030\)"):
        world.at.pass_to_the_last_day(world.purchase)
    with ended(r"shows no term of active subscriptions \(GET-029, GET-030\)"):
        world.at.with_a_term()
    assert world.calls.count("activate") == 8


def test_a_subscription_whose_term_shows_is_looked_for() -> None:
    world = World()
    made: list[Purchase] = []

    def make() -> Purchase:
        made.append(world.purchase)
        shows = len(made) == 3
        world.shown = {"term": {"startDate": "2026-01-10", "endDate": "2026-02-09"} if shows else {}}
        return made[-1]

    assert world.at.with_a_term(make) is made[2]


@pytest.mark.parametrize(("name", "days"), [("live", 1), ("embedded", 0)])
def test_real_billing_may_be_off_by_a_day(name: str, days: int) -> None:
    world = World()
    world.driver.called = name

    assert world.at.term_slack_days == days


def test_what_other_tests_left_is_forgotten_where_it_can_be() -> None:
    world, lasting = World(), World(without=("reset",))
    world.at.start_over()
    lasting.at.start_over()

    assert (world.driver.asked, lasting.driver.asked) == ([("reset",)], [])


def test_what_the_target_cannot_do_is_named() -> None:
    at = World(without=("csp", "clock")).at

    assert at.has("events")
    assert not at.has("csp")
    at.needs()
    at.needs("events", "reset")
    with pytest.raises(MissingCapability) as missing:
        at.needs("events", "csp", "clock")
    assert missing.value.capability == "csp"


@pytest.mark.parametrize(
    ("capability", "ask"),
    [
        ("purchases", lambda at: at.buy()),
        ("private-plans", lambda at: at.private_plan(World().purchase, visible=True)),
        ("auto-activate", lambda at: at.auto_activated_plan()),
        ("clock", lambda at: at.pass_to_the_last_day(World().purchase)),
    ],
)
def test_each_situation_needs_its_capability(capability: str, ask: Callable[[Situations], object]) -> None:
    with ended(f"'{capability}' is missing"):
        ask(World(without=(capability,)).at)


def test_a_change_knows_what_an_answer_of_the_api_began() -> None:
    world = World()
    accepted = world.at.client.change_plan("s", "gold")

    assert isinstance(accepted, AcceptedAnswer)
    change = world.at.change_of(world.purchase, accepted, plan="gold")
    assert (change.operation_id, change.by, change.plan, change.quantity) == ("o", "publisher", "gold", None)
