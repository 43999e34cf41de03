"""A transport that keeps a whole exchange to one deadline.

Time-outs of HTTP libraries start anew with every piece that arrives, so a server that sends one byte a second holds its
caller for hours. Here whatever is read or written for an exchange gets only the time that is left of it.
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


class DeadlineTransport(httpx2.BaseTransport):
    """Sends requests over pooled connections. The `read` time-out of a request is the limit of its whole exchange."""

    def __init__(self, tls: ssl.SSLContext, addresses: Mapping[str, tuple[str, int]] | None = None) -> None:
        """Connect with `tls`; `addresses` says for host names where they are, instead of the machine's resolver."""
        self._deadline = _Deadline()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, keepalive_expiry=_IDLE_SECONDS, network_backend=_Backend(self._deadline, addresses or {})
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its response, whose body is still to be read, by the same thread.

        Raises:
            httpcore2.TimeoutException: the time is over.
            httpcore2.NetworkError: the connection failed.
            httpcore2.ProtocolError: this is not HTTP.
        """
        assert isinstance(request.stream, httpx2.SyncByteStream)
        self._deadline.at = time.monotonic() + request.extensions["timeout"]["read"]
        address = request.url
        response = self._pool.handle_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(
                    scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Deadline(threading.local):
    """When the exchange of this thread has to end, by the monotonic clock."""

    at = 0.0

    def left(self, late: type[httpcore2.TimeoutException]) -> float:
        """Return the seconds that are left; raises `late` when none are."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise late("the time for the whole exchange is over")
        return seconds


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, deadline: _Deadline, addresses: Mapping[str, tuple[str, int]]) -> None:
        self._deadline = deadline
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
        left = self._deadline.left(httpcore2.ConnectTimeout)
        # Only where the connection goes is replaced: name in the certificate and Host header are the URL's.
        host, port = self._addresses.get(host.lower(), (host, port))
        stream = self._sockets.connect_tcp(host, port, left, local_address, socket_options or ())
        return _Stream(stream, self._deadline)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left(httpcore2.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        left = self._deadline.left(httpcore2.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
