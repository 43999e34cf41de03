"""Reports every request that reaches the emulator, and its answer, to an observer."""

import time
from collections.abc import Callable
from datetime import datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fulfillment_conformance.asgi import header_list
from fulfillment_conformance.emulator.faults import NOTE
from fulfillment_conformance.emulator.messages import origin_of
from fulfillment_conformance.exchange import Exchange, Observer, Party

BODY_LIMIT = 1024 * 1024
"""Bytes of a body that are reported."""


class Recorder:
    """An application around another: passes everything on, and reports it when it is over.

    The Fulfillment API and the identity provider are reported as called by the publisher (the sign-in page: by the
    buyer), the control surface as called by the suite. The web page is for people and is not reported.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        parties = _parties(scope["path"]) if scope["type"] == "http" else None
        if parties is None:
            await self._app(scope, receive, send)
            return
        sender, receiver = parties
        exchange = Exchange(
            sender=sender,
            receiver=receiver,
            method=scope["method"],
            url=_url(scope),
            request_headers=header_list(scope["headers"]),
            virtual_at=self._clock(),
        )

        ended = False

        async def listen() -> Message:
            message = await receive()
            exchange.request_body = (exchange.request_body + message.get("body", b""))[:BODY_LIMIT]
            return message

        async def speak(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.response_headers = header_list(message.get("headers", []))
            else:
                exchange.response_body = (exchange.response_body + message.get("body", b""))[:BODY_LIMIT]
                ended = not message.get("more_body", False)
            await send(message)

        started = time.monotonic()
        try:
            await self._app(scope, listen, speak)
        except Exception as error:
            exchange.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            exchange.purpose = scope.get(NOTE, "")
            if not ended and exchange.error is None:
                exchange.status, exchange.error = None, exchange.purpose or "the call was given up"
            exchange.seconds = time.monotonic() - started
            self._observer(exchange)


def _parties(path: str) -> tuple[Party, Party] | None:
    if path.startswith("/api/"):
        return "publisher", "marketplace"
    if path == "/control" or path.startswith("/control/"):
        return "suite", "control"
    if path.count("/") < 2:
        return None
    return ("buyer" if path.endswith("/authorize") else "publisher"), "identity"


def _url(scope: Scope) -> str:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    tail = path.partition(b"?")[0] + (b"?" + query if query else b"")
    return origin_of(scope) + tail.decode("latin-1")
