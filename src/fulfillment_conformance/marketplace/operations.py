"""What happens to subscriptions: actions, operations, and the deliveries that announce them to the publisher.

Sources: pc-saas-fulfillment-operations-api, pc-saas-fulfillment-webhook.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fulfillment_conformance.marketplace.subscriptions import Subscription


class Action(StrEnum):
    """The seven events of the connection webhook."""

    SUBSCRIBE = "Subscribe"
    CHANGE_PLAN = "ChangePlan"
    CHANGE_QUANTITY = "ChangeQuantity"
    RENEW = "Renew"
    SUSPEND = "Suspend"
    REINSTATE = "Reinstate"
    UNSUBSCRIBE = "Unsubscribe"

    @property
    def is_change(self) -> bool:
        """True for plan and seat changes, which the publisher may reject."""
        return self is Action.CHANGE_PLAN or self is Action.CHANGE_QUANTITY

    @property
    def is_notify_only(self) -> bool:
        """True for events that are in force before they are announced, whatever the publisher answers."""
        return not self.is_change and self is not Action.REINSTATE


class OperationStatus(StrEnum):
    """How far an operation has come. `Conflict`: the requested value is the present one."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CONFLICT = "Conflict"


class Source(StrEnum):
    """Who started an operation: the marketplace's side, or the publisher through the API."""

    AZURE = "Azure"
    PARTNER = "Partner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as it stood at one moment; it never changes, the marketplace replaces it.

    `plan_id` and `quantity` are the requested values of a change, the present ones otherwise. `created` is the time of
    the event. `error_status_code` and `error_message` are empty unless the operation failed or met a conflict.
    """

    id: str
    activity_id: str
    subscription_id: str
    publisher_id: str
    offer_id: str
    plan_id: str
    quantity: int | None
    action: Action
    status: OperationStatus
    source: Source
    created: datetime
    error_status_code: str = ""
    error_message: str = ""

    @property
    def is_pending(self) -> bool:
        """True until the operation has an outcome."""
        return self.status is OperationStatus.IN_PROGRESS or self.status is OperationStatus.NOT_STARTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to tell the publisher of an operation.

    `subscription` is the state to nest in the payload: the one before a pending change, the one after an event that is
    already in force; None where the short payload without it is sent. `attempt` counts from 1.
    """

    id: str
    operation: Operation
    subscription: Subscription | None
    attempt: int
    sent_at: datetime

    @property
    def action(self) -> Action:
        """The event that is announced."""
        return self.operation.action
