"""Faults of single transitions: what does not show, what does not follow (catalogue themes DEL, LCY, EVT)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import Json, answers, bodies, decision, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import Action, Source, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


def _shows_cancellation_after(emulator: "Emulator", span: timedelta) -> None:
    cancelled: dict[str, tuple[datetime, str]] = {}

    @decision(emulator.market, "cancel")
    def remembered(cancel: Any, caller: Any, subscription_id: str) -> Any:
        before = emulator.market.subscription(caller, subscription_id).status.value
        operation = cancel(caller, subscription_id)
        if operation is not None:
            cancelled[subscription_id] = emulator.market.now, before
        return operation

    @bodies(emulator, "get_subscription")
    def later(document: Json) -> None:
        at, before = cancelled.get(document["id"], (None, ""))
        if at is not None and emulator.market.now < at + span:
            document["saasSubscriptionStatus"] = before


@deviation(
    "cancellations-show-after-an-hour", breaks=["DEL-003", "DEL-017", "DEL-018", "DEL-019", "LCY-004", "LCY-012"]
)
def cancellations_show_after_an_hour(emulator: "Emulator") -> None:
    """Get shows a subscription that the publisher cancelled as it was before, for an hour."""
    _shows_cancellation_after(emulator, timedelta(hours=1))


@deviation("cancellations-show-after-two-minutes", breaks=["DEL-017"])
def cancellations_show_after_two_minutes(emulator: "Emulator") -> None:
    """Get shows a subscription that the publisher cancelled as it was before, for two minutes."""
    _shows_cancellation_after(emulator, timedelta(minutes=2))


@deviation("cancellations-wait-for-the-publisher", breaks=["EVT-033", "OPL-002", "OPL-012"])
def cancellations_wait_for_the_publisher(emulator: "Emulator") -> None:
    """The list of pending operations shows the cancellation of an Unsubscribed subscription."""
    latest: dict[str, Any] = {}

    @decision(emulator.market, "announce")
    def noticed(announce: Any, operation: Any, subscription: Any) -> None:
        if operation.action is Action.UNSUBSCRIBE:
            latest[operation.subscription_id] = operation
        announce(operation, subscription)

    @answers(emulator, "list_operations")
    def with_it(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        operation = latest.get(request.ids["subscription_id"])
        if reply.status == 200 and operation is not None:
            reply.document["operations"].append(emulator.wire.listed_operation(operation) | {"status": "InProgress"})
        return reply


@deviation("pending-purchases-outlive-their-cancellation", breaks=["LCY-004", "LCY-005", "DEL-018", "PVO-003"])
def pending_purchases_outlive_their_cancellation(emulator: "Emulator") -> None:
    """A purchase that is cancelled before activation goes on being PendingFulfillmentStart in Get."""

    @bodies(emulator, "get_subscription")
    def still_pending(document: Json) -> None:
        term = emulator.market.find(document["id"]).subscription.term
        if document["saasSubscriptionStatus"] == "Unsubscribed" and term.start is None:
            document["saasSubscriptionStatus"] = "PendingFulfillmentStart"


@deviation("suspensions-are-announced-and-nothing-else", breaks=["LCY-007", "LCY-023", "LCY-024", "EVT-024", "WHK-030"])
def suspensions_are_announced_and_nothing_else(emulator: "Emulator") -> None:
    """A missing payment is announced, and the subscription stays Subscribed."""

    @decision(emulator.market, "suspend")
    def announced(suspend: Any, subscription_id: str) -> Any:
        operation = suspend(subscription_id)
        emulator.market.resume(emulator.market.find(subscription_id))
        return operation


@deviation(
    "own-operations-are-found-when-they-have-ended",
    breaks=["LCY-017", "CHP-002", "CHQ-003", "HDR-001", "HDR-002", "OPG-001", "OPG-002", "OPG-003", "OPG-009"],
)
def own_operations_are_found_when_they_have_ended(emulator: "Emulator") -> None:
    """Get operation answers 404 for a change that the publisher began, as long as it is pending."""

    @answers(emulator, "get_operation")
    def once_ended(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        record = emulator.market.find(request.ids["subscription_id"]) if reply.status == 200 else None
        if record is None:
            return reply
        operation = emulator.market.find_operation(record, request.ids["operation_id"])
        if operation.source is Source.PARTNER and operation.is_pending:
            return Reply(404, error_reply(404, "OperationNotFound", "It is not known yet.").document, reply.headers)
        return reply


@deviation("missing-payment-on-the-last-day-cancels", breaks=["LCY-023"])
def missing_payment_on_the_last_day_cancels(emulator: "Emulator") -> None:
    """A renewal that is not paid ends the subscription instead of suspending it."""

    @decision(emulator.market, "suspend")
    def cancels(suspend: Any, subscription_id: str) -> Any:
        operation = suspend(subscription_id)
        if emulator.market.find(subscription_id).subscription.term.end == emulator.market.now.date():
            emulator.market.unsubscribe(subscription_id)
        return operation


@deviation("changes-are-applied-at-once", breaks=["OPP-002", "WHK-007", "WHK-026", "WHK-027", "WHK-029"])
def changes_are_applied_at_once(emulator: "Emulator") -> None:
    """A change is carried out when it begins, and stays when its operation fails."""

    @decision(emulator.market, "announce")
    def applied(announce: Any, operation: Any, subscription: Any) -> None:
        announce(operation, subscription)
        if operation.action.is_change:
            emulator.market.carry_out(emulator.market.find(operation.subscription_id), operation)


@deviation("activation-brings-cancelled-subscriptions-back", breaks=["ACT-014", "LCY-013"])
def activation_brings_cancelled_subscriptions_back(emulator: "Emulator") -> None:
    """Activating an Unsubscribed subscription makes it Subscribed again."""

    @decision(emulator.market, "activate")
    def back(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Any:
        record = emulator.market.find_owned(caller, subscription_id)
        if record.status is SubscriptionStatus.UNSUBSCRIBED:
            record.subscription = replace(record.subscription, status=SubscriptionStatus.PENDING_FULFILLMENT_START)
            record.activation_accepted = False
        return activate(caller, subscription_id, **values)
