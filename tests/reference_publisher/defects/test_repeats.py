from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
EARLIER = "11111111-c193-4891-827d-eb05fbdc64b0"
READING = f"GET /{SUBSCRIPTION}/operations/{OPERATION}"

Document = Callable[..., dict[str, Any]]


async def becomes(world: "World", status: str, action: str) -> int:
    """Let the subscription have a state, announce it, and return the answer's status."""
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = status
    return int((await world.deliver(action)).status_code)


@pytest.mark.parametrize(
    ("name", "status", "action"),
    [
        ("knows-no-cancelled-customer", "Unsubscribed", "Unsubscribe"),
        ("refuses-a-repeated-renewal", "Subscribed", "Renew"),
    ],
)
async def test_a_repeated_notice_that_is_refused_is_found(tell: "Tell", name: str, status: str, action: str) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        return [await becomes(world, status, action) for _ in range(2)] == [200, 200]

    await tell(name, probe)


@pytest.mark.parametrize(
    ("name", "ended"), [("knows-only-the-last-operation", "Succeeded"), ("carries-out-what-has-failed", "Failed")]
)
async def test_a_change_that_is_over_and_carried_out_all_the_same_is_found(
    tell: "Tell", operation: Document, name: str, ended: str
) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.operations[OPERATION] = operation(planId="gold", status=ended)
        await world.deliver("ChangePlan", planId="gold")
        return bool((await world.state())["planId"] == "silver")

    await tell(name, probe)


async def test_a_change_that_is_taken_for_an_earlier_one_is_found(tell: "Tell", operation: Document) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.operations[EARLIER] = operation(id=EARLIER, planId="gold", status="Failed")
        await world.deliver("ChangePlan", id=EARLIER, planId="gold")
        world.market.operations[OPERATION] = operation(planId="gold")
        await world.deliver("ChangePlan", planId="gold")
        return bool((await world.state())["planId"] == "gold")

    await tell("takes-the-same-change-once", probe)


@pytest.mark.parametrize("name", ["loses-changes-that-it-cannot-check", "believes-what-it-cannot-check"])
async def test_a_change_that_cannot_be_checked_and_is_answered_200_is_found(
    tell: "Tell", operation: Document, name: str
) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.operations[OPERATION] = operation(planId="gold")
        world.market.will(READING, *[httpx2.Response(500) for _ in range(9)])
        return (await world.deliver("ChangePlan", planId="gold")).status_code == 503

    await tell(name, probe)


@pytest.mark.parametrize(
    ("name", "status", "action"),
    [
        ("loses-cancellations-that-it-cannot-check", "Unsubscribed", "Unsubscribe"),
        ("loses-reinstatements-that-it-cannot-check", "Subscribed", "Reinstate"),
    ],
)
async def test_a_notice_that_cannot_be_checked_and_is_answered_200_is_found(
    tell: "Tell", name: str, status: str, action: str
) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.will(READING, *[httpx2.Response(500) for _ in range(9)])
        return await becomes(world, status, action) == 503

    await tell(name, probe)


async def test_a_change_that_is_dropped_after_a_failure_is_found(tell: "Tell", operation: Document) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        world.market.operations[OPERATION] = operation(planId="gold")
        world.market.will(READING, httpx2.Response(500), httpx2.Response(500), httpx2.Response(500))
        await world.deliver("ChangePlan", planId="gold")
        await world.deliver("ChangePlan", planId="gold")
        return bool((await world.state())["planId"] == "gold")

    await tell("drops-changes-that-failed-half-way", probe)
