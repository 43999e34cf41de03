from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable
from fulfillment_conformance.reference_publisher.messages import Status, Subscription

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import FakeMarketplace, MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def follower(world: "World") -> Follower:
    return world.publisher.follower


@pytest.fixture
def market(world: "World") -> "FakeMarketplace":
    return world.market


@pytest.mark.parametrize(
    ("status", "opened"),
    [
        ("Subscribed", True),
        ("Suspended", True),
        ("PendingFulfillmentStart", False),
        ("Unsubscribed", False),
        ("?", False),
    ],
)
async def test_only_what_is_in_use_gets_an_account_by_itself(
    world: "World", follower: Follower, subscription: Document, status: str, opened: bool
) -> None:
    account = follower.follow(Subscription.read(subscription(saasSubscriptionStatus=status)), handled="event")

    assert (account is not None) is opened
    assert world.publisher.accounts.get(SUBSCRIPTION) == account
    if account is not None:
        assert account.handled == {"event"}


async def test_subscriptions_of_other_offers_are_not_ours(make_world: "MakeWorld", subscription: Document) -> None:
    world = make_world(offers=frozenset({"contoso-seats"}))

    assert world.publisher.follower.follow(Subscription.read(subscription())) is None


@pytest.mark.parametrize("status", [400, 404])
async def test_what_the_marketplace_does_not_know_is_nothing(
    follower: Follower, market: "FakeMarketplace", status: int
) -> None:
    market.will("GET ", httpx2.Response(status), httpx2.Response(status))

    assert await follower.find(SUBSCRIPTION) is None
    assert await follower.find_operation(SUBSCRIPTION, OPERATION) is None


async def test_other_refusals_are_not_nothing(follower: Follower, market: "FakeMarketplace") -> None:
    market.will("GET ", *[httpx2.Response(403)] * 4)

    with pytest.raises(ApiRefused):
        await follower.find(SUBSCRIPTION)
    with pytest.raises(ApiRefused):
        await follower.find_operation(SUBSCRIPTION, OPERATION)


async def test_later_looks_go_on_until_it_is_as_expected_or_patience_ends(
    world: "World", follower: Follower, market: "FakeMarketplace", subscription: Document
) -> None:
    await world.subscribe()
    market.will(
        "GET ",
        httpx2.Response(404, request=httpx2.Request("GET", "http://marketplace.test")),
    )
    await follower.look_again(SUBSCRIPTION, lambda seen: seen.status is Status.SUSPENDED)
    assert len(market.calls) == 1

    market.calls.clear()
    market.will("GET ", *[httpx2.Response(500)] * 3)
    await follower.look_again(SUBSCRIPTION, lambda seen: seen.status is Status.SUSPENDED)
    assert len(market.calls) == 4

    market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Suspended"
    market.calls.clear()
    await follower.look_again(SUBSCRIPTION, lambda seen: seen.status is Status.SUSPENDED)
    assert len(market.calls) == 1


async def test_an_operation_is_watched_to_its_end_and_the_subscription_followed(
    world: "World", follower: Follower, market: "FakeMarketplace", operation: Document
) -> None:
    await world.subscribe()
    market.operations[OPERATION] = operation()
    account = world.publisher.accounts.get(SUBSCRIPTION)
    assert isinstance(account, Account)
    world.publisher.webhook.carry_out(account, await world.publisher.api.operation(SUBSCRIPTION, OPERATION))

    await follower.settle(SUBSCRIPTION, OPERATION)
    assert (await world.state())["planId"] == "gold"

    market.operations[OPERATION]["status"] = "Failed"
    await follower.settle(SUBSCRIPTION, OPERATION)
    assert (await world.state())["planId"] == "silver"


async def test_a_change_that_shows_late_is_waited_for(
    world: "World", follower: Follower, market: "FakeMarketplace", operation: Document
) -> None:
    await world.subscribe()
    market.operations[OPERATION] = operation(status="Succeeded")

    await follower.settle(SUBSCRIPTION, OPERATION)

    assert len([call for call in market.calls if call.path.endswith(SUBSCRIPTION)]) == 2


async def test_settling_survives_a_marketplace_that_does_not_answer(
    world: "World", follower: Follower, market: "FakeMarketplace"
) -> None:
    await world.subscribe()
    market.will("GET ", *[httpx2.Response(500)] * 10)

    await follower.settle(SUBSCRIPTION, OPERATION)

    assert (await world.state())["planId"] == "silver"


async def test_the_whole_list_is_reconciled_and_read_afresh(make_world: "MakeWorld", subscription: Document) -> None:
    world = make_world(offers=frozenset({"contoso-crm"}))
    known = {
        "stale": subscription(id="stale", saasSubscriptionStatus="Suspended"),
        "missed": subscription(id="missed", offerId="contoso-crm-preview"),
        "right": subscription(id="right"),
        "cancelled": subscription(id="cancelled", saasSubscriptionStatus="Unsubscribed", quantity=None),
        "pending": subscription(id="pending", saasSubscriptionStatus="PendingFulfillmentStart", term=None),
        "odd": subscription(id="odd", saasSubscriptionStatus="NotStarted"),
        "foreign": subscription(id="foreign", offerId="fabrikam-desk"),
    }
    world.market.subscriptions = known
    for name in ("stale", "right"):
        world.publisher.follower.follow(Subscription.read(subscription(id=name)))

    found = await world.publisher.follower.reconcile()

    assert (found.seen, found.foreign, found.corrected) == (7, 1, ("stale", "missed"))
    assert [account.subscription_id for account in world.publisher.accounts.all()] == ["stale", "right", "missed"]
    assert (await world.state("stale"))["status"] == "Suspended"
    assert not world.market.made("GET", containing="listAvailablePlans")


async def test_a_list_that_breaks_off_is_an_error(follower: Follower, market: "FakeMarketplace") -> None:
    market.will("GET ", *[httpx2.Response(500)] * 3)

    with pytest.raises(ApiUnavailable):
        await follower.reconcile()
