"""One recorded HTTP exchange, whoever made it.

The suite's own clients, the emulator's routes and its webhook delivery all describe what they saw in this form and hand
it to an `Observer`. Values are raw here; redaction happens where they are written (`evidence`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

Party = Literal["suite", "publisher", "marketplace", "identity", "buyer", "control", "stranger", "elsewhere"]
"""Who sends or receives.

`stranger` is whoever forges a call, `control` the sandbox's control surface, `elsewhere` any other host on the network.
"""

HeaderList = tuple[tuple[str, str], ...]


def header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the first value of a header, names compared without case, or None when it is absent."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and what came back.

    `status` is None when no answer came; `error` then says what happened instead (`ConnectError: …`). An answer that
    begins and does not come whole, or is more than is taken in, is none: `began` is its status, and what there is of
    its headers and body is kept. `seconds` is real time. `virtual_at` is the marketplace clock's time, where there is
    one. `number` is given by the recorder.
    """

    sender: Party
    receiver: Party
    method: str
    url: str
    request_headers: HeaderList = ()
    request_body: bytes = b""
    status: int | None = None
    response_headers: HeaderList = ()
    response_body: bytes = b""
    error: str | None = None
    began: int | None = None
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    virtual_at: datetime | None = None
    purpose: str = ""
    number: str = ""

    def __repr__(self) -> str:
        """Name the exchange without what may be secret in it: query, headers, bodies."""
        came = self.status if self.status is not None else "no answer"
        address = self.url.partition("?")[0]
        return f"<Exchange {self.number} {self.sender} to {self.receiver}: {self.method} {address} -> {came}>"


LONGEST_REMEMBERED = 64 * 1024
"""Bytes of a body; longer ones are in the evidence, and nowhere else when their test is over."""


def to_remember(exchange: Exchange) -> Exchange:
    """Return an exchange for whoever keeps it until the end of a run: itself, or without a body that is very long."""
    if len(exchange.request_body) + len(exchange.response_body) <= LONGEST_REMEMBERED:
        return exchange
    return replace(exchange, request_body=b"", response_body=b"")


Observer = Callable[[Exchange], None]
"""Called once per finished exchange, possibly from another thread than the test's."""


def ignore(exchange: Exchange) -> None:
    """Observe nothing."""
