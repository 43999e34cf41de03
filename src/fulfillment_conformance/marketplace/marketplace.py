"""The marketplace: commands and a clock in, results and notifications out. No I/O, no wall clock, no randomness."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal

from fulfillment_conformance.marketplace.ids import Ids
from fulfillment_conformance.marketplace.offers import Offer, Plan
from fulfillment_conformance.marketplace.operations import Delivery, Operation
from fulfillment_conformance.marketplace.rules import DOCUMENTED, Rules
from fulfillment_conformance.marketplace.subscriptions import Page, Purchase, Subscription


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""A value that the caller did not give, as opposed to null."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the Fulfillment API, as told by the access token: a publisher, and the application it uses."""

    publisher_id: str
    tenant_id: str
    app_id: str


class Marketplace:
    """A marketplace."""

    def __init__(self, *, ids: Ids, start: datetime, offers: Iterable[Offer] = (), rules: Rules = DOCUMENTED) -> None:
        self.rules = rules
        self.now = start

    def publish(self, offer: Offer) -> None:
        """Put an offer up for sale, or replace it."""
        raise NotImplementedError

    def offers(self) -> Sequence[Offer]:
        """Return all offers."""
        raise NotImplementedError

    def purchase(self, purchase: Purchase) -> tuple[Subscription, str]:
        """Buy."""
        raise NotImplementedError

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> str:
        """Return a purchase token."""
        raise NotImplementedError

    def customer_changes_plan(self, subscription_id: str, plan_id: str) -> Operation:
        """Change the plan from the marketplace's side."""
        raise NotImplementedError

    def customer_changes_quantity(self, subscription_id: str, quantity: int) -> Operation:
        """Change the seats from the marketplace's side."""
        raise NotImplementedError

    def suspend(self, subscription_id: str) -> Operation:
        """Payment is missing."""
        raise NotImplementedError

    def reinstate(self, subscription_id: str) -> Operation:
        """Payment was received."""
        raise NotImplementedError

    def renew(self, subscription_id: str) -> Operation:
        """Begin the next term."""
        raise NotImplementedError

    def unsubscribe(self, subscription_id: str) -> Operation:
        """Cancel from the marketplace's side."""
        raise NotImplementedError

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> None:
        """Switch renewal on or off."""
        raise NotImplementedError

    def set_payment(self, subscription_id: str, works: bool) -> None:
        """Say whether the next renewal can be paid."""
        raise NotImplementedError

    def fail_activation(self, subscription_id: str) -> Operation:
        """Let an accepted activation fail."""
        raise NotImplementedError

    def resolve(self, caller: Caller, token: str | None) -> Subscription:
        """Exchange a purchase token."""
        raise NotImplementedError

    def activate(
        self,
        caller: Caller,
        subscription_id: str,
        *,
        plan_id: str | None | Literal[Unset.UNSET] = UNSET,
        quantity: int | None | Literal[Unset.UNSET] = UNSET,
    ) -> Subscription:
        """Activate."""
        raise NotImplementedError

    def page(self, caller: Caller, *, continuation: str | None = None) -> Page:
        """List."""
        raise NotImplementedError

    def subscription(self, caller: Caller, subscription_id: str) -> Subscription:
        """Get."""
        raise NotImplementedError

    def available_plans(self, caller: Caller, subscription_id: str, *, plan_id: str | None = None) -> Sequence[Plan]:
        """List plans."""
        raise NotImplementedError

    def change_plan(self, caller: Caller, subscription_id: str, plan_id: str) -> Operation:
        """Change plan."""
        raise NotImplementedError

    def change_quantity(self, caller: Caller, subscription_id: str, quantity: int) -> Operation:
        """Change seats."""
        raise NotImplementedError

    def cancel(self, caller: Caller, subscription_id: str) -> Operation | None:
        """Cancel; None: was already Unsubscribed."""
        raise NotImplementedError

    def pending_operations(self, caller: Caller, subscription_id: str) -> Sequence[Operation]:
        """List operations."""
        raise NotImplementedError

    def operation(self, caller: Caller, subscription_id: str, operation_id: str) -> Operation:
        """Get operation."""
        raise NotImplementedError

    def settle(self, caller: Caller, subscription_id: str, operation_id: str, *, status: str) -> Operation:
        """PATCH operation."""
        raise NotImplementedError

    def next_due(self) -> datetime | None:
        """Return the due time of the next timer."""
        raise NotImplementedError

    def advance_to(self, when: datetime) -> None:
        """Run every timer due up to `when`."""
        raise NotImplementedError

    def take_deliveries(self) -> list[Delivery]:
        """Return the attempts to make now, each once."""
        raise NotImplementedError

    def delivery_answered(self, delivery: Delivery, status: int | None) -> None:
        """Report an answer."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all subscriptions."""
        raise NotImplementedError
