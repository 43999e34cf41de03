"""Requests to an application that this process serves itself, handed over without a socket in between.

A run against the embedded emulator makes thousands of requests, and a quarter of its time would go into two HTTP
parsers and the sockets between them. Everyday requests are spared that: the application is given what the server would
have made of them, and the caller what a client would have made of the answer. Whatever is out of the ordinary goes over
the wire like any other request (`Inside.takes` says no), so that nothing is read here that a server might refuse.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

import httpcore2
import httpx2
from starlette.types import ASGIApp, Message, Scope

from fulfillment_conformance.http_client import BODY_LIMIT
from fulfillment_conformance.serving import DropConnection, Serving

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OF_THE_CONNECTION: Final = frozenset(
    {b"connection", b"expect", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_TARGET: Final = re.compile(rb"/[!-~]*")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SENT: Final = re.compile(rb"(?:[!-~](?:[ -~]*[!-~])?)?")
_GOT: Final = re.compile(rb"[\t -~\x80-\xff]*")
_HEADERS_LIMIT: Final = 32 * 1024
_WITHOUT_BODY: Final = frozenset({204, 304})
_BROKEN: Final = (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"), (b"connection", b"close")

_log = logging.getLogger("uvicorn.error")


class Inside:
    """Hands requests to the application of a server, on that server's event loop. Any thread may use it."""

    def __init__(self, serving: Serving) -> None:
        """Speak to what `serving` serves by plain HTTP."""
        self._serving = serving
        self._origin = httpx2.URL(serving.url)

    def takes(self, request: httpx2.Request) -> bool:
        """Whether this is a request for the server that every client writes, and every server reads, alike."""
        url, headers = request.url, request.headers.raw
        names = [name.lower() for name, _ in headers]
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        return (
            self._serving.is_up
            and (url.scheme, url.host, url.port) == (self._origin.scheme, self._origin.host, self._origin.port)
            and request.method in _METHODS
            and _TARGET.fullmatch(url.raw_path) is not None
            and names.count(b"host") == 1
            and _OF_THE_CONNECTION.isdisjoint(names)
            and all(_NAME.fullmatch(name) and _SENT.fullmatch(value) for name, value in headers)
            and sum(len(name) + len(value) for name, value in headers) < _HEADERS_LIMIT
            and lengths in ([b"%d" % len(request.content)], [] if not request.content else None)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Hand a request over and return its answer, as `DeadlineTransport.handle_request` does.

        Raises:
            httpcore2.ReadTimeout: no status came in time. The application goes on, and learns that its caller has gone.
            httpcore2.RemoteProtocolError: the application cut the connection before it gave a status.
        """
        call = _Call(request, self._origin)
        self._serving.begin(lambda: call.make(self._serving.app))
        failure: Exception | None = None
        if not call.ended.wait(request.extensions["timeout"]["read"]):
            self._serving.begin(call.hang_up)
            failure = httpcore2.ReadTimeout("timed out")
        elif call.is_cut:
            failure = httpcore2.RemoteProtocolError(
                "Server disconnected without sending a response."
                if call.status is None
                else "peer closed connection without sending complete message body"
            )
        if call.status is None:
            raise failure or AssertionError("an application that neither answers nor cuts is given 500")
        return httpx2.Response(call.status, headers=call.headers, stream=_Body(call.chunks, failure))


class _Body(httpx2.SyncByteStream):
    def __init__(self, chunks: Sequence[bytes], failure: Exception | None) -> None:
        self._chunks = tuple(chunks)
        self._failure = failure

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._failure is not None:
            raise self._failure


class _Call:
    """One request on its way through an application.

    Its methods run on the application's event loop. What they leave behind may be read once `ended` is set, or when
    nobody waits for it any longer.
    """

    def __init__(self, request: httpx2.Request, origin: httpx2.URL) -> None:
        path, _, query = request.url.raw_path.partition(b"?")
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": origin.scheme,
            "server": (origin.host, origin.port),
            "client": (origin.host, 0),
            "root_path": "",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "state": {},
        }
        self._messages: list[Message] = [{"type": "http.request", "body": request.content, "more_body": False}]
        self._over = asyncio.Event()
        self._is_started = False
        self._has_body = True
        self._expected: int | None = None
        self._size = 0
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.is_cut = False
        self.ended = threading.Event()

    async def make(self, app: ASGIApp) -> None:
        """Let the application answer."""
        try:
            await app(self._scope, self._receive, self._send)
            if not self._is_started:
                raise RuntimeError("ASGI callable returned without starting response.")
        except DropConnection:
            pass
        except Exception as error:
            _log.error("Exception in ASGI application\n", exc_info=error)
            if not self._is_started:
                await self._send({"type": "http.response.start", "status": 500, "headers": _BROKEN})
                await self._send({"type": "http.response.body", "body": b"Internal Server Error"})
        finally:
            self.is_cut = not self._over.is_set()
            self.ended.set()

    async def hang_up(self) -> None:
        """Let the application learn that nobody listens any more."""
        self._over.set()

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._over.is_set():
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], list(message.get("headers", ())))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._has_body:
            self._size += len(body)
            if self._expected is not None and self._size > self._expected:
                raise RuntimeError("Response content longer than Content-Length")
            self.chunks.append(body)
            if self._expected is not None and self._size < self._expected and not more:
                raise RuntimeError("Response content shorter than Content-Length")
        if not more or self._size > BODY_LIMIT:  # whoever asked reads no further
            self._over.set()
            self.ended.set()

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._is_started = True
        if not all(_NAME.fullmatch(name) and _GOT.fullmatch(value) for name, value in headers):
            raise RuntimeError("Invalid HTTP header.")
        given = [(name.lower(), value.strip(b" \t")) for name, value in headers]
        lengths = [int(value) for name, value in given if name == b"content-length"]
        self._expected = next(iter(lengths), None)
        self._has_body = self._scope["method"] != "HEAD" and status not in _WITHOUT_BODY
        if self._has_body and not lengths and (b"transfer-encoding", b"chunked") not in given:
            given.append((b"transfer-encoding", b"chunked"))
        self.headers = [(b"date", formatdate(usegmt=True).encode("ascii")), *given]
        self.status = status
