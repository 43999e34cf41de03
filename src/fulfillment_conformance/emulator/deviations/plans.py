"""Faults of List available plans (catalogue theme PLN)."""

from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    decision,
    deviation,
    lets_in,
    refuses_with,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import Refused

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

_PRIVATE_OFFER = "5b1f0c9e-6a34-4d27-8e0b-c94d1a7f3e62"


@deviation("plans-of-others-are-listed", breaks=["PLN-002", "CHP-020"])
def of_others_are_listed(emulator: "Emulator") -> None:
    """The plan list holds private plans whose audience lacks the beneficiary's tenant."""

    @decision(emulator.market, "available_plans")
    def every_plan(_: Any, caller: Any, subscription_id: str, *, plan_id: str | None = None) -> Any:
        subscription = emulator.market.subscription(caller, subscription_id)
        return [plan for plan in emulator.market.offer_of(subscription).plans if plan_id in (None, plan.plan_id)]


@deviation("the-present-plan-is-not-listed", breaks=["PLN-003"])
def present_plan_is_not_listed(emulator: "Emulator") -> None:
    """The plan list lacks the plan that the subscription has."""

    @answers(emulator, "list_available_plans")
    def others_only(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and request.parameter("planId") is None:
            present = emulator.market.find(request.ids["subscription_id"]).subscription.plan_id
            reply.document["plans"] = [each for each in reply.document["plans"] if each["planId"] != present]
        return reply


@deviation("plans-of-others-can-be-switched-to", breaks=["PLN-004", "CHP-012"])
def of_others_can_be_switched_to(emulator: "Emulator") -> None:
    """A change to a private plan of somebody else is accepted."""

    @decision(emulator.market, "require_available_plan")
    def every_plan(require: Any, subscription: Any, plan_id: str) -> None:
        if emulator.market.offer_of(subscription).plan(plan_id) is None:
            require(subscription, plan_id)


@deviation("the-plan-filter-is-ignored", breaks=["PLN-005", "PLN-006"])
def filter_is_ignored(emulator: "Emulator") -> None:
    """The plan list is the whole one, whatever planId asks for."""

    @decision(emulator.market, "available_plans")
    def whole(plans: Any, caller: Any, subscription_id: str, *, plan_id: str | None = None) -> Any:  # noqa: ARG001
        return plans(caller, subscription_id)


@deviation("unknown-plans-are-not-found", breaks=["PLN-006"])
def unknown_plans_are_not_found(emulator: "Emulator") -> None:
    """A planId that names no plan is answered 404."""

    @answers(emulator, "list_available_plans")
    def not_found(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and not reply.document["plans"]:
            return Reply(404, error_reply(404, "PlanNotFound", "There is no such plan.").document, reply.headers)
        return reply


@deviation("plans-of-unknown-subscriptions-are-bad", breaks=["PLN-009"])
def of_unknown_subscriptions_are_bad(emulator: "Emulator") -> None:
    """Asking for the plans of an id that does not exist is answered 400."""
    refuses_with(emulator, 400, "SubscriptionNotFound", "list_available_plans")


@deviation("plans-need-no-access-token", breaks=["AUT-011", "AUT-012", "PLN-010"])
def need_no_access_token(emulator: "Emulator") -> None:
    """The plan list is shown to everybody."""
    lets_in(emulator, "list_available_plans", "AccessTokenMissing")


def _each_plan(emulator: "Emulator", change: Any) -> None:
    @bodies(emulator, "list_available_plans")
    def changed(document: Json) -> None:
        for plan in document["plans"]:
            change(plan)


@deviation("plans-are-private-in-words", breaks=["PLN-013"])
def are_private_in_words(emulator: "Emulator") -> None:
    """The field isPrivate is a string."""
    _each_plan(emulator, lambda plan: plan.update(isPrivate=str(plan["isPrivate"]).lower()))


@deviation("seat-limits-are-text", breaks=["PLN-014"])
def seat_limits_are_text(emulator: "Emulator") -> None:
    """The seat limits of a per-seat plan are strings."""
    names = ("minQuantity", "maxQuantity")
    _each_plan(emulator, lambda plan: plan.update({name: str(plan[name]) for name in names if name in plan}))


@deviation("plans-do-not-say-whether-they-are-sold", breaks=["PLN-015"])
def do_not_say_whether_they_are_sold(emulator: "Emulator") -> None:
    """The field isStopSell is missing."""
    _each_plan(emulator, lambda plan: plan.pop("isStopSell"))


@deviation("markets-have-names", breaks=["PLN-016"])
def markets_have_names(emulator: "Emulator") -> None:
    """The field market is a country's name, no code."""
    _each_plan(emulator, lambda plan: plan.update(market="United States"))


@deviation("prices-are-text", breaks=["PLN-017"])
def prices_are_text(emulator: "Emulator") -> None:
    """The price of a billing term is a string."""

    def text(plan: Json) -> None:
        for term in plan["planComponents"]["recurrentBillingTerms"]:
            term["price"] = f"{term['price']:.2f}"

    _each_plan(emulator, text)


@deviation("included-units-are-numbers", breaks=["PLN-018"])
def included_units_are_numbers(emulator: "Emulator") -> None:
    """The units that a billing term includes are a number."""

    def number(plan: Json) -> None:
        for term in plan["planComponents"]["recurrentBillingTerms"]:
            for included in term["meteredQuantityIncluded"]:
                included["units"] = int(included["units"])

    _each_plan(emulator, number)


@deviation("metering-dimensions-have-no-unit", breaks=["PLN-019"])
def metering_dimensions_have_no_unit(emulator: "Emulator") -> None:
    """The unitOfMeasure of metering dimensions is missing."""

    def unitless(plan: Json) -> None:
        for dimension in plan["planComponents"]["meteringDimensions"]:
            del dimension["unitOfMeasure"]

    _each_plan(emulator, unitless)


@deviation("private-plans-cannot-be-switched-to", breaks=["CHP-020"])
def private_plans_cannot_be_switched_to(emulator: "Emulator") -> None:
    """A change to a private plan is refused, even for its audience."""

    @decision(emulator.market, "require_available_plan")
    def public_only(require: Any, subscription: Any, plan_id: str) -> None:
        require(subscription, plan_id)
        plan = emulator.market.offer_of(subscription).plan(plan_id)
        if plan is not None and plan.is_private:
            raise Refused(400, "PlanNotAvailable", f"Plan {plan_id!r} is private.")


@deviation("plans-of-per-seat-subscriptions-are-partial", breaks=["PLN-001"])
def of_per_seat_subscriptions_are_partial(emulator: "Emulator") -> None:
    """The whole plan list of a subscription with seats is answered 206."""

    @answers(emulator, "list_available_plans")
    def partial(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        per_seat = reply.status == 200 and any(plan["isPricePerSeat"] for plan in reply.document["plans"])
        if per_seat and request.parameter("planId") is None:
            reply.status = 206
        return reply


@deviation("source-offers-are-always-shown", breaks=["PLN-007"])
def source_offers_are_always_shown(emulator: "Emulator") -> None:
    """Every plan has sourceOffers, whatever was asked for."""
    _each_plan(emulator, lambda plan: plan.update(sourceOffers=[{"externalId": _PRIVATE_OFFER}]))


@deviation("source-offers-have-names", breaks=["PLN-008"])
def source_offers_have_names(emulator: "Emulator") -> None:
    """The externalId of a private offer is a name, no GUID."""

    @answers(emulator, "list_available_plans")
    def named(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            present = emulator.market.find(request.ids["subscription_id"]).subscription.plan_id
            for plan in reply.document["plans"]:
                if plan["planId"] == request.parameter("planId") == present:
                    plan["sourceOffers"] = [{"externalId": "contoso-spring-offer"}]
        return reply
