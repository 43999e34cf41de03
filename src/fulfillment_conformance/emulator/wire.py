"""The exact JSON of everything that the marketplace says about offers, subscriptions, operations and events.

The documented form is that of the newest pages. The observed form follows the switches of `marketplace.Rules` and,
where the live service has been seen to vary, chooses by the seed and the id of the thing described, so that one thing
always looks the same.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.marketplace import (
    Action,
    BillingTerm,
    Channel,
    Customer,
    Delivery,
    MeteringDimension,
    Operation,
    Plan,
    Rules,
    Source,
    Subscription,
    SubscriptionStatus,
    Term,
)

T = TypeVar("T")
Json = dict[str, Any]

NEVER_MODIFIED = "0001-01-01T00:00:00"
"""What the deprecated field lastModified holds."""


def timestamp(moment: datetime) -> str:
    """Write a time as Microsoft does: UTC, seven fractional digits, Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "0Z"


class Wire:
    """Writes the marketplace's facts as one profile shows them."""

    def __init__(self, rules: Rules, *, profile: Profile = "documented", seed: int = 0) -> None:
        self._rules = rules
        self._varies = profile == "observed"
        self._seed = seed

    def subscription(self, subscription: Subscription) -> Json:
        """Return the subscription object of Get, List, Resolve and of notifications."""
        document = {
            "id": subscription.id,
            "name": subscription.name,
            "publisherId": subscription.publisher_id,
            "offerId": subscription.offer_id,
            "planId": subscription.plan_id,
            **self._seats_of(subscription),
            "beneficiary": _customer(subscription.beneficiary),
            "purchaser": _customer(subscription.purchaser),
            "term": self._term(subscription.term, subscription.id),
            "autoRenew": subscription.auto_renew,
            "isTest": subscription.is_test,
            "isFreeTrial": subscription.is_free_trial,
            "allowedCustomerOperations": list(subscription.allowed_customer_operations),
            "sessionMode": subscription.session_mode,
            "sandboxType": subscription.sandbox_type,
            "created": timestamp(subscription.created),
            "lastModified": NEVER_MODIFIED,
            "saasSubscriptionStatus": subscription.status.value,
        }
        if not self._rules.created_shown:
            del document["created"]
        return document

    def resolved(self, subscription: Subscription) -> Json:
        """Return the answer of Resolve."""
        return {
            "id": subscription.id,
            "subscriptionName": subscription.name,
            "offerId": subscription.offer_id,
            "planId": subscription.plan_id,
            **self._seats_of(subscription),
            "subscription": self.subscription(subscription),
        }

    def plans(self, plans: Sequence[Plan]) -> Json:
        """Return the answer of List available plans."""
        return {"plans": [_plan(plan) for plan in plans]}

    def operation(self, operation: Operation) -> Json:
        """Return the answer of Get operation."""
        return {
            **self.listed_operation(operation),
            "errorStatusCode": operation.error_status_code,
            "errorMessage": operation.error_message,
        }

    def listed_operation(self, operation: Operation) -> Json:
        """Return an entry of List outstanding operations."""
        return {
            "id": operation.id,
            "activityId": operation.activity_id,
            "subscriptionId": operation.subscription_id,
            "offerId": operation.offer_id,
            "publisherId": operation.publisher_id,
            "planId": operation.plan_id,
            **self._seats(operation.quantity),
            "action": operation.action.value,
            "timeStamp": self._event_time(operation),
            "status": operation.status.value,
        }

    def notification(self, delivery: Delivery) -> Json:
        """Return the payload of a webhook call; without a subscription to nest, the short one of six fields (LB-18)."""
        operation = delivery.operation
        document: Json = {
            "id": operation.id,
            "activityId": operation.activity_id,
            "operationRequestSource": operation.source.value,
            "subscriptionId": operation.subscription_id,
            "timeStamp": self._event_time(operation),
            "action": operation.action.value,
        }
        if operation.source is Source.PARTNER and not self._rules.source_of_own_changes_shown:
            del document["operationRequestSource"]
        if delivery.subscription is None:
            return document
        document |= {
            "publisherId": operation.publisher_id,
            "offerId": operation.offer_id,
            "planId": operation.plan_id,
            **self._seats(operation.quantity),
            "status": self._event_status(operation),
            "subscription": self.subscription(delivery.subscription),
            "purchaseToken": None,
        }
        if operation.action is Action.UNSUBSCRIBE and not self._rules.unsubscribe_described:
            blank, status = self._chosen("blank", operation.id, (("", ""), (None, "NotStarted")))
            document |= dict.fromkeys(("publisherId", "offerId", "planId", "quantity"), blank) | {"status": status}
        return document

    def _event_status(self, operation: Operation) -> str:
        if operation.action.is_notify_only:
            return self._rules.notify_only_status
        return operation.status.value

    def _event_time(self, operation: Operation) -> str:
        """Write the time of an event; the live service has ended it in three ways (LB-40)."""
        text = timestamp(operation.created)
        return (
            text.removesuffix("Z") + self._chosen("zone", operation.id, ("Z", "+00:00", "")) if self._varies else text
        )

    def _seats_of(self, subscription: Subscription) -> Json:
        shown = (self._rules.quantity_shown_for_csp or subscription.channel is not Channel.CSP) and (
            self._rules.quantity_shown_when_unsubscribed or subscription.status is not SubscriptionStatus.UNSUBSCRIBED
        )
        return self._seats(subscription.quantity) if shown else {}

    def _seats(self, quantity: int | None) -> Json:
        """Return the field quantity: a number, and none for flat plans; or the text forms of LB-37."""
        if self._rules.quantity_as_text:
            return {"quantity": "" if quantity is None else str(quantity)}
        return {} if quantity is None else {"quantity": quantity}

    def _term(self, term: Term, subscription_id: str) -> Json:
        """Return the term; its days are left out before activation, and for some subscriptions always (LB-41)."""
        document: Json = {"termUnit": term.unit, "chargeDuration": term.charge_duration}
        hidden = self._varies and self._chosen("term", subscription_id, (False, False, False, True))
        if term.start is not None and term.end is not None and not hidden:
            document = {"startDate": _midnight(term.start), "endDate": _midnight(term.end), **document}
        return document

    def _chosen(self, what: str, thing: str, forms: Sequence[T]) -> T:
        digest = hashlib.blake2b(f"{self._seed}:{what}:{thing}".encode(), digest_size=4).digest()
        return forms[int.from_bytes(digest, "big") % len(forms)]


def _customer(customer: Customer) -> Json:
    return {
        "emailId": customer.email,
        "objectId": customer.object_id,
        "tenantId": customer.tenant_id,
        "puid": customer.puid,
    }


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _plan(plan: Plan) -> Json:
    document: Json = {
        "planId": plan.plan_id,
        "displayName": plan.display_name,
        "isPrivate": plan.is_private,
        "description": plan.description,
        "hasFreeTrials": plan.has_free_trials,
        "isPricePerSeat": plan.is_price_per_seat,
        "isStopSell": plan.is_stop_sell,
        "market": plan.market,
        "planComponents": {
            "recurrentBillingTerms": [_billing_term(term) for term in plan.terms],
            "meteringDimensions": [_dimension(dimension) for dimension in plan.metering_dimensions],
        },
    }
    if plan.is_price_per_seat:
        document["minQuantity"] = plan.min_quantity
        if plan.max_quantity is not None:
            document["maxQuantity"] = plan.max_quantity
    if plan.source_offers:
        document["sourceOffers"] = [{"externalId": offer_id} for offer_id in plan.source_offers]
    return document


def _billing_term(term: BillingTerm) -> Json:
    return {
        "currency": term.currency,
        "price": _price(term.price),
        "termUnit": term.term_unit,
        "termDescription": term.term_description,
        "meteredQuantityIncluded": [
            {"dimensionId": included.dimension_id, "units": included.units}
            for included in term.metered_quantity_included
        ],
    }


def _dimension(dimension: MeteringDimension) -> Json:
    return {
        "id": dimension.id,
        "currency": dimension.currency,
        "pricePerUnit": _price(dimension.price_per_unit),
        "unitOfMeasure": dimension.unit_of_measure,
        "displayName": dimension.display_name,
    }


def _price(price: Decimal) -> int | float:
    return int(price) if price == price.to_integral_value() else float(price)
