import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]
Probe = Callable[["World"], Awaitable[bool]]


@pytest.fixture
def arrange(operation: Document) -> Callable[..., Awaitable[None]]:
    """Return what lets a subscription have a pending change."""

    async def make(world: "World", **changed: Any) -> None:
        await world.subscribe(quantity=5)
        world.market.plans = [{"planId": "silver", "isPricePerSeat": True, "minQuantity": 1, "maxQuantity": 9}]
        asked = {"planId": "gold" if changed.get("action", "ChangePlan") == "ChangePlan" else "silver", **changed}
        world.market.operations[OPERATION] = operation(**asked)

    return make


async def plan(world: "World") -> str:
    return str((await world.state())["planId"])


@pytest.fixture
def accepted(arrange: Callable[..., Awaitable[None]]) -> Probe:
    """Whether a plan change ends on the new plan on both sides, reported once, in time and in the right words."""

    async def probe(world: "World") -> bool:
        await arrange(world)
        answer = await world.deliver("ChangePlan", planId="gold")
        early = world.market.made("PATCH")
        shown = await plan(world)
        await world.settle()
        reports = [(call.brief, call.body) for call in world.market.made("PATCH")]
        right = (f"PATCH /{SUBSCRIPTION}/operations/{OPERATION}", {"status": "Success"})
        return (answer.status_code, shown, await plan(world), early, reports) == (200, "gold", "gold", [], [right])

    return probe


@pytest.mark.parametrize(
    "name",
    [
        "fails-on-changes",
        "ignores-plan-changes",
        "reports-without-carrying-out",
        "takes-the-value-before-the-change",
        "refuses-when-the-list-shows-nothing",
        "reports-succeeded",
        "reports-in-lower-case",
        "reports-another-operation",
        "reports-failure-of-what-it-did",
        "never-reports",
        "reports-before-answering",
        "refuses-every-change",
    ],
)
async def test_a_change_that_is_not_accepted_as_it_should_be_is_found(tell: "Tell", accepted: Probe, name: str) -> None:
    await tell(name, accepted)


async def test_seats_that_stay_are_found(tell: "Tell", arrange: Callable[..., Awaitable[None]]) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world, action="ChangeQuantity", quantity=7)
        await world.deliver("ChangeQuantity", quantity=7)
        return bool((await world.state())["quantity"] == 7)

    await tell("ignores-seat-changes", probe)


@pytest.mark.parametrize("name", ["trusts-the-payload", "never-reads-the-operation", "carries-out-before-verifying"])
async def test_a_payload_that_is_believed_is_found(
    tell: "Tell", arrange: Callable[..., Awaitable[None]], name: str
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        await world.deliver("ChangePlan", planId="platinum")
        return await plan(world) != "platinum"

    await tell(name, probe)


@pytest.mark.parametrize(
    "name", ["never-reads-the-operation", "acts-on-operations-that-nobody-knows", "carries-out-before-verifying"]
)
async def test_acting_on_an_operation_that_nobody_knows_is_found(tell: "Tell", name: str) -> None:
    async def probe(world: "World") -> bool:
        await world.subscribe()
        await world.deliver("ChangePlan", planId="gold")
        return await plan(world) == "silver"

    await tell(name, probe)


@pytest.mark.parametrize("name", ["says-nothing-when-it-cannot", "carries-out-what-it-refuses"])
async def test_what_is_not_refused_properly_is_found(
    tell: "Tell", arrange: Callable[..., Awaitable[None]], name: str
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        answer = await world.notify("ChangePlan", planId="gold")
        return answer.status_code == 400 and await plan(world) == "silver"

    await tell(name, probe, refused_plans=frozenset({"gold"}))


async def test_a_private_offers_plan_that_breaks_the_webhook_is_found(
    tell: "Tell", arrange: Callable[..., Awaitable[None]]
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world, planId="made-for-you")
        return (await world.notify("ChangePlan", planId="made-for-you")).status_code == 200

    await tell("fails-on-plans-that-it-never-heard-of", probe)


async def test_a_way_back_that_is_refused_is_found(tell: "Tell", arrange: Callable[..., Awaitable[None]]) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world, planId="silver")
        return (await world.notify("ChangePlan", planId="silver")).status_code == 200

    await tell("refuses-the-way-back", probe)


@pytest.mark.parametrize("name", ["refuses-redeliveries", "goes-back-on-redeliveries"])
async def test_a_redelivery_that_has_an_effect_is_found(
    tell: "Tell", arrange: Callable[..., Awaitable[None]], name: str
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        await world.notify("ChangePlan", planId="gold")
        again = await world.notify("ChangePlan", planId="gold")
        return again.status_code == 200 and await plan(world) == "gold"

    await tell(name, probe)


@pytest.mark.parametrize("name", ["drops-what-failed-half-way", "answers-200-when-it-cannot-decide"])
async def test_an_event_that_is_lost_in_a_failure_is_found(
    tell: "Tell", arrange: Callable[..., Awaitable[None]], name: str
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        world.market.will("GET /operations/", *[httpx2.Response(500)] * 3)
        first = await world.notify("ChangePlan", planId="gold")
        await world.notify("ChangePlan", planId="gold")
        return first.status_code == 503 and await plan(world) == "gold"

    await tell(name, probe)


async def test_an_answer_that_comes_too_late_is_found(
    tell: "Tell", accepted: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def probe(world: "World") -> bool:
        waited.clear()
        return await accepted(world) and max(waited, default=0.0) < 10

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        await tell("answers-after-eleven-seconds", probe)


async def test_an_event_that_holds_up_others_is_found(
    tell: "Tell", subscription: Document, arrange: Callable[..., Awaitable[None]]
) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        world.market.subscriptions["stuck"] = subscription(id="stuck")
        async with world.publisher.accounts.lock("stuck"):
            stuck = asyncio.create_task(world.deliver("Suspend", subscriptionId="stuck", id="s"))
            for _ in range(200):  # until it waits for the lock
                await asyncio.sleep(0)
            try:
                async with asyncio.timeout(0.5):
                    answer = await world.deliver("ChangePlan", planId="gold")
            except TimeoutError:
                return False
            finally:
                stuck.cancel()
        return answer.status_code == 200

    await tell("does-all-in-one-queue", probe)


async def test_a_report_without_end_is_found(tell: "Tell", arrange: Callable[..., Awaitable[None]]) -> None:
    async def probe(world: "World") -> bool:
        await arrange(world)
        world.market.will("PATCH ", *[httpx2.Response(409)] * 100)
        await world.notify("ChangePlan", planId="gold")
        return len(world.market.made("PATCH")) < 5

    await tell("repeats-refused-reports", probe)
