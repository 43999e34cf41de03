from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import Patience
from fulfillment_conformance.reference_publisher.accounts import Request

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]

POLLING = replace(Patience(), poll=0.01, poll_for=0.2, look_again=(0.0, 0.0))


@pytest.fixture
def begin(operation: Document) -> Callable[..., Any]:
    """Return what lets a customer be able to ask for a change."""

    async def make(world: "World", **changed: Any) -> None:
        await world.subscribe(quantity=5, **changed)
        world.market.operations[OPERATION] = operation(status="Succeeded")

    return make


@pytest.mark.parametrize("name", ["changes-at-once", "changes-without-asking"])
@pytest.mark.parametrize("request_", [Request(plan_id="gold"), Request(quantity=9)])
async def test_a_change_before_its_notification_is_found(
    tell: "Tell", begin: Callable[..., Any], name: str, request_: Request
) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        await world.publisher.changes.change(SUBSCRIPTION, request_)
        await world.settle()
        state = await world.state()
        return (state["planId"], state["quantity"], len(world.market.made("PATCH"))) == ("silver", 5, 1)

    await tell(name, probe)


@pytest.mark.parametrize("name", ["cancels-at-once", "cancels-without-asking"])
async def test_a_cancellation_before_its_notification_is_found(
    tell: "Tell", begin: Callable[..., Any], name: str
) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        await world.publisher.changes.cancel(SUBSCRIPTION)
        return bool((await world.state())["access"]) and len(world.market.made("DELETE")) == 1

    await tell(name, probe)


@pytest.mark.parametrize(
    ("name", "request_"),
    [("sends-plan-and-seats-together", Request(plan_id="gold")), ("sends-seats-as-text", Request(quantity=9))],
)
async def test_a_body_that_is_not_as_documented_is_found(
    tell: "Tell", begin: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, request_: Request
) -> None:
    async def probe(world: "World") -> bool:
        async def current() -> str:
            return "token"

        monkeypatch.setattr(world.publisher.access_tokens, "current", current)
        await begin(world)
        await world.publisher.changes.change(SUBSCRIPTION, request_)
        await world.settle()
        bodies = [call.body for call in world.market.made("PATCH")]
        return bodies in ([{"planId": "gold"}], [{"quantity": 9}])

    await tell(name, probe)


@pytest.mark.parametrize("name", ["never-polls", "polls-without-pause"])
async def test_an_operation_that_is_not_watched_with_patience_is_found(
    tell: "Tell", begin: Callable[..., Any], operation: Document, name: str
) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        world.market.operations[OPERATION] = operation()
        await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
        await world.settle()
        return 5 < len(world.market.made("GET", containing="/operations/")) < 50

    await tell(name, probe, patience=POLLING)


async def test_giving_up_on_a_busy_marketplace_is_found(tell: "Tell", begin: Callable[..., Any]) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        world.market.will("PATCH ", httpx2.Response(409))
        await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
        await world.settle()
        return len(world.market.made("PATCH")) == 2

    await tell("gives-up-when-the-marketplace-is-busy", probe)


async def test_a_refusal_of_its_own_change_is_found(
    tell: "Tell", begin: Callable[..., Any], operation: Document
) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        world.market.operations[OPERATION] = operation()
        await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
        answer = await world.deliver("ChangePlan", planId="gold")
        await world.settle()
        return answer.status_code == 200

    await tell("refuses-its-own-changes", probe, patience=POLLING)


async def test_changes_that_a_reseller_should_make_are_found(tell: "Tell", begin: Callable[..., Any]) -> None:
    async def probe(world: "World") -> bool:
        await begin(world, allowedCustomerOperations=["Read"])
        world.market.purchases["t"] = SUBSCRIPTION
        return "<form" not in (await world.land("t")).text

    await tell("lets-reseller-customers-change", probe)


async def test_plans_that_the_marketplace_does_not_offer_are_found(tell: "Tell", begin: Callable[..., Any]) -> None:
    async def probe(world: "World") -> bool:
        await begin(world)
        world.market.purchases["t"] = SUBSCRIPTION
        return "platinum" not in (await world.land("t")).text

    await tell("offers-plans-of-its-own", probe)
