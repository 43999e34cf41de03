"""What the emulator writes is what the description says, in both profiles."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fulfillment_conformance.contract import Contract, Profile, Violation
from fulfillment_conformance.emulator import BENEFICIARY, RESELLER, IdentitySettings, default_offers
from fulfillment_conformance.emulator.wire import Wire
from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Caller,
    Channel,
    Ids,
    Marketplace,
    Operation,
    Purchase,
    Subscription,
)
from fulfillment_conformance.openapi_file import EVENTS

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Scene:
    """A marketplace with something in every state, and what it has sent so far."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.contract = Contract.load(profile=profile)
        rules = OBSERVED if profile == "observed" else DOCUMENTED
        identity = IdentitySettings()
        self.offers = default_offers(identity)
        self.market = Marketplace(ids=Ids(seed), start=START, offers=self.offers, rules=rules)
        self.wire = Wire(rules, profile=profile, seed=seed)
        self.caller = Caller("contoso", identity.tenant_id, identity.client_id)
        self.subscriptions: list[Subscription] = []
        self.operations: list[Operation] = []
        self.found: list[Violation] = []
        self.events: set[str] = set()

    def buy(self, offer: str, plan: str, seats: int | None = None, channel: Channel = Channel.DIRECT) -> str:
        buyer = RESELLER if channel is Channel.CSP else BENEFICIARY
        subscription, _ = self.market.purchase(
            Purchase(
                offer_id=offer, plan_id=plan, quantity=seats, channel=channel, beneficiary=BENEFICIARY, purchaser=buyer
            )
        )
        self.found += self.contract.validate_schema("ResolvedSubscription", self.wire.resolved(subscription))
        return subscription.id

    def active(self, *purchase: Any, **more: Any) -> str:
        subscription_id = self.buy(*purchase, **more)
        self.market.activate(self.caller, subscription_id)
        return subscription_id

    def deliver(self) -> None:
        for delivery in self.market.take_deliveries():
            payload = self.wire.notification(delivery)
            self.events.add(payload["action"])
            self.found += self.contract.webhook_violations(payload["action"], payload)
            document = self.wire.operation(delivery.operation)
            self.found += self.contract.validate_schema("Operation", document)
            self.market.delivery_answered(delivery, 200)

    def look(self) -> None:
        page = self.market.page(self.caller)
        entries = [self.wire.subscription(each) for each in page.subscriptions]
        self.found += self.contract.validate_schema("SubscriptionList", {"subscriptions": entries})
        for subscription in page.subscriptions:
            if subscription.status.value == "Subscribed":
                plans = self.market.available_plans(self.caller, subscription.id)
                self.found += self.contract.validate_schema("PlanList", self.wire.plans(plans))
            pending = self.market.pending_operations(self.caller, subscription.id)
            listed = {"operations": [self.wire.listed_operation(each) for each in pending]}
            self.found += self.contract.validate_schema("OperationList", listed)


def steps(scene: Scene) -> Iterator[None]:
    market, caller = scene.market, scene.caller
    flat, seats = scene.active("contoso-crm", "silver"), scene.active("contoso-seats", "team", 10)
    resold = scene.active("contoso-crm", "silver", channel=Channel.CSP)
    scene.buy("contoso-crm", "gold")
    scene.buy("contoso-crm", "auto")
    yield
    market.customer_changes_plan(flat, "gold")
    market.change_quantity(caller, seats, 25)
    yield
    market.advance_to(market.now + timedelta(seconds=30))
    market.suspend(resold)
    yield
    market.reinstate(resold)
    yield
    market.advance_to(market.now + timedelta(days=32))
    yield
    market.cancel(caller, seats)
    market.unsubscribe(flat)
    yield
    market.advance_to(market.now + timedelta(days=1))
    yield


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_everything_it_writes_is_described(profile: Profile, seed: int) -> None:
    scene = Scene(profile, seed)
    for _ in steps(scene):
        scene.look()
        scene.deliver()
        scene.look()
    assert [str(violation) for violation in scene.found] == []
    assert scene.events == set(EVENTS)
