"""What should happen in the life of subscriptions: the pure core, told the same steps as a target, is the oracle.

A story is a list of steps. An `Oracle` plays each of them on a marketplace core of its own and says how a target has to
answer, and `view` says what it has to show afterwards. Subscriptions are called A, B, C in the order in which they were
bought, operations A1, A2 and so on in the order in which they began.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, Self

from fulfillment_conformance.drivers.base import OfferInfo, PlanInfo
from fulfillment_conformance.marketplace import (
    UNSET,
    Action,
    BillingTerm,
    Caller,
    Customer,
    Ids,
    Marketplace,
    Offer,
    Operation,
    Plan,
    Purchase,
    Refused,
    Rules,
)

Deed = Literal[
    "buy", "activate", "change plan", "change seats", "cancel", "settle", "event", "switch auto-renewal", "wait"
]

ACCEPTED: Final = 202
_CALLER = Caller("publisher", "5c0f7e4a-0000-4000-8000-000000000001", "5c0f7e4a-0000-4000-8000-000000000002")
_BUYER = Customer(
    email="buyer@contoso.example",
    object_id="5c0f7e4a-0000-4000-8000-000000000003",
    tenant_id="5c0f7e4a-0000-4000-8000-000000000004",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that somebody does, or that happens.

    Attributes:
        do: what.
        of: to which subscription; empty for all (time passes for all).
        offer: what is bought.
        plan: which plan is bought, or asked for.
        quantity: how many seats are bought, or asked for.
        word: `Success` or `Failure` for the latest change or reinstatement, or the name of an event.
        answer: how the webhook answers the change that an event announces.
        on: whether automatic renewal is switched on.
        seconds: how long it is waited.
    """

    do: Deed
    of: str = ""
    offer: str | None = None
    plan: str | None = None
    quantity: int | None = None
    word: str | None = None
    answer: int | None = None
    on: bool | None = None
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON data, what says nothing left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**data)

    @property
    def words(self) -> str:
        """The step as a sentence."""
        of, seats = self.of, f" with {self.quantity} seats" if self.quantity is not None else ""
        match self.do:
            case "buy":
                return f"A customer buys {self.plan} of {self.offer}{seats}: subscription {of}."
            case "activate":
                return f"The publisher activates {of}."
            case "change plan":
                return f"The publisher asks for plan {self.plan} on {of}."
            case "change seats":
                return f"The publisher asks for {self.quantity} seats on {of}."
            case "cancel":
                return f"The publisher cancels {of}."
            case "settle":
                return f"The publisher reports {self.word} of the latest operation of {of}."
            case "event":
                return self._event_in_words()
            case "switch auto-renewal":
                return f"The customer switches automatic renewal of {of} {'on' if self.on else 'off'}."
            case "wait":
                return f"{timedelta(seconds=self.seconds or 0)} pass."

    def _event_in_words(self) -> str:
        of = self.of
        answered = "" if self.answer is None else f"; the webhook answers {self.answer}"
        return {
            "ChangePlan": f"The customer of {of} asks for plan {self.plan} at the marketplace{answered}.",
            "ChangeQuantity": f"The customer of {of} asks for {self.quantity} seats at the marketplace{answered}.",
            "Suspend": f"The payment for {of} is missing (Suspend).",
            "Reinstate": f"The payment for {of} arrives (Reinstate).",
            "Renew": f"The term of {of} is renewed (Renew).",
            "Unsubscribe": f"The customer of {of} cancels at the marketplace (Unsubscribe).",
        }[str(self.word)]


@dataclass(frozen=True, slots=True)
class View:
    """What a subscription shows.

    Attributes:
        status: its state.
        plan: its plan.
        quantity: its seats, None on a flat plan.
        first_day: of its term, None before activation.
        last_day: of its term.
        operations: the status of each operation that has begun, oldest first.
        pending: the operations that wait for an outcome.
    """

    status: str
    plan: str
    quantity: int | None
    first_day: date | None
    last_day: date | None
    operations: Mapping[str, str]
    pending: tuple[str, ...]


class Oracle:
    """One core that plays along. Its time moves only by `tick`; its webhook answers at once."""

    def __init__(self, offers: Sequence[OfferInfo], *, start: datetime, rules: Rules) -> None:
        """Sell what the target sells; plans get names of the core's own, as targets may call theirs anything."""
        self._offers = {offer.offer_id: f"offer-{index}" for index, offer in enumerate(offers)}
        self._plans = {
            (offer.offer_id, plan.plan_id): f"plan-{index}"
            for offer in offers
            for index, plan in enumerate(offer.plans)
        }
        self._core = Marketplace(ids=Ids(0), start=start, offers=[self._offer(offer) for offer in offers], rules=rules)
        self._bought: dict[str, tuple[str, str]] = {}
        self._operations: dict[str, str] = {}
        self._to_settle: dict[str, str] = {}
        self._refuses_next: set[str] = set()

    @property
    def now(self) -> datetime:
        """The core's time."""
        return self._core.now

    def tick(self, now: datetime) -> None:
        """Let time pass until `now`, the webhook answering whatever is sent meanwhile; earlier times change nothing."""
        self._answer_deliveries()
        while (due := self._core.next_due()) is not None and due <= now:
            self._core.advance_to(max(due, self._core.now))
            self._answer_deliveries()
        self._core.advance_to(max(now, self._core.now))

    def play(self, step: Step, operation: str = "") -> int:
        """Carry out a step and return the HTTP status that it should be answered with.

        Args:
            step: what to do; `wait` is the matter of `tick`.
            operation: the name of the operation that it begins, if it begins one.
        """
        try:
            status, begun = self._play(step)
        except Refused as refused:
            status, begun = refused.status, None
        finally:
            if step.answer is not None and step.answer >= 400:
                self._refuses_next.add(self._bought[step.of][1])
            self._answer_deliveries()
            self._refuses_next.clear()
        if begun is not None:
            self._operations[operation] = begun.id
            if not begun.action.is_notify_only:
                self._to_settle[step.of] = begun.id
        return status

    def view(self, name: str) -> View:
        """Return what a subscription should show now."""
        offer, subscription_id = self._bought[name]
        shown = self._core.subscription(_CALLER, subscription_id)
        plans = {own: plan for (of, plan), own in self._plans.items() if of == offer}
        names = {own: key for key, own in self._operations.items()}
        record = self._core.find(subscription_id)
        operations = {
            key: self._core.find_operation(record, own).status.value
            for key, own in self._operations.items()
            if key.startswith(name)
        }
        pending = self._core.pending_operations(_CALLER, subscription_id)
        return View(
            status=shown.status.value,
            plan=plans[shown.plan_id],
            quantity=shown.quantity,
            first_day=shown.term.start,
            last_day=shown.term.end,
            operations=operations,
            pending=tuple(names[each.id] for each in pending if each.id in names),
        )

    def wanted(self, operation: str) -> tuple[str, int | None]:
        """Return the plan and the seats that an operation asks for."""
        offer, subscription_id = self._bought[operation[0]]
        found = self._core.find_operation(self._core.find(subscription_id), self._operations[operation])
        plans = {own: plan for (of, plan), own in self._plans.items() if of == offer}
        return plans[found.plan_id], found.quantity

    def is_own(self, operation: str) -> bool:
        """Whether the publisher itself began an operation."""
        _, subscription_id = self._bought[operation[0]]
        found = self._core.find_operation(self._core.find(subscription_id), self._operations[operation])
        return found.source.value == "Partner"

    def catch_up(self, operation: str) -> None:
        """End an operation successfully, because a target was seen to have done so."""
        _, subscription_id = self._bought[operation[0]]
        self._core.settle(_CALLER, subscription_id, self._operations[operation], status="Success")

    def _play(self, step: Step) -> tuple[int, Operation | None]:
        core = self._core
        if step.do == "buy":
            assert step.offer is not None
            offer = self._offers[step.offer]
            purchase = Purchase(offer_id=offer, plan_id=self._plan(step), beneficiary=_BUYER, quantity=step.quantity)
            bought, _ = core.purchase(purchase)
            self._bought[step.of] = (step.offer, bought.id)
            return 201, None
        subscription_id = self._bought[step.of][1]
        match step.do:
            case "activate":
                shown = core.subscription(_CALLER, subscription_id)
                core.activate(
                    _CALLER,
                    subscription_id,
                    plan_id=shown.plan_id,
                    quantity=UNSET if shown.quantity is None else shown.quantity,
                )
                return 200, None
            case "change plan":
                return ACCEPTED, core.change_plan(_CALLER, subscription_id, self._plan(step))
            case "change seats":
                return ACCEPTED, core.change_quantity(_CALLER, subscription_id, step.quantity or 0)
            case "cancel":
                operation = core.cancel(_CALLER, subscription_id)
                return (200 if operation is None else ACCEPTED), operation
            case "settle":
                core.settle(_CALLER, subscription_id, self._to_settle[step.of], status=str(step.word))
                return 200, None
            case "event":
                return ACCEPTED, self._event(step, subscription_id)
            case _:
                core.set_auto_renew(subscription_id, bool(step.on))
                return 204, None

    def _event(self, step: Step, subscription_id: str) -> Operation:
        core = self._core
        happen: Mapping[str, Callable[[], Operation]] = {
            Action.CHANGE_PLAN: lambda: core.customer_changes_plan(subscription_id, self._plan(step)),
            Action.CHANGE_QUANTITY: lambda: core.customer_changes_quantity(subscription_id, step.quantity or 0),
            Action.SUSPEND: lambda: core.suspend(subscription_id),
            Action.REINSTATE: lambda: core.reinstate(subscription_id),
            Action.RENEW: lambda: core.renew(subscription_id),
            Action.UNSUBSCRIBE: lambda: core.unsubscribe(subscription_id),
        }
        return happen[str(step.word)]()

    def _answer_deliveries(self) -> None:
        while deliveries := self._core.take_deliveries():
            for delivery in deliveries:
                refused = delivery.operation.subscription_id in self._refuses_next
                self._refuses_next.discard(delivery.operation.subscription_id)
                self._core.delivery_answered(delivery, 400 if refused else 200)

    def _plan(self, step: Step) -> str:
        offer = step.offer or self._bought[step.of][0]
        return self._plans.get((offer, str(step.plan)), "no-such-plan")

    def _offer(self, offer: OfferInfo) -> Offer:
        return Offer(
            offer_id=self._offers[offer.offer_id],
            publisher_id=_CALLER.publisher_id,
            tenant_id=_CALLER.tenant_id,
            app_id=_CALLER.app_id,
            plans=tuple(self._as_sold(offer, plan) for plan in offer.plans),
        )

    def _as_sold(self, offer: OfferInfo, plan: PlanInfo) -> Plan:
        return Plan(
            plan_id=self._plans[offer.offer_id, plan.plan_id],
            is_private=plan.is_private,
            audience=frozenset(plan.audience),
            is_price_per_seat=plan.is_price_per_seat,
            min_quantity=plan.min_quantity or 1,
            max_quantity=plan.max_quantity or None,
            is_stop_sell=plan.is_stop_sell,
            auto_activate=plan.auto_activate,
            terms=tuple(BillingTerm(term_unit=unit) for unit in plan.term_units) or (BillingTerm(term_unit="P1M"),),
        )


def read_steps(data: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Return the steps that somebody wrote as JSON data."""
    return [Step.from_json(each) for each in data]
