"""Faults that a first look does not show: they come with a second change, after a refusal, or after an outcome.

They concern changes and cancellation through the API and the operations that these begin (catalogue themes CHP, CHQ,
DEL, OPG, OPP).
"""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import answers, decision, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.marketplace import Action, OperationStatus, Refused, Source
from fulfillment_conformance.marketplace.timers import TimerKind

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("later-changes-have-no-effect", breaks=["CHP-022", "CHQ-020"], perhaps=["WHK-025"])
def later_changes_have_no_effect(emulator: "Emulator") -> None:
    """Only the first change of a subscription is carried out; the others merely succeed."""
    changed: set[str] = set()

    @decision(emulator.market, "carry_out")
    def once(carry_out: Any, record: Any, operation: Any) -> None:
        if operation.action.is_change:
            if operation.subscription_id in changed:
                return
            changed.add(operation.subscription_id)
        carry_out(record, operation)


@deviation("the-present-plan-is-the-purchased-one", breaks=["CHP-001", "CHP-013"])
def present_plan_is_the_purchased_one(emulator: "Emulator") -> None:
    """The plan that cannot be changed to is the one that was bought, not the one that the subscription has."""

    @decision(emulator.market, "require_other_value")
    def of_seats_only(require: Any, present: Any, wanted: Any, *, name: str) -> None:
        if name != "plan":
            require(present, wanted, name=name)

    @decision(emulator.market, "change_plan")
    def but_the_purchased(change: Any, caller: Any, subscription_id: str, plan_id: str) -> Any:
        if emulator.market.subscription(caller, subscription_id).purchased_plan_id == plan_id:
            raise Refused(400, "SameValue", f"The plan is {plan_id!r}.")
        return change(caller, subscription_id, plan_id)


@deviation("plan-changes-reset-the-seats", breaks=["CHP-022"], perhaps=["WHK-025"])
def plan_changes_reset_the_seats(emulator: "Emulator") -> None:
    """After a change of plan a subscription has as many seats as the new plan asks for at least."""

    @decision(emulator.market, "carry_out")
    def and_reset(carry_out: Any, record: Any, operation: Any) -> None:
        carry_out(record, operation)
        if operation.action is Action.CHANGE_PLAN and record.subscription.quantity is not None:
            least = emulator.market.plan_of(record.subscription).min_quantity
            record.subscription = replace(record.subscription, quantity=least)


@deviation("limits-of-seats-are-those-of-the-purchased-plan", breaks=["CHQ-001"])
def limits_are_those_of_the_purchased_plan(emulator: "Emulator") -> None:
    """How many seats can be ordered does not change with the plan."""

    @decision(emulator.market, "change_quantity")
    def by_the_first(change: Any, caller: Any, subscription_id: str, quantity: int) -> Any:
        subscription = emulator.market.subscription(caller, subscription_id)
        purchased = emulator.market.offer_of(subscription).plan(subscription.purchased_plan_id)
        if purchased is not None:
            emulator.market.require_seats(purchased, quantity)
        return change(caller, subscription_id, quantity)


@deviation("the-highest-number-of-seats-is-refused", breaks=["CHQ-002"])
def highest_number_is_refused(emulator: "Emulator") -> None:
    """As many seats as a plan allows cannot be ordered, one fewer can."""

    @decision(emulator.market, "change_quantity")
    def fewer(change: Any, caller: Any, subscription_id: str, quantity: int) -> Any:
        if emulator.market.plan_of(emulator.market.subscription(caller, subscription_id)).max_quantity == quantity:
            raise Refused(400, "QuantityOutOfRange", f"{quantity} seats are too many.")
        return change(caller, subscription_id, quantity)


@deviation("rejections-lock-the-subscription", breaks=["CHP-001"], perhaps=["LCY-031"])
def rejections_lock_the_subscription(emulator: "Emulator") -> None:
    """Once a publisher has rejected a change, no other one can begin."""
    locked: set[str] = set()

    @decision(emulator.market, "reject")
    def noticed(reject: Any, operation: Any) -> None:
        locked.add(operation.subscription_id)
        reject(operation)

    @decision(emulator.market, "require_unlocked")
    def for_ever(require: Any, record: Any) -> None:
        if record.subscription.id in locked:
            raise Refused(409, "OperationPending", "A change was rejected.")
        require(record)


@deviation("strangers-are-refused-and-served", breaks=["AUT-030", "CHP-016", "CHQ-014", "OPP-006", "OPP-007"])
def strangers_are_refused_and_served(emulator: "Emulator") -> None:
    """A change, or an outcome, that comes without good credentials is refused, and taken for the publisher's."""

    @answers(emulator, "change_subscription", "settle_operation")
    def served(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status in {401, 403}:
            request.headers = {**request.headers, "authorization": f"Bearer {emulator.identity.access_token()}"}
            answer(request)
        return reply


@deviation("refused-cancellations-are-carried-out", breaks=["DEL-010"])
def refused_cancellations_are_carried_out(emulator: "Emulator") -> None:
    """Cancelling while a change is pending is answered 409, and ends the subscription."""

    @decision(emulator.market, "cancel")
    def all_the_same(cancel: Any, caller: Any, subscription_id: str) -> Any:
        try:
            return cancel(caller, subscription_id)
        except Refused as refused:
            if refused.code == "OperationPending":
                emulator.market.unsubscribe(subscription_id)
            raise


@deviation("own-cancellations-cannot-be-repeated", breaks=["DEL-006"])
def own_cancellations_cannot_be_repeated(emulator: "Emulator") -> None:
    """Cancelling what the publisher has cancelled itself is answered 400."""
    cancelled: set[str] = set()

    @decision(emulator.market, "cancel")
    def once(cancel: Any, caller: Any, subscription_id: str) -> Any:
        operation = cancel(caller, subscription_id)
        if operation is None and subscription_id in cancelled:
            raise Refused(400, "StatusForbids", "You have cancelled it before.")
        cancelled.add(subscription_id)
        return operation


@deviation("operations-are-forgotten-when-another-begins", breaks=["OPG-017"], perhaps=["WHK-025"])
def are_forgotten_when_another_begins(emulator: "Emulator") -> None:
    """An operation that has ended is not found any more once the subscription has another one."""
    latest: dict[str, str] = {}

    @decision(emulator.market, "announce")
    def noticed(announce: Any, operation: Any, subscription: Any) -> None:
        latest[operation.subscription_id] = operation.id
        announce(operation, subscription)

    @decision(emulator.market, "is_fetchable")
    def unless_there_is_another(is_fetchable: Any, operation: Any) -> bool:
        known = operation.is_pending or latest.get(operation.subscription_id, operation.id) == operation.id
        return known and bool(is_fetchable(operation))


@deviation("a-rejection-can-be-taken-back", breaks=["OPP-018"], perhaps=["OPP-012"])
def a_rejection_can_be_taken_back(emulator: "Emulator") -> None:
    """PATCH Success on a change that was rejected by PATCH Failure is answered 200, and carries it out."""

    @decision(emulator.market, "settle")
    def or_again(settle: Any, caller: Any, subscription_id: str, operation_id: str, *, status: str) -> Any:
        record = emulator.market.find(subscription_id)
        operation = emulator.market.find_operation(record, operation_id)
        if status != "Success" or operation.status is not OperationStatus.FAILED:
            return settle(caller, subscription_id, operation_id, status=status)
        emulator.market.carry_out(record, operation)
        succeeded = replace(operation, status=OperationStatus.SUCCEEDED)
        emulator.market._operations[operation_id] = succeeded
        return succeeded


@deviation(
    "silence-carries-out-what-was-rejected",
    breaks=["OPP-002", "OPP-018", "WHK-027", "WHK-029"],
    perhaps=["CHQ-020"],
)
def silence_carries_out_what_was_rejected(emulator: "Emulator") -> None:
    """Ten seconds after its rejection a change is carried out, as if the publisher had said nothing."""
    rejected: set[str] = set()

    @decision(emulator.market, "reject")
    def with_a_timer(reject: Any, operation: Any) -> None:
        rejected.add(operation.id)
        reject(operation)
        emulator.market._timers.set(emulator.market.now + timedelta(seconds=10), TimerKind.SILENCE, operation.id)

    @decision(emulator.market, "end_silence")
    def carried_out(end_silence: Any, operation_id: str) -> None:
        if operation_id not in rejected:
            end_silence(operation_id)
            return
        operation = emulator.market._operations[operation_id]
        emulator.market.carry_out(emulator.market.find(operation.subscription_id), operation)


@deviation("own-changes-are-not-outstanding", breaks=["OPL-001"])
def own_changes_are_not_outstanding(emulator: "Emulator") -> None:
    """The list of pending operations lacks those that the publisher began."""

    @decision(emulator.market, "is_listed")
    def of_others(is_listed: Any, operation: Any) -> bool:
        return operation.source is not Source.PARTNER and bool(is_listed(operation))
