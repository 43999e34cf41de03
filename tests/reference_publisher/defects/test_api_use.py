from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import Call, World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
TOKEN = "ab+cd/ef=="

Document = Callable[..., dict[str, Any]]
Flow = Callable[["World"], Awaitable[list["Call"]]]


@pytest.fixture
def flow(subscription: Document, operation: Document) -> Flow:
    """Return what lets a purchase be set up and its plan be changed, and gives all calls that were made for it."""

    async def run(world: "World") -> list["Call"]:
        world.market.subscriptions[SUBSCRIPTION] = subscription(saasSubscriptionStatus="PendingFulfillmentStart")
        world.market.purchases[TOKEN] = SUBSCRIPTION
        world.market.operations[OPERATION] = operation()
        await world.submit(await world.land(TOKEN))
        await world.notify("ChangePlan", planId="gold")
        assert (await world.state())["planId"] == "gold"
        return world.market.calls

    return run


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("leaves-out-the-api-version", lambda call: "api-version=2018-08-31" in call.query),
        ("calls-version-1", lambda call: "2017-04-15" not in call.query),
        ("sends-no-content-type", lambda call: call.headers.get("content-type") == "application/json"),
        ("sends-the-session-mode", lambda call: "x-ms-marketplace-session-mode" not in call.headers),
        ("sends-if-match", lambda call: "if-match" not in call.headers),
        ("calls-without-access-token", lambda call: call.headers.get("authorization", "").startswith("Bearer ")),
        ("puts-the-token-in-the-query", lambda call: "token=" not in call.query),
        ("starts-subscriptions-by-put", lambda call: call.method != "PUT"),
        ("reads-operations-of-version-1", lambda call: "/saas/operations/" not in call.path),
    ],
)
async def test_a_call_that_is_not_as_documented_is_found(
    tell: "Tell", flow: Flow, name: str, right: Callable[["Call"], bool]
) -> None:
    async def probe(world: "World") -> bool:
        return all(right(call) for call in await flow(world))

    await tell(name, probe)


async def test_repeated_request_ids_are_found(tell: "Tell", flow: Flow) -> None:
    async def probe(world: "World") -> bool:
        calls = await flow(world)
        return len({call.headers["x-ms-requestid"] for call in calls}) == len(calls)

    await tell("repeats-request-ids", probe)


async def test_ids_that_are_not_encoded_are_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        return world.publisher.api.url("a/b").endswith("/a%2Fb?api-version=2018-08-31")

    await tell("encodes-no-ids", probe)


@pytest.fixture
def with_tokens() -> Callable[["World"], list[str]]:
    """Return what lets the real `AccessTokens` of a publisher be used, with Entra's answers counted."""

    def use(world: "World") -> list[str]:
        issued: list[str] = []

        async def acquire() -> str:
            if not issued or world.publisher.access_tokens._application is None:
                issued.append(f"token {len(issued) + 1}")
                world.publisher.access_tokens._application = object()
            world.publisher.access_tokens._token = issued[-1]
            return issued[-1]

        world.publisher.access_tokens._acquire = acquire  # type: ignore[method-assign]
        world.publisher.api.tokens = world.publisher.access_tokens
        return issued

    return use


async def test_a_token_per_call_is_found(tell: "Tell", flow: Flow, with_tokens: Callable[["World"], list[str]]) -> None:
    async def probe(world: "World") -> bool:
        issued = with_tokens(world)
        await flow(world)
        return len(issued) == 1

    await tell("asks-for-a-token-per-call", probe)


async def test_a_token_that_is_kept_too_long_is_found(
    tell: "Tell", with_tokens: Callable[["World"], list[str]], subscription: Document
) -> None:
    async def probe(world: "World") -> bool:
        with_tokens(world)
        world.market.subscriptions[SUBSCRIPTION] = subscription()
        for _ in range(2):
            world.market.will("GET ", httpx2.Response(401))
            await world.publisher.api.subscription(SUBSCRIPTION)
        return world.market.calls[-1].headers["authorization"] == "Bearer token 3"

    await tell("keeps-expired-tokens", probe)


async def test_a_request_for_the_former_resource_is_found(
    tell: "Tell", with_tokens: Callable[["World"], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probe(world: "World") -> bool:
        asked: list[Any] = []

        async def post(url: str, *, data: dict[str, str]) -> None:
            asked.append((url, data["resource"]))

        with_tokens(world)
        monkeypatch.setattr(world.publisher.http, "post", post)
        await world.publisher.access_tokens.current()
        await world.publisher.access_tokens.current()
        return not asked

    await tell("asks-for-the-version-1-resource", probe)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("gives-up-at-500", httpx2.Response(500)),
        ("gives-up-at-429", httpx2.Response(429)),
        ("gives-up-at-silence", httpx2.ReadTimeout("silence")),
    ],
)
async def test_giving_up_is_found(
    tell: "Tell", subscription: Document, name: str, answer: httpx2.Response | Exception
) -> None:
    async def probe(world: "World") -> bool:
        world.market.subscriptions[SUBSCRIPTION] = subscription()
        world.market.will("GET ", answer)
        try:
            await world.publisher.api.subscription(SUBSCRIPTION)
        except (ApiUnavailable, ApiRefused):
            return False
        return True

    await tell(name, probe)


@pytest.mark.parametrize("name", ["gives-up-at-500", "gives-up-at-429", "gives-up-at-silence"])
async def test_giving_up_at_one_thing_leaves_the_others(
    make_world: Callable[..., "World"], subscription: Document, name: str
) -> None:
    world = make_world(defects=[name])
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    others = {"gives-up-at-500": 429, "gives-up-at-429": 500, "gives-up-at-silence": 503}
    world.market.will("GET ", httpx2.Response(others[name]))
    assert (await world.publisher.api.subscription(SUBSCRIPTION)).id == SUBSCRIPTION
    if name != "gives-up-at-silence":
        world.market.will("GET ", httpx2.ReadTimeout("silence"))
        assert (await world.publisher.api.subscription(SUBSCRIPTION)).id == SUBSCRIPTION


async def test_reading_one_page_is_found(tell: "Tell", subscription: Document) -> None:
    async def probe(world: "World") -> bool:
        link = "http://marketplace.test/api/saas/subscriptions?page=2"
        pages = [{"subscriptions": [subscription()], "@nextLink": link}, {"subscriptions": [subscription(id="2")]}]
        world.market.will("GET ", *[httpx2.Response(200, json=page) for page in pages])
        return len([entry async for entry in world.publisher.api.subscriptions()]) == 2

    await tell("reads-the-first-page-only", probe)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fails-on-an-empty-list", httpx2.Response(200)),
        ("fails-on-unknown-states", httpx2.Response(200, json={"subscriptions": [{"saasSubscriptionStatus": "New"}]})),
    ],
)
async def test_a_list_that_is_not_coped_with_is_found(tell: "Tell", name: str, answer: httpx2.Response) -> None:
    async def probe(world: "World") -> bool:
        world.market.will("GET ", answer)
        return (await world.browser.post("/admin/reconcile")).status_code == 200

    await tell(name, probe)


@pytest.mark.parametrize("name", ["reads-the-first-page-only", "fails-on-unknown-states", "fails-on-an-empty-list"])
async def test_an_ordinary_list_is_still_read(
    make_world: Callable[..., "World"], subscription: Document, name: str
) -> None:
    world = make_world(defects=[name])
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    assert (await world.browser.post("/admin/reconcile")).json()["corrected"] == [SUBSCRIPTION]
    if name == "fails-on-unknown-states":
        world.market.will("GET ", httpx2.Response(200))
        assert (await world.browser.post("/admin/reconcile")).status_code == 200
