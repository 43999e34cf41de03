"""What every part of the marketplace stands on: its clock, its books, and who may look into them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fulfillment_conformance.marketplace.calls import Caller
from fulfillment_conformance.marketplace.ids import Ids
from fulfillment_conformance.marketplace.offers import Offer, Plan
from fulfillment_conformance.marketplace.operations import Action, Operation, OperationStatus, Source
from fulfillment_conformance.marketplace.refusals import Refused
from fulfillment_conformance.marketplace.rules import Rules
from fulfillment_conformance.marketplace.subscriptions import Subscription, SubscriptionStatus
from fulfillment_conformance.marketplace.timers import Timer, Timers
from fulfillment_conformance.marketplace.tokens import PurchaseTokens, Seal


@dataclass(slots=True)
class Record:
    """What the marketplace keeps about a subscription beside what it shows; `pending` names its open operations."""

    subscription: Subscription
    payment_works: bool = True
    activation_accepted: bool = False
    pending: tuple[str, ...] = ()
    deadline: Timer | None = None
    """Runs while the marketplace waits for somebody: for activation, its effect, or the end of the grace period."""
    term_end: Timer | None = None
    trial_end: Timer | None = None

    @property
    def status(self) -> SubscriptionStatus:
        """The subscription's state."""
        return self.subscription.status


class Foundation:
    """Offers, subscriptions and operations with their indexes; every look-up costs the same however many there are."""

    def __init__(self, *, ids: Ids, start: datetime, offers: Iterable[Offer], rules: Rules) -> None:
        self.rules = rules
        self._ids = ids
        self._tokens = PurchaseTokens(ids)
        self._continuations = Seal(ids.token_bytes(32))
        self._offers: dict[str, Offer] = {}
        self._start = as_utc(start)
        self._forget()
        for offer in offers:
            self.publish(offer)

    def _forget(self) -> None:
        self._now = self._start
        self._timers = Timers()
        self._records: dict[str, Record] = {}
        self._records_of: dict[str, list[Record]] = {}
        self._operations: dict[str, Operation] = {}

    @property
    def now(self) -> datetime:
        """The marketplace's time, aware, in UTC; it moves only by `advance_to`."""
        return self._now

    # --- offers ---

    def publish(self, offer: Offer) -> None:
        """Put an offer up for sale, or replace the one with the same id.

        Raises:
            ValueError: a plan would vanish while there are subscriptions; mark it `is_stop_sell` instead.
        """
        former = self._offers.get(offer.offer_id)
        gone = [plan.plan_id for plan in former.plans if offer.plan(plan.plan_id) is None] if former else []
        if gone and self._records:
            raise ValueError(f"offer {offer.offer_id!r} would lose its plans {gone}; keep them and set is_stop_sell")
        self._offers[offer.offer_id] = offer

    def offers(self) -> Sequence[Offer]:
        """Return every offer, in the order of publication."""
        return tuple(self._offers.values())

    def offer_of(self, subscription: Subscription) -> Offer:
        """Return the offer that a subscription was bought from, as it is published now."""
        return self._offers[subscription.offer_id]

    def plan_of(self, subscription: Subscription) -> Plan:
        """Return the plan that a subscription has."""
        plan = self.offer_of(subscription).plan(subscription.plan_id)
        assert plan is not None, "publish() lets no plan vanish that may have subscriptions"
        return plan

    def plans_for(self, subscription: Subscription) -> list[Plan]:
        """Return the present plan and those that the beneficiary may switch to: for sale, visible, same market."""
        present = self.plan_of(subscription)
        return [
            plan
            for plan in self.offer_of(subscription).plans
            if plan is present
            or (
                not plan.is_stop_sell
                and plan.market == present.market
                and plan.visible_to(subscription.beneficiary.tenant_id)
            )
        ]

    # --- subscriptions ---

    def find(self, subscription_id: str, *, otherwise: int = 404) -> Record:
        """Return the record of a subscription; refused with the status `otherwise` when there is none."""
        record = self._records.get(subscription_id)
        if record is None:
            raise Refused(
                otherwise,
                "SubscriptionNotFound",
                f"There is no subscription {subscription_id!r}; use the id that resolve or the list returned.",
            )
        return record

    def find_owned(self, caller: Caller, subscription_id: str, *, unknown: int = 404) -> Record:
        """Return the record of a subscription that the caller may see and change; 403 when it is another's."""
        record = self.find(subscription_id, otherwise=unknown)
        if not self.may_access(caller, record.subscription):
            raise Refused(
                403,
                "Forbidden",
                f"Subscription {subscription_id!r} belongs to an offer whose technical configuration does not name "
                f"application {caller.app_id!r} of tenant {caller.tenant_id!r}.",
            )
        return record

    def may_access(self, caller: Caller, subscription: Subscription) -> bool:
        """Say whether a caller is the publisher of a subscription, calling from the configured application."""
        offer = self.offer_of(subscription)
        return caller == Caller(subscription.publisher_id, offer.tenant_id, offer.app_id)

    def may_list(self, caller: Caller) -> bool:
        """Say whether a caller's application is configured in any of the publisher's offers."""
        return any(
            caller == Caller(offer.publisher_id, offer.tenant_id, offer.app_id) for offer in self._offers.values()
        )

    def require_status(self, record: Record, *allowed: SubscriptionStatus, purpose: str, otherwise: int) -> None:
        """Refuse with the status `otherwise` unless the subscription is in one of the allowed states."""
        if record.status not in allowed:
            raise Refused(
                otherwise,
                "StatusForbids",
                f"Subscription {record.subscription.id!r} is {record.status}; {purpose} needs {' or '.join(allowed)}.",
            )

    # --- operations ---

    def find_operation(self, record: Record, operation_id: str, *, otherwise: int = 404) -> Operation:
        """Return an operation of this subscription; refused with the status `otherwise` when there is none."""
        operation = self._operations.get(operation_id)
        if operation is None or operation.subscription_id != record.subscription.id:
            raise operation_not_found(record, operation_id, otherwise)
        return operation

    def _open_operation(
        self,
        record: Record,
        action: Action,
        *,
        source: Source = Source.AZURE,
        status: OperationStatus = OperationStatus.SUCCEEDED,
        plan_id: str | None = None,
        quantity: int | None = None,
        error: str = "",
    ) -> Operation:
        subscription = record.subscription
        operation = Operation(
            id=self._ids.guid(),
            activity_id=self._ids.guid(),
            subscription_id=subscription.id,
            publisher_id=subscription.publisher_id,
            offer_id=subscription.offer_id,
            plan_id=subscription.plan_id if plan_id is None else plan_id,
            quantity=subscription.quantity if quantity is None else quantity,
            action=action,
            status=status,
            source=source,
            created=self._now,
            error_status_code=status.value if error else "",
            error_message=error,
        )
        self._operations[operation.id] = operation
        if operation.is_pending:
            record.pending += (operation.id,)
        return operation

    def _close_operation(self, record: Record, operation: Operation, status: OperationStatus, error: str = "") -> None:
        self._operations[operation.id] = replace(
            operation, status=status, error_status_code=status.value if error else "", error_message=error
        )
        record.pending = tuple(pending for pending in record.pending if pending != operation.id)

    def _pending(self, record: Record) -> list[Operation]:
        return [self._operations[pending] for pending in record.pending]


def operation_not_found(record: Record, operation_id: str, status: int) -> Refused:
    """Return the refusal of an operation that a subscription does not have, or that is kept hidden."""
    return Refused(
        status,
        "OperationNotFound",
        f"Subscription {record.subscription.id!r} has no operation {operation_id!r}; use the id from "
        "Operation-Location or from the notification.",
    )


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no time zone; give one, such as UTC")
    return moment.astimezone(UTC)
