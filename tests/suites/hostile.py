"""Services that mean harm, or are broken as if they did: they hang, flood, cut off, lead in circles, never end.

`ANSWERS` are applications that treat every request so. `Turning` is a service that is honest until it turns into one of
them: at once, from some moment on, or for some requests only. So it is not the preflight alone that meets them.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.suites.services import ID, SECRET, publisher_target
from tests.suites.test_intercepted import free_port

from fulfillment_conformance.asgi import lifespan, whole_body
from fulfillment_conformance.certificates import FILE_NAME, CertificateAuthority
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.faults import call_of
from fulfillment_conformance.emulator.silent import SILENT_SERVICES
from fulfillment_conformance.reference_publisher import Patience, ReferencePublisher
from fulfillment_conformance.reference_publisher import Settings as PublisherSettings
from fulfillment_conformance.serving import DropConnection, Serving, serve

MEGABYTE: Final = 1024 * 1024
ANSWERS: Final[dict[str, ASGIApp]] = {}
"""Every hostile way to answer, by its name."""

Speak = Callable[[Scope, Send], Awaitable[None]]
Wanted = Callable[[str, str], bool]
"""Whether a request, by its method and path, is one of those that are treated so."""


def _answer(name: str) -> Callable[[Speak], Speak]:
    def make(speak: Speak) -> Speak:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await lifespan(receive, send)
                return
            await whole_body(receive)
            gone = asyncio.ensure_future(_hung_up(receive))
            speaking = asyncio.ensure_future(speak(scope, send))
            try:
                # What is never at its end ends with whoever listened.
                await asyncio.wait({gone, speaking}, return_when=asyncio.FIRST_COMPLETED)
                if speaking.done():
                    speaking.result()
            finally:
                gone.cancel()
                speaking.cancel()

        ANSWERS[name] = app
        return speak

    return make


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _begin(
    send: Send, status: int = 200, *headers: tuple[bytes, bytes], kind: bytes = b"application/json"
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]})


async def _go_on(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
    await asyncio.sleep(0)  # or it would never be seen that nobody listens any more


@_answer("hangs")
async def _hangs(_: Scope, __: Send) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@_answer("hangs-in-the-middle")
async def _hangs_in_the_middle(_: Scope, send: Send) -> None:
    """Begin an answer, and never end it."""
    await _begin(send)
    await _go_on(send, b'{"id": ')
    await asyncio.Event().wait()


@_answer("drips")
async def _drips(_: Scope, send: Send) -> None:
    """Send a byte ten times a second, for ever."""
    await _begin(send)
    while True:
        await _go_on(send, b" ")
        await asyncio.sleep(0.1)


@_answer("100-megabytes")
async def _huge(_: Scope, send: Send) -> None:
    """Send 100 MB of text, announced."""
    await _begin(send, 200, (b"content-length", str(100 * MEGABYTE).encode()), kind=b"text/html")
    for number in range(100):
        await _go_on(send, b"<p>ever more</p>".ljust(1024) * 1024, more=number < 99)


@_answer("endless")
async def _endless(_: Scope, send: Send) -> None:
    """Send a list without end."""
    await _begin(send)
    await _go_on(send, b'{"subscriptions": [')
    while True:
        await _go_on(send, b'{"id": "x", "planId": "y"}, ' * 4096)


@_answer("long-list")
async def _long_list(_: Scope, send: Send) -> None:
    """Send a list that is right, and as long as may be taken in."""
    body = _list()
    await _begin(send, 200, (b"content-length", str(len(body)).encode()))
    await _go_on(send, body, more=False)


@cache
def _list() -> bytes:
    entry = json.dumps({"id": ID, "name": "x" * 100, "planId": "silver", "saasSubscriptionStatus": "Subscribed"})
    entries = ", ".join([entry] * (3 * MEGABYTE // len(entry)))
    return f'{{"subscriptions": [{entries}]}}'.encode()


@_answer("deep")
async def _deep(_: Scope, send: Send) -> None:
    """Send brackets in brackets, a hundred thousand deep."""
    await _begin(send)
    await _go_on(send, b'{"a":' * 10_000 + b"[" * 100_000, more=False)


@_answer("compression-bomb")
async def _bomb(_: Scope, send: Send) -> None:
    """Send some kilobytes that become 64 megabytes."""
    await _begin(send, 200, (b"content-encoding", b"gzip"))
    await _go_on(send, _bombed(), more=False)


@cache
def _bombed() -> bytes:
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    return b"".join([*(packer.compress(b" " * MEGABYTE) for _ in range(64)), packer.flush()])


@_answer("wrongly-packed")
async def _wrongly_packed(_: Scope, send: Send) -> None:
    """Send half of a compressed text."""
    await _begin(send, 200, (b"content-encoding", b"gzip"))
    await _go_on(send, gzip.compress(b"{}" * 1000)[:20], more=False)


@_answer("cuts-off")
async def _cuts_off(_: Scope, send: Send) -> None:
    """Cut the connection in the middle of the answer."""
    await _begin(send, 200, (b"content-length", b"5000"))
    await _go_on(send, b'{"id": "' + ID.encode())
    raise DropConnection


@_answer("resets")
async def _resets(_: Scope, __: Send) -> None:
    """Cut the connection instead of an answer."""
    raise DropConnection


@_answer("redirects")
async def _redirects(scope: Scope, send: Send) -> None:
    """Lead on for ever, always to another address."""
    number = int(scope["query_string"].rpartition(b"hop=")[2] or 0) if b"hop=" in scope["query_string"] else 0
    where = f"{scope['path']}?hop={number + 1}".encode()
    await _begin(send, 302, (b"location", where), (b"content-length", b"0"))
    await _go_on(send, b"", more=False)


@_answer("not-utf8")
async def _not_utf8(_: Scope, send: Send) -> None:
    """Send JSON in no encoding that JSON may have, and headers likewise."""
    await _begin(send, 200, (b"x-name", b"\xff\xfe\xfd"), (b"operation-location", b"/\xc3\x28"))
    await _go_on(send, b'{"id": "\xff\xfe", "name": "\xc3\x28", "planId": "\xed\xa0\x80"}', more=False)


@_answer("10000-headers")
async def _headers(_: Scope, send: Send) -> None:
    """Set ten thousand headers, small enough to be taken in."""
    await _begin(send, 200, *((b"x%d" % number, b"1") for number in range(10_000)))
    await _go_on(send, b"{}", more=False)


@_answer("10000-cookies")
async def _cookies(_: Scope, send: Send) -> None:
    """Set a thousand cookies, each large."""
    await _begin(send, 200, *((b"set-cookie", b"c%d=%s" % (number, b"v" * 80)) for number in range(900)))
    await _go_on(send, b"{}", more=False)


@_answer("long-header")
async def _long_header(_: Scope, send: Send) -> None:
    """Set a header of ten megabytes."""
    await _begin(send, 200, (b"x-long", b"v" * (10 * MEGABYTE)))
    await _go_on(send, b"{}", more=False)


@_answer("costly-page")
async def _costly_page(_: Scope, send: Send) -> None:
    """Send a page that costs its reader the more the longer it is."""
    await _begin(send, kind=b"text/html")
    await _go_on(send, b"<form>" + b"<!--<a href='" * 50_000, more=False)


@_answer("never-finishes")
async def _never_finishes(scope: Scope, send: Send) -> None:
    """Say of every operation that it goes on."""
    ids = scope["path"].rstrip("/").split("/")
    operation = {"id": ids[-1], "subscriptionId": ids[-3] if len(ids) > 3 else ID, "status": "InProgress"}
    await _begin(send)
    await _go_on(send, json.dumps({"action": "ChangePlan", **operation}).encode(), more=False)


class Turning:
    """An application that treats the requests that are wanted as `hostile` does, once it has been told to turn."""

    def __init__(self, honest: ASGIApp, hostile: ASGIApp, wanted: Wanted, *, after: Wanted | None, times: int) -> None:
        """Turn when `times` requests that `after` wants have been answered; at once where `after` is None."""
        self._honest = honest
        self._hostile = hostile
        self._wanted = wanted
        self._after = after
        self._left = times if after is not None else 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._honest(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if self._left <= 0 and self._wanted(method, path):
            await self._hostile(scope, receive, send)
            return
        await self._honest(scope, receive, send)
        self._left -= self._after is not None and self._after(method, path)


def of_kind(*kinds: str) -> Wanted:
    """Want calls of the Fulfillment API of some kinds, as `faults.call_of` names them."""
    return lambda method, path: call_of(method, path)[0] in kinds


def below(*prefixes: str) -> Wanted:
    """Want what is below one of some paths."""
    return lambda _, path: path.startswith(prefixes)


def is_reset(method: str, path: str) -> bool:
    """Want the control surface's reset, which ends the preflight."""
    return (method, path) == ("POST", "/control/reset")


RESETS_OF_THE_PREFLIGHT: Final = 2


@contextmanager
def marketplace(hostile: ASGIApp, wanted: Wanted, *, at_once: bool = False) -> Iterator[Serving]:
    """Serve an emulator that turns hostile after the preflight."""
    after = None if at_once else is_reset
    app = Turning(Emulator(Settings()).app, hostile, wanted, after=after, times=RESETS_OF_THE_PREFLIGHT)
    with serve(app) as serving:
        yield serving


# --- a publisher ---

TENANT: Final = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
CLIENT: Final = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"


@dataclass(frozen=True)
class Town:
    """Where everybody is when a publisher is judged over real sockets: addresses, and the authority's file."""

    site: str
    api: str
    login: str
    ca_file: Path

    def target(self, *, timeout: float) -> dict[str, Any]:
        """Return the target file; `timeout` is how many seconds any answer is waited for."""
        target = publisher_target(self.site, timeout=timeout)
        target["publisher"]["onboarding"] = [{"submit": "form", "fields": {"contactEmail": "buyer@contoso.example"}}]
        target["publisher"]["reconcile"] = {"post": "/admin/reconcile"}
        target["publisher"]["timeouts"]["effect"] = timeout
        target["marketplace"] |= {"listen": self.api, "tls": "both", "listen_tls": self.login}
        target["marketplace"]["identity"] = {
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret": f"${{{SECRET}}}",
        }
        target["claims"] = {"sells_auto_activation": True, "refused_plans": ["multiyear"]}
        return target


@contextmanager
def publisher(folder: Path, turn: Callable[[ASGIApp, Town], ASGIApp]) -> Iterator[Town]:
    """Serve the reference publisher, turned into something else, for a run whose target file lies in `folder`."""
    keys = folder / ".fulfillment-conformance"
    CertificateAuthority.kept_in(keys)
    own, api, login = (free_port() for _ in range(3))
    town = Town(f"http://127.0.0.1:{own}", f"127.0.0.1:{api}", f"127.0.0.1:{login}", keys / FILE_NAME)
    settings = PublisherSettings(
        tenant_id=TENANT,
        client_id=CLIENT,
        client_secret="local-development-secret",
        api_url=f"http://{town.api}/api",
        login_url=f"https://{town.login}",
        ca_file=town.ca_file,
        public_url=town.site,
        offers=frozenset({"contoso-crm", "contoso-seats"}),
        refused_plans=frozenset({"multiyear"}),
        patience=Patience(request=2.0, pause=0.05, poll=1.0, look_again=(0.0, 0.05, 0.2, 1.0)),
    )
    with serve(turn(ReferencePublisher(settings).app, town), port=own):
        yield town


def turned(hostile: str, *paths: str, at_once: bool = False) -> Callable[[ASGIApp, Town], ASGIApp]:
    """Treat what comes for some paths in a hostile way, after the preflight's two looks."""
    after = None if at_once else below("/")
    return lambda app, _: Turning(app, ANSWERS[hostile], below(*paths), after=after, times=2)


def never_activates(app: ASGIApp, _: Town) -> ASGIApp:
    """Show every page, and never ask Microsoft for anything because of a form."""
    return Turning(
        app,
        SILENT_SERVICES["empty-object"],
        lambda method, path: method == "POST" and path != "/webhook",
        after=None,
        times=0,
    )


def storms(calls: int, *, once: bool) -> Callable[[ASGIApp, Town], ASGIApp]:
    """Make so many calls to the Fulfillment API for a notification: for the first one, or for each."""

    def turn(app: ASGIApp, town: Town) -> ASGIApp:
        left = [1 if once else 10**6]

        async def storming(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/webhook" and scope["method"] == "POST" and left[0]:
                left[0] -= 1
                async with httpx2.AsyncClient(trust_env=False, base_url=f"http://{town.api}") as client:
                    for _ in range(calls):
                        await client.get("/api/saas/subscriptions?api-version=2018-08-31")
            await app(scope, receive, send)

        return storming

    return turn
