import email.utils
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import Patience
from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Subscription

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import FakeMarketplace, MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def api(world: "World") -> FulfillmentApi:
    return world.publisher.api


@pytest.fixture
def market(world: "World", subscription: Document, operation: Document) -> "FakeMarketplace":
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    world.market.operations[OPERATION] = operation()
    return world.market


async def test_every_call_has_version_headers_and_a_request_id_of_its_own(
    api: FulfillmentApi, market: "FakeMarketplace"
) -> None:
    market.purchases["ab+cd/ef=="] = SUBSCRIPTION
    bought = await api.resolve("ab+cd/ef==")
    await api.activate(bought)
    await api.subscription(SUBSCRIPTION)
    await api.available_plans(SUBSCRIPTION)
    await api.change_plan(SUBSCRIPTION, "gold")
    await api.change_quantity(SUBSCRIPTION, 3)
    await api.cancel(SUBSCRIPTION)
    await api.operation(SUBSCRIPTION, OPERATION)
    await api.report(SUBSCRIPTION, OPERATION, "Success")
    assert [entry async for entry in api.subscriptions()]

    assert [(call.brief, call.body) for call in market.calls] == [
        ("POST /resolve", None),
        (f"POST /{SUBSCRIPTION}/activate", {"planId": "silver"}),
        (f"GET /{SUBSCRIPTION}", None),
        (f"GET /{SUBSCRIPTION}/listAvailablePlans", None),
        (f"PATCH /{SUBSCRIPTION}", {"planId": "gold"}),
        (f"PATCH /{SUBSCRIPTION}", {"quantity": 3}),
        (f"DELETE /{SUBSCRIPTION}", None),
        (f"GET /{SUBSCRIPTION}/operations/{OPERATION}", None),
        (f"PATCH /{SUBSCRIPTION}/operations/{OPERATION}", {"status": "Success"}),
        ("GET ", None),
    ]
    assert {call.query for call in market.calls} == {"api-version=2018-08-31"}
    assert {call.headers["content-type"] for call in market.calls} == {"application/json"}
    assert {call.headers["authorization"] for call in market.calls} == {"Bearer access token 1"}
    assert len({call.headers["x-ms-requestid"] for call in market.calls}) == len(market.calls)
    assert market.calls[0].headers["x-ms-marketplace-token"] == "ab+cd/ef=="


async def test_seats_are_activated_as_bought(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    await api.activate(Subscription(id=SUBSCRIPTION, plan_id="team", quantity=5))

    assert market.calls[0].body == {"planId": "team", "quantity": 5}


@pytest.mark.parametrize("body", [b"", b"OK", b"null", b"{}"])
async def test_activation_needs_no_body_in_the_answer(
    api: FulfillmentApi, market: "FakeMarketplace", body: bytes
) -> None:
    market.will("POST /activate", httpx2.Response(202, content=body))

    await api.activate(Subscription(id=SUBSCRIPTION, plan_id="silver"))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_a_call_is_repeated_with_one_correlation_and_new_request_ids(
    api: FulfillmentApi, market: "FakeMarketplace", status: int
) -> None:
    market.will("GET ", httpx2.Response(status), httpx2.ReadTimeout("silence"))

    assert (await api.subscription(SUBSCRIPTION)).id == SUBSCRIPTION
    assert len(market.calls) == 3
    assert len({call.headers["x-ms-correlationid"] for call in market.calls}) == 1
    assert len({call.headers["x-ms-requestid"] for call in market.calls}) == 3


async def test_attempts_are_bounded(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    market.will("GET ", *[httpx2.Response(500)] * 10)

    with pytest.raises(ApiUnavailable, match="get subscription: status 500"):
        await api.subscription(SUBSCRIPTION)
    assert len(market.calls) == 3


@pytest.mark.parametrize("status", [400, 404, 409, 302])
async def test_a_refusal_is_not_repeated(api: FulfillmentApi, market: "FakeMarketplace", status: int) -> None:
    market.will("GET ", httpx2.Response(status, text="raw text of the marketplace"))

    with pytest.raises(ApiRefused) as refusal:
        await api.subscription(SUBSCRIPTION)
    assert (refusal.value.status, refusal.value.not_found) == (status, status in {400, 404})
    assert "raw text" not in str(refusal.value)
    assert len(market.calls) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_access_token_is_renewed_once(
    world: "World", api: FulfillmentApi, market: "FakeMarketplace", status: int
) -> None:
    market.will("GET ", httpx2.Response(status))

    assert (await api.subscription(SUBSCRIPTION)).id == SUBSCRIPTION
    assert [call.headers["authorization"][-1] for call in market.calls] == ["1", "2"]


async def test_a_marketplace_that_accepts_no_token_is_not_stormed_but_alarms(
    world: "World", api: FulfillmentApi, market: "FakeMarketplace"
) -> None:
    market.will("GET ", *[httpx2.Response(403)] * 10)

    with pytest.raises(ApiRefused):
        await api.subscription(SUBSCRIPTION)
    assert len(market.calls) == 2
    assert world.publisher.alarm.troubles

    market.will("GET ")
    await api.subscription(SUBSCRIPTION)
    assert not world.publisher.alarm.troubles


@pytest.mark.parametrize("header", ["1", email.utils.formatdate(0, usegmt=True)])
async def test_retry_after_is_obeyed_in_seconds_and_as_a_date(
    make_world: "MakeWorld", subscription: Document, header: str
) -> None:
    world = make_world(patience=Patience(pause=60.0))
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    world.market.will("GET ", httpx2.Response(429, headers={"retry-after": header}))

    started = time.monotonic()
    await world.publisher.api.subscription(SUBSCRIPTION)

    assert (time.monotonic() - started >= 1.0) is (header == "1")


async def test_a_wait_beyond_our_patience_ends_the_attempts(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    market.will("GET ", httpx2.Response(429, headers={"retry-after": "3600"}))

    with pytest.raises(ApiUnavailable):
        await api.subscription(SUBSCRIPTION)
    assert len(market.calls) == 1


@pytest.mark.parametrize("value", ["soon", "", "-1", "1.5"])
async def test_an_unreadable_retry_after_is_not_obeyed(
    api: FulfillmentApi, market: "FakeMarketplace", value: str
) -> None:
    market.will("GET ", httpx2.Response(429, headers={"retry-after": value}))

    assert (await api.subscription(SUBSCRIPTION)).id == SUBSCRIPTION


async def test_links_are_followed_as_they_stand_to_the_last_page(
    api: FulfillmentApi, market: "FakeMarketplace", subscription: Document
) -> None:
    start = "http://marketplace.test/api/saas/subscriptions/"
    links = [f"{start}?continuationToken=a%2Bb%2F%3D%25+x==&api-version=2018-08-31&page={n}" for n in range(6)]
    pages = [{"subscriptions": [subscription(id=str(n))], "@nextLink": link} for n, link in enumerate(links)]
    last = {"subscriptions": [], "@nextLink": ""}
    market.will("GET ", *[httpx2.Response(200, json=page) for page in [*pages, last]])

    read = [entry.id async for entry in api.subscriptions()]

    assert read == [str(n) for n in range(6)]
    assert [f"http://marketplace.test{call.path}?{call.query}" for call in market.calls[1:]] == links


@pytest.mark.parametrize(
    "answer",
    [httpx2.Response(200), httpx2.Response(200, json={}), httpx2.Response(200, json={"subscriptions": None})],
)
async def test_an_empty_list_is_a_list(api: FulfillmentApi, market: "FakeMarketplace", answer: httpx2.Response) -> None:
    market.will("GET ", answer)

    assert [entry async for entry in api.subscriptions()] == []


async def test_a_list_that_leads_in_a_circle_ends(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    circle = {"subscriptions": [{}], "@nextLink": "http://marketplace.test/api/saas/subscriptions?page=2"}
    market.will("GET ", *[httpx2.Response(200, json=circle)] * 10)

    assert len([entry async for entry in api.subscriptions()]) == 2


@pytest.mark.parametrize(
    "link", ["https://evil.example/api", "https://marketplace.test/api", "http://marketplace.test:81/", "http://[", "x"]
)
async def test_our_access_token_goes_to_the_marketplace_only(
    api: FulfillmentApi, market: "FakeMarketplace", link: str
) -> None:
    with pytest.raises(ApiUnavailable, match="leads away"):
        await api.operation_at(link)
    assert not market.calls


async def test_ids_are_encoded_in_paths(api: FulfillmentApi) -> None:
    assert api.url("a/b", "operations", "org:{1},{2}") == (
        "http://marketplace.test/api/saas/subscriptions/a%2Fb/operations/org%3A%7B1%7D%2C%7B2%7D?api-version=2018-08-31"
    )


@pytest.mark.parametrize("answer", [httpx2.Response(200, text="<html>"), httpx2.Response(200, json=[])])
async def test_an_answer_that_cannot_be_read_is_no_answer(
    api: FulfillmentApi, market: "FakeMarketplace", answer: httpx2.Response
) -> None:
    market.will("GET ", answer)

    with pytest.raises(ApiUnavailable):
        await api.subscription(SUBSCRIPTION)


async def test_a_purchase_without_id_is_none(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    market.will("POST /resolve", httpx2.Response(200, json={"planId": "silver"}))

    with pytest.raises(ApiUnavailable, match="names no subscription"):
        await api.resolve("token")


async def test_without_access_token_nothing_is_called(
    world: "World", api: FulfillmentApi, market: "FakeMarketplace"
) -> None:
    world.access_tokens.unavailable = AccessTokenUnavailable("no")

    with pytest.raises(AccessTokenUnavailable):
        await api.subscription(SUBSCRIPTION)
    assert not market.calls


async def test_an_operation_is_read_where_the_marketplace_says(api: FulfillmentApi, market: "FakeMarketplace") -> None:
    location = await api.change_plan(SUBSCRIPTION, "gold")

    assert (await api.operation_at(location)).id == OPERATION
    assert replace(await api.operation_at(location), status="x").status == "x"
