import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.intercept.conftest import TENANT, Intercept, Intercepted

from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.intercept import intercepting
from fulfillment_conformance.serving import PortInUse, Serving, serve

KEYS = f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"
HELLO = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def echo(request: Request) -> Response:
    return Response(await request.body())


@pytest.fixture
def elsewhere() -> Iterator[Serving]:
    """Some other service on the network; what a tunnel to it carries is its own business."""
    with serve(Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])) as serving:
        yield serving


def said(proxy: str, request: bytes) -> bytes:
    """Send raw bytes to the proxy, and return everything that comes back before it hangs up."""
    address = httpx2.URL(proxy)
    with socket.create_connection((address.host, address.port or 80), 10) as connection:
        connection.settimeout(10)
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def through(proxy: str, place: str, request: bytes) -> bytes:
    """Open a tunnel, send raw bytes into it, say that this was all, and return what comes out."""
    address = httpx2.URL(proxy)
    with socket.create_connection((address.host, address.port or 80), 10) as connection:
        connection.settimeout(10)
        connection.sendall(f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 200 ")
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


class TestMicrosoft:
    def test_many_requests_go_through_one_tunnel(self, intercepted: Intercepted) -> None:
        with intercepted.client() as client:
            found = {client.get(KEYS).status_code for _ in range(5)}

        assert found == {200}
        assert len(intercepted.reached) == 5
        assert intercepted.told == []

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_both_versions_of_tls_are_spoken(self, intercepted: Intercepted, version: ssl.TLSVersion) -> None:
        tls = intercepted.authority.client_context()
        tls.minimum_version = tls.maximum_version = version
        with intercepted.client(tls) as client:
            assert client.get(KEYS).status_code == 200

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_service_that_does_not_trust_the_authority_is_told_of(
        self, intercepted: Intercepted, version: ssl.TLSVersion
    ) -> None:
        strange = ssl.create_default_context()
        strange.minimum_version = strange.maximum_version = version
        with intercepted.client(strange) as client, pytest.raises(httpx2.ConnectError):
            client.get(KEYS)

        [told] = intercepted.told
        assert told.status is None
        assert told.url == "https://login.microsoftonline.com/"
        assert "the service did not take the certificate of login.microsoftonline.com" in (told.error or "")
        assert "certificate authority" in (told.error or "")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_request_for_microsoft_that_comes_without_a_tunnel_is_served(
        self, intercepted: Intercepted, method: str
    ) -> None:
        head = f"{method} {KEYS} HTTP/1.1\r\nhost: login.microsoftonline.com\r\nconnection: close\r\n"
        answer = said(intercepted.proxy, f"{head}content-length: 2\r\n\r\n{{}}".encode())

        assert answer.startswith(b"HTTP/1.1 200 " if method == "GET" else b"HTTP/1.1 405 ")
        [call] = intercepted.reached
        assert call.url == KEYS

    @pytest.mark.parametrize("place", ["login.microsoftonline.com:80", "login.microsoftonline.com.example:443"])
    def test_only_its_hosts_and_the_port_of_https_are_played(self, intercepted: Intercepted, place: str) -> None:
        assert said(intercepted.proxy, f"CONNECT {place} HTTP/1.1\r\nhost: x\r\n\r\n".encode()).startswith(
            b"HTTP/1.1 403 "
        )


class TestRefusals:
    def test_any_other_host_is_refused_and_told_of(self, intercepted: Intercepted) -> None:
        answer = said(intercepted.proxy, b"CONNECT db.example:8443 HTTP/1.1\r\nhost: db.example\r\n\r\n").decode()

        assert answer.startswith("HTTP/1.1 403 Not in marketplace.intercept.allow\r\n")
        assert "db.example:8443 is neither" in answer
        assert "Add its host to marketplace.intercept.allow" in answer
        [told] = intercepted.told
        assert (told.sender, told.receiver, told.method) == ("publisher", "elsewhere", "CONNECT")
        assert (told.url, told.status, told.purpose) == ("https://db.example:8443/", 403, "host that is not allowed")

    def test_a_client_shows_why(self, intercepted: Intercepted) -> None:
        with intercepted.client() as client, pytest.raises(httpx2.ProxyError, match=r"marketplace\.intercept\.allow"):
            client.get("https://db.example/")

    def test_plain_http_is_refused_likewise(self, intercepted: Intercepted) -> None:
        answer = said(intercepted.proxy, b"GET http://db.example/secrets?x=1 HTTP/1.1\r\nhost: db.example\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 403 ")
        assert [told.url for told in intercepted.told] == ["http://db.example/"]

    @pytest.mark.parametrize(
        "request_",
        [
            HELLO,
            b"\x16\x03\x01 this is TLS\r\n\r\n",
            b"CONNECT login.microsoftonline.com HTTP/1.1\r\nhost: x\r\n\r\n",
            b"CONNECT :443 HTTP/1.1\r\nhost: x\r\n\r\n",
            b"CONNECT a:b HTTP/1.1\r\nhost: x\r\n\r\n",
            b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nhost: x\r\n\r\ntoo early",
            b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        ],
        ids=["origin form", "tls", "no port", "no host", "no number", "too early", "too long"],
    )
    def test_what_is_no_request_to_a_proxy_is_answered_400(self, intercepted: Intercepted, request_: bytes) -> None:
        answer = said(intercepted.proxy, request_)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"fulfillment-conformance: " in answer
        assert intercepted.reached == intercepted.told == []

    def test_it_goes_on_after_a_client_that_hangs_up(self, intercepted: Intercepted) -> None:
        address = httpx2.URL(intercepted.proxy)
        for begun in (b"", b"CONNECT login.", b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nhost: x\r\n\r\n"):
            with socket.create_connection((address.host, address.port or 80), 10) as connection:
                connection.sendall(begun)
        with intercepted.client() as client:
            assert client.get(KEYS).status_code == 200


class TestAllowedHosts:
    def test_a_tunnel_leads_there_and_is_told_of(self, intercept: Intercept, elsewhere: Serving) -> None:
        place = f"localhost:{elsewhere.port}"
        body = b"x" * 1_000_000
        head = f"POST / HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        with intercept(place) as served:
            answer = through(served.proxy, place, head.encode() + body)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(body)
        [told] = served.told
        assert (told.url, told.status, told.purpose) == (f"https://{place}/", 200, "host that is allowed")
        assert served.reached == []

    @pytest.mark.parametrize(
        ("allowed", "asked", "status"),
        [
            ("*.example:9", "api.example:9", 502),
            ("*.example:9", "deep.api.example:9", 502),
            ("*.example:9", "example:9", 403),
            ("*.example", "api.example:9", 403),
            ("API.example:9".lower(), "Api.Example:9", 502),
            ("api.example:9", "another-api.example:9", 403),
        ],
    )
    def test_patterns_mean_what_they_look_like(
        self, intercept: Intercept, monkeypatch: pytest.MonkeyPatch, allowed: str, asked: str, status: int
    ) -> None:
        async def nowhere(*_: object, **__: object) -> None:
            raise OSError("no such host")

        monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", nowhere)
        with intercept(allowed) as served:
            answer = said(served.proxy, f"CONNECT {asked} HTTP/1.1\r\nhost: {asked}\r\n\r\n".encode())

        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        [told] = served.told
        assert told.status == status
        assert status == 403 or "cannot be reached: OSError: no such host" in answer.decode()


class TestServing:
    def test_stopping_ends_open_connections(self, intercept: Intercept, elsewhere: Serving) -> None:
        place = f"localhost:{elsewhere.port}"
        with intercept(place) as served:
            address = httpx2.URL(served.proxy)
            waiting = socket.create_connection((address.host, address.port or 80), 10)
            tunnel = socket.create_connection((address.host, address.port or 80), 10)
            tunnel.sendall(f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n".encode())
            assert tunnel.recv(100).startswith(b"HTTP/1.1 200 ")
        for connection in (waiting, tunnel):
            connection.settimeout(10)
            with connection, suppress(ConnectionResetError):
                assert connection.recv(1) == b""

    def test_a_port_in_use_is_named(self, intercepted: Intercepted) -> None:
        taken = HostAndPort("127.0.0.1", intercepted.serving.port)
        with (
            pytest.raises(PortInUse, match=str(taken)),
            intercepting(
                Starlette(),
                authority=intercepted.authority,
                listen=taken,
                setting="",
                observer=intercepted.at_proxy.append,
                clock=lambda: pytest.fail("nothing happens"),
            ),
        ):
            pass
