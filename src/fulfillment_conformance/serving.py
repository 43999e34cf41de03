"""ASGI applications on real sockets, for as long as somebody needs them.

Every server of a process runs on the one event loop of a `Portal`, a daemon thread: starting and stopping one costs
about a millisecond, and code that blocks (a test, a command) talks to code that does not through `Portal.call`.
The socket is bound here before the server starts, so that the port is known and nobody can take it in between.
"""

import asyncio
import atexit
import contextlib
import errno
import functools
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.errors import SuiteFault, UsageProblem

P = ParamSpec("P")
T = TypeVar("T")

GRACE_SECONDS = 0.5
"""How long `Serving.stop` waits for answers that are being written, and for the application's own shutdown."""

_KEEP_ALIVE_SECONDS = 75
"""Longer than any client of ours keeps an idle connection, so that none is closed under a request."""


class PortInUse(UsageProblem):
    """Another program listens on the host and port that were asked for."""


class AddressNotUsable(UsageProblem):
    """The host and port cannot be listened on: not an address of this machine, or not allowed."""


Front = Callable[[Callable[[], asyncio.BaseProtocol]], asyncio.BaseProtocol]
"""Makes what meets a new connection first; it is given a maker of the protocol that speaks HTTP for the application."""


class DropConnection(Exception):  # noqa: N818 - it says what is to be done
    """Raised by an application that is being served: the connection is cut, and the request stays unanswered."""


class Portal:
    """An event loop on a daemon thread, and the way to run coroutines there from any other thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servings: set[Serving] = set()
        self._thread = threading.Thread(target=self._run, name="fulfillment-conformance portal", daemon=True)
        self._thread.start()

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a coroutine function on the portal's loop, wait, and return or raise what it did.

        An interrupt of the waiting thread cancels the coroutine.

        Raises:
            RuntimeError: called on the portal's own thread, which would wait for itself, or after `stop`.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("Portal.call would wait for its own thread; await the coroutine instead")
        if self._loop.is_closed():
            raise RuntimeError("the portal has been stopped; make a new one")
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Stop its servers, cancel what still runs, end the thread and close the loop; once more does nothing."""
        if self._loop.is_closed():
            return
        for serving in list(self._servings):
            serving.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        leftovers = asyncio.all_tasks(self._loop)
        for task in leftovers:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())


@functools.cache
def shared_portal() -> Portal:
    """Return the portal of this process, started on first use and stopped when the process ends."""
    portal = Portal()
    atexit.register(portal.stop)
    return portal


class Serving:
    """One application being served; made by `serve`, ended by `stop` or by leaving the `with` block."""

    def __init__(self, portal: Portal, server: "_Server", *, host: str, port: int, scheme: str) -> None:
        self._portal = portal
        self._server = server
        portal._servings.add(self)
        self.host = host
        self.port = port
        self.url = f"{scheme}://{_in_url(_reachable(host))}:{port}"
        """Base address without a trailing slash, for clients on this machine."""

    @property
    def app(self) -> ASGIApp:
        """The application."""
        return self._server.app

    @property
    def is_up(self) -> bool:
        """Whether it still serves."""
        return self in self._portal._servings

    def begin(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a coroutine function on the server's event loop, as one more request to it, and do not wait for it."""
        self._portal._loop.call_soon_threadsafe(self._server.begin, function)

    def stop(self) -> None:
        """Close the port, give answers that are being written `GRACE_SECONDS`, and end; once more does nothing."""
        if self.is_up:
            self._portal._servings.discard(self)
            self._portal.call(self._server.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    front: Front | None = None,
    portal: Portal | None = None,
) -> Serving:
    """Serve an ASGI 3 application until `stop`; its lifespan has started when this returns.

    Args:
        app: the application; it has to answer the `lifespan` scope, as Starlette's does.
        host: address to listen on.
        port: 0 picks a free one.
        tls: serve https with this context.
        front: what meets new connections, instead of HTTP at once; it has to close those that it keeps.
        portal: where to run; the shared one when not given.

    Raises:
        PortInUse: somebody else listens there.
        AddressNotUsable: host and port cannot be listened on by this process.
        SuiteFault: the application's lifespan failed.
    """
    portal = portal or shared_portal()
    listener = _listen(host, port)
    server = _Server(app, listener, tls, front)
    try:
        portal.call(server.start)
    except BaseException:
        listener.close()
        raise
    return Serving(portal, server, host=host, port=listener.getsockname()[1], scheme="https" if tls else "http")


def serve_until_signal(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    announce: Callable[[Serving], None],
) -> signal.Signals:
    """Serve in the foreground until Ctrl-C or a termination signal, then stop cleanly and return that signal.

    Args:
        app: as for `serve`.
        host: as for `serve`.
        port: as for `serve`.
        tls: as for `serve`.
        announce: called once, when requests are answered; prints where.

    Must run on the main thread, as Python delivers signals only there. Raises what `serve` raises.
    """
    received: list[signal.Signals] = []
    stopped = threading.Event()

    def note(number: int, _frame: object) -> None:
        received.append(signal.Signals(number))
        stopped.set()

    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Windows' own
    before = {number: signal.signal(number, note) for name in names if (number := getattr(signal, name, None))}
    try:
        with serve(app, host=host, port=port, tls=tls) as serving:
            announce(serving)
            while not stopped.wait(0.5):  # bounded: on Windows a signal does not interrupt an endless wait
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return received[0]


class _Server:
    """uvicorn without its main loop, whose fixed sleeps would cost 200 ms per stop. Used on the portal's loop only."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None, front: Front | None = None
    ) -> None:
        self.app = app
        self._listener = listener
        self._stopping = False
        config = uvicorn.Config(
            self._guarded,
            interface="asgi3",
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        config.load()
        config.ssl = tls
        if front is not None:
            http: Callable[..., asyncio.BaseProtocol] = config.http_protocol_class
            config.http_protocol_class = lambda **parts: front(functools.partial(http, **parts))  # type: ignore[assignment]
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)

    async def start(self) -> None:
        try:
            await self._uvicorn.startup(sockets=[self._listener])
        except SystemExit:
            raise SuiteFault(
                "the application did not start: its lifespan failed, see the log of 'uvicorn.error'"
            ) from None
        await self._uvicorn.on_tick(0)
        self._clock = asyncio.create_task(self._keep_date_header())

    def begin(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        tasks = self._uvicorn.server_state.tasks
        task = asyncio.get_running_loop().create_task(function())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def stop(self) -> None:
        self._stopping = True
        self._clock.cancel()
        state = self._uvicorn.server_state
        for server in self._uvicorn.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
            if connection.transport.is_closing() and not _unsent(connection.transport):
                connection.transport.abort()  # idle; over TLS a mere close would wait for the other side
        await self._let_connections_know()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered(), GRACE_SECONDS)
        for connection in list(state.connections):
            connection.transport.abort()
        await self._let_connections_know()
        hanging = list(state.tasks)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._uvicorn.lifespan.shutdown(), GRACE_SECONDS)

    async def _answered(self) -> None:
        state = self._uvicorn.server_state
        while state.tasks or state.connections:
            await asyncio.sleep(0.002)

    async def _let_connections_know(self) -> None:
        """Let those that were aborted learn it, before their tasks end without an answer and complain in the log."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; a request dropped, or abandoned by `stop`, ends quietly: it is no error for the log."""
        try:
            await self.app(scope, receive, send)
        except DropConnection:
            for connection in list(self._uvicorn.server_state.connections):
                if getattr(connection, "scope", None) is scope:
                    connection.transport.abort()
            await self._let_connections_know()
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def _keep_date_header(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self._uvicorn.on_tick(0)


def _listen(host: str, port: int) -> socket.socket:
    place = f"{_in_url(host)}:{port}"
    advice = "use an address of this machine such as 127.0.0.1, and a port from 1024 to 65535, or 0 for any free one"
    if not 0 <= port <= 65535:
        raise AddressNotUsable(f"cannot listen on {place}: no such port; {advice}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"{place} is in use by another program; stop that program, choose another port, or 0 for any free one"
            ) from None
        raise AddressNotUsable(f"cannot listen on {place}: {error}; {advice}") from None
    # asyncio spares connections Nagle's delay only if their socket names TCP as its protocol, which `create_server`
    # leaves out; without this every answer in two pieces costs 40 ms. Accepted connections inherit the option.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener


def _unsent(transport: asyncio.Transport) -> int:
    try:
        return transport.get_write_buffer_size()
    except AttributeError:  # a TLS transport of Python 3.11 that has already let go of its protocol
        return 0


def _reachable(host: str) -> str:
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
