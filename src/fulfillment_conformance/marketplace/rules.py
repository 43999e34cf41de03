"""Where documented and observed behaviour part, and the limits that the pages set.

`DOCUMENTED` is what the pages say; `OBSERVED` what the live service is known to do instead. Each switch names the
observations (LB-..) it rests on. Forms that only the wire has are switched here too: one object holds a profile.
"""

from dataclasses import dataclass
from datetime import timedelta

from fulfillment_conformance.marketplace.operations import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Every decision of the marketplace that is a matter of profile, and every limit.

    Answers of the operations API:
        unknown_operation_status: Get Operation for an unknown operation or subscription (LB-01).
        unknown_subscription_lists_nothing: List Operations answers an empty list, not 404 (LB-02).
        operations_listed_after: how long a pending operation is missing from the list (LB-03).
        fetchable_actions: actions whose operations Get Operation finds (LB-04).
        unknown_status_words_ignored: PATCH with an invented status word is answered 200, without effect (LB-05).
        unknown_settlement_status: PATCH of an unknown operation or subscription (LB-06).
        settling_own_operation_breaks: PATCH of an operation that the publisher started answers 500 (LB-07).

    Changes and life cycle:
        patch_failure_holds: PATCH Failure rejects a change; otherwise it is carried out all the same (LB-10).
        rejection_is_reverted: a rejected change is followed by a second one, back to the value before it (LB-11).
        silence_accepts: a change answered 2xx is accepted by itself; otherwise it fails in the end (LB-13).
        changes_may_overlap: a change may begin while another is pending; otherwise 409 (LB-15).
        reinstate_before_notice: a reinstatement is done before it is announced, and no answer matters (LB-16).
        renewal_sends_subscribe: a renewal is also announced as Subscribe, in the short form (LB-18).
        activation_checked: values in the body of activate must be the purchased ones, otherwise 400 (LB-24).
        unsubscribe_repeated_after: an accepted Unsubscribe is delivered once more after this span (LB-27).

    Forms on the wire:
        source_of_own_changes_shown: notifications of publisher-started changes carry the source (LB-14).
        created_shown: the subscription object has its creation time (LB-22).
        quantity_as_text: seats are numeric strings, and empty strings for flat plans (LB-37).
        unsubscribe_described: Unsubscribe payloads name offer, plan, publisher and status; else empty strings (LB-38).
        notify_only_status: the status word of notify-only payloads (LB-39).
        quantity_shown_for_csp: seats of reseller purchases are shown (LB-58).
        quantity_shown_when_unsubscribed: seats of cancelled subscriptions are shown (LB-59).

    Limits:
        page_size: subscriptions per page (LB-54).
        acceptance_window: time to reject a change after the call, and silence that accepts it after the answer.
        delivery_attempts, retry_spacing: calls of the webhook per notification, and the time from one to the next.
        token_lifetime, grace, unconfigured: validity of a purchase token; suspension and configuration limits.
        activation_delay: time from an accepted activation to the state Subscribed (LB-23).
    """

    unknown_operation_status: int = 404
    unknown_subscription_lists_nothing: bool = False
    operations_listed_after: timedelta = timedelta(0)
    fetchable_actions: frozenset[Action] = frozenset(
        {Action.CHANGE_PLAN, Action.CHANGE_QUANTITY, Action.REINSTATE, Action.UNSUBSCRIBE}
    )
    unknown_status_words_ignored: bool = False
    unknown_settlement_status: int = 404
    settling_own_operation_breaks: bool = False

    patch_failure_holds: bool = True
    rejection_is_reverted: bool = False
    silence_accepts: bool = True
    changes_may_overlap: bool = False
    reinstate_before_notice: bool = False
    renewal_sends_subscribe: bool = False
    activation_checked: bool = True
    unsubscribe_repeated_after: timedelta | None = None

    source_of_own_changes_shown: bool = True
    created_shown: bool = True
    quantity_as_text: bool = False
    unsubscribe_described: bool = True
    notify_only_status: str = "Succeeded"
    quantity_shown_for_csp: bool = True
    quantity_shown_when_unsubscribed: bool = True

    page_size: int = 100
    acceptance_window: timedelta = timedelta(seconds=10)
    delivery_attempts: int = 500
    retry_spacing: timedelta = timedelta(hours=8) / 500
    token_lifetime: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(days=30)
    unconfigured: timedelta = timedelta(days=30)
    activation_delay: timedelta = timedelta(0)


DOCUMENTED = Rules()
OBSERVED = Rules(
    unknown_operation_status=400,
    unknown_subscription_lists_nothing=True,
    operations_listed_after=timedelta(minutes=1),
    fetchable_actions=frozenset(Action),
    unknown_status_words_ignored=True,
    unknown_settlement_status=400,
    settling_own_operation_breaks=True,
    patch_failure_holds=False,
    rejection_is_reverted=True,
    changes_may_overlap=True,
    reinstate_before_notice=True,
    renewal_sends_subscribe=True,
    activation_checked=False,
    unsubscribe_repeated_after=timedelta(seconds=1.2),
    source_of_own_changes_shown=False,
    created_shown=False,
    quantity_as_text=True,
    unsubscribe_described=False,
    notify_only_status="Success",
    quantity_shown_for_csp=False,
    quantity_shown_when_unsubscribed=False,
    page_size=80,
)
