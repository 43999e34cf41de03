import asyncio
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from itertools import pairwise

import httpx2
import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.errors import SuiteFault, UsageProblem
from fulfillment_conformance.serving import (
    GRACE_SECONDS,
    AddressNotUsable,
    DropConnection,
    Portal,
    PortInUse,
    Serving,
    serve,
    serve_until_signal,
    shared_portal,
)


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello from {request.url}")


APP = Starlette(routes=[Route("/hello", hello)])


@pytest.fixture
def portal() -> Iterator[Portal]:
    with Portal() as portal:
        yield portal


class TestPortal:
    def test_call_returns_what_the_coroutine_returns(self, portal: Portal) -> None:
        async def where(number: int, *, unit: str) -> tuple[str, str]:
            return threading.current_thread().name, f"{number} {unit}"

        thread, text = portal.call(where, 3, unit="plans")

        assert text == "3 plans"
        assert thread != threading.current_thread().name

    def test_call_raises_what_the_coroutine_raises(self, portal: Portal) -> None:
        async def refuse() -> None:
            raise KeyError("gold")

        with pytest.raises(KeyError, match="gold"):
            portal.call(refuse)

    def test_calls_from_several_threads_run_side_by_side(self, portal: Portal) -> None:
        async def make() -> asyncio.Barrier:
            return asyncio.Barrier(3)

        barrier = portal.call(make)

        async def meet() -> None:
            async with asyncio.timeout(5):
                await barrier.wait()

        threads = [threading.Thread(target=portal.call, args=(meet,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        portal.call(meet)
        for thread in threads:
            thread.join()

    def test_call_on_its_own_thread_is_refused_instead_of_hanging(self, portal: Portal) -> None:
        async def nothing() -> None:
            return None

        async def outer() -> None:
            portal.call(nothing)

        with pytest.raises(RuntimeError, match="own thread"):
            portal.call(outer)

    def test_stop_cancels_what_still_runs_and_may_be_repeated(self) -> None:
        portal = Portal()
        ended: list[str] = []

        async def leave_a_task_behind() -> asyncio.Task[None]:
            async def forever() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append("cancelled")

            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            return task

        portal.call(leave_a_task_behind)
        portal.stop()
        portal.stop()

        assert ended == ["cancelled"]

    def test_call_after_stop_is_refused(self) -> None:
        portal = Portal()
        portal.stop()

        async def nothing() -> None:
            return None

        with pytest.raises(RuntimeError, match="stopped"):
            portal.call(nothing)

    def test_the_shared_portal_is_one(self) -> None:
        assert shared_portal() is shared_portal()


class TestServe:
    def test_answers_at_its_url_and_no_longer_after_stop(self) -> None:
        with serve(APP) as serving, httpx2.Client(trust_env=False) as client:
            assert serving.url == f"http://127.0.0.1:{serving.port}"
            assert client.get(f"{serving.url}/hello").text == f"hello from {serving.url}/hello"

        with httpx2.Client(trust_env=False) as client, pytest.raises(httpx2.ConnectError):
            client.get(f"{serving.url}/hello")

    def test_answers_carry_the_time_and_not_the_name_of_the_server(self) -> None:
        with serve(APP) as serving:
            answer = httpx2.get(f"{serving.url}/hello", trust_env=False)

        assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 5
        assert "server" not in answer.headers

    def test_serves_https(self) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)

        with serve(APP, tls=context) as serving, httpx2.Client(verify=trusting, trust_env=False) as client:
            assert serving.url.startswith("https://")
            assert client.get(f"{serving.url}/hello").status_code == 200

    def test_several_servers_share_a_portal(self) -> None:
        with serve(APP) as first, serve(APP) as second:
            assert first.port != second.port
            assert httpx2.get(f"{first.url}/hello", trust_env=False).status_code == 200
            assert httpx2.get(f"{second.url}/hello", trust_env=False).status_code == 200

    def test_lifespan_runs_around_the_requests(self) -> None:
        events: list[str] = []

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            events.append("up")
            yield
            events.append("down")

        with serve(Starlette(lifespan=lifespan)):
            assert events == ["up"]
        assert events == ["up", "down"]

    def test_a_lifespan_that_fails_is_the_suites_fault_and_frees_the_port(self) -> None:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            if port:
                raise ValueError("no offers")
            yield

        with serve(APP) as probe:
            port = probe.port
        with pytest.raises(SuiteFault, match="lifespan"):
            serve(Starlette(lifespan=lifespan), port=port)
        with serve(APP, port=port) as serving:
            assert serving.port == port

    def test_a_port_in_use_is_named_with_the_next_step(self) -> None:
        with serve(APP) as serving, pytest.raises(PortInUse, match=f"127.0.0.1:{serving.port} .*choose another port"):
            serve(APP, port=serving.port)
        assert issubclass(PortInUse, UsageProblem)

    @pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70000)])
    def test_an_address_that_cannot_be_used_is_named(self, host: str, port: int) -> None:
        with pytest.raises(AddressNotUsable, match=f"{host}:{port}"):
            serve(APP, host=host, port=port)

    def test_the_url_of_a_server_on_all_interfaces_is_one_that_clients_can_use(self) -> None:
        with serve(APP, host="0.0.0.0") as serving:
            assert httpx2.get(f"{serving.url}/hello", trust_env=False).status_code == 200

    @pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
    def test_serves_on_ipv6(self) -> None:
        try:
            serving = serve(APP, host="::1")
        except AddressNotUsable:
            pytest.skip("no IPv6 loopback on this machine")
        with serving:
            assert serving.url == f"http://[::1]:{serving.port}"
            assert httpx2.get(f"{serving.url}/hello", trust_env=False).status_code == 200

    def test_stop_lets_an_answer_finish(self) -> None:
        started = threading.Event()

        async def slow(_request: Request) -> Response:
            started.set()
            await asyncio.sleep(0.1)
            return PlainTextResponse("finished")

        serving = serve(Starlette(routes=[Route("/", slow)]))
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(httpx2.get(serving.url, trust_env=False).text))
        asking.start()
        assert started.wait(5)
        serving.stop()
        asking.join()

        assert answers == ["finished"]

    @pytest.mark.parametrize("encrypted", [False, True])
    def test_stop_lets_a_long_answer_reach_a_slow_reader(self, encrypted: bool) -> None:
        authority = CertificateAuthority()
        sent = threading.Event()

        async def long(_request: Request) -> Response:
            sent.set()
            return PlainTextResponse("x" * 8_000_000)

        tls = authority.server_context("127.0.0.1") if encrypted else None
        serving = serve(Starlette(routes=[Route("/", long)]), tls=tls)
        with socket.create_connection(("127.0.0.1", serving.port)) as plain:
            trusting = authority.client_context()
            line = trusting.wrap_socket(plain, server_hostname="127.0.0.1") if encrypted else plain
            line.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert sent.wait(5)
            stopping = threading.Thread(target=serving.stop)
            stopping.start()
            received = 0
            while part := line.recv(1 << 20):
                received += len(part)
            line.close()
        stopping.join()

        assert received > 8_000_000

    def test_stop_abandons_a_hanging_request_without_noise(self, caplog: pytest.LogCaptureFixture) -> None:
        started = threading.Event()

        async def hang(_request: Request) -> Response:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

        serving = serve(Starlette(routes=[Route("/", hang)]))
        errors: list[Exception] = []

        def ask() -> None:
            try:
                httpx2.get(serving.url, trust_env=False, timeout=10)
            except httpx2.TransportError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert started.wait(5)
        with caplog.at_level(logging.WARNING):
            serving.stop()
        asking.join()

        assert len(errors) == 1
        assert caplog.records == []

    def test_a_dropped_connection_gives_no_answer_and_makes_no_noise(self, caplog: pytest.LogCaptureFixture) -> None:
        async def drop(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await APP(scope, receive, send)
            elif scope["path"] == "/drop":
                raise DropConnection
            else:
                await APP(scope, receive, send)

        with (
            caplog.at_level(logging.WARNING),
            serve(drop) as serving,
            httpx2.Client(trust_env=False) as client,
        ):
            client.get(f"{serving.url}/hello")
            with pytest.raises(httpx2.TransportError):
                client.get(f"{serving.url}/drop")
            assert client.get(f"{serving.url}/hello").status_code == 200

        assert caplog.records == []

    def test_stop_is_fast_with_idle_connections_open(self) -> None:
        times: list[float] = []
        for _ in range(5):
            serving = serve(APP)
            with httpx2.Client(trust_env=False) as client:
                client.get(f"{serving.url}/hello")
                before = time.perf_counter()
                serving.stop()
                serving.stop()
                times.append(time.perf_counter() - before)

        assert min(times) < GRACE_SECONDS, "it waited for connections that say nothing any more"

    def test_the_port_can_be_listened_on_again_at_once(self) -> None:
        with serve(APP) as first, httpx2.Client(trust_env=False) as client:
            client.get(f"{first.url}/hello")
            port = first.port
        with serve(APP, port=port) as second:
            assert httpx2.get(f"{second.url}/hello", trust_env=False).status_code == 200

    def test_ports_are_never_shared_by_servers_started_at_once(self) -> None:
        servings: list[Serving] = []
        threads = [threading.Thread(target=lambda: servings.append(serve(APP))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ports = sorted(serving.port for serving in servings)
        for serving in servings:
            serving.stop()

        assert len(ports) == 8
        assert all(one != other for one, other in pairwise(ports))


class TestFront:
    def test_it_meets_each_connection_and_may_leave_it_to_the_application(self, portal: Portal) -> None:
        met: list[asyncio.BaseProtocol] = []

        def front(http: Callable[[], asyncio.BaseProtocol]) -> asyncio.BaseProtocol:
            met.append(http())
            return met[-1]

        with serve(APP, front=front, portal=portal) as serving:
            for _ in range(2):
                with httpx2.Client(trust_env=False) as client:
                    assert client.get(f"{serving.url}/hello").status_code == 200

        assert len(met) == 2

    def test_it_may_keep_a_connection_for_itself(self, portal: Portal) -> None:
        class Refusal(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                transport.write(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                transport.close()

        with serve(APP, front=lambda _http: Refusal(), portal=portal) as serving:
            assert httpx2.get(f"{serving.url}/hello", trust_env=False).status_code == 403


class TestServeUntilSignal:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these to itself one by one")
    def test_ends_on_a_signal_and_restores_the_handlers(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        seen: list[int] = []

        def announce(serving: Serving) -> None:
            seen.append(httpx2.get(f"{serving.url}/hello", trust_env=False).status_code)
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()

        assert serve_until_signal(APP, announce=announce) is number
        assert seen == [200]
        assert signal.getsignal(number) is before

    def test_an_exception_while_announcing_stops_the_server(self) -> None:
        ports: list[int] = []

        def announce(serving: Serving) -> None:
            ports.append(serving.port)
            raise RuntimeError("terminal gone")

        with pytest.raises(RuntimeError, match="terminal gone"):
            serve_until_signal(APP, announce=announce)
        with serve(APP, port=ports[0]) as again:
            assert again.port == ports[0]


def test_a_process_that_forgets_to_stop_ends_without_a_warning() -> None:
    script = (
        "from starlette.applications import Starlette\n"
        "from fulfillment_conformance.serving import serve\n"
        "serving = serve(Starlette())\n"
        "print(serving.port > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")
