"""Faults that show in one situation only: one state, kind of plan, page, customer, time, or way to ask.

A service that has been tried by hand is right where it was tried. These are wrong beside it.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import jwt

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    decision,
    deviation,
    error_code,
    subscription_objects,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import UNSET, Channel, Refused, Subscription, SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

_TOKEN = "x-ms-marketplace-token"  # noqa: S105 - the name of a header
_OTHERS = ("AUT-014", "AUT-015", "AUT-030")
_PENDING = SubscriptionStatus.PENDING_FULFILLMENT_START
_SUBSCRIBED = SubscriptionStatus.SUBSCRIBED
_SUSPENDED = SubscriptionStatus.SUSPENDED
_UNSUBSCRIBED = SubscriptionStatus.UNSUBSCRIBED


def _of(emulator: "Emulator", request: Request) -> Subscription:
    """Return the subscription that a successful request was about."""
    return emulator.market.find(request.ids["subscription_id"].lower()).subscription


def _as_the_publisher(emulator: "Emulator", request: Request) -> None:
    request.headers = {**request.headers, "authorization": f"Bearer {emulator.identity.access_token()}"}


def _gone(reply: Reply, status: int, code: str, message: str) -> Reply:
    return Reply(status, error_reply(status, code, message).document, reply.headers)


# --- headers and versions ---


@deviation("refusals-carry-ids-of-their-own", breaks=["HDR-012", "HDR-013"])
def refusals_carry_ids_of_their_own(emulator: "Emulator") -> None:
    """An answer with an error status does not echo the ids of the request."""

    @answers(emulator)
    def renamed(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status >= 400:
            for name in request.trace:
                reply.headers[name] = f"{reply.headers[name]}-0"
        return reply


@deviation("changes-carry-no-ids", breaks=["HDR-009", "HDR-011"])
def changes_carry_no_ids(emulator: "Emulator") -> None:
    """An answer 202 has the ids of requests only that brought them."""

    @answers(emulator)
    def untraced(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        for name in request.trace:
            if reply.status == 202 and name not in request.headers:
                del reply.headers[name]
        return reply


@deviation("made-up-ids-are-all-alike", breaks=["HDR-009", "HDR-011"])
def made_up_ids_are_all_alike(emulator: "Emulator") -> None:
    """Who sends no ids gets the same ones again and again."""

    @answers(emulator)
    def alike(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        for name in request.trace:
            if name not in request.headers:
                reply.headers[name] = "00000000-0000-0000-0000-000000000000"
        return reply


@deviation("changes-are-made-in-any-version", breaks=["HDR-004", "HDR-005"])
def changes_are_made_in_any_version(emulator: "Emulator") -> None:
    """Nobody looks at api-version where something is activated, changed or cancelled."""

    @answers(emulator, "activate", "change_subscription", "cancel")
    def in_any_version(request: Request, answer: Answer) -> Reply:
        request.query = {**request.query, "api-version": ["2018-08-31"]}
        return answer(request)


@deviation("versions-are-known-by-their-beginning", breaks=["HDR-005"])
def versions_are_known_by_their_beginning(emulator: "Emulator") -> None:
    """An api-version may have something behind the date."""

    @decision(emulator.api, "check_version")
    def beginning(check: Any, request: Request) -> None:
        if not (request.parameter("api-version") or "").startswith("2018-08-31-"):
            check(request)


@deviation("optional-names-are-spelled-in-pascal-case", breaks=["HDR-023"])
def optional_names_are_spelled_in_pascal_case(emulator: "Emulator") -> None:
    """The field chargeDuration of a term begins with a capital letter once the subscription is active."""

    @subscription_objects(emulator)
    def capital(document: Json) -> None:
        if document["saasSubscriptionStatus"] != _PENDING:
            document["term"]["ChargeDuration"] = document["term"].pop("chargeDuration")


# --- who may see what ---


@deviation("get-serves-others-once-it-is-active", breaks=_OTHERS)
def get_serves_others_once_it_is_active(emulator: "Emulator") -> None:
    """Any publisher can read an active subscription."""

    @answers(emulator, "get_subscription")
    def open_when_active(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "Forbidden" and _of(emulator, request).status is _SUBSCRIBED:
            _as_the_publisher(emulator, request)
            return answer(request)
        return reply


@deviation("others-can-cancel-what-waits", breaks=_OTHERS)
def others_can_cancel_what_waits(emulator: "Emulator") -> None:
    """Any publisher can cancel a purchase that is not yet activated."""

    @answers(emulator, "cancel")
    def open_while_pending(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "Forbidden" and _of(emulator, request).status is _PENDING:
            _as_the_publisher(emulator, request)
            return answer(request)
        return reply


@deviation("resolve-serves-others-after-the-purchase", breaks=["RES-021"])
def resolve_serves_others_after_the_purchase(emulator: "Emulator") -> None:
    """Any publisher can resolve the token of a customer who manages an account."""

    @answers(emulator, "resolve")
    def open_later(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == "Forbidden":
            _as_the_publisher(emulator, request)
            told = answer(request)
            if told.status == 200 and told.document["subscription"]["saasSubscriptionStatus"] != _PENDING:
                return told
        return reply


@deviation("the-list-shows-what-others-lost", breaks=["AUT-025"])
def the_list_shows_what_others_lost(emulator: "Emulator") -> None:
    """The list also holds the cancelled subscriptions of other publishers."""

    @bodies(emulator, "list_subscriptions")
    def cancelled_too(document: Json) -> None:
        if "@nextLink" not in document:
            known = {each["id"] for each in document["subscriptions"]}
            every = (record.subscription for record in list(emulator.market._records.values()))
            lost = [each for each in every if each.status is _UNSUBSCRIBED and each.id not in known]
            room = emulator.market.rules.page_size - len(known)
            document["subscriptions"] += [emulator.wire.subscription(each) for each in lost[-room:] if room]


@deviation("continuation-tokens-open-every-list", breaks=["AUT-025"])
def continuation_tokens_open_every_list(emulator: "Emulator") -> None:
    """With a continuation token, another publisher goes on in the list that the token is from."""

    @answers(emulator, "list_subscriptions")
    def whosoever(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if request.parameter("continuationToken") and reply.status == 400:
            _as_the_publisher(emulator, request)
            return answer(request)
        return reply


@deviation("later-pages-need-no-access-token", breaks=["LST-012"])
def later_pages_need_no_access_token(emulator: "Emulator") -> None:
    """Who has a continuation token needs no access token."""

    @answers(emulator, "list_subscriptions")
    def anonymous(request: Request, answer: Answer) -> Reply:
        if request.parameter("continuationToken") and "authorization" not in request.headers:
            _as_the_publisher(emulator, request)
        return answer(request)


@deviation("access-tokens-choose-their-algorithm", breaks=["AUT-012"])
def access_tokens_choose_their_algorithm(emulator: "Emulator") -> None:
    """An access token whose header says HS256 is believed."""

    @decision(emulator.identity.verifier, "signed_claims")
    def believed(verify: Callable[[str], dict[str, Any]], token: str) -> dict[str, Any]:
        try:
            if jwt.get_unverified_header(token).get("alg") == "HS256":
                claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
                return claims
        except jwt.PyJWTError:
            pass
        return verify(token)


# --- resolve ---


@deviation("resolve-keeps-telling-what-was-bought", breaks=["RES-008", "RES-009", "RES-010"])
def resolve_keeps_telling_what_was_bought(emulator: "Emulator") -> None:
    """Resolve tells the plan and the seats of the purchase, whatever they have been changed to."""
    bought: dict[str, Json] = {}

    @bodies(emulator, "resolve")
    def as_bought(document: Json) -> None:
        first = bought.get(document["id"], {})
        document |= first
        document["subscription"] |= first

    @decision(emulator.market, "purchase")
    def remembered(purchase: Any, wanted: Any) -> tuple[Subscription, str]:
        made: tuple[Subscription, str] = purchase(wanted)
        seats = {} if made[0].quantity is None else {"quantity": made[0].quantity}
        bought[made[0].id] = {"planId": made[0].plan_id, **seats}
        return made


@deviation("resolve-loses-the-name-of-active-subscriptions", breaks=["RES-006"])
def resolve_loses_the_name_of_active_subscriptions(emulator: "Emulator") -> None:
    """The field subscriptionName of a subscription that was activated is empty."""

    @bodies(emulator, "resolve")
    def nameless(document: Json) -> None:
        if document["subscription"]["saasSubscriptionStatus"] != _PENDING:
            document["subscriptionName"] = ""


@deviation("managing-needs-no-fresh-token", breaks=["RES-016"])
def managing_needs_no_fresh_token(emulator: "Emulator") -> None:
    """A purchase token that has expired is still good once the subscription is active."""

    @decision(emulator.market, "resolve")
    def stale_too(resolve: Any, caller: Any, token: str | None) -> Subscription:
        try:
            told: Subscription = resolve(caller, token)
        except Refused as refused:
            content = emulator.market._tokens.read(token or "")
            if refused.code != "TokenExpired" or content is None:
                raise
            told = emulator.market.find(content[0]).subscription
            if told.status is _PENDING:
                raise
        return told


@deviation("resolving-prolongs-a-token", breaks=["RES-016"])
def resolving_prolongs_a_token(emulator: "Emulator") -> None:
    """A purchase token is good for a day from when it was last resolved."""
    used: dict[str, datetime] = {}

    @decision(emulator.market, "resolve")
    def prolonged(resolve: Any, caller: Any, token: str | None) -> Subscription:
        market = emulator.market
        try:
            told: Subscription = resolve(caller, token)
        except Refused as refused:
            content = market._tokens.read(token or "")
            recent = market.now - used.get(token or "", market.now - timedelta(days=2)) < market.rules.token_lifetime
            if refused.code != "TokenExpired" or content is None or not recent:
                raise
            told = market.find(content[0]).subscription
        used[token or ""] = market.now
        return told


@deviation("a-newer-token-ends-the-older", breaks=["RES-015"])
def a_newer_token_ends_the_older(emulator: "Emulator") -> None:
    """Of all purchase tokens of a subscription the latest alone resolves."""
    latest: dict[str, str] = {}

    @decision(emulator.market, "issue_token")
    def remembered(issue: Any, subscription_id: str, *, expired: bool = False) -> str:
        token: str = issue(subscription_id, expired=expired)
        if not expired:
            latest[subscription_id] = token
        return token

    @decision(emulator.market, "resolve")
    def latest_only(resolve: Any, caller: Any, token: str | None) -> Subscription:
        told: Subscription = resolve(caller, token)
        if latest.get(told.id, token) != token:
            raise Refused(400, "InvalidValue", "There is a newer purchase token.")
        return told


@deviation("resolve-takes-tokens-that-were-cut-off", breaks=["RES-019"])
def resolve_takes_tokens_that_were_cut_off(emulator: "Emulator") -> None:
    """The beginning of a purchase token is enough."""
    issued: list[str] = []

    @decision(emulator.market, "issue_token")
    def remembered(issue: Any, subscription_id: str, *, expired: bool = False) -> str:
        issued.append(issue(subscription_id, expired=expired))
        return issued[-1]

    @answers(emulator, "resolve")
    def completed(request: Request, answer: Answer) -> Reply:
        given = request.headers.get(_TOKEN, "")
        whole = next((token for token in reversed(issued) if token.startswith(given)), given)
        if len(given) > 100:  # what is shorter might be another's by chance
            request.headers = {**request.headers, _TOKEN: whole}
        return answer(request)


@deviation("resolve-takes-subscription-ids", breaks=["RES-018"])
def resolve_takes_subscription_ids(emulator: "Emulator") -> None:
    """The id of a subscription resolves like its purchase token."""

    @decision(emulator.market, "resolve")
    def by_id(resolve: Any, caller: Any, token: str | None) -> Subscription:
        if token in emulator.market._records:
            return emulator.market.find_owned(caller, token).subscription
        told: Subscription = resolve(caller, token)
        return told


@deviation("resellers-customers-may-change-what-is-active", breaks=["GET-019", "RES-028"])
def resellers_customers_may_change_what_is_active(emulator: "Emulator") -> None:
    """Once it is active, allowedCustomerOperations of a subscription always holds all three."""

    @subscription_objects(emulator)
    def everything(document: Json) -> None:
        if document["saasSubscriptionStatus"] == _SUBSCRIBED:
            document["allowedCustomerOperations"] = ["Read", "Update", "Delete"]


# --- activate ---


@deviation("activation-without-a-body-does-nothing", breaks=["ACT-003"])
def activation_without_a_body_does_nothing(emulator: "Emulator") -> None:
    """An activation that names no plan is answered 200, and the subscription stays pending."""

    @decision(emulator.market, "activate")
    def named_only(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Subscription:
        record = emulator.market.find_owned(caller, subscription_id)
        if values.get("plan_id", UNSET) is UNSET and record.status is _PENDING:
            return record.subscription
        activated: Subscription = activate(caller, subscription_id, **values)
        return activated


@deviation("activate-revives-what-was-never-active", breaks=["ACT-014", "LCY-013"])
def activate_revives_what_was_never_active(emulator: "Emulator") -> None:
    """A purchase that was cancelled before its activation can be activated all the same."""

    @decision(emulator.market, "activate")
    def revived(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Subscription:
        record = emulator.market.find_owned(caller, subscription_id)
        if record.status is _UNSUBSCRIBED and not record.activation_accepted:
            record.activation_accepted = True
            emulator.market.start_service(record)
            return record.subscription
        activated: Subscription = activate(caller, subscription_id, **values)
        return activated


@deviation("activating-again-begins-the-term-again", breaks=["GET-029"])
def activating_again_begins_the_term_again(emulator: "Emulator") -> None:
    """Whoever activates an active subscription moves its term to the present day."""

    @decision(emulator.market, "activate")
    def begun_again(activate: Any, caller: Any, subscription_id: str, **values: Any) -> Subscription:
        record = emulator.market.find_owned(caller, subscription_id)
        again = record.status is _SUBSCRIBED
        activated: Subscription = activate(caller, subscription_id, **values)
        if again:
            record.subscription = replace(activated, term=emulator.market.first_term(activated))
        return record.subscription


@deviation("resold-purchases-wait-for-ever", breaks=["ACT-003"])
def resold_purchases_wait_for_ever(emulator: "Emulator") -> None:
    """The activation of what a reseller sold is answered 200, and the subscription stays pending."""

    @decision(emulator.market, "start_service")
    def direct_only(start: Any, record: Any) -> None:
        if record.subscription.channel is not Channel.CSP:
            start(record)


@deviation("auto-activated-seats-wait", breaks=["AAC-001"])
def auto_activated_seats_wait(emulator: "Emulator") -> None:
    """A plan with seats that activates itself waits for the publisher."""

    @decision(emulator.market, "start_service")
    def flat_only(start: Any, record: Any) -> None:
        plan = emulator.market.plan_of(record.subscription)
        if not (plan.auto_activate and plan.is_price_per_seat):
            start(record)


# --- the subscription object ---


@deviation("seats-are-counted-in-two-digits", breaks=["GET-012", "RES-009"])
def seats_are_counted_in_two_digits(emulator: "Emulator") -> None:
    """A quantity of a hundred or more is shown as 99."""

    def at_most(document: Json) -> None:
        if "quantity" in document:
            document["quantity"] = min(99, document["quantity"])

    subscription_objects(emulator)(at_most)
    bodies(emulator, "resolve")(at_most)


@deviation("names-are-told-in-ascii", breaks=["GET-008", "RES-006"])
def names_are_told_in_ascii(emulator: "Emulator") -> None:
    """In the name of a subscription a question mark stands for every letter beyond ASCII."""

    def plain(document: Json) -> None:
        for name in ("name", "subscriptionName"):
            if name in document:
                document[name] = document[name].encode("ascii", "replace").decode()

    subscription_objects(emulator)(plain)
    bodies(emulator, "resolve")(plain)


@deviation("auto-renew-is-always-true", breaks=["GET-023"])
def auto_renew_is_always_true(emulator: "Emulator") -> None:
    """The field autoRenew is true, also where the subscription ends with its term."""

    @subscription_objects(emulator)
    def renews(document: Json) -> None:
        document["autoRenew"] = True


@deviation("cancelled-before-activation-is-gone", breaks=["DEL-018", "GET-006", "LCY-004"])
def cancelled_before_activation_is_gone(emulator: "Emulator") -> None:
    """A purchase that was cancelled before its activation is answered 404."""

    @answers(emulator, "get_subscription")
    def gone(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        cancelled = reply.status == 200 and reply.document["saasSubscriptionStatus"] == _UNSUBSCRIBED
        if cancelled and not emulator.market.find(reply.document["id"]).activation_accepted:
            return _gone(reply, 404, "SubscriptionNotFound", "There is no such subscription.")
        return reply


@deviation("created-is-when-it-was-activated", breaks=["GET-026"])
def created_is_when_it_was_activated(emulator: "Emulator") -> None:
    """The time in created is that of the activation, once there was one."""
    activated: dict[str, datetime] = {}

    @decision(emulator.market, "start_service")
    def remembered(start: Any, record: Any) -> None:
        start(record)
        activated[record.subscription.id] = emulator.market.now

    @subscription_objects(emulator)
    def later(document: Json) -> None:
        if document["id"] in activated:
            document["created"] = f"{activated[document['id']]:%Y-%m-%dT%H:%M:%S}Z"


@deviation("terms-begin-with-the-purchase", breaks=["GET-029"])
def terms_begin_with_the_purchase(emulator: "Emulator") -> None:
    """A term counts from the day of the purchase, whenever the subscription was activated."""

    @decision(emulator.market, "first_term")
    def from_purchase(_: Any, subscription: Subscription) -> Any:
        return subscription.term.begin(subscription.created.date())


@deviation("longer-terms-end-after-a-year", breaks=["GET-030"])
def longer_terms_end_after_a_year(emulator: "Emulator") -> None:
    """The endDate of a term of several years is that of a term of one."""

    @subscription_objects(emulator)
    def one_year(document: Json) -> None:
        term = document["term"]
        if term["termUnit"] in {"P2Y", "P3Y"} and "endDate" in term:
            year = int(term["startDate"][:4]) + 1
            term["endDate"] = f"{year}{term['endDate'][4:]}"


@deviation("every-term-is-called-monthly", breaks=["GET-031"])
def every_term_is_called_monthly(emulator: "Emulator") -> None:
    """The field termUnit is P1M, whatever was bought."""

    @subscription_objects(emulator)
    def monthly(document: Json) -> None:
        document["term"]["termUnit"] = "P1M"


# --- the list ---


@deviation("the-list-hides-private-plans", breaks=["LST-002"])
def the_list_hides_private_plans(emulator: "Emulator") -> None:
    """The list lacks subscriptions to private plans."""

    @bodies(emulator, "list_subscriptions")
    def public_only(document: Json) -> None:
        document["subscriptions"] = [each for each in document["subscriptions"] if each["planId"] != "private"]


@deviation("the-list-forgets-after-two-months", breaks=["LST-004"])
def the_list_forgets_after_two_months(emulator: "Emulator") -> None:
    """The list lacks what was cancelled two months ago."""
    seen: dict[str, datetime] = {}

    @bodies(emulator, "list_subscriptions")
    def remembered(document: Json) -> None:
        now = emulator.market.now
        for each in document["subscriptions"]:
            if each["saasSubscriptionStatus"] == _UNSUBSCRIBED:
                seen.setdefault(each["id"], now)
        document["subscriptions"] = [
            each for each in document["subscriptions"] if now - seen.get(each["id"], now) < timedelta(days=60)
        ]


@deviation("later-pages-link-relatively", breaks=["LST-006", "LST-008"])
def later_pages_link_relatively(emulator: "Emulator") -> None:
    """The @nextLink of every page but the first lacks scheme and host."""

    @answers(emulator, "list_subscriptions")
    def relative(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if request.parameter("continuationToken") and reply.status == 200 and "@nextLink" in reply.document:
            reply.document["@nextLink"] = urlunsplit(("", "", *urlsplit(reply.document["@nextLink"])[2:]))
        return reply


@deviation("later-pages-are-thin", breaks=["LST-017"])
def later_pages_are_thin(emulator: "Emulator") -> None:
    """The entries of every page but the first lack the beneficiary."""

    @answers(emulator, "list_subscriptions")
    def thin(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and request.parameter("continuationToken"):
            for each in reply.document["subscriptions"]:
                del each["beneficiary"]
        return reply


@deviation("the-list-knows-the-first-number-of-seats", breaks=["LST-017"])
def the_list_knows_the_first_number_of_seats(emulator: "Emulator") -> None:
    """The quantity in the list stays the purchased one after a change."""
    bought: dict[str, int | None] = {}

    @decision(emulator.market, "purchase")
    def remembered(purchase: Any, wanted: Any) -> tuple[Subscription, str]:
        made: tuple[Subscription, str] = purchase(wanted)
        bought[made[0].id] = made[0].quantity
        return made

    @bodies(emulator, "list_subscriptions")
    def as_bought(document: Json) -> None:
        for each in document["subscriptions"]:
            if "quantity" in each:
                each["quantity"] = bought[each["id"]]


@deviation("the-list-names-the-purchaser-twice", breaks=["LST-017"])
def the_list_names_the_purchaser_twice(emulator: "Emulator") -> None:
    """In the list the beneficiary is the purchaser, also where a reseller bought."""

    @bodies(emulator, "list_subscriptions")
    def purchaser(document: Json) -> None:
        for each in document["subscriptions"]:
            each["beneficiary"] = each["purchaser"]


# --- the plans ---


def _plans(emulator: "Emulator") -> Callable[[Callable[[Request, Json], None]], None]:
    """Let the decorated function change what List available plans answers; it gets the request and the answer."""

    def wrap(change: Callable[[Request, Json], None]) -> None:
        @answers(emulator, "list_available_plans")
        def changed(request: Request, answer: Answer) -> Reply:
            reply = answer(request)
            if reply.status == 200:
                reply.document = json.loads(json.dumps(reply.document))
                change(request, reply.document)
            return reply

    return wrap


@deviation("plans-of-the-publishers-other-offers-are-listed", breaks=["CHP-020", "PLN-002", "PLN-005", "TRM-003"])
def plans_of_other_offers_are_listed(emulator: "Emulator") -> None:
    """The plan list holds the public plans of all offers of the publisher."""

    @_plans(emulator)
    def all_offers(request: Request, document: Json) -> None:
        own = _of(emulator, request)
        if request.parameter("planId") is None:
            document["plans"] += [
                plan
                for offer in emulator.market.offers()
                if offer.publisher_id == own.publisher_id and offer.offer_id != own.offer_id
                for plan in emulator.wire.plans([each for each in offer.plans if not each.is_private])["plans"]
            ]


@deviation("the-plan-filter-finds-hidden-plans", breaks=["PLN-002"])
def the_plan_filter_finds_hidden_plans(emulator: "Emulator") -> None:
    """Who asks for a private plan by its id gets it, whoever the customer is."""

    @_plans(emulator)
    def hidden_too(request: Request, document: Json) -> None:
        plan = emulator.market.offer_of(_of(emulator, request)).plan(request.parameter("planId") or "")
        if plan is not None and not document["plans"]:
            document |= emulator.wire.plans([plan])


@deviation("the-plan-filter-takes-beginnings", breaks=["PLN-006"])
def the_plan_filter_takes_beginnings(emulator: "Emulator") -> None:
    """The filter gives every plan whose id begins with what was asked for, if none is just that."""

    @answers(emulator, "list_available_plans")
    def beginning(request: Request, answer: Answer) -> Reply:
        wanted = request.parameter("planId")
        reply = answer(request)
        if wanted and reply.status == 200 and not reply.document["plans"]:
            request.query = {name: values for name, values in request.query.items() if name != "planId"}
            reply = answer(request)
            reply.document["plans"] = [each for each in reply.document["plans"] if each["planId"].startswith(wanted)]
        return reply


@deviation("the-plan-filter-must-come-first", breaks=["PLN-005"])
def the_plan_filter_must_come_first(emulator: "Emulator") -> None:
    """The filter is ignored behind another query parameter."""

    @answers(emulator, "list_available_plans")
    def first_only(request: Request, answer: Answer) -> Reply:
        if next(iter(request.query), None) != "planId":
            request.query = {name: values for name, values in request.query.items() if name != "planId"}
        return answer(request)


@deviation("plans-are-gone-while-suspended", breaks=["PLN-001"])
def plans_are_gone_while_suspended(emulator: "Emulator") -> None:
    """The plans of a Suspended subscription are answered 404."""

    @answers(emulator, "list_available_plans")
    def gone(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and _of(emulator, request).status is _SUSPENDED:
            return _gone(reply, 404, "PlansNotFound", "Nothing can be changed.")
        return reply


@deviation("plans-are-listed-once-for-each-term", breaks=["PLN-005", "PLN-017"])
def plans_are_listed_once_for_each_term(emulator: "Emulator") -> None:
    """A plan with two billing terms is listed twice, each time with one of them."""

    @_plans(emulator)
    def parted(_request: Request, document: Json) -> None:
        document["plans"] = [
            {**plan, "planComponents": {**plan["planComponents"], "recurrentBillingTerms": [term]}}
            for plan in document["plans"]
            for term in plan["planComponents"]["recurrentBillingTerms"]
        ]


@deviation("private-plans-are-called-public", breaks=["PLN-013"])
def private_plans_are_called_public(emulator: "Emulator") -> None:
    """The field isPrivate is always false."""

    @_plans(emulator)
    def public(_request: Request, document: Json) -> None:
        for plan in document["plans"]:
            plan["isPrivate"] = False


# --- the landing page ---


@deviation("later-visits-bring-a-raw-token", breaks=["LND-002", "LND-034"])
def later_visits_bring_a_raw_token(emulator: "Emulator") -> None:
    """Manage account puts the purchase token into the address as it is."""
    visited: set[str] = set()

    @decision(emulator, "landing_url")
    def raw_later(landing_url: Any, landing_page: str, token: str) -> str:
        url: str = landing_url(landing_page, token)
        content = emulator.market._tokens.read(token)
        subscription_id = content[0] if content else ""
        if subscription_id in visited:
            return url.replace(quote(token, safe=""), token)
        visited.add(subscription_id)
        return url
