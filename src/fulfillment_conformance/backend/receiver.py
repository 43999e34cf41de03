"""The suite's own connection webhook: it records what a marketplace sends, and reacts as a test wants it to.

    receiver = Receiver(observer=recorder)
    with serve(receiver) as serving:
        driver.set_webhook(f"{serving.url}/webhook")
        receiver.reacts(subscription_id, Reaction(status=503), Reaction())
        ...
        receiver.wait(lambda: len(receiver.calls(subscription_id)) == 2, seconds=5)

Whatever it is sent is taken in: any method, any path, any body. Who calls is judged elsewhere. A marketplace that calls
without end is answered 429 from some call on, and recorded no more, so that the run still comes to its own.
"""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.types import Receive, Scope, Send

from fulfillment_conformance.asgi import header_list, lifespan, url_of
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.exchange import Exchange, Observer, ignore
from fulfillment_conformance.serving import DropConnection

BODY_LIMIT = 1024 * 1024
"""Bytes of a call's body that are kept."""
MOST_CALLS = 20_000
"""Calls of a run that are taken in; a whole run beside an honest marketplace has some thousand."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of all their bodies together."""
NO_BODY: Final = ((b"content-length", b"0"),)
"""The headers of every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What the webhook does with a call.

    Attributes:
        status: the answer; None drops the connection without one.
        delay: real seconds before the answer.
        meanwhile: what happens while the call is open, before the delay; it runs on a thread of its own and may call
            the API.
    """

    status: int | None = 200
    delay: float = 0.0
    meanwhile: Callable[[Notification], object] | None = None


class Receiver:
    """An ASGI application. Its methods may be called from any thread but that of its event loop.

    Args:
        observer: told of every call, when its answer is settled.
        clock: says what time it is at the marketplace, None where that is not known.

    Attributes:
        usual: what is done with calls about a subscription of which nothing else has been said.
    """

    def __init__(self, *, observer: Observer = ignore, clock: Callable[[], datetime | None] = lambda: None) -> None:
        self.usual = Reaction()
        self._observer = observer
        self._clock = clock
        self._changed = threading.Condition()
        self._reactions: dict[str, tuple[str | None, deque[Reaction]]] = {}
        self._calls: dict[str, list[Notification]] = defaultdict(list)
        self._fault: Exception | None = None
        self._taken_calls = self._taken_bytes = 0

    # --- what tests call ---

    def reacts(self, subscription_id: str, *reactions: Reaction, action: str | None = None) -> None:
        """Say what happens to the coming calls about a subscription, in this order; the last reaction stays.

        With an `action`, that is what happens to the calls about it, and the others are treated as usual.
        """
        with self._changed:
            self._reactions[subscription_id.lower()] = action, deque(reactions)

    def calls(self, subscription_id: str) -> list[Notification]:
        """Return the calls about a subscription whose answer is settled, in the order in which it was.

        Raises:
            Exception: what went wrong in somebody's `meanwhile`, once.
        """
        with self._changed:
            fault, self._fault = self._fault, None
            if fault is not None:
                raise fault
            return list(self._calls[subscription_id.lower()])

    def wait(self, met: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition is met, looking again after each call; False when time runs out."""
        deadline = time.monotonic() + seconds
        with self._changed:  # the condition's lock may be taken again by the thread that holds it, as `calls` does
            while not met():
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return met()
            return True

    # --- the application ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        started = time.monotonic()
        exchange = Exchange(
            sender="marketplace",
            receiver="suite",
            method=scope["method"],
            url=url_of(scope),
            request_headers=header_list(scope["headers"]),
            request_body=await _body(receive),
            virtual_at=self._clock(),
        )
        if not self._takes(exchange):
            await send({"type": "http.response.start", "status": 429, "headers": NO_BODY})
            await send({"type": "http.response.body"})
            return
        notification = Notification(exchange)
        exchange.purpose = f"notification {notification.action}" if notification.action else "webhook call"
        try:
            await self._react(notification)
        finally:
            # Noted before it is sent: whoever has got the answer may say at once that no call is under way any more.
            exchange.seconds = time.monotonic() - started
            self._observer(exchange)
            with self._changed:
                self._calls[(notification.subscription_id or "").lower()].append(notification)
                self._changed.notify_all()
        if exchange.status is None:
            raise DropConnection
        await send({"type": "http.response.start", "status": exchange.status, "headers": NO_BODY})
        await send({"type": "http.response.body"})

    def _takes(self, exchange: Exchange) -> bool:
        """Say whether a call is one too many; the first that is stands in the evidence for all that follow."""
        if self._taken_calls > MOST_CALLS or self._taken_bytes > MOST_BYTES:
            return False
        self._taken_calls += 1
        self._taken_bytes += len(exchange.request_body)
        if self._taken_calls <= MOST_CALLS and self._taken_bytes <= MOST_BYTES:
            return True
        exchange.purpose = (
            f"one webhook call too many: {self._taken_calls:,} calls with {self._taken_bytes:,} bytes; "
            "this and all that follow are answered 429, and not recorded"
        )
        exchange.status = 429
        self._observer(exchange)
        return False

    async def _react(self, notification: Notification) -> None:
        exchange = notification.exchange
        reaction = self._next_reaction(notification)
        status = reaction.status
        if reaction.meanwhile is not None:
            try:
                await asyncio.to_thread(reaction.meanwhile, notification)
            except Exception as fault:  # the test's own, and raised there
                self._fault = fault
                status = 500
        if reaction.delay:
            await asyncio.sleep(reaction.delay)
        if status is None:
            exchange.error = "the suite dropped the connection"
            return
        exchange.status = status
        exchange.response_headers = header_list(NO_BODY)

    def _next_reaction(self, notification: Notification) -> Reaction:
        with self._changed:
            action, coming = self._reactions.get((notification.subscription_id or "").lower(), (None, None))
            if not coming or action not in {None, notification.action}:
                return self.usual
            return coming.popleft() if len(coming) > 1 else coming[0]


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body = (body + message.get("body", b""))[:BODY_LIMIT]
        more = message.get("more_body", False)
    return body
