"""Webhook calls: taking notifications from the core, sending them over HTTP, and telling the core what came back.

One attempt is one POST to the webhook address of this moment, with a signed token, bounded in time, never redirected.
Notifications of one subscription go out in order, those of different subscriptions side by side; during an advance of
the clock all go one after the other, so that the run can be repeated.
"""

import asyncio
import functools
import json
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx2

from fulfillment_conformance import __version__
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, HeaderList, Observer
from fulfillment_conformance.marketplace import Delivery

BODY_LIMIT: Final = 64 * 1024
"""Bytes of a receiver's answer that are read and kept."""

MOST_HEADERS: Final = 1_000
"""Headers of a receiver's answer that are kept."""

AT_ONCE: Final = 200
"""Attempts that may be under way at the same time; the others wait, and their time has not begun."""

NO_ADDRESS: Final = "no webhook address is set; set one with PUT /control/webhook"


GENUINE: Final = "genuine"
"""In place of a bearer token: the one that the marketplace itself sends."""


@dataclass(slots=True)
class Notification:
    """What one attempt sends: the payload as a document, or as raw bytes, and the headers.

    `authorization`, if given, holds every value of that header: none, one, or several where somebody forges.
    """

    payload: dict[str, Any] | bytes
    headers: dict[str, str] = field(default_factory=dict)
    authorization: Sequence[str] | None = None

    @property
    def header_list(self) -> HeaderList:
        """The headers as they are sent."""
        if self.authorization is None:
            return tuple(self.headers.items())
        others = [(name, value) for name, value in self.headers.items() if name.lower() != "authorization"]
        return (*others, *(("authorization", value) for value in self.authorization))

    @property
    def body(self) -> bytes:
        """The payload as it is sent."""
        if isinstance(self.payload, bytes):
            return self.payload
        return json.dumps(self.payload, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, and what came of it; its URL is empty when there was no webhook address."""

    delivery: Delivery
    exchange: Exchange


class Courier:
    """Delivers notifications.

    Args:
        take: hands over the attempts to make now, each once.
        answered: is told the status that an attempt was answered with, None when no answer came.
        compose: makes a delivery's genuine notification, token included.
        clock: the marketplace's time.
        observer: told of every attempt.
        url: the webhook address at first.
        timeout: seconds for a whole attempt.
        trust: how a receiver's certificate is checked; None: by the machine's certificate authorities.

    Attributes:
        url: where calls go from now on.
        hold: nothing is sent by itself; what would have been is kept in `held`.
        held: deliveries that wait for somebody to send them.
        attempts: every attempt that has ended, in order of their ends.
    """

    def __init__(
        self,
        *,
        take: Callable[[], list[Delivery]],
        answered: Callable[[Delivery, int | None], None],
        compose: Callable[[Delivery], Notification],
        clock: Callable[[], datetime],
        observer: Observer,
        url: str | None = None,
        timeout: float = 10.0,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._take = take
        self._answered = answered
        self._compose = compose
        self._clock = clock
        self._observer = observer
        self._timeout = timeout
        self._trust = trust
        self._client: httpx2.AsyncClient | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.url = url
        self.hold = False
        self.held: list[Delivery] = []
        self.attempts: list[Attempt] = []

    def dispatch(self) -> None:
        """Start everything that waits to be sent, and return at once."""
        for delivery in self._taken():
            subscription_id = delivery.operation.subscription_id
            before = self._under_way.get(subscription_id)
            task = asyncio.get_running_loop().create_task(self._after(before, delivery))
            self._under_way[subscription_id] = task
            task.add_done_callback(functools.partial(self._landed, subscription_id))

    async def settle(self) -> None:
        """Return when everything under way, and everything that waits to be sent, has been answered or has failed."""
        while True:
            if self._under_way:
                await asyncio.wait(list(self._under_way.values()))
                continue
            deliveries = self._taken()
            if not deliveries:
                return
            for delivery in deliveries:
                await self._deliver(delivery)

    async def send(
        self,
        delivery: Delivery,
        notification: Notification,
        *,
        url: str | None = None,
        method: str = "POST",
        timeout: float | None = None,
    ) -> Exchange:
        """Make one attempt with any content, keep it, and return it; the core does not hear of its outcome.

        `timeout` is its limit in seconds, instead of the courier's own.

        Raises:
            UsageProblem: there is no webhook address, and none is given.
        """
        address = url or self.url
        if address is None:
            raise UsageProblem(NO_ADDRESS)
        return await self._attempt(delivery, notification, address, method, timeout)

    async def clear(self) -> None:
        """Drop everything under way, held or remembered."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._under_way.clear()
        self.held.clear()
        self.attempts.clear()

    async def close(self) -> None:
        """Stop sending and close all connections."""
        await self.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _taken(self) -> list[Delivery]:
        deliveries = self._take()
        if not self.hold:
            return deliveries
        self.held += deliveries
        return []

    async def _after(self, before: asyncio.Task[None] | None, delivery: Delivery) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._deliver(delivery)

    def _landed(self, subscription_id: str, task: asyncio.Task[None]) -> None:
        if self._under_way.get(subscription_id) is task:
            del self._under_way[subscription_id]

    async def _deliver(self, delivery: Delivery) -> None:
        if self.url is None:
            self._keep_unsent(delivery)
            self._answered(delivery, None)
            return
        async with self._room:
            exchange = await self._attempt(delivery, self._compose(delivery), self.url, "POST")
        self._answered(delivery, exchange.status)

    def _keep_unsent(self, delivery: Delivery) -> None:
        exchange = Exchange(
            sender="marketplace",
            receiver="publisher",
            method="POST",
            url="",
            virtual_at=self._clock(),
            error=NO_ADDRESS,
        )
        self.attempts.append(Attempt(delivery, exchange))

    async def _attempt(
        self, delivery: Delivery, notification: Notification, url: str, method: str, timeout: float | None = None
    ) -> Exchange:
        limit = self._timeout if timeout is None else timeout
        operation = delivery.operation
        exchange = Exchange(
            sender="marketplace",
            receiver="publisher",
            method=method,
            url=url,
            request_headers=notification.header_list,
            request_body=notification.body,
            virtual_at=self._clock(),
            purpose=f"{operation.action} of subscription {operation.subscription_id}, attempt {delivery.attempt}",
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                await self._exchange(exchange)
        except TimeoutError:
            exchange.status = None
            exchange.error = f"no complete answer within {limit:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            exchange.status = None
            exchange.error = f"{type(error).__name__}: {error}"
        finally:
            exchange.seconds = time.monotonic() - started
            self.attempts.append(Attempt(delivery, exchange))
            self._observer(exchange)
        return exchange

    async def _exchange(self, exchange: Exchange) -> None:
        client = self._http()
        request = client.build_request(
            exchange.method,
            exchange.url,
            headers=[(name.encode(), _header_bytes(value)) for name, value in exchange.request_headers],
            content=exchange.request_body,
        )
        exchange.request_headers = _pairs(request.headers)
        response = await client.send(request, stream=True)
        try:
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) >= BODY_LIMIT:
                    break
            exchange.status = response.status_code
            exchange.response_headers = _pairs(response.headers)[:MOST_HEADERS]
            exchange.response_body = body[:BODY_LIMIT]
        finally:
            await response.aclose()

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                verify=self._trust or _public_authorities(),
                trust_env=False,  # proxy and CA variables of the machine must not decide whom we talk to
                follow_redirects=False,
                timeout=self._timeout,
                # A connection kept for later may be closed by the receiver just when it is used again, and whoever
                # gets no answer then has done nothing wrong; so every attempt has its own.
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
                headers={
                    "accept": "*/*",
                    "accept-encoding": "identity",
                    "connection": "close",
                    "user-agent": f"fulfillment-conformance/{__version__}",
                },
            )
        self._client.cookies.clear()  # the marketplace is no browser
        return self._client


@functools.cache
def _public_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()  # takes some 50 ms, so one serves all emulators of a process


def _header_bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:  # only in a header that is malformed on purpose
        return value.encode()


def _pairs(headers: httpx2.Headers) -> HeaderList:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)
