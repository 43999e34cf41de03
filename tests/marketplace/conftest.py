import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    Action,
    BillingTerm,
    Caller,
    Customer,
    Delivery,
    Ids,
    Marketplace,
    Offer,
    Operation,
    Plan,
    Purchase,
    Refused,
    Rules,
    Subscription,
    SubscriptionStatus,
)

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
PUBLISHER = Caller("contoso", "tenant-of-contoso", "app-of-contoso")
STRANGER = Caller("fabrikam", "tenant-of-fabrikam", "app-of-fabrikam")
OTHER_APP = Caller("contoso", "tenant-of-contoso", "another-app")
BUYER = Customer(email="buyer@customer.example", object_id="buyer", tenant_id="customer")
RESELLER = Customer(email="sales@reseller.example", object_id="seller", tenant_id="reseller")

_CONTOSO = {"publisher_id": "contoso", "tenant_id": "tenant-of-contoso", "app_id": "app-of-contoso"}
OFFERS = (
    Offer(
        offer_id="crm",
        plans=(
            Plan(plan_id="silver"),
            Plan(plan_id="gold"),
            Plan(plan_id="trial", has_free_trials=True),
            Plan(plan_id="private", is_private=True, audience=frozenset({"customer"})),
            Plan(plan_id="hidden", is_private=True, audience=frozenset({"somebody-else"})),
            Plan(plan_id="multiyear", terms=tuple(BillingTerm(term_unit=f"P{years}Y") for years in range(1, 6))),
            Plan(plan_id="auto", auto_activate=True),
            Plan(plan_id="withdrawn", is_stop_sell=True),
            Plan(plan_id="overseas", market="DE"),
        ),
        **_CONTOSO,
    ),
    Offer(
        offer_id="seats",
        plans=(
            Plan(plan_id="team", is_price_per_seat=True, max_quantity=100),
            Plan(plan_id="business", is_price_per_seat=True, min_quantity=5),
        ),
        **_CONTOSO,
    ),
    Offer(
        offer_id="desk",
        publisher_id="fabrikam",
        tenant_id="tenant-of-fabrikam",
        app_id="app-of-fabrikam",
        plans=(Plan(plan_id="basic"), Plan(plan_id="pro")),
    ),
)


class World:
    """A marketplace with three offers, and short ways to bring subscriptions into a state."""

    def __init__(
        self,
        rules: Rules = DOCUMENTED,
        *,
        start: datetime = START,
        seed: int = 7,
        kind: type[Marketplace] = Marketplace,
    ) -> None:
        self.market = kind(ids=Ids(seed), start=start, offers=OFFERS, rules=rules)

    def buy(self, plan_id: str = "silver", **details: Any) -> str:
        details.setdefault("offer_id", "seats" if plan_id in {"team", "business"} else "crm")
        return self.market.purchase(Purchase(plan_id=plan_id, **{"beneficiary": BUYER} | details))[0].id

    def active(self, plan_id: str = "silver", **details: Any) -> str:
        subscription_id = self.buy(plan_id, **details)
        self.market.activate(PUBLISHER, subscription_id)
        return subscription_id

    def in_status(self, status: SubscriptionStatus, plan_id: str = "silver", **details: Any) -> str:
        """Return a subscription in this state, all notifications of the way there taken in."""
        if status is SubscriptionStatus.PENDING_FULFILLMENT_START:
            return self.buy(plan_id, **details)
        subscription_id = self.active(plan_id, **details)
        if status is SubscriptionStatus.SUSPENDED:
            self.market.suspend(subscription_id)
        elif status is SubscriptionStatus.UNSUBSCRIBED:
            self.market.unsubscribe(subscription_id)
        self.answer(200)
        return subscription_id

    def show(self, subscription_id: str) -> Subscription:
        return self.market.subscription(PUBLISHER, subscription_id)

    def outcome(self, operation: Operation) -> Operation:
        """Return the operation as it stands now."""
        return self.market.operation(PUBLISHER, operation.subscription_id, operation.id)

    def settle(self, operation: Operation, status: str) -> Operation:
        return self.market.settle(PUBLISHER, operation.subscription_id, operation.id, status=status)

    def answer(self, status: int | None) -> list[Delivery]:
        """Answer everything that waits to be sent, and return it."""
        deliveries = self.market.take_deliveries()
        for delivery in deliveries:
            self.market.delivery_answered(delivery, status)
        return deliveries

    def wait(self, span: timedelta, *, answering: int | None = 200) -> list[Delivery]:
        """Let time pass, answer everything at the moment it is sent, and return what was sent."""
        end = self.market.now + span
        deliveries = []
        while True:
            while batch := self.answer(answering):
                deliveries += batch
            due = self.market.next_due()
            if due is None or due > end:
                break
            self.market.advance_to(due)
        self.market.advance_to(end)
        return deliveries

    def frozen(self) -> bytes:
        """Return everything the marketplace knows, to tell whether anything has changed."""
        return pickle.dumps(self.market)


def actions(deliveries: list[Delivery]) -> list[Action]:
    return [delivery.action for delivery in deliveries]


def refusal(command: Callable[[], object]) -> int | None:
    """Return the status with which a command is refused, None when it is not."""
    try:
        command()
    except Refused as refused:
        return refused.status
    return None


@pytest.fixture
def world() -> World:
    return World()
