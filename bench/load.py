"""A load generator that costs little: keep-alive connections on one event loop, requests as ready-made bytes.

A comfortable HTTP client in Python makes some thousand requests a second and would measure itself; this one makes more
than ten thousand, and parses answers with httptools.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: host and port, and the path in front of every request's own."""

    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, url: str) -> "Target":
        """Read a base address such as `http://127.0.0.1:8080/api`."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80, parts.path.rstrip("/"))

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        """Return the bytes of a request."""
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        waiting, self._waiting = self._waiting, None
        status, body = self._parser.get_status_code(), b"".join(self._body)
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        if waiting is not None and not waiting.done():
            waiting.set_result((status, body))

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and return status and body."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


Exchange = Callable[[bytes], Any]
Work = Callable[[Exchange, int], Any]
"""A coroutine function: does one unit of work with `exchange`; the number tells units apart."""


def run(target: Target, work: Work, *, units: int, connections: int = 16) -> float:
    """Do `units` of work over several connections and return units per second."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        numbers: Iterator[int] = iter(range(units))
        opened = [(await loop.create_connection(_Connection, target.host, target.port))[1] for _ in range(connections)]

        async def worker(connection: _Connection) -> None:
            for number in numbers:
                await work(connection.exchange, number)

        started = time.perf_counter()
        await asyncio.gather(*(worker(connection) for connection in opened))
        elapsed = time.perf_counter() - started
        for connection in opened:
            connection.close()
        return units / elapsed

    return asyncio.run(main())


def once(target: Target, request: bytes) -> tuple[int, bytes]:
    """Make a single exchange."""

    async def main() -> tuple[int, bytes]:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, target.host, target.port)
        answer = await connection.exchange(request)
        connection.close()
        return answer

    return asyncio.run(main())
