"""The CONNECT proxy: tunnels to Microsoft's hosts end in the emulator, those to allowed hosts where they lead.

Requests are read by h11. A tunnel to Microsoft is met with TLS and a certificate for that host, and what comes out of
it is served as any other connection. Everything else is refused, and told to an observer.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, cast
from urllib.parse import urlsplit

import h11
from starlette.types import ASGIApp

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.exchange import Exchange, Observer, Party
from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.intercept.hosts import MICROSOFT, MicrosoftHosts
from fulfillment_conformance.serving import Portal, Serving, serve, shared_portal

HEAD_LIMIT: Final = 16 * 1024
"""Bytes that the head of a request to the proxy may have."""

HEAD_SECONDS: Final = 30.0
"""How long a connection may stay open without having said where it wants to go."""

CONNECT_SECONDS: Final = 10.0
"""How long connecting to an allowed host may take."""

HANDSHAKE_SECONDS: Final = 30.0
"""How long the service may take for its side of the TLS handshake."""


@contextmanager
def intercepting(
    app: ASGIApp,
    *,
    authority: CertificateAuthority,
    listen: HostAndPort,
    allow: Sequence[str] = (),
    setting: str,
    observer: Observer,
    clock: Callable[[], datetime],
    portal: Portal | None = None,
) -> Iterator[Serving]:
    """Serve a proxy that answers for Microsoft's hosts for as long as the block runs.

    Args:
        app: the emulator's application.
        authority: signs the certificate that the hosts show; the service has to trust it.
        listen: host and port of the proxy.
        allow: other hosts that may be reached: `host`, `host:port`, or `*.domain` for every host below it.
        setting: what a refused service's owner is told to add the host to.
        observer: told of what is refused, of tunnels to allowed hosts, and of TLS handshakes that failed.
        clock: the marketplace's time.
        portal: where to run; the shared one when not given.

    Raises:
        PortInUse: somebody else listens there.
        AddressNotUsable: host and port cannot be listened on by this process.
    """
    portal = portal or shared_portal()
    proxy = _Proxy(authority.server_context(*MICROSOFT), allow, setting, observer, clock)
    hosts = MicrosoftHosts(app, observer=observer, clock=clock)
    with serve(hosts, host=listen.host, port=listen.port, front=proxy.meet, portal=portal) as serving:
        try:
            yield serving
        finally:
            portal.call(proxy.close)


class _Proxy:
    """What the connections of one proxy share. Used on the portal's loop only."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        allow: Sequence[str],
        setting: str,
        observer: Observer,
        clock: Callable[[], datetime],
    ) -> None:
        self.tls = tls
        self.setting = setting
        self._allow = [_place(entry) for entry in allow]
        self._observer = observer
        self._clock = clock
        self._open: set[asyncio.BaseTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def meet(self, http: Callable[[], asyncio.BaseProtocol]) -> asyncio.BaseProtocol:
        return _Reception(self, http)

    def allows(self, host: str, port: int) -> bool:
        return any(
            port == wanted_port and (host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted)
            for wanted, wanted_port in self._allow
        )

    def keep(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(transport)

    def forget(self, transport: asyncio.BaseTransport) -> None:
        self._open.discard(transport)

    def run(self, work: asyncio.Task[None]) -> None:
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def tell(
        self, method: str, url: str, *, to: Party, purpose: str, status: int | None = None, error: str | None = None
    ) -> None:
        self._observer(
            Exchange(
                sender="publisher",
                receiver=to,
                method=method,
                url=url,
                status=status,
                error=error,
                purpose=purpose,
                virtual_at=self._clock(),
            )
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self._open):
            cast("asyncio.Transport", transport).abort()


class _Reception(asyncio.Protocol):
    """A connection that has not said yet where it wants to go."""

    def __init__(self, proxy: _Proxy, http: Callable[[], asyncio.BaseProtocol]) -> None:
        self._proxy = proxy
        self._http = http
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._said = b""
        self._encrypted = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._proxy.keep(transport)
        self._patience = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the way it ended does not matter
        self._patience.cancel()
        self._proxy.forget(self._transport)

    def data_received(self, data: bytes) -> None:
        self._said += data
        if self._encrypted:  # arrived between the end of the handshake and the handing over
            return
        try:
            self._parser.receive_data(data)
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(400, "Bad Request", f"This is a proxy, and that was no request to one: {error}.")
            return
        if isinstance(event, h11.Request):
            self._patience.cancel()
            self._transport.pause_reading()
            self._decide(event.method.decode("ascii"), event.target.decode("latin-1"))

    def _decide(self, method: str, target: str) -> None:
        if method != "CONNECT":
            self._answer_plainly(method, target)
            return
        place = _authority(target)
        if place is None:
            self._refuse(400, "Bad Request", f"CONNECT {target}: expected a host and a port.")
            return
        host, port = place
        if self._parser.trailing_data[0]:
            self._refuse(400, "Bad Request", "Wait for the answer to CONNECT before speaking to the host.")
        elif host in MICROSOFT and port == 443:
            self._established()
            self._proxy.run(asyncio.create_task(self._become_microsoft(host)))
        elif self._proxy.allows(host, port):
            self._proxy.run(asyncio.create_task(self._become_tunnel(host, port)))
        else:
            self._refuse_host(method, f"https://{_shown(host, port)}/", _shown(host, port))

    def _answer_plainly(self, method: str, target: str) -> None:
        """Serve a request for an https address that came without a tunnel: axios before May 2026 makes such ones."""
        parts = urlsplit(target)
        if parts.scheme == "https" and parts.netloc.lower().removesuffix(":443") in MICROSOFT:
            self._hand_over(self._transport)
            self._transport.resume_reading()
        elif parts.scheme and parts.netloc:
            self._refuse_host(method, f"{parts.scheme}://{parts.netloc}/", f"{parts.scheme}://{parts.netloc}")
        else:
            self._refuse(400, "Bad Request", "This is a proxy, for HTTPS_PROXY; the emulator is elsewhere.")

    def _hand_over(self, transport: asyncio.Transport) -> None:
        """Let the application's HTTP have a connection from now on, and what has been said on it."""
        self._proxy.forget(self._transport)
        protocol = cast("asyncio.Protocol", self._http())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._said:
            protocol.data_received(self._said)

    async def _become_microsoft(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        self._said, self._encrypted = b"", True
        try:
            inner = await loop.start_tls(
                self._transport, self, self._proxy.tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, ssl.SSLError) as error:
            self._proxy.forget(self._transport)
            self._proxy.tell(
                "CONNECT",
                f"https://{host}/",
                to="elsewhere",
                purpose="TLS handshake of the service",
                error=f"{type(error).__name__}: the service did not take the certificate of {host}; it has to trust "
                f"the suite's certificate authority ({_reason(error)})",
            )
            return
        if inner is not None and not inner.is_closing():
            self._hand_over(inner)

    async def _become_tunnel(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        relay = _Relay(self._proxy)
        address = f"https://{_shown(host, port)}/"
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                beyond, _ = await loop.create_connection(lambda: relay, host, port)
        except OSError as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._proxy.tell("CONNECT", address, to="elsewhere", purpose="host that is allowed", status=502, error=said)
            self._refuse(502, "Bad Gateway", f"{_shown(host, port)} is allowed, and cannot be reached: {said}.")
            return
        self._proxy.tell("CONNECT", address, to="elsewhere", purpose="host that is allowed", status=200)
        other = _Relay(self._proxy)
        relay.other, other.other = self._transport, beyond
        self._established()
        self._transport.set_protocol(other)
        self._transport.resume_reading()

    def _established(self) -> None:
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def _refuse_host(self, method: str, address: str, shown: str) -> None:
        self._proxy.tell(method, address, to="elsewhere", purpose="host that is not allowed", status=403)
        self._refuse(
            403,
            f"Not in {self._proxy.setting}",
            f"{shown} is neither an address of Microsoft's that is played here nor allowed. Add its host to "
            f"{self._proxy.setting}; or to NO_PROXY of the service, if it should be reached directly.",
        )

    def _refuse(self, status: int, reason: str, text: str) -> None:
        body = f"fulfillment-conformance: {text}\n".encode()
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1", "replace") + body)
        self._transport.close()


class _Relay(asyncio.Protocol):
    """One end of a tunnel: what arrives at it is written to the other."""

    other: asyncio.Transport

    def __init__(self, proxy: _Proxy) -> None:
        self._proxy = proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._proxy.keep(transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def eof_received(self) -> bool:
        if self.other.can_write_eof() and not self.other.is_closing():
            self.other.write_eof()
        return True

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the way it ended does not matter
        self.other.close()


def _place(entry: str) -> tuple[str, int]:
    host, _, port = entry.lower().partition(":")
    return host, int(port or 443)


def _authority(target: str) -> tuple[str, int] | None:
    """Return host, in lower case, and port that CONNECT names."""
    try:
        parts = urlsplit(f"//{target}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port) if host and port else None


def _shown(host: str, port: int) -> str:
    named = f"[{host}]" if ":" in host else host
    return named if port == 443 else f"{named}:{port}"


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error) or "the connection ended"
