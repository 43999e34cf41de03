"""Situations on a marketplace target: a purchase, an active subscription, a suspended one, a cancelled one.

Arranged through the driver and, where a step is part of the API under test, through the API. A step that does not work
ends the test as `Precondition` (undecided here; the requirement that names the step fails in its own test). What the
sandbox cannot arrange ends it as `MissingCapability`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeVar

from fulfillment_conformance.answers import Answer, OperationAnswer, Reading, SubscriptionAnswer
from fulfillment_conformance.backend.client import AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.backend.patience import Patience
from fulfillment_conformance.dates import day_of
from fulfillment_conformance.drivers.base import Action, Bought, Driver, OfferInfo, PlanInfo
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Beside, CannotArrange, MissingCapability, Precondition
from fulfillment_conformance.redaction import Redactor

A = TypeVar("A", bound=Answer)

PlanKind = Literal["flat", "per-seat"]
ChangeKind = Literal["plan", "seats"]
Side = Literal["customer", "publisher"]

ACTIVATION_LIMIT = timedelta(minutes=10)
"""How long an accepted activation may take to show ("within minutes", ACT-003), in the target's own time."""
MANY_SEATS = 1000
"""Seats that are bought of a plan that does not limit them, where it matters that there are many."""
FINAL = frozenset({"Succeeded", "Failed", "Conflict"})
"""Statuses in which an operation stays."""
REAL_LIMIT = 30.0
"""Seconds of real waiting on a target whose clock cannot be advanced."""
SETTLING = 10.0
"""Seconds of it that remain once the operation has an outcome; fewer on a target that has shown to be quick."""
SOON = 5.0
"""Seconds of real waiting while the target's own time stands still, or hardly moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What was bought, and the purchase token that the landing page would get."""

    id: str
    token: str = field(repr=False)
    landing_page_url: str | None = field(default=None, repr=False)
    offer: OfferInfo
    plan_info: PlanInfo
    quantity: int | None = None
    beneficiary_tenant: str | None = None

    @property
    def plan(self) -> str:
        """The id of the purchased plan."""
        return self.plan_info.plan_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that has been asked for: of which subscription, by whom, to what, and the operation's id."""

    purchase: Purchase
    operation_id: str
    by: Side
    plan: str | None = None
    quantity: int | None = None

    @property
    def action(self) -> Action:
        """The event that announces it."""
        return "ChangeQuantity" if self.plan is None else "ChangePlan"

    def value_in(self, answer: SubscriptionAnswer | OperationAnswer) -> Reading:
        """Return the field of an answer that this change is about."""
        return answer["quantity"] if self.plan is None else answer["planId"]

    def shows_in(self, answer: SubscriptionAnswer | OperationAnswer) -> bool:
        """Whether an answer shows the value asked for, whichever way seats are written."""
        shown = self.value_in(answer).value
        return shown == self.wanted or str(shown).strip() == str(self.wanted)

    @property
    def wanted(self) -> str | int | None:
        """The value asked for."""
        return self.quantity if self.plan is None else self.plan

    @property
    def before(self) -> str | int | None:
        """The value before."""
        return self.purchase.quantity if self.plan is None else self.purchase.plan


class Situations:
    """Puts one target into the situations that tests need; `on_purchase` hears of every subscription that is bought."""

    def __init__(
        self, driver: Driver, client: FulfillmentClient, *, redactor: Redactor, publisher_id: str | None = None
    ) -> None:
        self.driver = driver
        self.client = client
        self.publisher_id = publisher_id
        self._redactor = redactor
        self.on_purchase: Callable[[str, OfferInfo], None] = lambda _subscription_id, _offer: None
        self._settling = Patience(shortest=2.0, longest=SETTLING)
        self._offers: tuple[OfferInfo, ...] | None = None

    def during_test(self, claims: Iterable[str] = ()) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return the frame of one test that decides these ids, for whoever has to clean up after it."""
        return nullcontext()

    def takes_any_call(self) -> None:
        """End the test as untestable where calls that a generator makes up must not be sent."""

    def has(self, capability: str) -> bool:
        """Whether the target can arrange this."""
        return capability in self.driver.capabilities

    def needs(self, *capabilities: str) -> None:
        """End the test as untestable unless the target has these capabilities."""
        for capability in capabilities:
            if not self.has(capability):
                raise MissingCapability(capability)

    @contextmanager
    def further(self) -> Iterator[None]:
        """Frame the arranging of a further situation of a requirement that other tests decide.

        Raises:
            Beside: the target lacks what it needs; the requirement is decided without it.
        """
        try:
            yield
        except MissingCapability as missing:
            raise Beside(f"a further situation, which others stand for: {missing}") from missing

    @property
    def offers(self) -> tuple[OfferInfo, ...]:
        """The offers of the publisher that the suite plays."""
        if self._offers is None:
            known = tuple(self.driver.offers())
            own = self.publisher_id or (known[0].publisher_id if known else None)
            self._offers = tuple(offer for offer in known if offer.publisher_id == own)
        return self._offers

    def plans(self, kind: PlanKind | None = None) -> Iterator[tuple[OfferInfo, PlanInfo]]:
        """Yield public, purchasable, manually activated plans, those of a kind if one is given."""
        for offer in self.offers:
            for plan in offer.plans:
                if plan.is_private or plan.is_stop_sell or plan.auto_activate:
                    continue
                if kind is None or plan.is_price_per_seat == (kind == "per-seat"):
                    yield offer, plan

    def a_plan(self, kind: PlanKind | None = None) -> tuple[OfferInfo, PlanInfo]:
        """Return the first such plan; per default a flat one, or what there is."""
        candidates = list(self.plans(kind)) if kind else [*self.plans("flat"), *self.plans("per-seat")]
        if not candidates:
            raise MissingCapability("purchases", f": no public {'' if kind is None else f'{kind} '}plan is on offer")
        # A plan with a sibling it can change to, and with room for other seats, serves every test; so it goes first.
        return min(candidates, key=lambda pair: (not self._siblings(*pair), pair[1].has_one_number_of_seats))

    def other_plan(self, purchase: Purchase) -> PlanInfo:
        """Return another public plan of the same offer, to change to."""
        siblings = self.siblings(purchase)
        if not siblings:
            raise MissingCapability("purchases", f": offer {purchase.offer.offer_id} has no second public plan")
        return siblings[0]

    def siblings(self, purchase: Purchase) -> list[PlanInfo]:
        """Return all other public plans of the same offer and market."""
        return self._siblings(purchase.offer, purchase.plan_info)

    def plan_with_a_limit(self, bound: Literal["min_quantity", "max_quantity"]) -> tuple[OfferInfo, PlanInfo]:
        """Return a per-seat plan that bounds its seats below or above; the highest lower bound serves best.

        A plan that can be had with one number of seats only has nothing beside the bound that would be accepted.
        """
        bounded = [
            pair
            for pair in self.plans("per-seat")
            if getattr(pair[1], bound) is not None and not pair[1].has_one_number_of_seats
        ]
        if not bounded:
            raise MissingCapability("purchases", f": no per-seat plan on offer has a {bound}, and room beside it")
        return max(bounded, key=lambda pair: pair[1].min_quantity or 0)

    def private_plan(self, purchase: Purchase, *, visible: bool) -> PlanInfo:
        """Return a private plan of a subscription's offer, whose audience has the beneficiary's tenant, or lacks it."""
        self.needs("private-plans")
        tenant = self.client.get_subscription(purchase.id)["beneficiary"]["tenantId"].value
        for plan in purchase.offer.plans:
            like = plan.is_price_per_seat == purchase.plan_info.is_price_per_seat
            alike = like and same_market(plan, purchase.plan_info)
            if plan.is_private and alike and not plan.is_stop_sell and (tenant in plan.audience) == visible:
                return plan
        raise MissingCapability(
            "private-plans",
            f": offer {purchase.offer.offer_id} has no private plan {'for' if visible else 'closed to'} its customer",
        )

    def beside_a_private_plan(self, *, visible: bool) -> tuple[Purchase, PlanInfo]:
        """Return an active subscription and a private plan of its offer; see `private_plan`.

        Every offer is looked at, and the subscription's plan has a public sibling to change to as well.
        """
        self.needs("private-plans")
        missing = MissingCapability("private-plans", ": no offer has both public and private plans")
        tried: set[tuple[str, bool]] = set()
        for offer, plan in self.plans():
            alike = (offer.offer_id, plan.is_price_per_seat)
            if alike in tried or not self._siblings(offer, plan) or not any(each.is_private for each in offer.plans):
                continue
            tried.add(alike)
            purchase = self.subscribed(None, plan=(offer, plan))
            try:
                return purchase, self.private_plan(purchase, visible=visible)
            except MissingCapability as lacking:
                missing = lacking
        raise missing

    def plan_of_another_offer(self, purchase: Purchase) -> PlanInfo:
        """Return a plan whose id the subscription's own offer does not have."""
        own = {plan.plan_id for plan in purchase.offer.plans}
        for _, plan in self.plans():
            if plan.plan_id not in own:
                return plan
        raise MissingCapability("purchases", ": no second offer with other plans is on sale")

    def auto_activated_plan(self) -> tuple[OfferInfo, PlanInfo]:
        """Return a public plan whose purchases are active at once."""
        return self.auto_activated_plans()[0]

    def auto_activated_plans(self) -> list[tuple[OfferInfo, PlanInfo]]:
        """Return all public plans whose purchases are active at once."""
        self.needs("auto-activate")
        plans = [
            (offer, plan)
            for offer in self.offers
            for plan in offer.plans
            if plan.auto_activate and not plan.is_private and not plan.is_stop_sell
        ]
        if not plans:
            raise MissingCapability("auto-activate", ": no public plan with auto activation is on offer")
        return plans

    def _siblings(self, offer: OfferInfo, plan: PlanInfo) -> list[PlanInfo]:
        return [
            other
            for own, other in self.plans()
            if own.offer_id == offer.offer_id and other.plan_id != plan.plan_id and same_market(other, plan)
        ]

    def buy(
        self,
        kind: PlanKind | None = None,
        *,
        plan: tuple[OfferInfo, PlanInfo] | None = None,
        quantity: int | None = None,
        **details: Any,
    ) -> Purchase:
        """Buy a plan; `details` are further arguments of `Driver.purchase`."""
        self.needs("purchases")
        offer, info = plan or self.a_plan(kind)
        if info.is_price_per_seat and quantity is None:
            quantity = max(info.min_quantity or 1, min(10, (info.max_quantity or 11) - 1))  # one more is allowed
        bought = self.driver.purchase(offer_id=offer.offer_id, plan_id=info.plan_id, quantity=quantity, **details)
        return self._purchase(bought, offer, info, quantity)

    def any_purchase(self, kind: PlanKind | None = None) -> Purchase:
        """Return a purchase in whatever state: a fresh one, where one can be had."""
        return self.buy(kind)

    def _purchase(self, bought: Bought, offer: OfferInfo, info: PlanInfo, quantity: int | None) -> Purchase:
        self._redactor.learn(bought.token, "purchase-token")
        self.on_purchase(bought.subscription_id, offer)
        return Purchase(
            id=bought.subscription_id,
            token=bought.token,
            landing_page_url=bought.landing_page_url,
            offer=offer,
            plan_info=info,
            quantity=quantity,
        )

    def manage_token(self, purchase: Purchase, *, expired: bool = False) -> str:
        """Return the token of a customer who pressed *Manage account*."""
        return self.managed(purchase, expired=expired).token

    def managed(self, purchase: Purchase, *, expired: bool = False) -> Bought:
        """Return the visit of a customer who pressed *Manage account*: its token, and the address that was opened."""
        self.needs("expired-tokens" if expired else "manage-tokens")
        visit = self.driver.issue_token(purchase.id, expired=expired)
        self._redactor.learn(visit.token, "purchase-token")
        return visit

    def subscribed(self, kind: PlanKind | None = None, **details: Any) -> Purchase:
        """Buy and activate; returns when the subscription shows as Subscribed."""
        purchase = self.buy(kind, **details)
        self.activate(purchase)
        return purchase

    def activate(self, purchase: Purchase) -> None:
        """Activate a purchase as publishers are advised to, and wait until it is in force."""
        activated = self.client.activate(
            purchase.id,
            plan=purchase.plan,
            **({} if purchase.quantity is None else {"quantity": purchase.quantity}),
        )
        if not activated.is_success:
            raise Precondition(f"activating the purchase was answered {_came(activated)} (ACT-001)", activated.exchange)
        self.reaches(purchase, "Subscribed", because="after activate (ACT-003)")

    def changeable(self, kind: ChangeKind | None = None, **details: Any) -> Purchase:
        """Return an active subscription whose plan, or whose number of seats, is to be changed."""
        return self.subscribed("per-seat", **details) if kind == "seats" else self.subscribed(**details)

    def suspended(self, kind: PlanKind | None = None, **details: Any) -> Purchase:
        """Return a subscription whose payment is missing."""
        self.needs("events")
        purchase = self.buy(kind, **details)
        self.bring_to(purchase, "Suspended")
        return purchase

    def bring_to(self, purchase: Purchase, status: str) -> None:
        """Let a pending purchase come to any of the four states."""
        if status != "PendingFulfillmentStart":
            self.activate(purchase)
        if status == "Suspended":
            self.event(purchase, "Suspend")
            self.reaches(purchase, "Suspended", because="after Suspend (LCY-007)")
        elif status == "Unsubscribed":
            self.unsubscribe(purchase)

    def unsubscribed(self, kind: PlanKind | None = None, **details: Any) -> Purchase:
        """Return a subscription that was cancelled, by the customer if the sandbox can, else through the API."""
        purchase = self.subscribed(kind, **details)
        self.unsubscribe(purchase)
        return purchase

    def unsubscribe(self, purchase: Purchase) -> None:
        """Cancel a subscription and wait until it is cancelled."""
        if self.has("events"):
            self.event(purchase, "Unsubscribe")
        else:
            cancelled = self.client.cancel(purchase.id)
            if not cancelled.is_success:
                raise Precondition(f"cancelling was answered {_came(cancelled)} (DEL-001)", cancelled.exchange)
        self.reaches(purchase, "Unsubscribed", because="after the cancellation (DEL-003)")

    def reinstate(self, purchase: Purchase) -> None:
        """Let the payment of a suspended subscription arrive, confirm it, and wait until it is active again."""
        self.client.update_operation(purchase.id, self.event(purchase, "Reinstate"), "Success")
        self.reaches(purchase, "Subscribed", because="after Reinstate (LCY-008)")

    def event(self, purchase: Purchase, action: Action, **details: Any) -> str:
        """Let something happen on the marketplace's side; returns the operation's id."""
        self.needs("events")
        return self.driver.event(purchase.id, action, **details)

    def refused_event(self, purchase: Purchase, action: Action, **details: Any) -> Exchange | None:
        """Try to let something happen that should not be possible; returns the refusal, None when it happened.

        Raises:
            CannotArrange: the driver knows that it is not possible and has not asked the target.
        """
        self.needs("events")
        try:
            self.driver.event(purchase.id, action, **details)
        except CannotArrange as refused:
            status = refused.exchange.status if refused.exchange else None
            if status is None or not 400 <= status < 500:
                raise
            return refused.exchange
        return None

    def reaches(self, purchase: Purchase, status: str, *, because: str) -> SubscriptionAnswer:
        """Wait until a subscription shows a status; what never comes is a precondition that failed."""
        answer = self.wait_for_status(purchase, status)
        if answer.status.value != status:
            raise Precondition(
                f"the subscription did not become {status} {because}; Get Subscription answered "
                f"{answer.status_code} with saasSubscriptionStatus {answer.status.value!r}",
                answer.exchange,
            )
        return answer

    def wait_for_status(self, purchase: Purchase, status: str, *, operation: str | None = None) -> SubscriptionAnswer:
        """Wait until a subscription shows a status, and return the last answer, whether it does or not.

        Args:
            purchase: the subscription.
            status: the status.
            operation: the operation that leads to it; when it has had an outcome for a while there is nothing to wait
                for any more.
        """
        began = time.monotonic()
        idle = self.idle_after(purchase, operation, self._settling)
        answer = self.wait(
            lambda: self.client.get_subscription(purchase.id),
            lambda got: got.status.value == status or idle(),
        )
        if answer.status.value == status:
            self._settling.took(time.monotonic() - began)
        return answer

    def idle_after(self, purchase: Purchase, operation: str | None, patience: Patience) -> Callable[[], bool]:
        """Return a function that says whether an operation has had an outcome for as long as `patience` allows.

        Where the target's clock can be advanced, or no operation is named, it never says so: waiting costs nothing, or
        nothing is known.
        """
        if operation is None or self.has("clock"):
            return lambda: False
        since: list[float] = []

        def idle() -> bool:
            if not since:
                if self.client.get_operation(purchase.id, operation).status.key in FINAL:
                    since.append(time.monotonic())
                return False
            return time.monotonic() - since[0] >= patience.seconds

        return idle

    def now(self) -> datetime:
        """Return the target's time, or this machine's where the target does not tell."""
        return self.driver.now() if self.has("clock") else datetime.now(UTC)

    @property
    def term_slack_days(self) -> int:
        """How far term dates may be off: nothing in a sandbox, a day where real billing decides."""
        return 1 if self.driver.name == "live" else 0

    def other_quantity(self, purchase: Purchase) -> int:
        """Return another number of seats that the plan allows."""
        info, seats = purchase.plan_info, purchase.quantity or 1
        if info.max_quantity is None or seats < info.max_quantity:
            return seats + 1
        if seats > (info.min_quantity or 1):
            return seats - 1
        raise MissingCapability("purchases", f": plan {info.plan_id} allows one number of seats only")

    def begin_change(self, purchase: Purchase, kind: ChangeKind = "plan", *, by: Side = "customer") -> Change:
        """Ask for another plan, or another number of seats, and return at once."""
        plan = self.other_plan(purchase).plan_id if kind == "plan" else None
        quantity = self.other_quantity(purchase) if kind == "seats" else None
        if by == "publisher":
            accepted = (
                self.client.change_quantity(purchase.id, quantity)
                if plan is None
                else self.client.change_plan(purchase.id, plan)
            )
            return self.change_of(purchase, accepted, plan=plan, quantity=quantity)
        action: Action = "ChangePlan" if kind == "plan" else "ChangeQuantity"
        operation_id = self.event(purchase, action, plan_id=plan, quantity=quantity)
        return Change(purchase=purchase, operation_id=operation_id, by=by, plan=plan, quantity=quantity)

    def changed(self, purchase: Purchase, kind: ChangeKind = "plan") -> Change:
        """Change plan or seats through the API, confirm it, and return the change once the subscription shows it."""
        change = self.begin_change(purchase, kind, by="publisher")
        self.complete(change)
        self.shows(change, self.client.get_subscription(purchase.id))
        return change

    def shows(self, change: Change, shown: SubscriptionAnswer) -> None:
        """Make sure that a change which has Succeeded is in force, for a test that is about what comes after it."""
        if not change.shows_in(shown):
            raise Precondition(
                f"after a change that has Succeeded {change.value_in(shown)} is shown (CHP-022, CHQ-020)",
                shown.exchange,
            )

    def pending_change(self, kind: ChangeKind | None = None, *, of: Purchase | None = None) -> Change:
        """Return a change that waits for its outcome: the customer's, or the publisher's where none can be arranged.

        Without a kind it is a change of plan, or of seats where the offer has no other plan.
        """
        purchase = of or self.changeable(kind)
        if kind is None:
            kind = "plan" if self.siblings(purchase) or purchase.quantity is None else "seats"
        change = self.begin_change(purchase, kind, by="customer" if self.has("events") else "publisher")
        shown = _soon(
            lambda: self.client.get_operation(purchase.id, change.operation_id),
            lambda got: got.status.value != "NotStarted",
        )
        if shown.status.value != "InProgress":
            raise Precondition(
                f"the change does not wait: Get Operation answered {_came(shown)} with status {shown.status.value!r} "
                "(WHK-047)",
                shown.exchange,
            )
        return change

    def ended(self, change: Change) -> OperationAnswer:
        """Wait until a change has an outcome, and return the last answer, whether it has one or not."""
        return self.wait(
            lambda: self.client.get_operation(change.purchase.id, change.operation_id),
            lambda operation: operation.status.key in FINAL,
        )

    def shows_soon(self, purchase: Purchase, status: str) -> SubscriptionAnswer:
        """Return a subscription once it shows a status, or as it is after `SOON`; the target's time is left alone."""
        return _soon(lambda: self.client.get_subscription(purchase.id), lambda got: got.status.value == status)

    def ended_at_a_word(self, change: Change) -> tuple[OperationAnswer, SubscriptionAnswer]:
        """Return a change's operation, and its subscription, once the publisher's Success shows in both.

        The target's time is left alone, so that silence does not accept the change instead; what does not show within
        `SOON` is returned as it is.
        """
        operation = _soon(
            lambda: self.client.get_operation(change.purchase.id, change.operation_id),
            lambda got: got.status.key in FINAL,
        )
        subscription = _soon(
            lambda: self.client.get_subscription(change.purchase.id),
            lambda got: operation.status.value != "Succeeded" or change.shows_in(got),
        )
        return operation, subscription

    def cancelled(self, purchase: Purchase) -> OperationAnswer:
        """Cancel through the API and return the operation as soon as it has an outcome."""
        accepted = self.client.cancel(purchase.id)
        operation_id = accepted.operation_id
        if accepted.status_code != 202 or operation_id is None:
            raise Precondition(f"cancelling was answered {_came(accepted)} (DEL-001, DEL-002)", accepted.exchange)
        return self.wait(
            lambda: self.client.get_operation(purchase.id, operation_id),
            lambda operation: operation.status.key in FINAL or not operation.is_success,
        )

    def pass_to_the_last_day(self, purchase: Purchase) -> tuple[date, date]:
        """Let time pass until the last day of a subscription's term has come; returns the term's first and last day."""
        self.needs("clock")
        term = self.client.get_subscription(purchase.id)["term"]
        first, last = day_of(term["startDate"].value), day_of(term["endDate"].value)
        if first is None or last is None:
            raise Precondition("Get Subscription shows no term (GET-029, GET-030)", term.exchange)
        self.pass_time(days=max((last - self.now().date()).days, 0))
        return first, last

    def start_over(self) -> None:
        """Forget what other tests have left behind, before much time passes for it all; only where this can be done."""
        if self.has("reset"):
            self.driver.reset()

    def change_plan(self, purchase: Purchase, plan_id: str) -> None:
        """Change the plan through the API, confirm it, and wait for its end; see `changed`."""
        self.complete(self.change_of(purchase, self.client.change_plan(purchase.id, plan_id), plan=plan_id))

    def change_quantity(self, purchase: Purchase, quantity: int) -> None:
        """Change the seats through the API, confirm it, and wait for its end."""
        accepted = self.client.change_quantity(purchase.id, quantity)
        self.complete(self.change_of(purchase, accepted, quantity=quantity))

    def change_of(
        self, purchase: Purchase, accepted: AcceptedAnswer, *, plan: str | None = None, quantity: int | None = None
    ) -> Change:
        """Return the change that an answer of the API has begun.

        Raises:
            Precondition: it has not begun any, or does not say which.
        """
        operation_id = accepted.operation_id
        if accepted.status_code != 202 or operation_id is None:
            missing = ", without Operation-Location" if accepted.status_code == 202 else ""
            raise Precondition(
                f"the change was answered {_came(accepted)}{missing} (CHP-001, CHP-002, CHQ-001, CHQ-003)",
                accepted.exchange,
            )
        return Change(purchase=purchase, operation_id=operation_id, by="publisher", plan=plan, quantity=quantity)

    def complete(self, change: Change) -> None:
        """Report success of a change, and wait until it has succeeded."""
        self.client.update_operation(change.purchase.id, change.operation_id, "Success")
        ended = self.ended(change)
        if ended.status.value != "Succeeded":
            raise Precondition(f"the change ended {ended.status.value!r} (OPP-012)", ended.exchange)

    def happening(self, action: Action) -> tuple[Purchase, str]:
        """Let an event happen to a new subscription; returns the subscription and the id of the event's operation."""
        if action in {"ChangePlan", "ChangeQuantity"}:
            change = self.pending_change("plan" if action == "ChangePlan" else "seats")
            return change.purchase, change.operation_id
        purchase = self.suspended() if action == "Reinstate" else self.subscribed()
        return purchase, self.event(purchase, action)

    def with_a_term(self, make: Callable[[], Purchase] | None = None) -> Purchase:
        """Return an active subscription whose term shows; some services hide the dates of some subscriptions.

        Args:
            make: makes an active subscription; None takes `subscribed`.
        """
        for _ in range(8):
            purchase = (make or self.subscribed)()
            term = self.client.get_subscription(purchase.id)["term"]
            if day_of(term["startDate"].value) and day_of(term["endDate"].value):
                return purchase
        raise Precondition("Get Subscription shows no term of active subscriptions (GET-029, GET-030)", term.exchange)

    def of_each_kind(self, make: Callable[[PlanKind], Purchase]) -> Iterator[Purchase]:
        """Make a purchase of a flat-rate and then of a per-seat plan, or of the one kind that can be had so.

        Raises:
            MissingCapability: neither can be had.
        """
        kinds: tuple[PlanKind, ...] = ("flat", "per-seat")
        made = False
        for kind in kinds:
            try:
                purchase = make(kind)
            except MissingCapability:
                if kind == kinds[-1] and not made:
                    raise
                continue
            made = True
            yield purchase

    def at_the_limits(self) -> Iterator[Purchase]:
        """Buy a per-seat plan with as few seats as it can have, and then with as many, at most a thousand."""
        pair = self.a_plan("per-seat")
        fewest, most = pair[1].min_quantity or 1, min(pair[1].max_quantity or MANY_SEATS, MANY_SEATS)
        for seats in sorted({fewest, max(fewest, most)}):
            yield self.buy(plan=pair, quantity=seats)

    def in_status(self, status: str, kind: PlanKind | None = None) -> Purchase:
        """Return a new subscription in any of the four states."""
        make = {
            "PendingFulfillmentStart": self.buy,
            "Subscribed": self.subscribed,
            "Suspended": self.suspended,
            "Unsubscribed": self.unsubscribed,
        }[status]
        return make() if kind is None else make(kind)

    def pass_time(self, **span: float) -> None:
        """Let the target's time pass; arguments as of `timedelta`."""
        self.needs("clock")
        self.driver.advance(timedelta(**span))

    def wait(self, read: Callable[[], A], done: Callable[[A], bool], *, limit: timedelta = ACTIVATION_LIMIT) -> A:
        """Read again and again until `done`, each read recorded; returns the last answer, done or not.

        Where the target's clock can be advanced, its time passes; elsewhere real time does, for `REAL_LIMIT` at most.
        """
        answer = read()
        waited = timedelta()
        deadline = time.monotonic() + REAL_LIMIT
        pause = 0.05
        while not done(answer):
            if answer.status_code is None:
                break
            if self.has("clock"):
                if waited >= limit:
                    break
                self.driver.advance(timedelta(seconds=30))
                waited += timedelta(seconds=30)
            else:
                if time.monotonic() >= deadline:
                    break
                time.sleep(pause)
                pause = min(2 * pause, 2.0)
            answer = read()
        return answer


def same_market(one: PlanInfo, other: PlanInfo) -> bool:
    """Whether both plans are sold in the same country, as far as the target tells."""
    return one.market is None or other.market is None or one.market == other.market


def _soon(read: Callable[[], A], done: Callable[[A], bool]) -> A:
    """Read until `done`, for `SOON` at most; returns the last answer, done or not."""
    deadline = time.monotonic() + SOON
    answer = read()
    while not done(answer) and answer.status_code is not None and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = read()
    return answer


def _came(answer: Answer) -> str:
    return str(answer.status_code) if answer.status_code is not None else f"not at all: {answer.error}"
