"""Who buys what: customers, purchases, subscriptions, and the store that keeps them.

Sources: pc-saas-fulfillment-subscription-api § Get subscription, pc-saas-fulfillment-life-cycle.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from fulfillment_conformance.marketplace.terms import Term


class SubscriptionStatus(StrEnum):
    """The four states of a subscription, in Microsoft's words."""

    PENDING_FULFILLMENT_START = "PendingFulfillmentStart"
    SUBSCRIBED = "Subscribed"
    SUSPENDED = "Suspended"
    UNSUBSCRIBED = "Unsubscribed"


class Channel(StrEnum):
    """How a purchase came about: by the customer, by a reseller for the customer, or by Microsoft's field sales."""

    DIRECT = "direct"
    CSP = "csp"
    FIELD = "field"


CustomerOperation = Literal["Read", "Update", "Delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A user and the tenant he acts for; `puid` is the Microsoft account's passport id, where there is one."""

    email: str
    object_id: str
    tenant_id: str
    puid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What somebody orders.

    `quantity` is the number of seats (per-seat plans only; None buys the plan's minimum). `term_unit` None takes the
    plan's first billing term. `purchaser` None means the beneficiary buys for himself. `private_offer_id` is the
    private offer that the purchase goes through. `sandbox` marks a reseller's sandbox. `subscription_id` is the id of
    the new subscription, for whoever builds an existing one after; None takes the next one.
    """

    offer_id: str
    plan_id: str
    beneficiary: Customer
    purchaser: Customer | None = None
    quantity: int | None = None
    term_unit: str | None = None
    channel: Channel = Channel.DIRECT
    free_trial: bool = False
    auto_renew: bool = True
    name: str | None = None
    private_offer_id: str | None = None
    sandbox: bool = False
    is_test: bool = False
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as it stood at one moment; it never changes, the marketplace replaces it.

    `quantity` is None for flat plans. `private_offer_id` and `purchased_plan_id` say what was bought through a private
    offer, which shows only in the plan list.
    """

    id: str
    name: str
    publisher_id: str
    offer_id: str
    plan_id: str
    quantity: int | None
    status: SubscriptionStatus
    beneficiary: Customer
    purchaser: Customer
    term: Term
    auto_renew: bool
    is_free_trial: bool
    is_test: bool
    channel: Channel
    allowed_customer_operations: tuple[CustomerOperation, ...]
    session_mode: Literal["None", "DryRun"]
    sandbox_type: Literal["None", "Csp"]
    created: datetime
    purchased_plan_id: str
    private_offer_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a publisher's subscriptions, oldest first; `continuation` asks for the rest, None when there is none."""

    subscriptions: tuple[Subscription, ...]
    continuation: str | None
