"""Faults of Get subscription, and of the subscription object wherever the API shows it (catalogue theme GET)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fulfillment_conformance.emulator.deviations.registry import (
    Json,
    answers,
    bodies,
    deviation,
    lets_in,
    refuses_with,
    subscription_objects,
)
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator


@deviation("get-writes-the-id-in-capitals", breaks=["GET-001", "RES-010"])
def writes_the_id_in_capitals(emulator: "Emulator") -> None:
    """The id that Get shows is not, letter by letter, the one that was asked for."""

    @bodies(emulator, "get_subscription")
    def capitals(document: Json) -> None:
        document["id"] = document["id"].upper()


@deviation("get-writes-the-id-in-braces", breaks=["GET-001", "GET-007", "RES-010"])
def writes_the_id_in_braces(emulator: "Emulator") -> None:
    """The id that Get shows is a GUID in braces."""

    @bodies(emulator, "get_subscription")
    def braces(document: Json) -> None:
        document["id"] = f"{{{document['id']}}}"


@deviation("get-calls-unknown-ids-bad", breaks=["GET-002"])
def calls_unknown_ids_bad(emulator: "Emulator") -> None:
    """Getting an id that does not exist is answered 400."""
    refuses_with(emulator, 400, "SubscriptionNotFound", "get_subscription")


@deviation("get-accepts-expired-access-tokens", breaks=["AUT-013", "GET-003"])
def accepts_expired_access_tokens(emulator: "Emulator") -> None:
    """Get takes an access token whose time is over."""
    lets_in(emulator, "get_subscription", "AccessTokenExpired")


@deviation("get-serves-other-publishers", breaks=["AUT-014", "AUT-015", "AUT-030", "GET-004"])
def serves_other_publishers(emulator: "Emulator") -> None:
    """Any publisher can read any subscription."""
    lets_in(emulator, "get_subscription", "Forbidden")


@deviation("get-answers-203-for-cancelled-subscriptions", breaks=["GET-006"])
def answers_203_for_cancelled_subscriptions(emulator: "Emulator") -> None:
    """Getting an Unsubscribed subscription is answered 203, as if from somebody's memory."""

    @answers(emulator, "get_subscription")
    def from_memory(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200 and reply.document["saasSubscriptionStatus"] == "Unsubscribed":
            reply.status = 203
        return reply


@deviation("subscriptions-have-no-name", breaks=["GET-008", "RES-006"])
def have_no_name(emulator: "Emulator") -> None:
    """The name of a subscription is null."""

    @subscription_objects(emulator)
    def nameless(document: Json) -> None:
        document["name"] = None


@deviation("subscriptions-do-not-name-the-publisher", breaks=["GET-009", "EVT-003"])
def do_not_name_the_publisher(emulator: "Emulator") -> None:
    """The publisherId of a subscription is missing."""

    @subscription_objects(emulator)
    def unpublished(document: Json) -> None:
        del document["publisherId"]


@deviation("subscriptions-show-the-offers-display-name", breaks=["GET-010", "RES-007", "EVT-004"])
def show_the_offers_display_name(emulator: "Emulator") -> None:
    """The offerId of a subscription is what people read, not the id."""

    @subscription_objects(emulator)
    def display_name(document: Json) -> None:
        document["offerId"] = document["offerId"].replace("-", " ").title()


@deviation(
    "subscriptions-keep-showing-the-first-plan",
    breaks=["GET-011", "CHP-003", "CHP-022", "CSP-002", "OPP-012", "WHK-025", "WHK-028"],
)
def keep_showing_the_first_plan(emulator: "Emulator") -> None:
    """The planId of a subscription stays the purchased one after a change."""

    @subscription_objects(emulator)
    def purchased_plan(document: Json) -> None:
        document["planId"] = emulator.market.find(document["id"]).subscription.purchased_plan_id


@deviation(
    "subscriptions-count-one-seat-more",
    breaks=[
        *("GET-012", "ACT-010", "CHQ-020", "CSP-002", "OPP-002", "OPP-012"),
        *("WHK-025", "WHK-026", "WHK-027", "WHK-028", "WHK-029"),
    ],
)
def count_one_seat_more(emulator: "Emulator") -> None:
    """The quantity of a subscription is one too many."""

    @subscription_objects(emulator)
    def one_more(document: Json) -> None:
        if "quantity" in document:
            document["quantity"] += 1


@deviation("get-calls-pending-provisioning", breaks=["GET-013", "HDR-024", "RES-010", "LCY-001", "LCY-002"])
def calls_pending_provisioning(emulator: "Emulator") -> None:
    """The status of a pending subscription is Provisioning, as in 2019."""

    @bodies(emulator, "get_subscription")
    def provisioning(document: Json) -> None:
        if document["saasSubscriptionStatus"] == "PendingFulfillmentStart":
            document["saasSubscriptionStatus"] = "Provisioning"


@deviation("beneficiaries-are-tenants-only", breaks=["GET-014"])
def beneficiaries_are_tenants_only(emulator: "Emulator") -> None:
    """The beneficiary is described by the tenant id alone, as in 2019."""

    @subscription_objects(emulator)
    def tenant_only(document: Json) -> None:
        document["beneficiary"] = {"tenantId": document["beneficiary"]["tenantId"]}


@deviation("purchasers-have-no-address", breaks=["GET-015"])
def purchasers_have_no_address(emulator: "Emulator") -> None:
    """The purchaser has no emailId."""

    @subscription_objects(emulator)
    def no_address(document: Json) -> None:
        del document["purchaser"]["emailId"]


@deviation("resellers-are-not-shown", breaks=["GET-016"])
def resellers_are_not_shown(emulator: "Emulator") -> None:
    """The purchaser is always the beneficiary, also where a reseller bought."""

    @subscription_objects(emulator)
    def beneficiary_bought(document: Json) -> None:
        document["purchaser"] = document["beneficiary"]


@deviation("resellers-and-customers-are-swapped", breaks=["GET-016"])
def resellers_and_customers_are_swapped(emulator: "Emulator") -> None:
    """Where a reseller bought, it is shown as the beneficiary, and its customer as the purchaser."""

    @subscription_objects(emulator)
    def swapped(document: Json) -> None:
        document["purchaser"], document["beneficiary"] = document["beneficiary"], document["purchaser"]


@deviation("customers-may-also-transfer", breaks=["GET-018", "RES-028"])
def customers_may_also_transfer(emulator: "Emulator") -> None:
    """In allowedCustomerOperations, a direct purchase has a word that does not exist."""

    @subscription_objects(emulator)
    def transfer(document: Json) -> None:
        if "Update" in document["allowedCustomerOperations"]:
            document["allowedCustomerOperations"].append("Transfer")


@deviation("get-lets-customers-of-resellers-change", breaks=["GET-019", "LST-017"])
def lets_customers_of_resellers_change(emulator: "Emulator") -> None:
    """In Get, allowedCustomerOperations always holds all three."""

    @bodies(emulator, "get_subscription")
    def everything(document: Json) -> None:
        document["allowedCustomerOperations"] = ["Read", "Update", "Delete"]


@deviation("everything-is-a-free-trial", breaks=["GET-022", "TRM-009"])
def everything_is_a_free_trial(emulator: "Emulator") -> None:
    """The field isFreeTrial is always true."""

    @subscription_objects(emulator)
    def free(document: Json) -> None:
        document["isFreeTrial"] = True


@deviation("auto-renew-is-text", breaks=["GET-023", "LCY-020"])
def auto_renew_is_text(emulator: "Emulator") -> None:
    """The field autoRenew is the string true or false."""

    @subscription_objects(emulator)
    def text(document: Json) -> None:
        document["autoRenew"] = str(document["autoRenew"]).lower()


@deviation("subscriptions-are-created-tomorrow", breaks=["GET-026"])
def are_created_tomorrow(emulator: "Emulator") -> None:
    """The time in created lies years ahead."""

    @subscription_objects(emulator)
    def ahead(document: Json) -> None:
        document["created"] = f"9{document['created'][1:]}"


@deviation("terms-begin-two-days-late", breaks=["GET-029", "AAC-005", "EVT-022", "LCY-022"])
def terms_begin_two_days_late(emulator: "Emulator") -> None:
    """Start and end of a term are two days off."""

    @subscription_objects(emulator)
    def late(document: Json) -> None:
        for name in ("startDate", "endDate"):
            _shift(document["term"], name, days=2)


@deviation("terms-end-with-the-next-ones-first-day", breaks=["GET-030", "EVT-022", "LCY-021", "LCY-022"])
def terms_end_with_the_next_ones_first_day(emulator: "Emulator") -> None:
    """The end of a term is the day of its renewal, not its last day."""

    @subscription_objects(emulator)
    def exclusive(document: Json) -> None:
        _shift(document["term"], "endDate", days=1)


@deviation("terms-have-words-for-units", breaks=["GET-031"])
def terms_have_words_for_units(emulator: "Emulator") -> None:
    """The field termUnit is a word, no duration."""

    @subscription_objects(emulator)
    def words(document: Json) -> None:
        document["term"]["termUnit"] = "month" if document["term"]["termUnit"].endswith("M") else "year"


def _shift(term: Json, name: str, *, days: int) -> None:
    if term.get(name) is not None:
        moment = datetime.fromisoformat(term[name]) + timedelta(days=days)
        term[name] = moment.isoformat().replace("+00:00", "Z")
