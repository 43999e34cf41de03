"""Faults of the life of a subscription: payment, calendar, states (catalogue themes LCY, AAC)."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fulfillment_conformance.emulator.deviations.registry import Json, decision, deviation, subscription_objects
from fulfillment_conformance.marketplace import SubscriptionStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

_PENDING, _SUBSCRIBED = SubscriptionStatus.PENDING_FULFILLMENT_START, SubscriptionStatus.SUBSCRIBED


@deviation("purchases-wait-for-ever", breaks=["LCY-005", "PVO-003"])
def purchases_wait_for_ever(emulator: "Emulator") -> None:
    """A purchase that nobody configures is never voided."""
    emulator.market.rules = replace(emulator.market.rules, unconfigured=timedelta(days=36_500))


@deviation("pending-subscriptions-can-be-suspended", breaks=["LCY-006", "LCY-031", "GET-029", "GET-030"])
def pending_subscriptions_can_be_suspended(emulator: "Emulator") -> None:
    """A subscription is suspended before it has been activated."""
    _also_from(emulator, "suspending it", _PENDING)


@deviation("active-subscriptions-can-be-reinstated", breaks=["LCY-009", "LCY-031"])
def active_subscriptions_can_be_reinstated(emulator: "Emulator") -> None:
    """A subscription is reinstated although nothing is missing."""
    _also_from(emulator, "reinstating it", _SUBSCRIBED)


def _also_from(emulator: "Emulator", what: str, status: SubscriptionStatus) -> None:
    @decision(emulator.market, "require_status")
    def more_states(require: Any, record: Any, *allowed: Any, purpose: str, otherwise: int) -> None:
        require(record, *allowed, *([status] if purpose == what else []), purpose=purpose, otherwise=otherwise)


@deviation("reinstatement-comes-before-its-notification", breaks=["LCY-010", "EVT-029", "EVT-010"])
def reinstatement_comes_before_its_notification(emulator: "Emulator") -> None:
    """A suspended subscription is Subscribed again before the publisher has been asked."""
    emulator.market.rules = replace(emulator.market.rules, reinstate_before_notice=True)


@deviation("reinstatement-never-ends", breaks=["LCY-008", "EVT-031"])
def reinstatement_never_ends(emulator: "Emulator") -> None:
    """A subscription stays Suspended although it has been reinstated."""

    @decision(emulator.market, "resume")
    def stays(*_: Any) -> None:
        return


@deviation("grace-lasts-sixty-days", breaks=["LCY-011"])
def grace_lasts_sixty_days(emulator: "Emulator") -> None:
    """A suspended subscription is cancelled after 60 days."""
    emulator.market.rules = replace(emulator.market.rules, grace=timedelta(days=60))


@deviation("terms-are-not-renewed", breaks=["LCY-020", "LCY-021"])
def terms_are_not_renewed(emulator: "Emulator") -> None:
    """A subscription with auto-renewal goes on in its old term."""

    @decision(emulator.market, "end_term")
    def unless_it_renews(end: Any, subscription_id: str) -> None:
        if not emulator.market.find(subscription_id).subscription.auto_renew:
            end(subscription_id)


@deviation("renewed-terms-keep-their-dates", breaks=["LCY-021", "WHK-030"])
def renewed_terms_keep_their_dates(emulator: "Emulator") -> None:
    """After a renewal the API goes on showing the dates of the first term."""
    first: dict[str, Json] = {}

    @subscription_objects(emulator)
    def remembered(document: Json) -> None:
        if "startDate" in document["term"]:
            document["term"] = dict(first.setdefault(document["id"], document["term"]))


@deviation("auto-renewal-cannot-be-switched-off", breaks=["LCY-022"])
def auto_renewal_cannot_be_switched_off(emulator: "Emulator") -> None:
    """A subscription without auto-renewal is renewed all the same."""

    @decision(emulator.market, "end_term")
    def renewed(_: Any, subscription_id: str) -> None:
        record = emulator.market.find(subscription_id)
        if record.status is _SUBSCRIBED:
            record.subscription = replace(record.subscription, auto_renew=True)
            emulator.market.renew(subscription_id)
            record.subscription = replace(record.subscription, auto_renew=False)


@deviation("suspended-subscriptions-are-renewed", breaks=["LCY-024"])
def suspended_subscriptions_are_renewed(emulator: "Emulator") -> None:
    """The term of a suspended subscription is renewed, and the publisher told so."""

    @decision(emulator.market, "end_term")
    def whatever_the_state(end: Any, subscription_id: str) -> None:
        record = emulator.market.find(subscription_id)
        status = record.status
        if not record.subscription.auto_renew:
            end(subscription_id)
            return
        record.subscription = replace(record.subscription, status=_SUBSCRIBED)
        end(subscription_id)
        record.subscription = replace(record.subscription, status=status)


@deviation("automatic-activation-waits", breaks=["AAC-001", "EVT-036", "WHK-002"])
def automatic_activation_waits(emulator: "Emulator") -> None:
    """A plan with automatic activation waits for activation, and says nothing, like any other."""

    @decision(emulator.market, "purchase")
    def like_any_other(purchase: Any, wanted: Any) -> Any:
        offers = emulator.market.offers()
        for offer in offers:
            plans = tuple(replace(plan, auto_activate=False) for plan in offer.plans)
            emulator.market.publish(replace(offer, plans=plans))
        bought = purchase(wanted)
        for offer in offers:
            emulator.market.publish(offer)
        return bought


@deviation("grace-goes-on-after-reinstatement", breaks=["LCY-011", "LCY-020"])
def grace_goes_on_after_reinstatement(emulator: "Emulator") -> None:
    """A subscription is cancelled 30 days after a suspension, reinstated or not."""

    @decision(emulator.market, "resume")
    def with_its_deadline(resume: Any, record: Any) -> None:
        record.deadline = None
        resume(record)


@deviation("reinstatement-switches-auto-renewal-off", breaks=["LCY-008", "LCY-020"])
def reinstatement_switches_auto_renewal_off(emulator: "Emulator") -> None:
    """A subscription that was suspended and reinstated is not renewed any more."""

    @decision(emulator.market, "resume")
    def for_the_last_time(resume: Any, record: Any) -> None:
        resume(record)
        record.subscription = replace(record.subscription, auto_renew=False)


@deviation("terms-are-renewed-once", breaks=["LCY-020", "LCY-021"])
def terms_are_renewed_once(emulator: "Emulator") -> None:
    """The second term of a subscription is its last, though nothing ends it."""
    renewed: set[str] = set()

    @decision(emulator.market, "end_term")
    def once(end: Any, subscription_id: str) -> None:
        if subscription_id not in renewed:
            renewed.add(subscription_id)
            end(subscription_id)


@deviation("years-are-renewed-by-a-month", breaks=["LCY-021"])
def years_are_renewed_by_a_month(emulator: "Emulator") -> None:
    """The term that follows a year lasts a month."""

    @decision(emulator.market, "following_term")
    def a_month(following: Any, subscription: Any) -> Any:
        term = following(subscription)
        return replace(term, end=term.start + timedelta(days=30)) if term.unit == "P1Y" else term


@deviation("cancelled-subscriptions-are-renewed", breaks=["LCY-013"])
def cancelled_subscriptions_are_renewed(emulator: "Emulator") -> None:
    """The end of its term makes a cancelled subscription Subscribed again."""

    @decision(emulator.market, "_unsubscribe")
    def with_its_term(unsubscribe: Any, record: Any, *source: Any) -> Any:
        record.term_end = None
        return unsubscribe(record, *source)

    @decision(emulator.market, "end_term")
    def back(end: Any, subscription_id: str) -> None:
        record = emulator.market.find(subscription_id)
        if record.status is SubscriptionStatus.UNSUBSCRIBED and record.subscription.auto_renew:
            record.subscription = replace(record.subscription, status=_SUBSCRIBED)
        if record.status is not SubscriptionStatus.UNSUBSCRIBED:
            end(subscription_id)


@deviation(
    "suspensions-are-of-all-subscriptions",
    breaks=["LCY-007", "LCY-020", "LCY-021", "LST-003"],
    perhaps=["LCY-015"],
)
def suspensions_are_of_all_subscriptions(emulator: "Emulator") -> None:
    """A missing payment suspends every active subscription of the customer, announced or not."""

    @decision(emulator.market, "suspend")
    def all_of_them(suspend: Any, subscription_id: str) -> Any:
        operation = suspend(subscription_id)
        customer = emulator.market.find(subscription_id).subscription.beneficiary
        for record in emulator.market._records.values():
            if record.status is _SUBSCRIBED and record.subscription.beneficiary == customer:
                record.subscription = replace(record.subscription, status=SubscriptionStatus.SUSPENDED)
        return operation
