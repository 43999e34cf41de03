"""Situations on a marketplace target: a purchase, an active subscription, a suspended one, a cancelled one.

Arranged through the driver and, where a step is part of the API under test, through the API. A step that does not work
ends the test as `Precondition` (undecided here; the requirement that names the step fails in its own test). What the
sandbox cannot arrange ends it as `MissingCapability`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from fulfillment_conformance.answers import Answer, SubscriptionAnswer
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.drivers.base import Action, Bought, Driver, OfferInfo, PlanInfo
from fulfillment_conformance.interruptions import MissingCapability, Precondition
from fulfillment_conformance.redaction import Redactor

A = TypeVar("A", bound=Answer)

PlanKind = Literal["flat", "per-seat"]

ACTIVATION_LIMIT = timedelta(minutes=10)
"""How long an accepted activation may take to show ("within minutes", ACT-003), in the target's own time."""
FINAL = frozenset({"Succeeded", "Failed", "Conflict"})
"""Statuses in which an operation stays."""
REAL_LIMIT = 30.0
"""Seconds of real waiting on a target whose clock cannot be advanced."""


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


class Situations:
    """Puts one target into the situations that tests need."""

    def __init__(
        self, driver: Driver, client: FulfillmentClient, *, redactor: Redactor, publisher_id: str | None = None
    ) -> None:
        self.driver = driver
        self.client = client
        self.publisher_id = publisher_id
        self._redactor = redactor
        self._offers: tuple[OfferInfo, ...] | None = None

    def has(self, capability: str) -> bool:
        """Whether the target can arrange this."""
        return capability in self.driver.capabilities

    def needs(self, *capabilities: str) -> None:
        """End the test as untestable unless the target has these capabilities."""
        for capability in capabilities:
            if not self.has(capability):
                raise MissingCapability(capability)

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
        candidates = list(self.plans(kind)) or ([] if kind else list(self.plans()))
        if not candidates:
            raise MissingCapability("purchases", f": no public {kind or ''} plan is on offer")
        # A plan with a sibling it can change to serves every test; so it goes first.
        return next((pair for pair in candidates if self._siblings(*pair)), candidates[0])

    def other_plan(self, purchase: Purchase) -> PlanInfo:
        """Return another public plan of the same offer, to change to."""
        siblings = self._siblings(purchase.offer, purchase.plan_info)
        if not siblings:
            raise MissingCapability("purchases", f": offer {purchase.offer.offer_id} has no second public plan")
        return siblings[0]

    def _siblings(self, offer: OfferInfo, plan: PlanInfo) -> list[PlanInfo]:
        return [
            other for own, other in self.plans() if own.offer_id == offer.offer_id and other.plan_id != plan.plan_id
        ]

    def buy(
        self,
        kind: PlanKind | None = "flat",
        *,
        plan: tuple[OfferInfo, PlanInfo] | None = None,
        quantity: int | None = None,
        **details: Any,
    ) -> Purchase:
        """Buy a plan; `details` are further arguments of `Driver.purchase`."""
        self.needs("purchases")
        offer, info = plan or self.a_plan(kind)
        if info.is_price_per_seat and quantity is None:
            quantity = max(info.min_quantity or 1, min(10, info.max_quantity or 10))
        bought = self.driver.purchase(offer_id=offer.offer_id, plan_id=info.plan_id, quantity=quantity, **details)
        return self._purchase(bought, offer, info, quantity)

    def _purchase(self, bought: Bought, offer: OfferInfo, info: PlanInfo, quantity: int | None) -> Purchase:
        self._redactor.learn(bought.token, "purchase-token")
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
        self.needs("expired-tokens" if expired else "manage-tokens")
        bought = self.driver.issue_token(purchase.id, expired=expired)
        self._redactor.learn(bought.token, "purchase-token")
        return bought.token

    def subscribed(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
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

    def suspended(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
        """Return a subscription whose payment is missing."""
        self.needs("events")
        purchase = self.subscribed(kind, **details)
        self.event(purchase, "Suspend")
        self.reaches(purchase, "Suspended", because="after Suspend (LCY-007)")
        return purchase

    def unsubscribed(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
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
                raise Precondition(
                    f"cancelling was answered {_came(cancelled)} (DEL-001)", cancelled.exchange
                )
        self.reaches(purchase, "Unsubscribed", because="after the cancellation (DEL-003)")

    def event(self, purchase: Purchase, action: Action, **details: Any) -> str:
        """Let something happen on the marketplace's side; returns the operation's id."""
        self.needs("events")
        return self.driver.event(purchase.id, action, **details)

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

    def wait_for_status(self, purchase: Purchase, status: str) -> SubscriptionAnswer:
        """Wait until a subscription shows a status, and return the last answer, whether it does or not."""
        return self.wait(lambda: self.client.get_subscription(purchase.id), lambda got: got.status.value == status)

    def now(self) -> datetime:
        """Return the target's time, or this machine's where the target does not tell."""
        return self.driver.now() if self.has("clock") else datetime.now(UTC)

    @property
    def term_slack_days(self) -> int:
        """How far term dates may be off: nothing in a sandbox, a day where real billing decides."""
        return 1 if self.driver.name == "live" else 0

    def change_plan(self, purchase: Purchase, plan_id: str) -> None:
        """Let a plan change go through: the customer's if the sandbox can, else the publisher's own."""
        if self.has("events"):
            self._complete(purchase, self.event(purchase, "ChangePlan", plan_id=plan_id))
            return
        accepted = self.client.change_plan(purchase.id, plan_id)
        if accepted.status_code != 202 or accepted.operation_id is None:
            raise Precondition(f"the plan change was answered {_came(accepted)} (CHP-001)", accepted.exchange)
        self._complete(purchase, accepted.operation_id)

    def change_quantity(self, purchase: Purchase, quantity: int) -> None:
        """Let a seat change go through: the customer's if the sandbox can, else the publisher's own."""
        if self.has("events"):
            self._complete(purchase, self.event(purchase, "ChangeQuantity", quantity=quantity))
            return
        accepted = self.client.change_quantity(purchase.id, quantity)
        if accepted.status_code != 202 or accepted.operation_id is None:
            raise Precondition(f"the seat change was answered {_came(accepted)} (CHQ-001)", accepted.exchange)
        self._complete(purchase, accepted.operation_id)

    def _complete(self, purchase: Purchase, operation_id: str) -> None:
        self.client.update_operation(purchase.id, operation_id, "Success")
        ended = self.wait(
            lambda: self.client.get_operation(purchase.id, operation_id),
            lambda operation: operation.status.value in FINAL,
        )
        if ended.status.value != "Succeeded":
            raise Precondition(f"the change ended {ended.status.value!r} (OPP-012)", ended.exchange)

    def pass_time(self, **span: float) -> None:
        """Let the target's time pass; arguments as of `timedelta`."""
        self.needs("clock")
        self.driver.advance(timedelta(**span))

    def wait(
        self, read: Callable[[], A], done: Callable[[A], bool], *, limit: timedelta = ACTIVATION_LIMIT
    ) -> A:
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


def _came(answer: Answer) -> str:
    return str(answer.status_code) if answer.status_code is not None else f"not at all: {answer.error}"
