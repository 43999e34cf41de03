"""The life of a subscription from the start of service to its end, as payment and calendar will have it.

Source: pc-saas-fulfillment-life-cycle. Suspend, Renew and Unsubscribe are in force before they are announced, whatever
the publisher answers; a reinstatement takes effect when its operation ends.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time

from dateutil.relativedelta import relativedelta

from fulfillment_conformance.marketplace.foundation import Record
from fulfillment_conformance.marketplace.notifications import Notifications
from fulfillment_conformance.marketplace.operations import Action, Operation, OperationStatus, Source
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.subscriptions import Subscription, SubscriptionStatus
from fulfillment_conformance.marketplace.terms import Term
from fulfillment_conformance.marketplace.timers import TimerKind

_PENDING = SubscriptionStatus.PENDING_FULFILLMENT_START
_SUBSCRIBED = SubscriptionStatus.SUBSCRIBED
_SUSPENDED = SubscriptionStatus.SUSPENDED
_UNSUBSCRIBED = SubscriptionStatus.UNSUBSCRIBED


class Lifecycle(Notifications):
    """Suspension, reinstatement, renewal, cancellation, and the deadlines that lead there."""

    # --- what customers, banks and calendars do ---

    def suspend(self, subscription_id: str) -> Operation:
        """Let a payment be missing: Suspended at once, and cancelled when the grace period is over. 409 elsewhere."""
        record = self.find(subscription_id)
        self.require_status(record, _SUBSCRIBED, purpose="suspending it", otherwise=409)
        return self._suspend(record)

    def reinstate(self, subscription_id: str) -> Operation:
        """Let the missing payment arrive: the publisher is told, and service resumes when the operation has ended.

        Refused with 409 unless the subscription is Suspended and no reinstatement is under way.
        """
        record = self.find(subscription_id)
        self.require_status(record, _SUSPENDED, purpose="reinstating it", otherwise=409)
        if any(pending.action is Action.REINSTATE for pending in self._pending(record)):
            raise Refused(
                409, "OperationPending", f"Subscription {subscription_id!r} is already being reinstated; wait for that."
            )
        record.payment_works = True
        suspended = record.subscription
        if self.rules.reinstate_before_notice:
            self.resume(record)
            operation = self._open_operation(record, Action.REINSTATE)
        else:
            operation = self._open_operation(record, Action.REINSTATE, status=OperationStatus.IN_PROGRESS)
        self.announce(operation, suspended)
        return operation

    def renew(self, subscription_id: str) -> Operation:
        """Let the next term begin now instead of on its day; returns Suspend when the renewal cannot be paid.

        Refused with 409 unless the subscription is Subscribed and renews by itself.
        """
        record = self.find(subscription_id)
        self.require_status(record, _SUBSCRIBED, purpose="renewing it", otherwise=409)
        if not record.subscription.auto_renew:
            raise Refused(
                409, "AutoRenewOff", f"Subscription {subscription_id!r} does not renew; switch auto-renew on first."
            )
        return self._renew(record)

    def unsubscribe(self, subscription_id: str) -> Operation:
        """Cancel on behalf of the customer or his reseller, in any state but Unsubscribed (409); final, at once."""
        record = self.find(subscription_id)
        self.require_status(record, _PENDING, _SUBSCRIBED, _SUSPENDED, purpose="cancelling it", otherwise=409)
        return self._unsubscribe(record)

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> None:
        """Say whether another term follows the present one; no event tells the publisher. 409 when Unsubscribed."""
        record = self.find(subscription_id)
        self.require_status(record, _PENDING, _SUBSCRIBED, _SUSPENDED, purpose="changing its renewal", otherwise=409)
        record.subscription = replace(record.subscription, auto_renew=auto_renew)

    def set_payment(self, subscription_id: str, works: bool) -> None:
        """Say whether the next renewal can be paid; if not, it suspends."""
        self.find(subscription_id).payment_works = works

    # --- decisions ---

    def first_term(self, subscription: Subscription) -> Term:
        """Return the term that starts today."""
        return subscription.term.begin(self._now.date())

    def following_term(self, subscription: Subscription) -> Term:
        """Return the term that a renewal begins."""
        return subscription.term.next()

    def trial_ends_on(self, subscription: Subscription) -> date | None:
        """Return the first day that a free trial no longer covers, None where there is none: a trial lasts a month."""
        start = subscription.term.start
        return start + relativedelta(months=1) if subscription.is_free_trial and start is not None else None

    # --- in force at once ---

    def start_service(self, record: Record) -> None:
        """Make a subscription Subscribed; its first term, and a free trial, begin today."""
        self._timers.cancel(record.deadline)
        record.deadline = None
        record.subscription = replace(
            record.subscription, status=_SUBSCRIBED, term=self.first_term(record.subscription)
        )
        self._watch_term(record)
        trial_end = self.trial_ends_on(record.subscription)
        if trial_end is not None:
            record.trial_end = self._timers.set(_midnight(trial_end), TimerKind.TRIAL_END, record.subscription.id)

    def resume(self, record: Record) -> None:
        """Make a suspended subscription Subscribed again; terms that passed meanwhile are made up for, silently."""
        self._timers.cancel(record.deadline)
        record.deadline = None
        record.subscription = replace(record.subscription, status=_SUBSCRIBED)
        while (renewal := record.subscription.term.renewal_day) is not None and renewal <= self._now.date():
            self._begin_following_term(record)

    def _suspend(self, record: Record) -> Operation:
        self._abandon_pending(record, "The subscription was suspended.")
        record.subscription = replace(record.subscription, status=_SUSPENDED)
        record.deadline = self._timers.set(self._now + self.rules.grace, TimerKind.GRACE_END, record.subscription.id)
        return self._notify(record, Action.SUSPEND)

    def _renew(self, record: Record) -> Operation:
        if not record.payment_works:
            return self._suspend(record)
        self._begin_following_term(record)
        operation = self._notify(record, Action.RENEW)
        if self.rules.renewal_sends_subscribe:
            self.announce(self._open_operation(record, Action.SUBSCRIBE), None)
        return operation

    def _unsubscribe(self, record: Record, source: Source = Source.AZURE) -> Operation:
        self._abandon_pending(record, "The subscription was cancelled.")
        for timer in (record.deadline, record.term_end, record.trial_end):
            self._timers.cancel(timer)
        record.deadline = record.term_end = record.trial_end = None
        record.subscription = replace(record.subscription, status=_UNSUBSCRIBED)
        return self._notify(record, Action.UNSUBSCRIBE, source)

    def _notify(self, record: Record, action: Action, source: Source = Source.AZURE) -> Operation:
        operation = self._open_operation(record, action, source=source)
        self.announce(operation, record.subscription)
        return operation

    def _abandon_pending(self, record: Record, reason: str) -> None:
        for operation in self._pending(record):
            self.fail(operation, reason)

    def _begin_following_term(self, record: Record) -> None:
        self._timers.cancel(record.trial_end)
        record.trial_end = None
        record.subscription = replace(
            record.subscription, term=self.following_term(record.subscription), is_free_trial=False
        )
        self._watch_term(record)

    def _watch_term(self, record: Record) -> None:
        self._timers.cancel(record.term_end)
        renewal = record.subscription.term.renewal_day
        assert renewal is not None, "only a term that has begun is watched"
        record.term_end = self._timers.set(_midnight(renewal), TimerKind.TERM_END, record.subscription.id)

    # --- what falls due ---

    def end_term(self, subscription_id: str) -> None:
        """Renew, cancel, or leave alone what is suspended, on the day after a term's last one."""
        record = self._records[subscription_id]
        if not record.subscription.auto_renew:
            self._unsubscribe(record)
        elif record.status is _SUBSCRIBED:
            self._renew(record)

    def end_trial(self, subscription_id: str) -> None:
        """Turn a free trial into a paid subscription."""
        record = self._records[subscription_id]
        record.subscription = replace(record.subscription, is_free_trial=False)

    def end_grace(self, subscription_id: str) -> None:
        """Cancel a subscription whose payment stayed away."""
        self._unsubscribe(self._records[subscription_id])

    def void(self, subscription_id: str) -> None:
        """Cancel a purchase that nobody configured."""
        self._unsubscribe(self._records[subscription_id])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
