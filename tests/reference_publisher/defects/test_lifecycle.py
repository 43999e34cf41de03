from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]


async def happens(world: "World", action: str, status: str, number: int = 1) -> int:
    """Let something be in force at the marketplace and announce it; return the answer's status."""
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = status
    operation_id = f"74dfb4db-c193-4891-827d-{number:012}"
    operation = {"id": operation_id, "subscriptionId": SUBSCRIPTION, "action": action, "status": "Succeeded"}
    world.market.operations[operation_id] = operation
    return (await world.notify(action, id=operation_id)).status_code


@pytest.mark.parametrize(
    ("name", "action", "status"),
    [
        ("ignores-suspend", "Suspend", "Suspended"),
        ("fails-on-suspend", "Suspend", "Suspended"),
        ("deletes-the-account-at-suspend", "Suspend", "Suspended"),
        ("reports-suspend", "Suspend", "Suspended"),
        ("reports-notices", "Suspend", "Suspended"),
        ("reports-notices", "Renew", "Subscribed"),
        ("ignores-unsubscribe", "Unsubscribe", "Unsubscribed"),
        ("fails-on-unsubscribe", "Unsubscribe", "Unsubscribed"),
        ("refuses-renew", "Renew", "Subscribed"),
        ("ends-access-at-renew", "Renew", "Subscribed"),
    ],
)
async def test_a_notice_that_is_not_followed_properly_is_found(
    tell: "Tell", name: str, action: str, status: str
) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        answer = await happens(world, action, status)
        return (answer, (await world.state()).get("status")) == (200, status) and not world.market.made("PATCH")

    await tell(name, probe)


@pytest.mark.parametrize("name", ["ignores-reinstate", "fails-on-reinstate", "forgets-the-plan-while-suspended"])
async def test_a_reinstatement_that_is_not_carried_out_properly_is_found(
    tell: "Tell", operation: Document, name: str
) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        await happens(world, "Suspend", "Suspended")
        world.market.operations[OPERATION] = operation(action="Reinstate", planId="silver")
        answer = await world.notify("Reinstate")
        state = await world.state()
        return answer.status_code == 200 and state["access"] and state["planId"] == "silver"

    await tell(name, probe)


async def test_a_suspension_that_neither_ends_nor_is_cancelled_is_found(tell: "Tell", operation: Document) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        await happens(world, "Suspend", "Suspended")
        world.market.operations[OPERATION] = operation(action="Reinstate", planId="silver")
        await world.notify("Reinstate")
        return bool(world.market.made("DELETE"))

    await tell("neither-reinstates-nor-cancels", probe, reinstates=False)


async def test_a_deleted_account_that_comes_back_is_a_new_one(make_world: Callable[..., "World"]) -> None:
    world = make_world(defects=["deletes-the-account-at-suspend"])
    await world.subscribe()
    await happens(world, "Suspend", "Suspended")
    assert await happens(world, "Reinstate", "Subscribed", 2) == 200
    assert (await world.state())["access"]


@pytest.mark.parametrize("name", ["fails-on-unsubscribe", "fails-on-unknown-subscriptions"])
async def test_a_failure_over_a_purchase_that_was_never_opened_is_found(
    tell: "Tell", subscription: Document, name: str
) -> None:
    async def probe(world: "World") -> bool:
        world.market.subscriptions[SUBSCRIPTION] = subscription()
        return await happens(world, "Unsubscribe", "Unsubscribed") == 200

    await tell(name, probe)


async def test_a_term_that_is_never_read_again_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.subscriptions[SUBSCRIPTION]["term"] = {"endDate": "2026-02-28"}
        await happens(world, "Renew", "Subscribed")
        return bool((await world.state())["term"]["endDate"] == "2026-02-28")

    await tell("keeps-the-old-term", probe)


async def test_a_missing_term_that_ends_access_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe(term=None)
        return bool((await world.state())["access"])

    await tell("reads-the-term-as-the-end-of-access", probe)


async def test_a_false_cancellation_that_is_believed_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        await happens(world, "Unsubscribe", "Subscribed")
        return bool((await world.state())["access"])

    await tell("believes-unsubscribe", probe)


@pytest.mark.parametrize(("action", "status"), [("Suspend", "Suspended"), ("Renew", "Subscribed")])
async def test_a_revived_account_is_found(tell: "Tell", action: str, status: str) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        await happens(world, "Unsubscribe", "Unsubscribed")
        await world.notify(action, id="late")
        return bool((await world.state())["status"] == "Unsubscribed")

    await tell("revives-what-was-cancelled", probe)


@pytest.mark.parametrize("name", ["ignores-subscribe", "refuses-subscribe"])
async def test_a_purchase_that_is_never_set_up_is_found(tell: "Tell", subscription: Document, name: str) -> None:
    async def probe(world: "World") -> bool:
        world.market.subscriptions[SUBSCRIPTION] = subscription()
        answer = await happens(world, "Subscribe", "Subscribed")
        return answer == 200 and bool((await world.state()).get("access"))

    await tell(name, probe)


async def test_one_cancellation_that_ends_two_subscriptions_is_found(tell: "Tell", subscription: Document) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.subscriptions["second"] = subscription(id="second")
        await world.publisher.follower.refresh("second")
        await happens(world, "Unsubscribe", "Unsubscribed")
        return bool((await world.state("second"))["access"])

    await tell("ends-all-subscriptions-of-a-tenant", probe)


async def test_a_reconciliation_that_corrects_nothing_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Unsubscribed"
        await world.browser.post("/admin/reconcile")
        return bool((await world.state())["status"] == "Unsubscribed")

    await tell("never-reconciles", probe)


async def test_a_reconciliation_that_takes_what_is_not_ours_is_found(tell: "Tell", subscription: Document) -> None:
    async def probe(world: "World") -> bool:
        world.market.subscriptions["foreign"] = subscription(id="foreign", offerId="fabrikam-desk")
        await world.browser.post("/admin/reconcile")
        return await world.state("foreign") == {}

    await tell("reconciles-offers-of-others", probe, offers=frozenset({"contoso-crm"}))
