"""An installed Chromium: it does what a buyer does on pages made by script, and sees what only a browser sees.

Playwright drives it and is the extra `browser`; no browser is ever downloaded. It runs on the loop of the portal, so
any thread may use it. It reaches nobody but the hosts that the run knows: names of all others do not resolve.
"""

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from fulfillment_conformance.exchange import Exchange, Observer, Party
from fulfillment_conformance.http_client import BODY_LIMIT
from fulfillment_conformance.interruptions import CannotArrange
from fulfillment_conformance.serving import Portal, shared_portal
from fulfillment_conformance.target import BrowserAction

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page, Request

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge-stable")
"""What an installed Chromium may be called."""

CHANNELS: Final = ("chrome", "msedge")
"""Browsers that Playwright finds where their installers put them."""

IDLE_SECONDS: Final = 5.0
"""How long a page that never comes to rest is waited for."""

_KEPT: Final = frozenset({"document", "script", "xhr", "fetch"})
"""Kinds of resources whose content belongs to the evidence."""

_STORED: Final = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"


@dataclass(slots=True)
class View:
    """What a browser shows in the end, and what happened on the way.

    Attributes:
        url: what stands in the address bar.
        html: the page as scripts have made it.
        text: what a person reads.
        stored: what scripts can read of storage and cookies, as JSON text.
        dialogs: texts of dialogs that scripts have opened.
        exchanges: every request that the page has caused, in the order in which they ended.
        cookies: origin -> name -> value.
        problem: what could not be done; empty when all was.
    """

    url: str = ""
    html: str = ""
    text: str = ""
    stored: str = ""
    dialogs: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    problem: str = ""
    document: Exchange | None = None
    found: Any = None


class Browser:
    """One browser process, started at first use. Every visit has a window of its own, without history or cookies.

    Args:
        origins: who lives where; `elsewhere` is everybody else.
        addresses: host -> host and port where it is reached instead.
        observer: told of every request of every visit.
        timeout: seconds that one step may take.
        portal: where it runs; the shared one when not given.
    """

    def __init__(
        self,
        *,
        origins: Mapping[str, Party],
        addresses: Mapping[str, tuple[str, int]],
        observer: Observer,
        timeout: float,
        portal: Portal | None = None,
    ) -> None:
        self._origins = origins
        self._addresses = addresses
        self._observer = observer
        self._timeout = timeout * 1000
        self._portal = portal or shared_portal()
        self._started = asyncio.Lock()
        self._playwright: Any = None
        self._browser: Any = None

    def visit(
        self,
        url: str,
        actions: Sequence[BrowserAction] = (),
        *,
        cookies: Mapping[str, Mapping[str, str]] | None = None,
        evaluate: str = "",
    ) -> View:
        """Open an address in a new window, carry out actions there, and return what it shows then.

        Args:
            url: what to open.
            actions: what to do once the page has come to rest.
            cookies: origin -> name -> value: what the window has already.
            evaluate: an expression of JavaScript whose value is to be told in `found`.

        Raises:
            CannotArrange: there is no browser, or nothing to drive it with.
        """
        return self._portal.call(self._visit, url, actions, cookies or {}, evaluate)

    def origins_of(self, party: Party) -> list[str]:
        """Return where somebody lives."""
        return [origin for origin, lives_there in self._origins.items() if lives_there == party]

    def close(self) -> None:
        """End the browser, if it was started."""
        self._portal.call(self._close)

    async def _visit(
        self, url: str, actions: Sequence[BrowserAction], cookies: Mapping[str, Mapping[str, str]], evaluate: str
    ) -> View:
        from playwright.async_api import Error

        browser = await self._running()
        context = await browser.new_context(ignore_https_errors=True, service_workers="block")
        context.set_default_timeout(self._timeout)
        visit = _Visit(context, self)
        try:
            await context.add_cookies(
                [
                    {"name": name, "value": value, "url": origin}
                    for origin, values in cookies.items()
                    for name, value in values.items()
                ]
            )
            page = await visit.window()
            try:
                await visit.go(page, url)
                for action in actions:
                    await visit.act(page, action, url)
            except Error as error:
                visit.view.problem = error.message.partition("\n")[0]
            # A script that never ends lets the page answer nothing.
            with suppress(Error, TimeoutError):
                await asyncio.wait_for(visit.look(page, evaluate), self._timeout / 1000)
        finally:
            await visit.end()
        return visit.view

    async def _running(self) -> Any:
        async with self._started:
            if self._browser is None:
                self._browser = await self._launch()
            return self._browser

    async def _launch(self) -> Any:
        try:
            from playwright.async_api import Error, async_playwright
        except ImportError:
            raise CannotArrange(
                "publisher.browser: nothing to drive a browser with; install fulfillment-conformance[browser]"
            ) from None
        self._playwright = await async_playwright().start()
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        places: list[dict[str, str]] = [{"executable_path": program}] if program else [{"channel": c} for c in CHANNELS]
        for place in places:
            with suppress(Error):
                return await self._playwright.chromium.launch(args=list(self._arguments()), **place)
        raise CannotArrange(
            f"publisher.browser: no Chromium could be started; install one that is called {', '.join(PROGRAMS)}, or "
            "Chrome or Edge where their installers put them"
        )

    def _arguments(self) -> Iterator[str]:
        hosts = {urlsplit(origin).hostname or "" for origin in self._origins}
        rules = [f"MAP {host} {where}:{port}" for host, (where, port) in self._addresses.items()]
        reached = sorted({*hosts, *(where for where, _ in self._addresses.values())} - set(self._addresses) - {""})
        yield "--host-resolver-rules=" + ", ".join(
            [*rules, "MAP * ~NOTFOUND", *(f"EXCLUDE {each}" for each in reached)]
        )
        yield "--disable-quic"

    async def _close(self) -> None:
        if self._browser is not None:
            await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()
        self._browser = self._playwright = None

    def _party(self, url: str) -> Party:
        parts = urlsplit(url)
        return self._origins.get(f"{parts.scheme}://{parts.netloc}", "elsewhere")


class _Visit:
    """One window."""

    def __init__(self, context: "BrowserContext", browser: Browser) -> None:
        self.view = View()
        self._context = context
        self._browser = browser
        self._recording: set[asyncio.Task[None]] = set()

    async def window(self) -> "Page":
        self._context.on("requestfinished", self._done)
        self._context.on("requestfailed", self._done)
        page = await self._context.new_page()
        page.on("dialog", self._dialog)
        return page

    async def go(self, page: "Page", url: str) -> None:
        await page.goto(url, wait_until="load")
        await self._rest(page)

    async def act(self, page: "Page", action: BrowserAction, base: str) -> None:
        """Do one thing, and wait until the page has come to rest."""
        if action.open is not None:
            await self.go(page, urljoin(base, action.open))
        elif action.fill is not None:
            await page.fill(action.fill, action.text or "")
        elif action.choose is not None:
            await page.select_option(action.choose, action.text)
        elif action.wait_for is not None:
            await page.wait_for_selector(action.wait_for)
        elif action.click is not None:
            await page.click(action.click)
            await self._rest(page)

    async def look(self, page: "Page", evaluate: str) -> None:
        view = self.view
        view.url = page.url
        view.html = await page.content()
        view.text = await page.inner_text("body")
        view.stored = await page.evaluate(_STORED)
        view.found = await page.evaluate(evaluate) if evaluate else None
        for cookie in await self._context.cookies():
            for origin in self._browser._origins:
                if urlsplit(origin).hostname == cookie.get("domain", "").lstrip("."):
                    view.cookies.setdefault(origin, {})[cookie.get("name", "")] = cookie.get("value", "")

    async def end(self) -> None:
        await self._context.close()
        await asyncio.gather(*self._recording)

    async def _rest(self, page: "Page") -> None:
        from playwright.async_api import TimeoutError as PlaywrightTimeout

        with suppress(PlaywrightTimeout):
            await page.wait_for_load_state("networkidle", timeout=IDLE_SECONDS * 1000)

    async def _dialog(self, dialog: Any) -> None:
        self.view.dialogs.append(dialog.message)
        await dialog.dismiss()

    def _done(self, request: "Request") -> None:
        task = asyncio.create_task(self._record(request))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _record(self, request: "Request") -> None:
        from playwright.async_api import Error

        exchange = Exchange(
            sender="buyer",
            receiver=self._browser._party(request.url),
            method=request.method,
            url=request.url,
            request_body=request.post_data_buffer or b"",
            error=request.failure,
            purpose=f"browser: {request.resource_type}",
        )
        with suppress(Error):
            exchange.request_headers = _pairs(await request.headers_array())
            response = await request.response()
            if response is not None:
                exchange.status = response.status
                exchange.response_headers = _pairs(await response.headers_array())
                if request.resource_type in _KEPT and not 300 <= response.status < 400:
                    exchange.response_body = (await response.body())[:BODY_LIMIT]
        self._browser._observer(exchange)
        self.view.exchanges.append(exchange)
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self.view.document = exchange


def _pairs(headers: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((header["name"], header["value"]) for header in headers)
