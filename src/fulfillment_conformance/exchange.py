"""One recorded HTTP exchange, whoever made it.

The suite's own clients, the emulator's routes and its webhook delivery all describe what they saw in this form and hand
it to an `Observer`. Values are raw here; redaction happens where they are written (`evidence`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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

    `status` is None when no answer came; `error` then says what happened instead (`ConnectError: …`). `seconds` is real
    time. `virtual_at` is the marketplace clock's time, where there is one. `number` is given by the recorder.
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


Observer = Callable[[Exchange], None]
"""Called once per finished exchange, possibly from another thread than the test's."""


def ignore(exchange: Exchange) -> None:
    """Observe nothing."""
