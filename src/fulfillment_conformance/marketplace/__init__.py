"""The marketplace as a pure model: commands and a clock in, results and notifications out."""

from fulfillment_conformance.marketplace.calls import UNSET, Caller, Unset
from fulfillment_conformance.marketplace.ids import Ids
from fulfillment_conformance.marketplace.marketplace import Marketplace
from fulfillment_conformance.marketplace.offers import (
    MONTHLY,
    YEARLY,
    BillingTerm,
    MeteredQuantity,
    MeteringDimension,
    Offer,
    Plan,
)
from fulfillment_conformance.marketplace.operations import Action, Delivery, Operation, OperationStatus, Source
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.rules import DOCUMENTED, OBSERVED, Rules
from fulfillment_conformance.marketplace.subscriptions import (
    Channel,
    Customer,
    CustomerOperation,
    Page,
    Purchase,
    Subscription,
    SubscriptionStatus,
)
from fulfillment_conformance.marketplace.terms import Term

__all__ = [
    "DOCUMENTED",
    "MONTHLY",
    "OBSERVED",
    "UNSET",
    "YEARLY",
    "Action",
    "BillingTerm",
    "Caller",
    "Channel",
    "Customer",
    "CustomerOperation",
    "Delivery",
    "Ids",
    "Marketplace",
    "MeteredQuantity",
    "MeteringDimension",
    "Offer",
    "Operation",
    "OperationStatus",
    "Page",
    "Plan",
    "Purchase",
    "Refused",
    "Rules",
    "Source",
    "Subscription",
    "SubscriptionStatus",
    "Term",
    "Unset",
]
