import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.exchange import Observer, ignore
from fulfillment_conformance.serving import serve

VERSION = {"api-version": "2018-08-31"}
NOBODY = "00000000-1111-4222-8333-444444444444"
"""A subscription or operation id that was never given out."""


class Wall:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


class Sandbox:
    """An emulator, talked to without a network."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=emulator.app), base_url="http://emulator.example:8080", trust_env=False
        )
        self.token = emulator.identity.access_token()

    async def control(self, method: str, path: str, document: Any = None, **rest: Any) -> httpx2.Response:
        return await self.http.request(method, f"/control{path}", json=document, **rest)

    async def api(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """Call an operation; an empty token stands for the publisher's own, None for no Authorization header."""
        sent = {"content-type": "application/json", **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token or self.token}"
        if document is not None:
            return await self.http.request(
                method, f"/api/saas/subscriptions{path}", params=query or VERSION, headers=sent, json=document
            )
        return await self.http.request(
            method, f"/api/saas/subscriptions{path}", params=query or VERSION, headers=sent, content=content
        )

    async def buy(self, plan: str = "silver", **wishes: Any) -> dict[str, Any]:
        offer = next(offer.offer_id for offer in self.emulator.market.offers() if offer.plan(plan) is not None)
        answer = await self.control("POST", "/purchases", {"offerId": offer, "planId": plan, **wishes})
        assert answer.status_code == 201, answer.text
        bought: dict[str, Any] = answer.json()
        return bought

    async def subscribed(self, plan: str = "silver", **wishes: Any) -> str:
        """Return the id of a new subscription that has been activated."""
        subscription_id: str = (await self.buy(plan, **wishes))["subscriptionId"]
        answer = await self.api("POST", f"/{subscription_id}/activate")
        assert answer.status_code == 200, answer.text
        return subscription_id

    async def event(self, subscription_id: str, action: str, **values: Any) -> str:
        """Let something happen and return the operation's id."""
        answer = await self.control("POST", f"/subscriptions/{subscription_id}/events", {"action": action, **values})
        assert answer.status_code == 202, answer.text
        operation_id: str = answer.json()["operationId"]
        return operation_id

    async def status(self, subscription_id: str) -> str:
        document = (await self.api("GET", f"/{subscription_id}")).json()
        status: str = document["saasSubscriptionStatus"]
        return status

    async def operation(self, subscription_id: str, operation_id: str) -> str:
        document = (await self.api("GET", f"/{subscription_id}/operations/{operation_id}")).json()
        status: str = document["status"]
        return status

    async def advance(self, span: timedelta) -> None:
        await self.emulator.advance(span)


OpenSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def open_sandbox(anyio_backend: str) -> AsyncIterator[OpenSandbox]:
    """Makes sandboxes from settings; `wall` and `observer` go to the emulator."""
    opened: list[Sandbox] = []

    async def open_one(
        *, wall: Callable[[], datetime] | None = None, observer: Observer = ignore, **settings: Any
    ) -> Sandbox:
        clock = {} if wall is None else {"wall": wall}
        sandbox = Sandbox(Emulator(Settings(**settings), observer=observer, **clock))
        opened.append(sandbox)
        return sandbox

    yield open_one
    for sandbox in opened:
        await sandbox.http.aclose()
        await sandbox.emulator.close()


@pytest.fixture
async def sandbox(open_sandbox: OpenSandbox) -> Sandbox:
    """A sandbox with default settings, whose wall clock stands still."""
    return await open_sandbox(wall=Wall())


class Receiver:
    """A webhook on a real socket: keeps what it is sent, and answers as it is told.

    `answer` is a status, or a coroutine function that gets the payload and returns one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answer: int | Callable[[dict[str, Any]], Awaitable[int]] = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.says = b""
        self.payloads: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append((scope["method"], scope["path"], headers, body))
        payload = json.loads(body) if body[:1] == b"{" else {}
        self.payloads.append(payload)
        status = self.answer if isinstance(self.answer, int) else await _unless_gone(self.answer(payload), receive)
        await send({"type": "http.response.start", "status": status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.says})


async def _unless_gone(answer: Awaitable[int], receive: Receive) -> int:
    """Return the answer; give up when the sender has."""
    thinking, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(receive())
    await asyncio.wait([thinking, leaving], return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if not thinking.done():
        thinking.cancel()
        return 499
    return thinking.result()


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook on loopback."""
    receiver = Receiver()
    with serve(receiver) as serving:
        receiver.url = f"{serving.url}/webhook"
        yield receiver


async def until(condition: Callable[[], object]) -> None:
    """Wait, for ten seconds at most, until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)
