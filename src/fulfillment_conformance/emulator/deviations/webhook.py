"""Faults of webhook calls that come again, come late, or wait for an answer (catalogue theme WHK)."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.delivery import Notification
from fulfillment_conformance.emulator.deviations.registry import Json, decision, deviation, payloads
from fulfillment_conformance.marketplace import Action, Delivery, OperationStatus, Source

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("accepted-changes-are-announced-again", breaks=["WHK-001"])
def accepted_changes_are_announced_again(emulator: "Emulator") -> None:
    """A change that has succeeded is announced once more."""

    @decision(emulator.market, "_close_operation")
    def and_told(close: Any, record: Any, operation: Any, status: Any, error: str = "") -> None:
        close(record, operation, status, error)
        if operation.action.is_change and status is OperationStatus.SUCCEEDED:
            emulator.market._post(operation, record.subscription, 2)


@deviation("events-without-an-outcome-are-announced-once", breaks=["WHK-006"])
def events_without_an_outcome_are_announced_once(emulator: "Emulator") -> None:
    """A call about Suspend, Renew or Unsubscribe that is not accepted does not come again."""

    @decision(emulator.market, "delivery_answered")
    def taken(answered: Any, delivery: Any, status: int | None) -> None:
        answered(delivery, 200 if delivery.action.is_notify_only else status)


@deviation("repeated-calls-are-not-signed", breaks=["WHK-013"])
def repeated_calls_are_not_signed(emulator: "Emulator") -> None:
    """A call that comes again has no Authorization header."""

    def unsigned(delivery: Delivery, compose: Any) -> Notification:
        notification: Notification = compose(delivery)
        if delivery.attempt > 1:
            notification.headers.pop("authorization")
        return notification

    emulator.wrap_notification(unsigned)


@deviation("repeated-calls-tell-the-old-plan", breaks=["WHK-006"])
def repeated_calls_tell_the_old_plan(emulator: "Emulator") -> None:
    """A ChangePlan that comes again names the present plan instead of the new one."""

    @payloads(emulator)
    def old(payload: Json, delivery: Delivery) -> None:
        if delivery.attempt > 1 and delivery.action is Action.CHANGE_PLAN:
            payload["planId"] = payload["subscription"]["planId"]


@deviation("changes-that-are-accepted-late-fail", breaks=["WHK-025"])
def changes_that_are_accepted_late_fail(emulator: "Emulator") -> None:
    """A change whose first call was not accepted fails, though a later one is."""

    @decision(emulator.market, "end_silence")
    def too_late(end_silence: Any, operation_id: str) -> None:
        notification = emulator.market._notifications[operation_id]
        if notification.attempts > 1:
            emulator.market.fail(emulator.market._operations[operation_id], "It was accepted late.")
        else:
            end_silence(operation_id)


@deviation("own-changes-wait-for-ever", breaks=["WHK-025"])
def own_changes_wait_for_ever(emulator: "Emulator") -> None:
    """Silence accepts what customers change, and not what the publisher has changed."""

    @decision(emulator.market, "end_silence")
    def of_others(end_silence: Any, operation_id: str) -> None:
        operation = emulator.market._operations[operation_id]
        if operation.source is not Source.PARTNER or not operation.action.is_change:
            end_silence(operation_id)


@deviation("silence-accepts-after-five-seconds", breaks=["WHK-047"])
def silence_accepts_after_five_seconds(emulator: "Emulator") -> None:
    """The publisher has five seconds to reject a change."""
    emulator.market.rules = replace(emulator.market.rules, acceptance_window=timedelta(seconds=5))


@deviation("failure-undoes-a-suspension", breaks=["WHK-030"])
def failure_undoes_a_suspension(emulator: "Emulator") -> None:
    """PATCH Failure on the operation of a Suspend is answered 200, and makes the subscription Subscribed again."""

    @decision(emulator.market, "settle")
    def undone(settle: Any, caller: Any, subscription_id: str, operation_id: str, *, status: str) -> Any:
        record = emulator.market.find(subscription_id)
        operation = emulator.market.find_operation(record, operation_id)
        if operation.action is not Action.SUSPEND or status != "Failure":
            return settle(caller, subscription_id, operation_id, status=status)
        emulator.market.resume(record)
        return operation
