"""Webhooks that lose count: of what comes twice, of what comes late, and of what could not be dealt with at once."""

from collections.abc import Collection

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiUnavailable
from fulfillment_conformance.reference_publisher.messages import Event, Operation, Status, Subscription
from fulfillment_conformance.reference_publisher.webhook import DONE, Verdict

_CHANGES = ("ChangePlan", "ChangeQuantity")


@defect("knows-no-cancelled-customer", breaks=["WHK-032"])
def knows_no_cancelled_customer(publisher: ReferencePublisher) -> None:
    """Unsubscribe that comes again is answered 404, since there is no such customer any more."""
    take = publisher.webhook.take

    async def take_present(event: Event) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if account is not None and account.status is Status.UNSUBSCRIBED:
            return Verdict(status=404, reason="there is no such customer")
        return await take(event)

    replace(publisher.webhook, "take", take_present)


@defect("refuses-a-repeated-renewal", breaks=["WHK-032"])
def refuses_a_repeated_renewal(publisher: ReferencePublisher) -> None:
    """Renew that comes again is answered 409."""
    take = publisher.webhook.take
    renewed: set[str] = set()

    async def take_once(event: Event) -> Verdict:
        if event.operation_id in renewed:
            return Verdict(status=409, reason="this has been handled")
        verdict = await take(event)
        if event.action == "Renew" and verdict.status == 200:
            renewed.add(event.operation_id)
        return verdict

    replace(publisher.webhook, "take", take_once)


@defect("knows-only-the-last-operation", breaks=["WHK-032", "WHK-055"])
def knows_only_the_last_operation(publisher: ReferencePublisher) -> None:
    """Only the last event of a subscription is known to have been handled; an older change is carried out anew."""
    change = publisher.webhook.change
    last: dict[str, str] = {}

    async def change_anew(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if operation is None or not operation.succeeded or account is None or not account.access:
            return await change(event, operation, subscription)
        publisher.accounts.save(account.accepting(operation).settled(operation.id))
        return DONE

    def is_last(event: Event) -> bool:
        before = last.get(event.subscription_id)
        last[event.subscription_id] = event.operation_id
        return before == event.operation_id

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, change_anew)
    replace(publisher.webhook, "already_handled", is_last)


@defect("carries-out-what-has-failed", breaks=["GET-034", "WHK-034"])
def carries_out_what_has_failed(publisher: ReferencePublisher) -> None:
    """A change is carried out although its operation has failed before it was delivered."""
    change = publisher.webhook.change

    async def change_too_late(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        failed = operation is not None and operation.ended and not operation.succeeded
        if operation is None or not failed or account is None or not account.access:
            return await change(event, operation, subscription)
        publisher.accounts.save(account.accepting(operation).settled(operation.id))
        return DONE

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, change_too_late)


@defect("takes-the-same-change-once", breaks=["WHK-054"])
def takes_the_same_change_once(publisher: ReferencePublisher) -> None:
    """A change to a plan that the customer changed to before is taken for a repeated one."""
    take = publisher.webhook.take
    taken: dict[tuple[str, str], str] = {}

    async def take_new(event: Event) -> Verdict:
        if event.action != "ChangePlan":
            return await take(event)
        first = taken.setdefault((event.subscription_id, event.plan_id), event.operation_id)
        return await take(event) if first == event.operation_id else DONE

    replace(publisher.webhook, "take", take_new)


def _lost(publisher: ReferencePublisher, actions: Collection[str]) -> None:
    """Let events be answered 200 and forgotten when the API does not answer."""
    take = publisher.webhook.take

    async def take_or_lose(event: Event) -> Verdict:
        try:
            return await take(event)
        except ApiUnavailable:
            if event.action in actions:
                return DONE
            raise

    replace(publisher.webhook, "take", take_or_lose)


@defect("loses-changes-that-it-cannot-check", breaks=["WHK-056"])
def loses_changes_that_it_cannot_check(publisher: ReferencePublisher) -> None:
    """When the API does not answer, a change is answered 200 and forgotten; the marketplace carries it out."""
    _lost(publisher, _CHANGES)


@defect("loses-cancellations-that-it-cannot-check", breaks=["WHK-056"])
def loses_cancellations_that_it_cannot_check(publisher: ReferencePublisher) -> None:
    """When the API does not answer, a cancellation is answered 200 and forgotten."""
    _lost(publisher, {"Unsubscribe"})


@defect("loses-reinstatements-that-it-cannot-check", breaks=["WHK-056"])
def loses_reinstatements_that_it_cannot_check(publisher: ReferencePublisher) -> None:
    """When the API does not answer, a reinstatement is answered 200 and forgotten."""
    _lost(publisher, {"Reinstate"})


@defect("believes-what-it-cannot-check", breaks=["WHK-009"])
def believes_what_it_cannot_check(publisher: ReferencePublisher) -> None:
    """When Get Operation gives no answer, the payload has to do."""
    read = publisher.webhook.operation

    async def read_or_believe(event: Event) -> Operation | None:
        try:
            return await read(event)
        except ApiUnavailable:
            if event.action not in _CHANGES:
                raise
            return Operation(
                id=event.operation_id,
                subscription_id=event.subscription_id,
                action=event.action,
                plan_id=event.plan_id,
                quantity=event.quantity,
            )

    replace(publisher.webhook, "operation", read_or_believe)


@defect("drops-changes-that-failed-half-way", breaks=["WHK-055"])
def drops_changes_that_failed_half_way(publisher: ReferencePublisher) -> None:
    """A change counts as handled before it is; when the first attempt fails, the next one is ignored."""
    handled = publisher.webhook.already_handled
    seen: set[str] = set()

    def seen_before(event: Event) -> bool:
        known = event.operation_id in seen or handled(event)
        if event.action in _CHANGES:
            seen.add(event.operation_id)
        return known

    replace(publisher.webhook, "already_handled", seen_before)
