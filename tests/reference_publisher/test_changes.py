from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import Patience
from fulfillment_conformance.reference_publisher.accounts import Request

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]


def notice(world: "World") -> str:
    account = world.publisher.accounts.get(SUBSCRIPTION)
    assert account is not None
    assert account.requests == ()
    return account.notice


@pytest.mark.parametrize(
    ("request_", "body"), [(Request(plan_id="gold"), {"planId": "gold"}), (Request(quantity=9), {"quantity": 9})]
)
async def test_a_wish_is_asked_of_the_marketplace_and_changes_nothing_yet(
    world: "World", operation: Document, request_: Request, body: dict[str, Any]
) -> None:
    await world.subscribe(quantity=5)
    world.market.operations[OPERATION] = operation(status="Succeeded")

    await world.publisher.changes.change(SUBSCRIPTION, request_)
    await world.settle()

    [patch] = world.market.made("PATCH")
    assert patch.body == body
    state = await world.state()
    assert (state["planId"], state["quantity"]) == ("silver", 5)
    assert notice(world) == ""


async def test_the_operation_is_polled_to_its_end(make_world: "MakeWorld", operation: Document) -> None:
    world = make_world(patience=replace(Patience(), poll=0.01, poll_for=1.0))
    await world.subscribe()
    pending = httpx2.Response(200, json=operation())
    done = httpx2.Response(200, json=operation(status="Succeeded"))
    world.market.will("GET /operations/", pending, pending, pending, done)

    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    await world.settle()

    polls = world.market.made("GET", containing="/operations/")
    assert len(polls) == 4
    assert {poll.query for poll in polls} == {"api-version=2018-08-31"}


@pytest.mark.parametrize("status", ["Failed", "Conflict"])
async def test_a_change_that_fails_is_told_and_changes_nothing(
    world: "World", operation: Document, status: str
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(status=status)

    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    await world.settle()

    assert "could not be carried out" in notice(world)
    assert (await world.state())["planId"] == "silver"


async def test_a_refused_change_is_told(world: "World") -> None:
    await world.subscribe()
    world.market.will("PATCH ", httpx2.Response(400))

    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    await world.settle()

    assert "did not accept" in notice(world)


async def test_a_busy_marketplace_is_asked_again_within_bounds(world: "World", operation: Document) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(status="Succeeded")
    world.market.will("PATCH ", httpx2.Response(409), httpx2.Response(409))
    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    await world.settle()
    assert (len(world.market.made("PATCH")), notice(world)) == (3, "")

    world.market.calls.clear()
    world.market.will("PATCH ", *[httpx2.Response(409)] * 10)
    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    await world.settle()
    assert len(world.market.made("PATCH")) == 3
    assert "did not accept" in notice(world)


@pytest.mark.parametrize("source", [{"operationRequestSource": "Partner"}, {}])
async def test_the_notification_of_our_own_change_is_not_refused_by_a_rule(
    make_world: "MakeWorld", operation: Document, source: dict[str, str]
) -> None:
    world = make_world(refused_plans=frozenset({"gold"}), patience=replace(Patience(), poll=0.01, poll_for=30.0))
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    await world.publisher.changes.change(SUBSCRIPTION, Request(plan_id="gold"))
    answer = await world.deliver("ChangePlan", planId="gold", **source)
    await world.settle()

    assert answer.status_code == 200
    assert (await world.state())["planId"] == "gold"


async def test_a_cancellation_waits_for_its_notification(world: "World", operation: Document) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(action="Unsubscribe", status="Succeeded")

    await world.publisher.changes.cancel(SUBSCRIPTION)

    assert len(world.market.made("DELETE")) == 1
    assert (await world.state())["access"]


async def test_what_was_cancelled_already_is_read_at_once(world: "World") -> None:
    await world.subscribe()
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Unsubscribed"
    world.market.will("DELETE ", httpx2.Response(200))

    await world.publisher.changes.cancel(SUBSCRIPTION)

    assert (await world.state())["status"] == "Unsubscribed"
