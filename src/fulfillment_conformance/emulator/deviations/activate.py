"""Faults of Activate (catalogue theme ACT)."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    decision,
    deviation,
    lets_in,
    subscription_objects,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.marketplace import Refused, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("activate-answers-204", breaks=["ACT-001", "ACT-007", "ACT-008", "ACT-011", "ACT-013", "HDR-001", "HDR-002"])
def answers_204(emulator: "Emulator") -> None:
    """Activate answers 204."""

    @answers(emulator, "activate")
    def no_content(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.status = 204
        return reply


@deviation("activate-answers-with-the-subscription", breaks=["ACT-002"])
def answers_with_the_subscription(emulator: "Emulator") -> None:
    """Activate has a body."""

    @answers(emulator, "activate")
    def with_body(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.document = {"id": request.ids["subscription_id"], "saasSubscriptionStatus": "Subscribed"}
        return reply


@deviation("activation-takes-an-hour", breaks=["ACT-003", "LCY-003"])
def takes_an_hour(emulator: "Emulator") -> None:
    """A subscription stays pending for an hour after it has been activated."""
    emulator.market.rules = replace(emulator.market.rules, activation_delay=timedelta(hours=1))


@deviation("billing-begins-with-the-purchase", breaks=["ACT-005", "GET-029", "CSP-007"])
def billing_begins_with_the_purchase(emulator: "Emulator") -> None:
    """A pending subscription shows a term that has begun."""

    @subscription_objects(emulator)
    def begun(document: Json) -> None:
        if document["saasSubscriptionStatus"] == "PendingFulfillmentStart":
            document["term"] |= {"startDate": document["created"], "endDate": document["created"]}


@deviation("activate-takes-suspended-subscriptions", breaks=["ACT-012", "LCY-025"])
def takes_suspended_subscriptions(emulator: "Emulator") -> None:
    """Activating a Suspended subscription is answered 200."""

    @decision(emulator.market, "require_activatable")
    def suspended_too(require: Any, record: Any) -> None:
        if record.status is not SubscriptionStatus.SUSPENDED:
            require(record)


@deviation("activate-takes-cancelled-subscriptions", breaks=["ACT-014", "LCY-013"])
def takes_cancelled_subscriptions(emulator: "Emulator") -> None:
    """Activating an Unsubscribed subscription is answered 200."""

    @decision(emulator.market, "require_activatable")
    def cancelled_too(require: Any, record: Any) -> None:
        if record.status is not SubscriptionStatus.UNSUBSCRIBED:
            require(record)


@deviation("activate-calls-unknown-ids-bad", breaks=["ACT-015"])
def calls_unknown_ids_bad(emulator: "Emulator") -> None:
    """Activating an id that does not exist is answered 400."""

    @decision(emulator.market, "activate")
    def bad_request(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Any:
        try:
            emulator.market.find(subscription_id)
        except Refused as refused:
            raise Refused(400, refused.code, refused.message) from None
        return activate(caller, subscription_id, **values)


@deviation("activate-looks-at-no-signature", breaks=["AUT-012", "ACT-016"])
def looks_at_no_signature(emulator: "Emulator") -> None:
    """Activate accepts any access token, whoever signed it."""
    lets_in(emulator, "activate", "AccessTokenUntrusted", "AccessTokenMalformed")


@deviation("activate-serves-other-publishers", breaks=["AUT-014", "AUT-015", "AUT-030", "ACT-017"])
def serves_other_publishers(emulator: "Emulator") -> None:
    """Any publisher can activate any subscription."""
    lets_in(emulator, "activate", "Forbidden")


@deviation("yearly-activations-fail-without-a-word", breaks=["ACT-019"])
def yearly_activations_fail_without_a_word(emulator: "Emulator") -> None:
    """An accepted activation of a yearly subscription fails afterwards, and no Unsubscribe says so."""
    failed = set()

    @decision(emulator.market, "activate")
    def in_vain(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Any:
        subscription = activate(caller, subscription_id, **values)
        if subscription.term.unit == "P1Y":
            failed.add(subscription_id)
            emulator.market.fail_activation(subscription_id)
        return subscription

    @decision(emulator.market, "announce")
    def others_only(announce: Any, operation: Any, subscription: Any) -> None:
        if subscription.id not in failed:
            announce(operation, subscription)
