from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
STATE = f"/accounts/{SUBSCRIPTION}"


async def test_the_state_page_shows_what_is_believed_and_nobodys_address(world: "World") -> None:
    await world.subscribe(quantity=5)
    answer = await world.browser.get(STATE)

    assert answer.json() == {
        "subscriptionId": SUBSCRIPTION,
        "offerId": "contoso-crm",
        "planId": "silver",
        "quantity": 5,
        "status": "Subscribed",
        "access": True,
        "tenantId": "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62",
        "term": {"startDate": "2026-01-01T00:00:00Z", "endDate": "2026-01-31T00:00:00Z", "termUnit": "P1M"},
        "autoRenew": True,
        "isFreeTrial": False,
    }
    assert (await world.browser.get("/accounts/another")).status_code == 404


async def test_reconciliation_tells_what_it_did(world: "World", subscription: Callable[..., dict[str, Any]]) -> None:
    world.market.subscriptions[SUBSCRIPTION] = subscription()

    assert (await world.browser.post("/admin/reconcile")).json() == {
        "seen": 1,
        "foreign": 0,
        "corrected": [SUBSCRIPTION],
    }
    world.market.will("GET ", *[httpx2.Response(500)] * 3)
    assert (await world.browser.post("/admin/reconcile")).status_code == 502


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "via"])
async def test_who_comes_through_a_proxy_is_not_at_this_machine(world: "World", header: str) -> None:
    await world.subscribe()

    assert (await world.browser.get(STATE)).status_code == 200
    assert (await world.browser.get(STATE, headers={header: "127.0.0.1"})).status_code == 403


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 404), ("::1", 404), ("10.0.0.7", 403), ("somewhere", 403)])
async def test_other_machines_are_turned_away(world: "World", host: str, status: int) -> None:
    transport = httpx2.ASGITransport(world.publisher.app, client=(host, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://publisher.test") as other:
        assert (await other.get(STATE)).status_code == status


async def test_with_a_key_the_key_decides(make_world: "MakeWorld") -> None:
    world = make_world(operator_key="open sesame")
    await world.subscribe()

    assert (await world.browser.get(STATE)).status_code == 403
    assert (await world.browser.get(STATE, headers={"x-operator-key": "open"})).status_code == 403
    proxied = {"x-operator-key": "open sesame", "x-forwarded-for": "10.0.0.7"}
    assert (await world.browser.get(STATE, headers=proxied)).status_code == 200
    assert (await world.browser.post("/admin/reconcile")).status_code == 403


async def test_health_names_what_needs_the_operator(world: "World") -> None:
    assert (await world.browser.get("/health")).json() == {"status": "ok", "troubles": []}
    world.publisher.alarm.sound("the token", "expired")
    assert (await world.browser.get("/health")).json() == {"status": "needs attention", "troubles": ["the token"]}
