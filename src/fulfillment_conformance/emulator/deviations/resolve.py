"""Faults of Resolve (catalogue theme RES)."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    decision,
    deviation,
    error_code,
    lets_in,
    refuses_with,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import Subscription, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

_TOKEN = "x-ms-marketplace-token"  # noqa: S105 - the name of a header


@deviation(
    "resolve-answers-201",
    breaks=["RES-001", "RES-012", "RES-013", "RES-014", "RES-015", "RES-027", "HDR-001", "HDR-002", "HDR-007"],
)
def answers_201(emulator: "Emulator") -> None:
    """Resolve answers 201, as if it had made something."""

    @answers(emulator, "resolve")
    def created(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.status = 201
        return reply


@deviation("resolve-tells-an-id-of-its-own", breaks=["RES-001", "RES-005", "LCY-029", "LND-002"])
def tells_an_id_of_its_own(emulator: "Emulator") -> None:
    """The id that Resolve tells is the purchase's, not the subscription's."""

    @bodies(emulator, "resolve")
    def purchase_id(document: Json) -> None:
        document["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, document["id"]))


@deviation("resolve-tells-the-latest-purchase", breaks=["RES-001"])
def tells_the_latest_purchase(emulator: "Emulator") -> None:
    """A purchase token stands for the latest pending purchase of its plan, not for its own."""
    latest: dict[tuple[str, str], str] = {}

    @decision(emulator.market, "purchase")
    def remembered(purchase: Any, wanted: Any) -> tuple[Subscription, str]:
        bought: tuple[Subscription, str] = purchase(wanted)
        latest[bought[0].offer_id, bought[0].plan_id] = bought[0].id
        return bought

    @decision(emulator.market, "resolve")
    def of_the_same_plan(resolve: Any, caller: Any, token: str | None) -> Subscription:
        own: Subscription = resolve(caller, token)
        other = emulator.market.find(latest.get((own.offer_id, own.plan_id), own.id)).subscription
        pending = own.status is other.status is SubscriptionStatus.PENDING_FULFILLMENT_START
        return other if pending else own


@deviation("resolve-activates", breaks=["LCY-003", "RES-010"])
def resolve_activates(emulator: "Emulator") -> None:
    """What a publisher has looked at by Resolve is active a moment later, billing included."""

    @decision(emulator.market, "resolve")
    def soon_active(resolve: Any, caller: Any, token: str | None) -> Subscription:
        subscription: Subscription = resolve(caller, token)
        record = emulator.market.find(subscription.id)
        if subscription.status is SubscriptionStatus.PENDING_FULFILLMENT_START:
            emulator.market.start_service(record)
        return subscription


@deviation("resolve-tells-the-offer-as-name", breaks=["RES-006", "GET-008"])
def tells_the_offer_as_name(emulator: "Emulator") -> None:
    """The field subscriptionName is the id of the offer."""

    @bodies(emulator, "resolve")
    def offer_as_name(document: Json) -> None:
        document["subscriptionName"] = document["offerId"]


@deviation("resolve-leaves-the-offer-empty", breaks=["RES-007"])
def leaves_the_offer_empty(emulator: "Emulator") -> None:
    """The offerId that Resolve tells is an empty string."""

    @bodies(emulator, "resolve")
    def no_offer(document: Json) -> None:
        document["offerId"] = ""


@deviation("resolve-tells-the-plans-display-name", breaks=["RES-008", "TRM-005"])
def tells_the_plans_display_name(emulator: "Emulator") -> None:
    """The planId that Resolve tells is what people read, not the id."""

    @bodies(emulator, "resolve")
    def display_name(document: Json) -> None:
        document["planId"] = document["planId"].title()


@deviation("resolve-counts-one-seat", breaks=["RES-009"])
def counts_one_seat(emulator: "Emulator") -> None:
    """The quantity that Resolve tells is always 1 where there are seats."""

    @bodies(emulator, "resolve")
    def one_seat(document: Json) -> None:
        if "quantity" in document:
            document["quantity"] = 1


@deviation("resolve-nests-half-a-subscription", breaks=["RES-010"])
def nests_half_a_subscription(emulator: "Emulator") -> None:
    """The subscription inside the answer lacks its term."""

    @bodies(emulator, "resolve")
    def without_term(document: Json) -> None:
        del document["subscription"]["term"]


@deviation("resolve-shows-pending-as-not-started", breaks=["RES-010", "RES-011"])
def shows_pending_as_not_started(emulator: "Emulator") -> None:
    """A pending subscription inside the answer is NotStarted, the word that only Microsoft's OpenAPI file has."""

    @bodies(emulator, "resolve")
    def not_started(document: Json) -> None:
        if document["subscription"]["saasSubscriptionStatus"] == "PendingFulfillmentStart":
            document["subscription"]["saasSubscriptionStatus"] = "NotStarted"


def _resolves_not_when(emulator: "Emulator", status: str, answered: int) -> None:
    @answers(emulator, "resolve")
    def unless(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and reply.document["subscription"]["saasSubscriptionStatus"] == status:
            refusal = error_reply(answered, "WrongState", f"The subscription is {status}.")
            return Reply(answered, refusal.document, reply.headers)
        return reply


@deviation("resolve-refuses-active-subscriptions", breaks=["RES-012", "LCY-029"])
def refuses_active_subscriptions(emulator: "Emulator") -> None:
    """Manage account leads nowhere: the token of a Subscribed subscription is refused with 400."""
    _resolves_not_when(emulator, "Subscribed", 400)


@deviation("resolve-refuses-suspended-subscriptions", breaks=["RES-013"])
def refuses_suspended_subscriptions(emulator: "Emulator") -> None:
    """The token of a Suspended subscription is refused with 400."""
    _resolves_not_when(emulator, "Suspended", 400)


@deviation("resolve-forgets-cancelled-subscriptions", breaks=["RES-014"])
def forgets_cancelled_subscriptions(emulator: "Emulator") -> None:
    """The token of an Unsubscribed subscription is answered 404."""
    _resolves_not_when(emulator, "Unsubscribed", 404)


@deviation("purchase-tokens-live-an-hour", breaks=["RES-015"])
def tokens_live_an_hour(emulator: "Emulator") -> None:
    """A purchase token is good for one hour, as the pages of 2019 said."""
    emulator.market.rules = replace(emulator.market.rules, token_lifetime=timedelta(hours=1))


@deviation("purchase-tokens-never-expire", breaks=["RES-016"])
def tokens_never_expire(emulator: "Emulator") -> None:
    """A purchase token is good for ever."""
    emulator.market.rules = replace(emulator.market.rules, token_lifetime=timedelta(days=36_500))

    @decision(emulator.market, "issue_token")
    def always_fresh(issue: Any, subscription_id: str, *, expired: bool = False) -> str:  # noqa: ARG001
        token: str = issue(subscription_id)
        return token


@deviation("purchase-tokens-are-single-use", breaks=["RES-015", "RES-027"])
def tokens_are_single_use(emulator: "Emulator") -> None:
    """A purchase token that has been resolved is refused from then on."""
    used: set[str] = set()

    @answers(emulator, "resolve")
    def once(request: Request, answer: Answer) -> Reply:
        token = request.headers.get(_TOKEN, "")
        if token in used:
            request.headers = {**request.headers, _TOKEN: "used"}
        reply = answer(request)
        if reply.status == 200:
            used.add(token)
        return reply


@deviation("resolve-finds-nothing-without-a-token", breaks=["RES-017"])
def finds_nothing_without_a_token(emulator: "Emulator") -> None:
    """A missing purchase token is answered 404."""
    refuses_with(emulator, 404, "HeaderNotPresent", "resolve")


@deviation("resolve-cannot-process-malformed-tokens", breaks=["RES-018"])
def cannot_process_malformed_tokens(emulator: "Emulator") -> None:
    """What is no purchase token at all is answered 422."""

    @answers(emulator, "resolve")
    def unprocessable(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "InvalidValue" and len(request.headers[_TOKEN]) < 64:
            reply.status = 422
        return reply


@deviation("resolve-forgives-a-typing-error", breaks=["RES-019"])
def forgives_a_typing_error(emulator: "Emulator") -> None:
    """A purchase token with one wrong character is taken for the right one."""
    issued: list[str] = []

    @decision(emulator.market, "issue_token")
    def remembered(issue: Any, subscription_id: str, *, expired: bool = False) -> str:
        issued.append(issue(subscription_id, expired=expired))
        return issued[-1]

    @answers(emulator, "resolve")
    def corrected(request: Request, answer: Answer) -> Reply:
        given = request.headers.get(_TOKEN, "")
        near = (
            token
            for token in reversed(issued)
            if len(token) == len(given) and sum(a != b for a, b in zip(token, given, strict=True)) == 1
        )
        request.headers = {**request.headers, _TOKEN: next(near, given)} if given else request.headers
        return answer(request)


@deviation("resolve-decodes-the-token-itself", breaks=["RES-026"])
def decodes_the_token_itself(emulator: "Emulator") -> None:
    """A purchase token that is still percent-encoded is accepted."""

    @answers(emulator, "resolve")
    def decoded(request: Request, answer: Answer) -> Reply:
        if _TOKEN in request.headers:
            request.headers = {**request.headers, _TOKEN: unquote(request.headers[_TOKEN])}
        return answer(request)


@deviation("resolve-is-open-to-everybody", breaks=["AUT-011", "AUT-012", "RES-020"])
def is_open_to_everybody(emulator: "Emulator") -> None:
    """Resolve needs no access token."""
    lets_in(emulator, "resolve", "AccessTokenMissing")


@deviation("resolve-serves-other-publishers", breaks=["AUT-014", "RES-021"])
def serves_other_publishers(emulator: "Emulator") -> None:
    """Any publisher can resolve any purchase token."""
    lets_in(emulator, "resolve", "Forbidden")


@deviation("resolve-lets-customers-of-resellers-change", breaks=["RES-028"])
def lets_customers_of_resellers_change(emulator: "Emulator") -> None:
    """Inside the answer, allowedCustomerOperations always holds all three."""

    @bodies(emulator, "resolve")
    def everything(document: Json) -> None:
        document["subscription"]["allowedCustomerOperations"] = ["Read", "Update", "Delete"]
