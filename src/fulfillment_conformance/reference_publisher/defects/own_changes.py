"""Publishers that change plan or seats, or cancel, on their own pages in the wrong order."""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from fulfillment_conformance.reference_publisher.accounts import Account, Request
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.changes import BUSY
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused
from fulfillment_conformance.reference_publisher.messages import Operation, Plan, Status, Subscription


def _changed(account: Account, request: Request) -> Account:
    quantity = account.quantity if request.quantity is None else request.quantity
    return dataclasses.replace(account, plan_id=request.plan_id or account.plan_id, quantity=quantity)


@defect("changes-at-once", breaks=["CHP-007", "CHP-027", "CHQ-006", "LCY-018"])
def changes_at_once(publisher: ReferencePublisher) -> None:
    """A change is asked for, and carried out without waiting for its notification."""
    change = publisher.changes.change

    async def change_now(subscription_id: str, request: Request) -> None:
        await change(subscription_id, request)
        account = publisher.accounts.get(subscription_id)
        if account is not None:
            publisher.accounts.save(_changed(account, request))

    replace(publisher.changes, "change", change_now)


@defect("changes-without-asking", breaks=["CHP-007", "CHP-008", "CHQ-006", "CHQ-007", "LCY-018"])
def changes_without_asking(publisher: ReferencePublisher) -> None:
    """A change on the publisher's own page never reaches the marketplace."""

    async def change_alone(subscription_id: str, request: Request) -> None:
        account = publisher.accounts.get(subscription_id)
        if account is not None:
            publisher.accounts.save(_changed(account, request))

    replace(publisher.changes, "change", change_alone)


@defect("cancels-at-once", breaks=["DEL-005"])
def cancels_at_once(publisher: ReferencePublisher) -> None:
    """A cancellation is asked for, and the account ended without waiting for its notification."""
    cancel = publisher.changes.cancel

    async def cancel_now(subscription_id: str) -> None:
        _end(publisher, subscription_id)
        await cancel(subscription_id)

    replace(publisher.changes, "cancel", cancel_now)


@defect("cancels-without-asking", breaks=["DEL-005", "DEL-013"])
def cancels_without_asking(publisher: ReferencePublisher) -> None:
    """A cancellation on the publisher's own page never reaches the marketplace, which goes on billing."""

    async def cancel_alone(subscription_id: str) -> None:
        _end(publisher, subscription_id)

    replace(publisher.changes, "cancel", cancel_alone)


def _end(publisher: ReferencePublisher, subscription_id: str) -> None:
    account = publisher.accounts.get(subscription_id)
    if account is not None:
        publisher.accounts.save(dataclasses.replace(account, status=Status.UNSUBSCRIBED))


@defect("sends-plan-and-seats-together", breaks=["CHP-019", "CHP-028"])
def sends_plan_and_seats_together(publisher: ReferencePublisher) -> None:
    """PATCH names plan and seats in one body, first; the right call follows when it is refused."""
    change_plan = publisher.api.change_plan

    async def change_both(subscription_id: str, plan_id: str) -> str:
        await _try(publisher, subscription_id, {"planId": plan_id, "quantity": 1})
        return await change_plan(subscription_id, plan_id)

    replace(publisher.api, "change_plan", change_both)


@defect("sends-seats-as-text", breaks=["CHQ-021"])
def sends_seats_as_text(publisher: ReferencePublisher) -> None:
    """PATCH names the number of seats as a string, first; the right call follows when it is refused."""
    change_quantity = publisher.api.change_quantity

    async def change_text(subscription_id: str, quantity: int) -> str:
        await _try(publisher, subscription_id, {"quantity": str(quantity)})
        return await change_quantity(subscription_id, quantity)

    replace(publisher.api, "change_quantity", change_text)


async def _try(publisher: ReferencePublisher, subscription_id: str, body: dict[str, object]) -> None:
    """Send a PATCH that should not have been sent, once, and let its refusal pass."""
    token = await publisher.access_tokens.current()
    headers = {**publisher.api.headers(), "authorization": f"Bearer {token}"}
    await publisher.http.patch(publisher.api.url(subscription_id), headers=headers, json=body)


@defect("never-polls", breaks=["CHP-004", "CHQ-004", "DEL-014"])
def never_polls(publisher: ReferencePublisher) -> None:
    """Nobody looks at what becomes of an operation that the publisher started."""

    async def look_away(_location: str) -> Operation:
        return Operation(id="", status="Succeeded")

    replace(publisher.changes, "poll", look_away)


@defect("polls-without-pause", breaks=["CHP-005"])
def polls_without_pause(publisher: ReferencePublisher) -> None:
    """An operation that the publisher started is read again and again as fast as the marketplace answers."""

    async def poll_hard(location: str) -> Operation:
        operation = await publisher.api.operation_at(location)
        for _ in range(200):
            if operation.ended:
                break
            operation = await publisher.api.operation_at(location)
        return operation

    replace(publisher.changes, "poll", poll_hard)


@defect("gives-up-when-the-marketplace-is-busy", breaks=["CHP-028"])
def gives_up_when_the_marketplace_is_busy(publisher: ReferencePublisher) -> None:
    """A request that meets another operation under way is dropped."""

    async def ask_once(ask: Callable[[], Awaitable[str]]) -> str:
        return await ask()

    replace(publisher.changes, "ask", ask_once)


@defect("refuses-its-own-changes", breaks=["WHK-053"])
def refuses_its_own_changes(publisher: ReferencePublisher) -> None:
    """The notification of a change that was asked for on the publisher's own page is refused as a customer's change."""
    refusal = publisher.webhook.refusal

    async def refuse_own(account: Account, operation: Operation, subscription: Subscription) -> str:
        if account.asked_for(operation):
            return "customers cannot change this"
        return await refusal(account, operation, subscription)

    replace(publisher.webhook, "refusal", refuse_own)


@defect("lets-reseller-customers-change", breaks=["CSP-003"])
def lets_reseller_customers_change(publisher: ReferencePublisher) -> None:
    """Changes are offered and sent although the marketplace allows the customer only to read."""
    for right in ("changeable", "cancellable"):
        replace(publisher.management, right, lambda account: account.status is Status.SUBSCRIBED)


@defect("lets-reseller-customers-change-seats", breaks=["CSP-003"])
def lets_reseller_customers_change_seats(publisher: ReferencePublisher) -> None:
    """Plan and cancellation are the reseller's affair, seats are not."""
    changeable = publisher.management.changeable

    def seats_at_least(account: Account) -> bool:
        return changeable(account) or (account.quantity is not None and account.status is Status.SUBSCRIBED)

    replace(publisher.management, "changeable", seats_at_least)


@defect("does-not-wait-for-a-busy-marketplace", breaks=["CHP-028"])
def does_not_wait_for_a_busy_marketplace(publisher: ReferencePublisher) -> None:
    """A request that meets another operation under way is repeated at once, and again."""

    async def ask_at_once(ask: Callable[[], Awaitable[str]]) -> str:
        for _ in range(4):
            try:
                return await ask()
            except ApiRefused as refusal:
                if refusal.status != BUSY:
                    raise
        return await ask()

    replace(publisher.changes, "ask", ask_at_once)


@defect("offers-plans-of-its-own", breaks=["PLN-020"])
def offers_plans_of_its_own(publisher: ReferencePublisher) -> None:
    """The page offers plans that the marketplace does not list for this customer."""
    offered = publisher.management.offered

    def offer_more(account: Account, plans: Sequence[Plan]) -> Sequence[Plan]:
        listed = offered(account, plans)
        known = {"silver", "gold", "platinum"} - {account.plan_id, *(plan.id for plan in listed)}
        return [*listed, *(Plan(id=plan_id, name=plan_id.title()) for plan_id in sorted(known))]

    replace(publisher.management, "offered", offer_more)
