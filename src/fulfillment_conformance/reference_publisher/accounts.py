"""What this publisher knows of its customers: one account per subscription, in memory, keyed by subscription id.

An account follows Microsoft's states and is an immutable value: whoever handles an event makes the next value and saves
it in one step, together with the note that the event was handled. Whatever fails on the way leaves nothing half done.
Source: pc-saas-fulfillment-life-cycle.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from weakref import WeakValueDictionary

from fulfillment_conformance.reference_publisher.messages import Operation, Status, Subscription, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What we have carried out for an operation that the marketplace has not ended yet.

    Until it has, Get Subscription still shows the state before: plan and seats of a change, `Suspended` of a
    reinstatement.
    """

    operation_id: str
    plan_id: str | None = None
    quantity: int | None = None
    reinstates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A change that a customer asked for on our own pages, and that we have asked the marketplace for."""

    plan_id: str | None = None
    quantity: int | None = None

    def announced_by(self, operation: Operation) -> bool:
        """Whether a change operation is the one that this request led to."""
        if operation.action == "ChangePlan":
            return self.plan_id == operation.plan_id
        return self.quantity is not None and self.quantity == operation.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One customer's account.

    Attributes:
        subscription_id: the key; name, e-mail and plan are none, as several subscriptions may share them.
        tenant_id: the beneficiary's tenant, to whom the entitlement belongs.
        purchaser_tenant_id: the tenant that pays, a reseller's for example.
        activation_accepted: the marketplace has answered our activate call with 200.
        contact_name, contact_email: as the buyer confirmed them; kept whatever happens to the subscription.
        accepted: see `Accepted`.
        requests: see `Request`.
        handled: ids of the operations whose events have had their effect.
        notice: what the customer should know of the last request.
    """

    subscription_id: str
    name: str
    offer_id: str
    plan_id: str
    quantity: int | None
    status: Status
    tenant_id: str
    purchaser_tenant_id: str
    term: Term
    auto_renew: bool
    is_free_trial: bool
    allowed_operations: frozenset[str] | None = None
    activation_accepted: bool = False
    contact_name: str = ""
    contact_email: str = ""
    accepted: Accepted | None = None
    requests: tuple[Request, ...] = ()
    handled: frozenset[str] = frozenset()
    notice: str = ""

    @classmethod
    def opened(cls, subscription: Subscription, *, contact_name: str = "", contact_email: str = "") -> Self:
        """Return a new account for a subscription whose status is known."""
        if subscription.status is None:
            raise ValueError(f"subscription {subscription.id} has no status that we know; no account can be opened")
        return cls(
            subscription_id=subscription.id,
            status=subscription.status,
            contact_name=contact_name,
            contact_email=contact_email,
            **_described(subscription),
        )

    @property
    def access(self) -> bool:
        """Whether the customer may use the service."""
        return self.status is Status.SUBSCRIBED

    def allows(self, operation: str) -> bool:
        """Whether the customer may `Update` or `Delete` the subscription on our pages."""
        return self.allowed_operations is None or operation in self.allowed_operations

    def following(self, subscription: Subscription) -> Self:
        """Return the account as Get Subscription describes it: the authority, except for what is just being changed.

        `Unsubscribed` is final. A status that we do not know changes nothing.
        """
        if self.status is Status.UNSUBSCRIBED or subscription.status is None:
            return self
        # What the marketplace leaves out is not gone: seats vanish from cancelled and from some reseller purchases.
        given = {name: value for name, value in _described(subscription).items() if value not in ("", None, Term())}
        followed = replace(self, status=subscription.status, **given)
        if subscription.status is Status.UNSUBSCRIBED:
            followed = replace(followed, accepted=None, requests=())
        elif self.accepted is not None:
            followed = followed._keeping(self.accepted)
        return followed

    def accepting(self, operation: Operation) -> Self:
        """Return the account with an operation carried out: other plan, other seats, or service taken up again."""
        accepted = Accepted(
            operation_id=operation.id,
            plan_id=operation.plan_id if operation.action == "ChangePlan" else None,
            quantity=operation.quantity if operation.action == "ChangeQuantity" else None,
            reinstates=operation.action == "Reinstate",
        )
        return replace(self, accepted=accepted)._keeping(accepted)

    def activated(self) -> Self:
        """Return the account once the marketplace has taken in our activation; its state follows."""
        return replace(self, activation_accepted=True)

    def settled(self, operation_id: str) -> Self:
        """Return the account once the marketplace has ended an operation: Get Subscription describes it fully again."""
        if self.accepted is None or self.accepted.operation_id != operation_id:
            return self
        return replace(self, accepted=None)

    def having_handled(self, operation_id: str) -> Self:
        """Return the account with the note that an event has had its effect."""
        return replace(self, handled=self.handled | {operation_id})

    def asking(self, request: Request) -> Self:
        """Return the account with a request under way."""
        return replace(self, requests=(*self.requests, request), notice="")

    def answered(self, request: Request, notice: str) -> Self:
        """Return the account with a request ended, and what the customer should know of it."""
        return replace(self, requests=tuple(other for other in self.requests if other != request), notice=notice)

    def asked_for(self, operation: Operation) -> bool:
        """Whether we asked for a change ourselves. Told by its value: its notification may not name its source."""
        return any(request.announced_by(operation) for request in self.requests)

    def _keeping(self, accepted: Accepted) -> Self:
        return replace(
            self,
            plan_id=accepted.plan_id or self.plan_id,
            quantity=self.quantity if accepted.quantity is None else accepted.quantity,
            status=Status.SUBSCRIBED if accepted.reinstates and self.status is Status.SUSPENDED else self.status,
        )


def _described(subscription: Subscription) -> dict[str, Any]:
    return {
        "name": subscription.name,
        "offer_id": subscription.offer_id,
        "plan_id": subscription.plan_id,
        "quantity": subscription.quantity,
        "tenant_id": subscription.beneficiary.tenant_id,
        "purchaser_tenant_id": subscription.purchaser.tenant_id,
        "term": subscription.term,
        "auto_renew": subscription.auto_renew,
        "is_free_trial": subscription.is_free_trial,
        "allowed_operations": subscription.allowed_operations,
    }


class Accounts:
    """All accounts. A real publisher keeps them in a database, under the same four methods."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, subscription_id: str) -> asyncio.Lock:
        """Return the lock under which one subscription's account is read, decided on and saved.

        It keeps two deliveries of one event, and a delivery and the buyer's visit, from acting on the same state.
        """
        return self._locks.setdefault(subscription_id.lower(), asyncio.Lock())

    def get(self, subscription_id: str) -> Account | None:
        """Return an account, or None when there is none."""
        return self._accounts.get(subscription_id.lower())

    def save(self, account: Account) -> None:
        """Keep an account's new value."""
        self._accounts[account.subscription_id.lower()] = account

    def all(self) -> Sequence[Account]:
        """Return all accounts, oldest first."""
        return list(self._accounts.values())
