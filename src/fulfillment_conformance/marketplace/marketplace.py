"""The marketplace: commands and a clock in, results and notifications out.

The parts build on each other, one concern each: `foundation` (books and look-ups), `notifications` (deliveries and
answers), `lifecycle` (payment and calendar), `changes` (plan, seats, outcomes), `purchases` (order to start of
service). Here follow the rest of the Fulfillment API and the clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from fulfillment_conformance.marketplace.calls import Caller
from fulfillment_conformance.marketplace.foundation import as_utc, operation_not_found
from fulfillment_conformance.marketplace.ids import Ids
from fulfillment_conformance.marketplace.offers import Offer, Plan
from fulfillment_conformance.marketplace.operations import Action, Operation, Source
from fulfillment_conformance.marketplace.purchases import Purchases
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.rules import DOCUMENTED, Rules
from fulfillment_conformance.marketplace.subscriptions import Page, Subscription, SubscriptionStatus
from fulfillment_conformance.marketplace.timers import Timer, TimerKind


class Marketplace(Purchases):
    """A whole marketplace without I/O, wall clock or randomness of its own; equal seeds and commands, equal results.

    Every command either does what it says or raises `Refused` and changes nothing. What it returns are snapshots that
    never change. Each decision is a method of its own, so that a subclass can get exactly one of them wrong.
    """

    def __init__(self, *, ids: Ids, start: datetime, offers: Iterable[Offer] = (), rules: Rules = DOCUMENTED) -> None:
        super().__init__(ids=ids, start=start, offers=offers, rules=rules)

    def reset(self) -> None:
        """Forget all subscriptions, operations and deliveries and go back to the start time; offers stay.

        Ids go on where they were, so that nothing from before means anything afterwards.
        """
        self._forget()

    # --- subscriptions ---

    def page(self, caller: Caller, *, continuation: str | None = None) -> Page:
        """Return a page of the publisher's subscriptions, of every offer and state, oldest first.

        Without a continuation, or with an empty one, the first page. Refused with 403 for an application that no offer
        of the publisher is configured with, with 400 for a continuation that is not one of the publisher's.
        """
        if not self.may_list(caller):
            raise Refused(
                403,
                "Forbidden",
                f"No offer of publisher {caller.publisher_id!r} names application {caller.app_id!r} of tenant "
                f"{caller.tenant_id!r} in its technical configuration.",
            )
        first = self._read_continuation(caller, continuation) if continuation else 0
        records = self._records_of.get(caller.publisher_id, [])
        end = first + self.rules.page_size
        return Page(
            tuple(record.subscription for record in records[first:end]),
            self._continuations.close(b"%d %s" % (end, caller.publisher_id.encode())) if end < len(records) else None,
        )

    def subscription(self, caller: Caller, subscription_id: str) -> Subscription:
        """Return a subscription; refused with 404 when unknown, with 403 when another's."""
        return self.find_owned(caller, subscription_id).subscription

    def available_plans(self, caller: Caller, subscription_id: str, *, plan_id: str | None = None) -> Sequence[Plan]:
        """Return the present plan and those to switch to, or only the one named `plan_id`, if it is among them.

        When that is the plan bought through a private offer, the answer names the private offer.
        """
        subscription = self.find_owned(caller, subscription_id).subscription
        plans = self.plans_for(subscription)
        if plan_id is None:
            return plans
        return [self.with_source_offers(plan, subscription) for plan in plans if plan.plan_id == plan_id]

    def with_source_offers(self, plan: Plan, subscription: Subscription) -> Plan:
        """Add the private offer to the plan that was bought through it, while the subscription has it."""
        if subscription.private_offer_id is None or not (
            plan.plan_id == subscription.plan_id == subscription.purchased_plan_id
        ):
            return plan
        return replace(plan, source_offers=(subscription.private_offer_id,))

    # --- changes that the publisher starts ---

    def change_plan(self, caller: Caller, subscription_id: str, plan_id: str) -> Operation:
        """Begin a change of plan; it is announced, and takes effect when its operation ends.

        Refused with 400 unless Subscribed and allowed, and for the present plan or one that is not available; with 409
        while another change is pending.
        """
        record = self.find_owned(caller, subscription_id)
        self.require_allowed(record.subscription, "Update")
        self.require_status(record, SubscriptionStatus.SUBSCRIBED, purpose="a change", otherwise=400)
        self.require_available_plan(record.subscription, plan_id)
        self.require_other_value(record.subscription.plan_id, plan_id, name="plan")
        self.require_unlocked(record)
        return self._begin_change(record, Action.CHANGE_PLAN, Source.PARTNER, plan_id=plan_id)

    def change_quantity(self, caller: Caller, subscription_id: str, quantity: int) -> Operation:
        """Begin a change of seats, like a change of plan; 400 for seats outside the limits or on a flat plan."""
        record = self.find_owned(caller, subscription_id)
        self.require_allowed(record.subscription, "Update")
        self.require_status(record, SubscriptionStatus.SUBSCRIBED, purpose="a change", otherwise=400)
        self.require_seats(self.plan_of(record.subscription), quantity)
        self.require_other_value(record.subscription.quantity, quantity, name="number of seats")
        self.require_unlocked(record)
        return self._begin_change(record, Action.CHANGE_QUANTITY, Source.PARTNER, quantity=quantity)

    def cancel(self, caller: Caller, subscription_id: str) -> Operation | None:
        """Cancel at once; returns the finished operation, or None when the subscription was Unsubscribed before.

        Refused with 400 unless allowed, with 409 while a change is pending.
        """
        record = self.find_owned(caller, subscription_id)
        if record.status is SubscriptionStatus.UNSUBSCRIBED:
            return None
        self.require_allowed(record.subscription, "Delete")
        self.require_no_pending_change(record)
        return self._unsubscribe(record, Source.PARTNER)

    # --- operations ---

    def pending_operations(self, caller: Caller, subscription_id: str) -> Sequence[Operation]:
        """Return the operations that wait for an outcome; under some rules late, and none for an unknown id."""
        if self.rules.unknown_subscription_lists_nothing and subscription_id not in self._records:
            return []
        record = self.find_owned(caller, subscription_id)
        return [operation for operation in self._pending(record) if self.is_listed(operation)]

    def operation(self, caller: Caller, subscription_id: str, operation_id: str) -> Operation:
        """Return an operation, pending or finished; not found (404, or as the rules say) where it is kept hidden."""
        unknown = self.rules.unknown_operation_status
        record = self.find_owned(caller, subscription_id, unknown=unknown)
        operation = self.find_operation(record, operation_id, otherwise=unknown)
        if not self.is_fetchable(operation):
            raise operation_not_found(record, operation_id, unknown)
        return operation

    def settle(self, caller: Caller, subscription_id: str, operation_id: str, *, status: str) -> Operation:
        """Take the publisher's word (`Success` or `Failure`) on a pending operation; returns it as it stands then.

        Refused with 404 when unknown, with 400 for another word, with 409 when the operation has ended.
        """
        unknown = self.rules.unknown_settlement_status
        record = self.find_owned(caller, subscription_id, unknown=unknown)
        operation = self.find_operation(record, operation_id, otherwise=unknown)
        if self.is_ignored(operation, status):
            return operation
        self.require_status_word(status)
        self.require_settleable(operation)
        self.settle_pending(operation, success=status == "Success")
        return self._operations[operation_id]

    # --- decisions ---

    def is_listed(self, operation: Operation) -> bool:
        """Say whether a pending operation shows in the list already."""
        return self._now - operation.created >= self.rules.operations_listed_after

    def is_fetchable(self, operation: Operation) -> bool:
        """Say whether Get Operation finds operations of this kind."""
        return operation.action in self.rules.fetchable_actions

    def is_ignored(self, operation: Operation, status: str) -> bool:
        """Say whether a PATCH is answered like a good one and does nothing."""
        if operation.action is Action.REINSTATE and self.rules.reinstate_before_notice:
            return True
        return self.rules.unknown_status_words_ignored and status not in {"Success", "Failure"}

    def require_status_word(self, status: str) -> None:
        """Refuse with 400 any status but Success and Failure."""
        if status not in {"Success", "Failure"}:
            raise Refused(400, "InvalidStatus", f"The status {status!r} is not allowed; send Success or Failure.")

    def require_settleable(self, operation: Operation) -> None:
        """Refuse with 409 an operation that has ended, and with 500, under some rules, the publisher's own."""
        if operation.source is Source.PARTNER and self.rules.settling_own_operation_breaks:
            raise Refused(500, "InternalServerError", f"Operation {operation.id!r} could not be updated.")
        if not operation.is_pending:
            raise Refused(
                409, "OperationEnded", f"Operation {operation.id!r} has ended as {operation.status}; it cannot change."
            )

    # --- time ---

    def next_due(self) -> datetime | None:
        """Return when the next timer rings, or None; never a time in the past."""
        return self._timers.next_due()

    def advance_to(self, when: datetime) -> None:
        """Move the clock to `when`; every timer due until then rings in order, each at its own due time.

        Raises:
            ValueError: `when` is in the past, or has no time zone.
        """
        when = as_utc(when)
        if when < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {when.isoformat()}")
        while (timer := self._timers.pop(until=when)) is not None:
            self._now = max(self._now, timer.due)
            self.ring(timer)
        self._now = when

    def ring(self, timer: Timer) -> None:
        """Let happen what has fallen due."""
        match timer.kind:
            case TimerKind.ACTIVATION:
                self.start_service(self._records[timer.subject])
            case TimerKind.UNCONFIGURED:
                self.void(timer.subject)
            case TimerKind.TRIAL_END:
                self.end_trial(timer.subject)
            case TimerKind.TERM_END:
                self.end_term(timer.subject)
            case TimerKind.GRACE_END:
                self.end_grace(timer.subject)
            case TimerKind.RETRY:
                self.attempt(timer.subject)
            case TimerKind.SILENCE:
                self.end_silence(timer.subject)
            case TimerKind.REPEAT:
                self.repeat(timer.subject)

    # --- inside ---

    def _read_continuation(self, caller: Caller, continuation: str) -> int:
        content = self._continuations.open(continuation)
        first, _, publisher_id = (content or b"").partition(b" ")
        if not first or publisher_id != caller.publisher_id.encode():
            raise Refused(
                400,
                "InvalidContinuation",
                f"{continuation!r} is no continuation of this list; follow @nextLink as it is.",
            )
        return int(first)
