"""Faults of List subscriptions and its paging (catalogue theme LST)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from fulfillment_conformance.emulator.deviations.registry import Json, answers, bodies, decision, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request, error_reply
from fulfillment_conformance.marketplace import Page, Refused, Subscription

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation(
    "the-list-is-a-bare-array",
    breaks=[
        "LST-001",
        "LST-002",
        "LST-003",
        "LST-004",
        "LST-005",
        "LST-006",
        "LST-011",
        "LST-014",
        "AUT-025",
    ],
)
def is_a_bare_array(emulator: "Emulator") -> None:
    """The list is an array without an object around it, as in 2019."""

    @answers(emulator, "list_subscriptions")
    def bare(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            reply.document = reply.document["subscriptions"]
        return reply


@deviation("the-list-shows-one-offer", breaks=["LST-002"])
def shows_one_offer(emulator: "Emulator") -> None:
    """The list holds the subscriptions of the publisher's first offer only."""
    first = emulator.market.offers()[0].offer_id
    _shows_only(emulator, lambda each: each["offerId"] == first or each["publisherId"] != "contoso")


@deviation("the-list-hides-suspended-subscriptions", breaks=["LST-003"])
def hides_suspended_subscriptions(emulator: "Emulator") -> None:
    """The list lacks the subscriptions whose payment is missing."""
    _shows_only(emulator, lambda each: each["saasSubscriptionStatus"] != "Suspended")


@deviation("the-list-hides-cancelled-subscriptions", breaks=["LST-003", "LST-004"])
def hides_cancelled_subscriptions(emulator: "Emulator") -> None:
    """The list lacks the subscriptions that are Unsubscribed."""
    _shows_only(emulator, lambda each: each["saasSubscriptionStatus"] != "Unsubscribed")


def _shows_only(emulator: "Emulator", shown: Any) -> None:
    @bodies(emulator, "list_subscriptions")
    def fewer(document: Json) -> None:
        document["subscriptions"] = [each for each in document["subscriptions"] if shown(each)]


@deviation("pages-have-fifty-entries", breaks=["LST-005"])
def pages_have_fifty_entries(emulator: "Emulator") -> None:
    """A page of the list holds 50 subscriptions."""
    emulator.market.rules = replace(emulator.market.rules, page_size=50)


@deviation("the-list-ends-after-a-page", breaks=["LST-006", "LST-014"])
def ends_after_a_page(emulator: "Emulator") -> None:
    """There is no @nextLink, however many subscriptions there are."""

    @bodies(emulator, "list_subscriptions")
    def the_end(document: Json) -> None:
        document.pop("@nextLink", None)


@deviation("the-next-link-is-relative", breaks=["LST-006", "LST-008"])
def next_link_is_relative(emulator: "Emulator") -> None:
    """The @nextLink lacks scheme and host."""

    @bodies(emulator, "list_subscriptions")
    def relative(document: Json) -> None:
        if "@nextLink" in document:
            document["@nextLink"] = urlunsplit(("", "", *urlsplit(document["@nextLink"])[2:]))


@deviation("the-last-page-leads-back", breaks=["LST-007", "LST-014"])
def last_page_leads_back(emulator: "Emulator") -> None:
    """The last page of several has an @nextLink, to itself."""

    @answers(emulator, "list_subscriptions")
    def back(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        token = request.parameter("continuationToken")
        if token and reply.status == 200 and "@nextLink" not in reply.document:
            query = urlencode({"continuationToken": token, "api-version": "2018-08-31"})
            reply.document["@nextLink"] = f"{request.origin}/api/saas/subscriptions?{query}"
        return reply


@deviation("an-empty-continuation-is-refused", breaks=["LST-010"])
def empty_continuation_is_refused(emulator: "Emulator") -> None:
    """An empty continuationToken is answered 400."""

    @decision(emulator.api, "list_subscriptions")
    def given_or_not(listed: Any, request: Request, caller: Any) -> Reply:
        if request.parameter("continuationToken") == "":
            raise Refused(400, "InvalidContinuation", "The continuationToken is empty.")
        reply: Reply = listed(request, caller)
        return reply


@deviation("pages-overlap", breaks=["LST-014"])
def pages_overlap(emulator: "Emulator") -> None:
    """The last entry of a page is the first of the next one, too, where it pushes another one off a full page."""
    last: dict[str | None, tuple[Subscription, ...]] = {}

    @decision(emulator.market, "page")
    def overlapping(page: Any, caller: Any, *, continuation: str | None = None) -> Page:
        shown: Page = page(caller, continuation=continuation)
        last[shown.continuation] = shown.subscriptions[-1:]
        entries = last.get(continuation or "", ()) + shown.subscriptions
        return replace(shown, subscriptions=entries[: emulator.market.rules.page_size])


@deviation("list-entries-lack-the-term", breaks=["LST-017"])
def entries_lack_the_term(emulator: "Emulator") -> None:
    """The subscriptions in the list have no term."""

    @bodies(emulator, "list_subscriptions")
    def termless(document: Json) -> None:
        for each in document["subscriptions"]:
            del each["term"]


@deviation("the-list-is-never-updated", breaks=["LST-017"])
def the_list_is_never_updated(emulator: "Emulator") -> None:
    """The planId in the list stays the purchased one after a change, as in a copy that nobody refreshes."""

    @bodies(emulator, "list_subscriptions")
    def purchased_plan(document: Json) -> None:
        for each in document["subscriptions"]:
            each["planId"] = emulator.market.find(each["id"]).subscription.purchased_plan_id


@deviation("continuation-tokens-work-in-the-link-only", breaks=["LST-009"])
def continuation_tokens_work_in_the_link_only(emulator: "Emulator") -> None:
    """A continuationToken is taken in the order that @nextLink has; anywhere else it leads to the first page."""

    @answers(emulator, "list_subscriptions")
    def unless_linked(request: Request, answer: Answer) -> Reply:
        if next(iter(request.query), None) == "continuationToken":
            request.query = {"api-version": ["2018-08-31"]}
        return answer(request)


@deviation("the-next-link-leads-nowhere", breaks=["LST-008", "LST-009", "LST-014"])
def next_link_leads_nowhere(emulator: "Emulator") -> None:
    """The continuation token in @nextLink is not known when it comes back."""

    @bodies(emulator, "list_subscriptions")
    def nowhere(document: Json) -> None:
        if "@nextLink" in document:
            document["@nextLink"] += "AAAA"


@deviation("an-empty-list-is-not-found", breaks=["LST-011"])
def empty_list_is_not_found(emulator: "Emulator") -> None:
    """A publisher without subscriptions is answered 404."""

    @answers(emulator, "list_subscriptions")
    def not_found(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and not reply.document["subscriptions"]:
            return Reply(404, error_reply(404, "NothingFound", "There are no subscriptions.").document, reply.headers)
        return reply
