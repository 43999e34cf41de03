"""A stand-in for the suite's HTTP client: it answers as a test says, in this process, and keeps what was sent."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from fulfillment_conformance.exchange import Exchange, Observer, Party, ignore
from fulfillment_conformance.http_client import HttpClient


def reply(exchange: Exchange, status: int | None, body: Any = b"", **headers: str) -> None:
    """Answer an exchange; a body that is not bytes is sent as JSON, `_` in names of headers is a hyphen."""
    exchange.status = status
    exchange.error = None if status is not None else "ConnectError: refused"
    exchange.response_body = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange.response_headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())


class Scripted:
    """Answers each request by `answer`, which fills in the exchange; what it leaves out is a 200 without a body."""

    def __init__(self, answer: Callable[[Exchange], object] = lambda _exchange: None) -> None:
        self.answer = answer
        self.sent: list[Exchange] = []
        self.timeouts: list[float | None] = []
        self.observer: Observer = ignore
        self.timeout = 15.0

    @property
    def http(self) -> HttpClient:
        """This, as whoever needs a client takes it."""
        return cast("HttpClient", self)

    @property
    def last(self) -> Exchange:
        """The latest exchange."""
        return self.sent[-1]

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content: bytes = b"",
        sender: Party = "suite",
        receiver: Party = "marketplace",
        purpose: str = "",
        timeout: float | None = None,
    ) -> Exchange:
        """Answer in the way of `HttpClient.send`."""
        exchange = Exchange(
            sender=sender,
            receiver=receiver,
            method=method,
            url=url,
            request_headers=tuple(headers.items() if isinstance(headers, Mapping) else headers),
            request_body=content,
            status=200,
            purpose=purpose,
        )
        self.sent.append(exchange)
        self.timeouts.append(timeout)
        self.answer(exchange)
        self.observer(exchange)
        return exchange
