"""Changes of plan and seats, whoever starts them, and the outcome of operations.

Sources: pc-saas-fulfillment-subscription-api § Change plan, § Change quantity; pc-saas-fulfillment-operations-api. The
subscription keeps its old values until the operation has ended; meanwhile the operation carries the requested ones.
"""

from dataclasses import replace

from fulfillment_conformance.marketplace.foundation import Record
from fulfillment_conformance.marketplace.lifecycle import Lifecycle
from fulfillment_conformance.marketplace.offers import Plan
from fulfillment_conformance.marketplace.operations import Action, Operation, OperationStatus, Source
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.subscriptions import CustomerOperation, Subscription, SubscriptionStatus
from fulfillment_conformance.marketplace.terms import Term


class Changes(Lifecycle):
    """Starts changes from both sides and ends operations."""

    # --- what customers and resellers do ---

    def customer_changes_plan(self, subscription_id: str, plan_id: str) -> Operation:
        """Ask for another plan in the marketplace.

        Asking for the present one ends in `Conflict` at once, without a notification. Refused with 409 unless the
        subscription is Subscribed without a pending change, with 400 for a plan that cannot be switched to.
        """
        record = self.find(subscription_id)
        self.require_status(record, SubscriptionStatus.SUBSCRIBED, purpose="a change", otherwise=409)
        self.require_available_plan(record.subscription, plan_id)
        self.require_unlocked(record)
        if plan_id == record.subscription.plan_id:
            return self._conflict(record, Action.CHANGE_PLAN)
        return self._begin_change(record, Action.CHANGE_PLAN, Source.AZURE, plan_id=plan_id)

    def customer_changes_quantity(self, subscription_id: str, quantity: int) -> Operation:
        """Ask for another number of seats in the marketplace; refused and in conflict like a change of plan."""
        record = self.find(subscription_id)
        self.require_status(record, SubscriptionStatus.SUBSCRIBED, purpose="a change", otherwise=409)
        self.require_seats(self.plan_of(record.subscription), quantity)
        self.require_unlocked(record)
        if quantity == record.subscription.quantity:
            return self._conflict(record, Action.CHANGE_QUANTITY)
        return self._begin_change(record, Action.CHANGE_QUANTITY, Source.AZURE, quantity=quantity)

    # --- decisions ---

    def require_allowed(self, subscription: Subscription, operation: CustomerOperation) -> None:
        """Refuse with 400 what `allowedCustomerOperations` does not hold."""
        if operation not in subscription.allowed_customer_operations:
            raise Refused(
                400,
                "OperationNotAllowed",
                f"Subscription {subscription.id!r} allows {', '.join(subscription.allowed_customer_operations)}, not "
                f"{operation}; whoever sold it has to make the change.",
            )

    def require_available_plan(self, subscription: Subscription, plan_id: str) -> None:
        """Refuse with 400 a plan that the beneficiary cannot switch to, or that does not exist."""
        available = [plan.plan_id for plan in self.plans_for(subscription)]
        if plan_id not in available:
            raise Refused(
                400,
                "PlanNotAvailable",
                f"Plan {plan_id!r} is not available to subscription {subscription.id!r}; it can have "
                f"{', '.join(available)}.",
            )

    def require_seats(self, plan: Plan, quantity: int) -> None:
        """Refuse with 400 a number of seats outside the plan's limits, and any on a flat plan."""
        if not plan.is_price_per_seat:
            raise Refused(
                400, "NotPricedPerSeat", f"Plan {plan.plan_id!r} has a flat price; {quantity} seats cannot be ordered."
            )
        if not plan.allows(quantity):
            upper = "no upper limit" if plan.max_quantity is None else f"at most {plan.max_quantity}"
            raise Refused(
                400,
                "QuantityOutOfRange",
                f"{quantity} seats are outside the limits of plan {plan.plan_id!r}: at least {plan.min_quantity} and "
                f"{upper}.",
            )

    def require_other_value(self, present: str | int | None, wanted: str | int, *, name: str) -> None:
        """Refuse with 400 a change to the present value."""
        if present == wanted:
            raise Refused(400, "SameValue", f"The {name} is already {wanted!r}; ask for another one.")

    def require_unlocked(self, record: Record) -> None:
        """Refuse with 409 a change while another one is pending."""
        if not self.rules.changes_may_overlap:
            self.require_no_pending_change(record)

    def require_no_pending_change(self, record: Record) -> None:
        """Refuse with 409 while a change is pending.

        A reinstatement does not count: cancelling the subscription is how a publisher refuses it.
        """
        for operation in self._pending(record):
            if operation.action.is_change:
                raise Refused(
                    409,
                    "OperationPending",
                    f"Subscription {record.subscription.id!r} is locked by operation {operation.id!r} "
                    f"({operation.action}); wait until it has ended.",
                )

    def carry_out(self, record: Record, operation: Operation) -> None:
        """Give the subscription what the operation asks for."""
        match operation.action:
            case Action.CHANGE_PLAN:
                self._apply_plan(record, operation.plan_id)
            case Action.CHANGE_QUANTITY:
                record.subscription = replace(record.subscription, quantity=operation.quantity)
            case _:
                self.resume(record)

    # --- how operations end ---

    def accept(self, operation: Operation) -> None:
        """Carry out a pending operation; older ones of the same kind are overtaken and fail."""
        record = self._records[operation.subscription_id]
        older = self._pending(record)[: record.pending.index(operation.id)]
        self._withdraw(operation)
        self.carry_out(record, operation)
        self._close_operation(record, operation, OperationStatus.SUCCEEDED)
        for other in older:
            if other.action is operation.action:
                self.fail(other, f"A newer update, operation {operation.id!r}, was fulfilled first.")

    def reject(self, operation: Operation) -> None:
        """End a pending operation that the publisher does not want; under some rules a change back follows."""
        self.fail(operation, "The publisher rejected the operation.")
        if self.is_reverted(operation):
            record = self._records[operation.subscription_id]
            self._revert(record, operation, record.subscription)

    def fail(self, operation: Operation, reason: str) -> None:
        """End a pending operation without carrying it out."""
        self._withdraw(operation)
        self._close_operation(self._records[operation.subscription_id], operation, OperationStatus.FAILED, error=reason)

    def settle_pending(self, operation: Operation, *, success: bool) -> None:
        """End a pending operation as the publisher's PATCH says, or, under some rules, in spite of it."""
        if success:
            self.accept(operation)
        elif operation.action.is_change and not self.rules.patch_failure_holds:
            record = self._records[operation.subscription_id]
            before = record.subscription
            self.accept(operation)
            if self.is_reverted(operation):
                self._revert(record, operation, before)
        else:
            self.reject(operation)

    def is_reverted(self, operation: Operation) -> bool:
        """Say whether a change back is announced after this one was rejected; never after a change back."""
        return self.rules.rejection_is_reverted and operation.action.is_change and operation.id not in self._reversions

    # --- inside ---

    def _forget(self) -> None:
        super()._forget()
        self._reversions: set[str] = set()

    def _begin_change(
        self,
        record: Record,
        action: Action,
        source: Source,
        *,
        plan_id: str | None = None,
        quantity: int | None = None,
    ) -> Operation:
        operation = self._open_operation(
            record, action, source=source, status=OperationStatus.IN_PROGRESS, plan_id=plan_id, quantity=quantity
        )
        self.announce(operation, record.subscription)
        return operation

    def _conflict(self, record: Record, action: Action) -> Operation:
        return self._open_operation(
            record, action, status=OperationStatus.CONFLICT, error="The requested value is the present one."
        )

    def _revert(self, record: Record, rejected: Operation, before: Subscription) -> None:
        operation = self._begin_change(
            record, rejected.action, Source.AZURE, plan_id=before.plan_id, quantity=before.quantity
        )
        self._reversions.add(operation.id)

    def _apply_plan(self, record: Record, plan_id: str) -> None:
        plan = self.offer_of(record.subscription).plan(plan_id)
        assert plan is not None, "publish() lets no plan vanish that may have subscriptions"
        record.subscription = replace(
            record.subscription,
            plan_id=plan_id,
            is_free_trial=record.subscription.is_free_trial and plan.has_free_trials,
        )
        same_length = plan.term(record.subscription.term.unit)
        if same_length is None:
            self._begin_other_term(record, plan)
        else:
            term = replace(record.subscription.term, charge_duration=same_length.charge_duration)
            record.subscription = replace(record.subscription, term=term)

    def _begin_other_term(self, record: Record, plan: Plan) -> None:
        """Start a term of the plan's first length today, because the plan does not have the present length."""
        first = plan.terms[0]
        term = Term(unit=first.term_unit, charge_duration=first.charge_duration).begin(self._now.date())
        record.subscription = replace(record.subscription, term=term)
        self._watch_term(record)
