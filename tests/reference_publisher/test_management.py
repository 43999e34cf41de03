from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
MANAGE = f"/accounts/{SUBSCRIPTION}/manage"

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def visit(world: "World", subscription: Document, operation: Document) -> Callable[..., Any]:
    """Return what opens the management page of an active subscription."""

    async def open_page(**changes: Any) -> httpx2.Response:
        world.market.subscriptions[SUBSCRIPTION] = subscription(**{"planId": "team", "quantity": 5, **changes})
        world.market.operations[OPERATION] = operation(status="Succeeded")
        world.market.purchases["t"] = SUBSCRIPTION
        limits = {"isPricePerSeat": True, "minQuantity": 2, "maxQuantity": 50}
        world.market.plans = [{"planId": "team", **limits}, {"planId": "business"}, {"planId": ""}]
        page = await world.land("t")
        world.market.calls.clear()
        return page

    return open_page


async def test_a_plan_of_the_marketplaces_list_can_be_asked_for(world: "World", visit: Callable[..., Any]) -> None:
    page = await visit()
    answer = await world.submit(page, "#change-plan", planId="business")

    assert answer.url.path == MANAGE
    assert "has been requested" in answer.text
    await world.settle()
    assert world.market.made("PATCH")[0].body == {"planId": "business"}
    assert (await world.state())["planId"] == "team"


async def test_seats_can_be_asked_for_within_what_the_page_says(world: "World", visit: Callable[..., Any]) -> None:
    page = await visit()
    assert 'min="2"' in page.text
    assert 'max="50"' in page.text

    await world.submit(page, "#change-seats", quantity="9")
    await world.settle()
    assert world.market.made("PATCH")[0].body == {"quantity": 9}


async def test_a_cancellation_can_be_asked_for(world: "World", visit: Callable[..., Any]) -> None:
    answer = await world.submit(await visit(), "#cancel")
    await world.settle()

    assert "passed on" in answer.text
    assert world.market.made("DELETE")
    assert (await world.state())["access"]


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("#change-plan", {"planId": "platinum"}),
        ("#change-plan", {"planId": "team"}),
        ("#change-plan", {"planId": ""}),
        ("#change-seats", {"quantity": "many"}),
        ("#change-seats", {"quantity": "0"}),
        ("#change-seats", {"quantity": ""}),
    ],
)
async def test_what_the_page_does_not_offer_is_not_asked_for(
    world: "World", visit: Callable[..., Any], form: str, fields: dict[str, Any]
) -> None:
    assert (await world.submit(await visit(), form, **fields)).status_code == 422
    await world.settle()
    assert not world.market.made("PATCH")


@pytest.mark.parametrize("form", ["#change-plan", "#change-seats", "#cancel"])
async def test_a_form_needs_its_session(world: "World", visit: Callable[..., Any], form: str) -> None:
    page = await visit()
    assert (await world.submit(page, form, csrf="guessed")).status_code == 403
    world.browser.cookies.clear()
    assert (await world.submit(page, form)).status_code == 403
    assert (await world.browser.get(MANAGE)).status_code == 403
    await world.settle()
    assert not [call for call in world.market.calls if call.method in {"PATCH", "DELETE"}]


async def test_reseller_customers_are_sent_to_their_reseller(world: "World", visit: Callable[..., Any]) -> None:
    ordinary = await visit()
    restricted = await visit(allowedCustomerOperations=["Read"])

    assert "partner" in restricted.text
    assert "<form" not in restricted.text
    for form in ("#change-plan", "#change-seats", "#cancel"):
        assert (await world.submit(ordinary, form)).status_code == 409
    await world.settle()
    assert not [call for call in world.market.calls if call.method in {"PATCH", "DELETE"}]


async def test_only_active_subscriptions_are_changed(world: "World", visit: Callable[..., Any]) -> None:
    ordinary = await visit()
    suspended = await visit(saasSubscriptionStatus="Suspended")

    assert "change-plan" not in suspended.text
    assert 'id="cancel"' in suspended.text
    assert (await world.submit(ordinary, "#change-plan", planId="business")).status_code == 409


async def test_without_plan_list_the_account_is_shown_all_the_same(world: "World", visit: Callable[..., Any]) -> None:
    await visit()
    world.market.will("GET /listAvailablePlans", *[httpx2.Response(500)] * 3)

    page = await world.browser.get(MANAGE)

    assert page.status_code == 200
    assert "change-plan" not in page.text


async def test_accounts_are_listed_for_their_own_visitors(world: "World", visit: Callable[..., Any]) -> None:
    await visit()
    listed = await world.browser.get("/accounts")
    assert "Contoso &lt;Cloud&gt;" in listed.text
    assert MANAGE in listed.text

    world.browser.cookies.clear()
    assert "Contoso" not in (await world.browser.get("/accounts")).text


async def test_a_pending_account_is_looked_up_when_it_is_shown(world: "World", visit: Callable[..., Any]) -> None:
    page = await visit(saasSubscriptionStatus="PendingFulfillmentStart")
    world.market.will("POST /activate", httpx2.Response(200))
    await world.submit(page)
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Subscribed"
    assert "is active" in (await world.browser.get(MANAGE)).text


async def test_a_pending_account_is_shown_also_when_it_cannot_be_looked_up(
    world: "World", visit: Callable[..., Any]
) -> None:
    page = await visit(saasSubscriptionStatus="PendingFulfillmentStart")
    world.market.will("POST /activate", httpx2.Response(200))
    await world.submit(page)
    await world.settle()
    world.market.will("GET ", *[httpx2.Response(500)] * 3)

    assert "is activating" in (await world.browser.get(MANAGE)).text
