"""Faults of the operations API (catalogue themes OPL, OPG, OPP)."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    decision,
    deviation,
    error_code,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.emulator.wire import timestamp
from fulfillment_conformance.marketplace import Action, Channel, Refused, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("operations-are-listed-late", breaks=["OPL-001", "WHK-047"])
def are_listed_late(emulator: "Emulator") -> None:
    """The list of pending operations stays empty for an hour."""
    emulator.market.rules = replace(emulator.market.rules, operations_listed_after=timedelta(hours=1))


def _each_listed(emulator: "Emulator", change: Any) -> None:
    @bodies(emulator, "list_operations")
    def changed(document: Json) -> None:
        for operation in document["operations"]:
            change(operation)


@deviation("listed-operations-have-no-activity", breaks=["OPL-003"])
def listed_operations_have_no_activity(emulator: "Emulator") -> None:
    """The activityId of listed operations is missing."""
    _each_listed(emulator, lambda operation: operation.pop("activityId"))


@deviation("listed-operations-have-not-started", breaks=["OPL-004"])
def listed_operations_have_not_started(emulator: "Emulator") -> None:
    """The status of listed operations is NotStarted."""
    _each_listed(emulator, lambda operation: operation.update(status="NotStarted"))


@deviation("odd-ids-have-no-operations", breaks=["OPL-006"])
def odd_ids_have_no_operations(emulator: "Emulator") -> None:
    """Listing the operations of an id that is no GUID is answered 200, as if none were pending."""

    @answers(emulator, "list_operations")
    def none_pending(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        return Reply(200, {"operations": []}, reply.headers) if error_code(reply) == "IdInvalid" else reply


@deviation("operations-of-unknown-subscriptions-are-none", breaks=["OPL-008"])
def of_unknown_subscriptions_are_none(emulator: "Emulator") -> None:
    """Listing the operations of an id that does not exist is answered 200."""
    emulator.market.rules = replace(emulator.market.rules, unknown_subscription_lists_nothing=True)


@deviation("ended-operations-stay-listed", breaks=["OPL-011"])
def ended_operations_stay_listed(emulator: "Emulator") -> None:
    """The list of pending operations goes on showing those that have ended, as InProgress."""
    seen: dict[str, dict[str, Json]] = {}

    @answers(emulator, "list_operations")
    def remembered(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            known = seen.setdefault(request.ids["subscription_id"], {})
            known |= {operation["id"]: operation for operation in reply.document["operations"]}
            reply.document["operations"] = list(known.values())
        return reply


@deviation("no-operations-are-not-found", breaks=["OPL-002", "OPL-011", "HDR-001", "HDR-002", "HDR-007"])
def no_operations_are_not_found(emulator: "Emulator") -> None:
    """Listing operations where none is pending is answered 404."""

    @answers(emulator, "list_operations")
    def not_found(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and not reply.document["operations"]:
            return Reply(404, error_reply(404, "OperationNotFound", "None is pending.").document, reply.headers)
        return reply


@deviation("listed-seats-are-words", breaks=["OPL-005"])
def listed_seats_are_words(emulator: "Emulator") -> None:
    """The quantity of listed operations is a word."""
    _each_listed(emulator, lambda operation: operation.update(quantity="many") if "quantity" in operation else None)


@deviation("operation-ids-are-in-capitals", breaks=["OPG-001"])
def ids_are_in_capitals(emulator: "Emulator") -> None:
    """The id that Get operation shows is not, letter by letter, the one that was asked for."""
    _shown(emulator, lambda operation: operation.update(id=operation["id"].upper()))


def _shown(emulator: "Emulator", change: Any) -> None:
    bodies(emulator, "get_operation")(change)


@deviation("operations-are-running", breaks=["OPG-003"])
def are_running(emulator: "Emulator") -> None:
    """The status of a pending operation is Running."""
    _shown(
        emulator,
        lambda operation: operation.update(status="Running") if operation["status"] == "InProgress" else None,
    )


@deviation("conflicts-are-failures", breaks=["OPG-004"])
def conflicts_are_failures(emulator: "Emulator") -> None:
    """The status of a change to the present value is Failed."""
    _shown(emulator, lambda operation: operation.update(status="Failed") if operation["status"] == "Conflict" else None)


@deviation("ended-operations-go-on", breaks=["OPG-017", "OPP-018"])
def ended_operations_go_on(emulator: "Emulator") -> None:
    """An operation that has ended is InProgress again when it is looked at a second time."""
    seen: set[str] = set()

    @bodies(emulator, "get_operation")
    def again(operation: Json) -> None:
        if operation["status"] == "Succeeded":
            if operation["id"] in seen:
                operation["status"] = "InProgress"
            seen.add(operation["id"])


@deviation("actions-begin-small", breaks=["OPG-005"])
def actions_begin_small(emulator: "Emulator") -> None:
    """The action that Get operation shows begins with a small letter."""
    _shown(
        emulator, lambda operation: operation.update(action=operation["action"][0].lower() + operation["action"][1:])
    )


@deviation("operations-have-no-activity", breaks=["OPG-007"])
def have_no_activity(emulator: "Emulator") -> None:
    """The activityId that Get operation shows is missing."""
    _shown(emulator, lambda operation: operation.pop("activityId"))


@deviation("operations-show-the-present-values", breaks=["OPG-009", "LCY-017"])
def show_the_present_values(emulator: "Emulator") -> None:
    """Get operation shows plan and seats as they are, not as they are wanted."""

    @bodies(emulator, "get_operation")
    def present(operation: Json) -> None:
        subscription = emulator.market.find(operation["subscriptionId"]).subscription
        operation |= {"planId": subscription.plan_id}
        if "quantity" in operation:
            operation["quantity"] = subscription.quantity


@deviation("unknown-operations-are-bad", breaks=["OPG-006", "OPG-010", "OPG-011", "OPG-012"])
def unknown_operations_are_bad(emulator: "Emulator") -> None:
    """Getting an operation that does not exist is answered 400."""
    emulator.market.rules = replace(emulator.market.rules, unknown_operation_status=400)


@deviation("operations-count-seconds", breaks=["OPG-016", "HDR-030"])
def count_seconds(emulator: "Emulator") -> None:
    """The timeStamp that Get operation shows is a number."""
    _shown(emulator, lambda operation: operation.update(timeStamp=1_700_000_000))


@deviation("outcomes-are-answered-202", breaks=["OPP-001", "OPP-002", "HDR-001", "HDR-002", "WHK-038"])
def outcomes_are_answered_202(emulator: "Emulator") -> None:
    """PATCH on a pending operation is answered 202."""

    @answers(emulator, "settle_operation")
    def accepted(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.status = 202
        return reply


@deviation("failure-is-taken-for-success", breaks=["OPP-002", "WHK-026", "WHK-029"])
def failure_is_taken_for_success(emulator: "Emulator") -> None:
    """A change that the publisher rejects by PATCH is carried out."""
    emulator.market.rules = replace(emulator.market.rules, patch_failure_holds=False)


@deviation("any-word-is-an-outcome", breaks=["OPP-005"])
def any_word_is_an_outcome(emulator: "Emulator") -> None:
    """PATCH with an invented status is answered 200."""
    emulator.market.rules = replace(emulator.market.rules, unknown_status_words_ignored=True)


@deviation("outcomes-of-unknown-operations-are-bad", breaks=["OPP-008", "OPP-009"])
def outcomes_of_unknown_operations_are_bad(emulator: "Emulator") -> None:
    """PATCH on an operation that does not exist is answered 400."""
    emulator.market.rules = replace(emulator.market.rules, unknown_settlement_status=400)


@deviation("ended-operations-are-bad", breaks=["OPP-010", "OPP-018"])
def ended_operations_are_bad(emulator: "Emulator") -> None:
    """PATCH on an operation that has ended is answered 400."""

    @answers(emulator, "settle_operation")
    def bad_request(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "OperationEnded":
            reply.status = 400
        return reply


@deviation("success-leaves-operations-pending", breaks=["OPP-012", "WHK-028"])
def success_leaves_operations_pending(emulator: "Emulator") -> None:
    """PATCH Success is answered 200 and does nothing until silence does."""

    @decision(emulator.market, "settle_pending")
    def later(settle: Any, operation: Any, *, success: bool) -> None:
        if not success:
            settle(operation, success=success)


def _cannot_be_acknowledged(emulator: "Emulator", concerned: Any) -> None:
    @decision(emulator.market, "settle")
    def refused(settle: Any, caller: Any, subscription_id: str, operation_id: str, *, status: str) -> Any:
        record = emulator.market.find_owned(caller, subscription_id)
        if concerned(record.subscription, emulator.market.find_operation(record, operation_id)):
            raise Refused(400, "NotAllowed", "Nothing is expected of you.")
        return settle(caller, subscription_id, operation_id, status=status)


@deviation("reinstatements-cannot-be-acknowledged", breaks=["OPP-001"], perhaps=["OPP-002"])
def reinstatements_cannot_be_acknowledged(emulator: "Emulator") -> None:
    """PATCH on a reinstatement that waits is answered 400."""
    _cannot_be_acknowledged(emulator, lambda _, operation: operation.action is Action.REINSTATE)


@deviation("resold-changes-cannot-be-acknowledged", breaks=["OPP-001"])
def resold_changes_cannot_be_acknowledged(emulator: "Emulator") -> None:
    """PATCH on a change of a resold subscription is answered 400, like a change that the publisher would begin."""
    _cannot_be_acknowledged(emulator, lambda subscription, _: subscription.channel is Channel.CSP)


@deviation("cancelled-subscriptions-have-no-list", breaks=["OPL-002"])
def cancelled_subscriptions_have_no_list(emulator: "Emulator") -> None:
    """Listing the operations of an Unsubscribed subscription is answered 404."""

    @answers(emulator, "list_operations")
    def gone(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        status = emulator.market.find(request.ids["subscription_id"]).status if reply.status == 200 else None
        if status is not SubscriptionStatus.UNSUBSCRIBED:
            return reply
        return Reply(404, error_reply(404, "SubscriptionNotFound", "It is cancelled.").document, reply.headers)


@deviation("words-of-answers-are-outcomes", breaks=["OPP-005"])
def words_of_answers_are_outcomes(emulator: "Emulator") -> None:
    """PATCH takes Succeeded and Failed, the words that Get operation shows, for Success and Failure."""

    @decision(emulator.market, "settle")
    def understood(settle: Any, *which: Any, status: str) -> Any:
        return settle(*which, status={"Succeeded": "Success", "Failed": "Failure"}.get(status, status))


@deviation("reading-an-operation-dates-it", breaks=["OPG-016"])
def reading_dates_it(emulator: "Emulator") -> None:
    """The timeStamp that Get operation shows is the time at which it is asked."""
    _shown(emulator, lambda operation: operation.update(timeStamp=timestamp(emulator.market.now)))
