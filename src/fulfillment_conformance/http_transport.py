"""A transport that keeps a whole exchange to one deadline, and knows what its connections have been through.

Time-outs of HTTP libraries start anew with every piece that arrives, so a server that sends one byte a second holds its
caller for hours. Here whatever is read or written for an exchange gets only the time that is left of it.

A server may close a connection that it has kept open at any time, also as the next request goes out on it. That is told
apart from a connection that fails with the first request on it.
"""

import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpcore2
import httpx2

_IDLE_SECONDS = 1.0
"""How long a connection may be idle and used again; below the five seconds after which many servers close theirs."""


class KeptConnectionEnded(httpcore2.NetworkError):
    """A connection that had served before ended without a byte of the answer: perhaps it was closed a moment before."""


class DeadlineTransport(httpx2.BaseTransport):
    """Sends requests over pooled connections. The `read` time-out of a request is the limit of its whole exchange."""

    def __init__(self, tls: ssl.SSLContext, addresses: Mapping[str, tuple[str, int]] | None = None) -> None:
        """Connect with `tls`; `addresses` says for host names where they are, instead of the machine's resolver."""
        self._under_way = _UnderWay()
        backend = _Backend(self._under_way, addresses or {})
        self._pool = httpcore2.ConnectionPool(ssl_context=tls, keepalive_expiry=_IDLE_SECONDS, network_backend=backend)
        self._fresh = httpcore2.ConnectionPool(ssl_context=tls, max_keepalive_connections=0, network_backend=backend)

    def handle_request(self, request: httpx2.Request, *, fresh: bool = False) -> httpx2.Response:
        """Send a request and return its response, whose body is still to be read, by the same thread.

        Args:
            request: what to send.
            fresh: whether to make a connection for this request alone, instead of using a kept one.

        Raises:
            KeptConnectionEnded: a connection from an earlier exchange ended before any of the answer arrived.
            httpcore2.TimeoutException: the time is over.
            httpcore2.NetworkError: the connection failed.
            httpcore2.ProtocolError: this is not HTTP.
        """
        assert isinstance(request.stream, httpx2.SyncByteStream)
        self._under_way.begin(request.extensions["timeout"]["read"])
        address = request.url
        given = httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            response = (self._fresh if fresh else self._pool).handle_request(given)
        except (httpcore2.NetworkError, httpcore2.RemoteProtocolError) as error:
            if self._under_way.connected or self._under_way.received:
                raise
            raise KeptConnectionEnded(f"{type(error).__name__}: {error}") from error
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        self._fresh.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _UnderWay(threading.local):
    """The exchange of this thread.

    `at` is when it has to end, by the monotonic clock; `connected` whether a connection was made for it; `received` how
    many bytes have come.
    """

    at = 0.0
    connected = False
    received = 0

    def begin(self, limit: float) -> None:
        """Begin another one, with `limit` seconds."""
        self.at = time.monotonic() + limit
        self.connected = False
        self.received = 0

    def left(self, late: type[httpcore2.TimeoutException]) -> float:
        """Return the seconds that are left; raises `late` when none are."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise late("the time for the whole exchange is over")
        return seconds


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, under_way: _UnderWay, addresses: Mapping[str, tuple[str, int]]) -> None:
        self._under_way = under_way
        self._addresses = addresses
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is stricter
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._under_way.left(httpcore2.ConnectTimeout)
        self._under_way.connected = True
        # Only where the connection goes is replaced: name in the certificate and Host header are the URL's.
        host, port = self._addresses.get(host.lower(), (host, port))
        stream = self._sockets.connect_tcp(host, port, left, local_address, socket_options or ())
        return _Stream(stream, self._under_way)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, under_way: _UnderWay) -> None:
        self._stream = stream
        self._under_way = under_way

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        data = self._stream.read(max_bytes, self._under_way.left(httpcore2.ReadTimeout))
        self._under_way.received += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._under_way.left(httpcore2.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        left = self._under_way.left(httpcore2.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._under_way)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
