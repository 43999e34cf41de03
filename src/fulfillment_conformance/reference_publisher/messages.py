"""What the marketplace says, read leniently.

Documents and live service disagree on many details: numbers are quoted, values are null, empty or missing, new fields
and words appear. A publisher that insists on one form loses an event, so everything here reads what it can and leaves
out what it cannot. Source pages: pc-saas-fulfillment-subscription-api, -operations-api, -webhook.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Status(StrEnum):
    """The four states of a subscription."""

    PENDING = "PendingFulfillmentStart"
    SUBSCRIBED = "Subscribed"
    SUSPENDED = "Suspended"
    UNSUBSCRIBED = "Unsubscribed"


def text(value: object) -> str:
    """Return a string without blanks around it; anything else reads as empty."""
    return value.strip() if isinstance(value, str) else ""


def seats(value: object) -> int | None:
    """Return a number of seats given as 4, "4" or " 4"; None, "" and everything else reads as None: not per seat."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who uses (beneficiary) or who pays (purchaser). Fields are empty when the marketplace does not say."""

    email: str = ""
    object_id: str = ""
    tenant_id: str = ""

    @classmethod
    def read(cls, value: object) -> Self:
        """Read `beneficiary` or `purchaser`."""
        fields = _mapping(value)
        return cls(
            email=text(fields.get("emailId")),
            object_id=text(fields.get("objectId")).lower(),
            tenant_id=text(fields.get("tenantId")).lower(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A billing term. Dates stay text: they are shown, and never decide about access."""

    start: str = ""
    end: str = ""
    unit: str = ""

    @classmethod
    def read(cls, value: object) -> Self:
        """Read `term`; dates of the year 1 are how some services write none."""
        fields = _mapping(value)
        start, end = text(fields.get("startDate")), text(fields.get("endDate"))
        return cls(
            start="" if start.startswith("0001-") else start,
            end="" if end.startswith("0001-") else end,
            unit=text(fields.get("termUnit")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as Get Subscription, the list and resolve describe it.

    `status` is None when the marketplace uses a word that we do not know. `allowed_operations` is None when it does not
    say what the customer may do.
    """

    id: str
    name: str = ""
    offer_id: str = ""
    plan_id: str = ""
    quantity: int | None = None
    status: Status | None = None
    beneficiary: Customer = Customer()
    purchaser: Customer = Customer()
    term: Term = Term()
    auto_renew: bool = True
    is_free_trial: bool = False
    allowed_operations: frozenset[str] | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a subscription object."""
        fields = _mapping(value)
        word = text(fields.get("saasSubscriptionStatus"))
        allowed = fields.get("allowedCustomerOperations")
        return cls(
            id=text(fields.get("id")),
            name=text(fields.get("name")),
            offer_id=text(fields.get("offerId")),
            plan_id=text(fields.get("planId")),
            quantity=seats(fields.get("quantity")),
            status=Status(word) if word in set(Status) else None,
            beneficiary=Customer.read(fields.get("beneficiary")),
            purchaser=Customer.read(fields.get("purchaser")),
            term=Term.read(fields.get("term")),
            auto_renew=fields.get("autoRenew") is not False,
            is_free_trial=fields.get("isFreeTrial") is True,
            allowed_operations=frozenset(map(text, allowed)) if isinstance(allowed, list) else None,
        )

    @classmethod
    def read_resolved(cls, value: object) -> Self:
        """Read the answer of resolve; its own fields stand in for a nested subscription that lacks them."""
        fields = _mapping(value)
        outer = {
            "id": fields.get("id"),
            "name": fields.get("subscriptionName"),
            "offerId": fields.get("offerId"),
            "planId": fields.get("planId"),
            "quantity": fields.get("quantity"),
        }
        nested = {key: given for key, given in _mapping(fields.get("subscription")).items() if given not in (None, "")}
        return cls.read({**outer, **nested})

    def allows(self, operation: str) -> bool:
        """Whether the customer may `Update` or `Delete`; reseller customers may only `Read`."""
        return self.allowed_operations is None or operation in self.allowed_operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as Get Operation describes it; `plan_id` and `quantity` are the requested values."""

    id: str
    subscription_id: str = ""
    action: str = ""
    plan_id: str = ""
    quantity: int | None = None
    status: str = ""

    @classmethod
    def read(cls, value: object) -> Self:
        """Read an operation object."""
        fields = _mapping(value)
        return cls(
            id=text(fields.get("id")),
            subscription_id=text(fields.get("subscriptionId")),
            action=text(fields.get("action")),
            plan_id=text(fields.get("planId")),
            quantity=seats(fields.get("quantity")),
            status=text(fields.get("status")),
        )

    @property
    def succeeded(self) -> bool:
        """Whether the operation has been carried out."""
        return self.status == "Succeeded"

    @property
    def ended(self) -> bool:
        """Whether the operation has an outcome: nothing can be accepted or refused any more."""
        return self.status in {"Succeeded", "Failed", "Conflict"}

    def shown_by(self, subscription: Subscription) -> bool:
        """Whether a subscription already has what the operation asked for."""
        if self.action == "ChangePlan":
            return subscription.plan_id == self.plan_id
        if self.action == "ChangeQuantity":
            return subscription.quantity == self.quantity
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A notification: what it claims to announce. Only ids and action are certain to be there."""

    operation_id: str
    subscription_id: str
    action: str
    plan_id: str = ""
    quantity: int | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Read the body of a webhook call.

        Raises:
            ValueError: it is not an object, or operation id, subscription id or action is missing.
        """
        fields = _mapping(value)
        event = cls(
            operation_id=text(fields.get("id")),
            subscription_id=text(fields.get("subscriptionId")),
            action=text(fields.get("action")),
            plan_id=text(fields.get("planId")),
            quantity=seats(fields.get("quantity")),
        )
        names = {"id": event.operation_id, "subscriptionId": event.subscription_id, "action": event.action}
        missing = [name for name, given in names.items() if not given]
        if missing:
            raise ValueError(f"the notification lacks {', '.join(missing)}")
        return event


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan from the list of available plans; seat limits are None where it has none."""

    id: str
    name: str = ""
    per_seat: bool = False
    minimum: int | None = None
    maximum: int | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Read one entry of `plans`."""
        fields = _mapping(value)
        per_seat = fields.get("isPricePerSeat") is True
        return cls(
            id=text(fields.get("planId")),
            name=text(fields.get("displayName")),
            per_seat=per_seat,
            minimum=seats(fields.get("minQuantity")) if per_seat else None,
            maximum=seats(fields.get("maxQuantity")) if per_seat else None,
        )
