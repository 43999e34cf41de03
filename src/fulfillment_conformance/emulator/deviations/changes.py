"""Faults of plan and seat changes and of cancellation through the API (catalogue themes CHP, CHQ, DEL)."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    decision,
    deviation,
    error_code,
    refuses_with,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.marketplace import Action, Refused, Source, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation(
    "changes-are-answered-200",
    breaks=[
        *("CHP-001", "CHP-002", "CHP-020", "CHP-024", "CHQ-001", "CHQ-002", "CHQ-003"),
        *("HDR-001", "HDR-002"),
    ],
)
def are_answered_200(emulator: "Emulator") -> None:
    """A change of plan or seats is answered 200."""

    @answers(emulator, "change_subscription")
    def done(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 202:
            reply.status = 200
        return reply


@deviation("operation-locations-are-relative", breaks=["CHP-002", "CHQ-003", "DEL-002"])
def locations_are_relative(emulator: "Emulator") -> None:
    """Operation-Location lacks scheme and host."""

    @answers(emulator, "change_subscription", "cancel")
    def relative(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if "Operation-Location" in reply.headers:
            location = urlsplit(reply.headers["Operation-Location"])
            reply.headers["Operation-Location"] = urlunsplit(("", "", *location[2:]))
        return reply


@deviation("operation-locations-lack-the-version", breaks=["CHP-002", "CHQ-003"])
def locations_lack_the_version(emulator: "Emulator") -> None:
    """Operation-Location has no api-version."""

    @answers(emulator, "change_subscription")
    def versionless(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if "Operation-Location" in reply.headers:
            reply.headers["Operation-Location"] = reply.headers["Operation-Location"].partition("?")[0]
        return reply


@deviation(
    "own-changes-are-not-announced",
    breaks=["CHP-006", "CHQ-005", "DEL-004", "EVT-032", "LCY-012", "WHK-040"],
    perhaps=["WHK-025"],
)
def own_changes_are_not_announced(emulator: "Emulator") -> None:
    """No notification is sent of what the publisher itself started."""

    @decision(emulator.market, "announce")
    def theirs_only(announce: Any, operation: Any, subscription: Any) -> None:
        if operation.source is not Source.PARTNER:
            announce(operation, subscription)


@deviation("changes-are-possible-in-every-state", breaks=["CHP-010", "CHQ-012", "LCY-014", "LCY-025"])
def are_possible_in_every_state(emulator: "Emulator") -> None:
    """A publisher's change is accepted for pending and suspended subscriptions, too."""

    @decision(emulator.market, "require_status")
    def any_state(require: Any, record: Any, *allowed: Any, purpose: str, otherwise: int) -> None:
        by_publisher = purpose == "a change" and otherwise == 400
        if not by_publisher or record.status is SubscriptionStatus.UNSUBSCRIBED:
            require(record, *allowed, purpose=purpose, otherwise=otherwise)


@deviation("unknown-plans-of-changes-are-not-found", breaks=["CHP-011"])
def unknown_plans_are_not_found(emulator: "Emulator") -> None:
    """A change to a plan that does not exist is answered 404."""

    @answers(emulator, "change_subscription")
    def not_found(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "PlanNotAvailable":
            wanted = emulator.api.read_document(request)["planId"]
            if all(offer.plan(wanted) is None for offer in emulator.market.offers()):
                reply.status = 404
        return reply


@deviation("changes-to-the-present-plan-are-accepted", breaks=["CHP-013"])
def to_the_present_plan_are_accepted(emulator: "Emulator") -> None:
    """A change to the plan that the subscription has is answered 202."""
    _may_stay(emulator, "plan")


@deviation("changes-to-the-present-seats-are-accepted", breaks=["CHQ-011"])
def to_the_present_seats_are_accepted(emulator: "Emulator") -> None:
    """A change to the seats that the subscription has is answered 202."""
    _may_stay(emulator, "number of seats")


def _may_stay(emulator: "Emulator", what: str) -> None:
    @decision(emulator.market, "require_other_value")
    def or_the_same(require: Any, present: Any, wanted: Any, *, name: str) -> None:
        if name != what:
            require(present, wanted, name=name)


@deviation("customers-of-resellers-may-update", breaks=["CHP-014", "CHQ-013", "LCY-016"])
def customers_of_resellers_may_update(emulator: "Emulator") -> None:
    """A change is accepted although allowedCustomerOperations lacks Update."""
    _is_allowed(emulator, "Update")


@deviation("customers-of-resellers-may-cancel", breaks=["DEL-007"])
def customers_of_resellers_may_cancel(emulator: "Emulator") -> None:
    """Cancelling is accepted although allowedCustomerOperations lacks Delete."""
    _is_allowed(emulator, "Delete")


def _is_allowed(emulator: "Emulator", permitted: str) -> None:
    @decision(emulator.market, "require_allowed")
    def also(require: Any, subscription: Any, operation: str) -> None:
        if operation != permitted:
            require(subscription, operation)


@deviation("changes-of-unknown-subscriptions-are-bad", breaks=["CHP-015", "CHQ-015"])
def of_unknown_subscriptions_are_bad(emulator: "Emulator") -> None:
    """Changing an id that does not exist is answered 400."""
    refuses_with(emulator, 400, "SubscriptionNotFound", "change_subscription")


@deviation("plan-and-seats-together-break-the-service", breaks=["CHP-018"])
def plan_and_seats_together_break_the_service(emulator: "Emulator") -> None:
    """A change that names both planId and quantity is answered 500."""
    refuses_with(emulator, 500, "PlanAndQuantity", "change_subscription")


@deviation("subscriptions-wait-while-they-change", breaks=["CHP-021", "LCY-015"])
def wait_while_they_change(emulator: "Emulator") -> None:
    """While a change is pending, Get shows PendingFulfillmentStart."""

    @bodies(emulator, "get_subscription")
    def waiting(document: Json) -> None:
        if emulator.market.find(document["id"]).pending and document["saasSubscriptionStatus"] == "Subscribed":
            document["saasSubscriptionStatus"] = "PendingFulfillmentStart"


@deviation(
    "plan-changes-end-without-effect",
    breaks=["CHP-003", "CHP-022", "CSP-002", "GET-011", "OPP-012", "WHK-025", "WHK-028"],
)
def plan_changes_end_without_effect(emulator: "Emulator") -> None:
    """A plan change succeeds, and the plan stays."""
    _without_effect(emulator, Action.CHANGE_PLAN)


@deviation("seat-changes-end-without-effect", breaks=["CHQ-020", "CSP-002", "OPP-012", "WHK-025", "WHK-028"])
def seat_changes_end_without_effect(emulator: "Emulator") -> None:
    """A seat change succeeds, and the seats stay."""
    _without_effect(emulator, Action.CHANGE_QUANTITY)


def _without_effect(emulator: "Emulator", action: Action) -> None:
    @decision(emulator.market, "carry_out")
    def all_but(carry_out: Any, record: Any, operation: Any) -> None:
        if operation.action is not action:
            carry_out(record, operation)


@deviation("changes-of-nothing-are-accepted", breaks=["CHP-023", "CHQ-010"])
def of_nothing_are_accepted(emulator: "Emulator") -> None:
    """A change that names neither plan nor seats is answered 200."""

    @answers(emulator, "change_subscription")
    def nothing_to_do(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        return Reply(200, None, reply.headers) if error_code(reply) == "NothingToChange" else reply


@deviation("seats-can-only-be-raised", breaks=["CHQ-002"])
def seats_can_only_be_raised(emulator: "Emulator") -> None:
    """A change to fewer seats is refused."""

    @decision(emulator.market, "change_quantity")
    def more_only(change: Any, caller: Any, subscription_id: str, quantity: int) -> Any:
        present = emulator.market.subscription(caller, subscription_id).quantity
        if present is not None and 0 < quantity < present:
            raise Refused(400, "FewerSeats", f"There are {present} seats; fewer cannot be ordered.")
        return change(caller, subscription_id, quantity)


@deviation("seats-have-no-maximum", breaks=["CHQ-008"])
def seats_have_no_maximum(emulator: "Emulator") -> None:
    """More seats than the plan allows can be ordered."""

    @decision(emulator.market, "require_seats")
    def at_least(require: Any, plan: Any, quantity: int) -> None:
        require(plan, min(quantity, plan.max_quantity or quantity))


@deviation("seats-have-no-minimum", breaks=["CHQ-009", "CHQ-019"])
def seats_have_no_minimum(emulator: "Emulator") -> None:
    """Fewer seats than the plan allows can be ordered."""

    @decision(emulator.market, "require_seats")
    def at_most(require: Any, plan: Any, quantity: int) -> None:
        require(plan, max(quantity, plan.min_quantity))


@deviation(
    "cancelling-is-answered-200",
    breaks=["DEL-001", "DEL-002", "DEL-018", "DEL-019", "DEL-021", "HDR-001", "HDR-002", "LCY-025"],
)
def cancelling_is_answered_200(emulator: "Emulator") -> None:
    """Cancelling an active subscription is answered 200."""

    @answers(emulator, "cancel")
    def done(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 202:
            reply.status = 200
        return reply


@deviation("cancelling-names-no-operation", breaks=["DEL-002"])
def cancelling_names_no_operation(emulator: "Emulator") -> None:
    """The answer to a cancellation has no Operation-Location."""

    @answers(emulator, "cancel")
    def nameless(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        reply.headers.pop("Operation-Location", None)
        return reply


@deviation("cancelling-twice-is-a-conflict", breaks=["DEL-006"])
def cancelling_twice_is_a_conflict(emulator: "Emulator") -> None:
    """Cancelling an Unsubscribed subscription is answered 409."""

    @decision(emulator.market, "cancel")
    def once(cancel: Any, caller: Any, subscription_id: str) -> Any:
        operation = cancel(caller, subscription_id)
        if operation is None:
            raise Refused(409, "StatusForbids", "It is cancelled already.")
        return operation


@deviation("cancelling-unknown-subscriptions-is-bad", breaks=["DEL-009"])
def cancelling_unknown_subscriptions_is_bad(emulator: "Emulator") -> None:
    """Cancelling an id that does not exist is answered 400."""
    refuses_with(emulator, 400, "SubscriptionNotFound", "cancel")


@deviation("cancelling-locked-subscriptions-is-bad", breaks=["DEL-010"])
def cancelling_locked_subscriptions_is_bad(emulator: "Emulator") -> None:
    """Cancelling while a change is pending is answered 400."""
    refuses_with(emulator, 400, "OperationPending", "cancel")


def _cannot_be_cancelled(emulator: "Emulator", status: SubscriptionStatus) -> None:
    @decision(emulator.market, "cancel")
    def otherwise(cancel: Any, caller: Any, subscription_id: str) -> Any:
        if emulator.market.subscription(caller, subscription_id).status is status:
            raise Refused(400, "StatusForbids", f"The subscription is {status}.")
        return cancel(caller, subscription_id)


@deviation("pending-subscriptions-cannot-be-cancelled", breaks=["DEL-018", "LCY-004"])
def pending_subscriptions_cannot_be_cancelled(emulator: "Emulator") -> None:
    """Cancelling before activation is refused."""
    _cannot_be_cancelled(emulator, SubscriptionStatus.PENDING_FULFILLMENT_START)


@deviation("suspended-subscriptions-cannot-be-cancelled", breaks=["DEL-019", "LCY-025"])
def suspended_subscriptions_cannot_be_cancelled(emulator: "Emulator") -> None:
    """Cancelling while payment is missing is refused."""
    _cannot_be_cancelled(emulator, SubscriptionStatus.SUSPENDED)
