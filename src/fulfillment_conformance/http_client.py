"""The suite's one way to make an HTTP request: bounded in time and size, never following a redirect, always recorded.

Whatever goes wrong on the way is part of the exchange (`error`), not an exception: what it means is for the caller to
say.
"""

import functools
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpcore2
import httpx2

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, HeaderList, Observer, Party, header, ignore
from fulfillment_conformance.http_transport import DeadlineTransport, KeptConnectionEnded
from fulfillment_conformance.waits import Waits

if TYPE_CHECKING:
    from fulfillment_conformance.inside import Inside

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a response that are read, before and after decompression; the rest is not fetched."""

MOST_HEADERS = 200
"""Headers that an answer may have; many clients take no more than a hundred."""

SHORTEST = 2.0
"""Seconds that a request gets, if it was to get more, from a server that has left `MISSES` without an answer."""

MISSES = 3


_SENT_TWICE = "sent twice, for the server closed a kept connection as the first went out"
_DEFAULT_HEADERS = (
    (b"accept", b"*/*"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"fulfillment-conformance"),
)
_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    httpx2.InvalidURL,
    ValueError,  # a header or address that cannot be put into bytes
)


def trust(ca_file: Path | None = None, *, also: bytes = b"") -> ssl.SSLContext:
    """Return a client TLS context that trusts the system's authorities, or only `ca_file` if one is given.

    Args:
        ca_file: PEM file with the authorities to trust instead of the system's.
        also: PEM text of one more authority.

    Raises:
        UsageProblem: the file is missing or holds no certificate.
    """
    if ca_file is None and not also:
        return _systems()
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise UsageProblem(
            f"tls_ca {ca_file}: {error}; name a PEM file that holds the authority's certificate"
        ) from error
    if also:
        context.load_verify_locations(cadata=also.decode("ascii"))
    return context


@functools.cache
def _systems() -> ssl.SSLContext:
    # Reading a machine's authorities takes some 30 ms; nobody changes this context, so all may share it.
    return ssl.create_default_context()


class HttpClient:
    """Sends requests and hands each exchange to the observer. Safe to use from several threads."""

    def __init__(
        self,
        *,
        observer: Observer = ignore,
        tls: ssl.SSLContext | None = None,
        timeout: float = 15.0,
        addresses: Mapping[str, tuple[str, int]] | None = None,
        inside: "Inside | None" = None,
    ) -> None:
        """Prepare a connection pool.

        Args:
            observer: hears of every exchange.
            tls: how certificates are checked; None: by the system's authorities.
            timeout: seconds for a whole exchange.
            addresses: host name in lower case -> host and port to connect to instead of what the machine resolves.
            inside: the way to a server of this process, for what it takes.
        """
        self.observer = observer
        self.timeout = timeout
        self._inside = inside
        self._addresses = dict(addresses or {})
        self._waits: dict[tuple[str, float], Waits] = {}
        # The bare transport: no redirects, no cookies, no proxy or CA variables of the machine, no retries of its own.
        self._transport = DeadlineTransport(tls if tls is not None else trust(), addresses)

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
        observed: bool = True,
    ) -> Exchange:
        """Make one exchange and return it, also when no answer came, or none that came whole.

        A server that has used up the whole time again and again is not waited for that long any more: see `Waits`.

        A GET that went out on a kept connection, which ended before a byte of the answer, is sent once more, on a
        connection made for it; the exchange says so in its purpose.

        Args:
            method: HTTP method, sent as it is.
            url: absolute URL.
            headers: request headers; several of one name are allowed.
            content: request body; empty sends none (with `content-length: 0` where the method has bodies).
            sender: who speaks in this exchange.
            receiver: who is spoken to.
            purpose: a few words for the report.
            timeout: seconds for the whole exchange, instead of the client's own.
            observed: whether the observer hears of it.
        """
        allowed = self.timeout if timeout is None else timeout
        server = url.partition("://")[2].partition("/")[0]
        waits = self._waits.setdefault(
            (server, allowed), Waits(allowed, shortest=min(allowed, SHORTEST), misses=MISSES)
        )
        limit = waits.limit
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        exchange = Exchange(
            sender=sender,
            receiver=receiver,
            method=method,
            url=url,
            request_headers=tuple(given),
            request_body=content,
            purpose=purpose,
        )
        started = time.monotonic()
        try:
            request = httpx2.Request(
                method,
                url,
                headers=_raw(given),
                content=content or None,
                extensions={"timeout": {"read": limit, "pool": limit}},
            )
            exchange.request_headers = _pairs(request.headers)
            try:
                self._receive(request, exchange, deadline=started + limit)
            except KeptConnectionEnded as ended:
                # No retry of a verdict: a server may close an idle connection whenever it likes, and the client cannot
                # know before it sends (RFC 9112, section 9.3.1). Whoever shares a connection between requests has to
                # expect it, or blames servers for it that do nothing wrong. A server that fails on a connection made
                # for the request has no such excuse, and a request that changes something may have been carried out.
                if method != "GET":
                    raise
                exchange.error = _told(ended)
                self._ask_to_repeat(exchange if observed else None)
                exchange.error, exchange.purpose = None, "; ".join(filter(None, (purpose, _SENT_TWICE)))
                started = time.monotonic()
                self._receive(request, exchange, deadline=started + limit, fresh=True)
        except _FAILURES as error:
            exchange.error = exchange.error or _told(error)
        exchange.seconds = time.monotonic() - started
        if exchange.error is not None:
            exchange.began, exchange.status = exchange.status, None
        if exchange.status is not None or exchange.seconds >= limit:
            waits.note(came=exchange.status is not None, after=exchange.seconds)
        if observed:
            self.observer(exchange)
        return exchange

    def about_to_repeat(self) -> None:
        """Do nothing: a request is about to be sent a second time, and whoever counts requests may count it here.

        What it raises ends the exchange, which then stays without an answer.
        """

    def _ask_to_repeat(self, observed: Exchange | None) -> None:
        try:
            self.about_to_repeat()
        except BaseException:
            if observed is not None:
                self.observer(observed)  # the first request did go out
            raise

    def _receive(self, request: httpx2.Request, exchange: Exchange, *, deadline: float, fresh: bool = False) -> None:
        if self._inside is not None and self._inside.takes(request):
            response = self._inside.handle_request(request)
        else:
            response = self._transport.handle_request(request, fresh=fresh)
        try:
            exchange.status = response.status_code
            exchange.response_headers = _pairs(response.headers)[:MOST_HEADERS]
            _read(response, exchange, deadline=deadline)
        finally:
            response.close()

    def place_of(self, host: str, port: int) -> tuple[str, int]:
        """Return what is connected to for a host and port, for whoever has to open a connection by himself."""
        return self._addresses.get(host.lower(), (host, port))

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def connection_failed(exchange: Exchange) -> bool:
    """Whether nobody listens at the address: the request was never taken in."""
    return exchange.status is None and (exchange.error or "").startswith(("ConnectError", "ConnectTimeout"))


def _told(error: Exception) -> str:
    return ": ".join(filter(None, (type(error).__name__, str(error))))


def _raw(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    # Header values may be hostile on purpose; latin-1 is what the wire carries, anything else is percent-free UTF-8.
    given = [(name.encode("ascii"), _header_bytes(value)) for name, value in headers]
    names = {name.lower() for name, _ in given}
    return [*((name, value) for name, value in _DEFAULT_HEADERS if name not in names), *given]


def _header_bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")


def _pairs(headers: httpx2.Headers) -> HeaderList:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)


def _read(response: httpx2.Response, exchange: Exchange, *, deadline: float) -> None:
    if len(response.headers.raw) > MOST_HEADERS:
        exchange.error = f"the answer has {len(response.headers.raw):,} headers; reading stopped"
        return
    chunks: list[bytes] = []
    size = 0
    try:
        for chunk in response.iter_raw():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                exchange.error = f"the answer's body is larger than {BODY_LIMIT} bytes; reading stopped"
                break
            if time.monotonic() > deadline:
                exchange.error = "the answer's body did not end in time; reading stopped"
                break
    finally:
        raw = b"".join(chunks)[:BODY_LIMIT]
        exchange.response_body = _decompressed(raw, header(exchange.response_headers, "content-encoding"), exchange)


def _decompressed(raw: bytes, encoding: str | None, exchange: Exchange) -> bytes:
    windows: dict[str, Any] = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
    window = windows.get((encoding or "").strip().lower())
    if window is None:
        return raw
    inflater = zlib.decompressobj(window)
    try:
        body = inflater.decompress(raw, BODY_LIMIT)
    except zlib.error as error:
        exchange.error = f"the answer's body is not valid {encoding}: {error}"
        return raw
    if inflater.unconsumed_tail:
        exchange.error = f"the answer's body inflates to more than {BODY_LIMIT} bytes; reading stopped"
    elif raw and not inflater.eof and exchange.error is None:
        exchange.error = f"the answer's body ends in the middle of its {encoding}"
    return body
