from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.exchange import Exchange, Party, header
from fulfillment_conformance.interruptions import CannotArrange
from fulfillment_conformance.serving import Serving, serve
from fulfillment_conformance.stage import browser as module
from fulfillment_conformance.stage.browser import Browser
from fulfillment_conformance.target import BrowserAction

pytestmark = pytest.mark.usefixtures("chromium")

PAGES = {
    "/cleans": """<script src="/early.js"></script><p>Welcome</p>
        <script>history.replaceState(null, "", "/cleans"); new Image().src = "/late.png"</script>""",
    "/shop": """<form method=post action=/bought><input id=name name=name><select id=plan name=plan><option>silver
        <option>gold</select><button disabled>Buy</button></form>
        <script>fetch("/slow").then(() => { document.querySelector("button").disabled = false })</script>""",
    "/dialog": "<p>Hello</p><script>window.ran = 1; alert('ran'); localStorage.secret = 'kept'</script>",
    "/endless": "<p>Hello</p><script>while (true) {}</script>",
    "/asks": "<p>Hello</p><script>while (true) alert('again')</script>",
    "/third": "<p>Hello</p><script>fetch('http://elsewhere.example/collect').catch(() => {})</script>",
}


async def page(request: Request) -> Response:
    return HTMLResponse(PAGES[request.url.path], headers={"referrer-policy": "unsafe-url"})


async def bought(request: Request) -> Response:
    form = await request.form()
    return HTMLResponse(f"<p>{form['name']} has {form['plan']}, {request.cookies.get('who')}</p>")


async def away(_: Request) -> Response:
    return RedirectResponse("http://elsewhere.example/")


async def slow(_: Request) -> Response:
    return JSONResponse({})


async def name(request: Request) -> Response:
    return PlainTextResponse(request.headers["host"])


APP = Starlette(
    routes=[
        *(Route(path, page) for path in PAGES),
        Route("/bought", bought, methods=["POST"]),
        Route("/away", away),
        Route("/slow", slow),
        Route("/name", name),
    ]
)


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    with serve(APP) as serving:
        yield serving


@pytest.fixture(scope="module")
def seen() -> list[Exchange]:
    return []


@pytest.fixture(scope="module")
def browser(chromium: str, site: Serving, seen: list[Exchange]) -> Iterator[Browser]:
    origins: dict[str, Party] = {site.url: "publisher", "http://played.example": "identity"}
    addresses = {"played.example": (site.host, site.port)}
    browser = Browser(origins=origins, addresses=addresses, observer=seen.append, timeout=10)
    yield browser
    browser.close()


def test_it_sees_the_address_bar_and_every_referer(browser: Browser, site: Serving, seen: list[Exchange]) -> None:
    view = browser.visit(f"{site.url}/cleans?token=abc")

    assert view.url == f"{site.url}/cleans"
    assert view.text.strip() == "Welcome"
    assert view.problem == ""
    referers = {each.url.rpartition("/")[2]: header(each.request_headers, "referer") for each in view.exchanges}
    assert referers["early.js"] == f"{site.url}/cleans?token=abc"
    assert referers["late.png"] == f"{site.url}/cleans"
    assert view.document is not None
    assert (view.document.sender, view.document.receiver, view.document.status) == ("buyer", "publisher", 200)
    assert b"Welcome" in view.document.response_body
    assert all(each in seen for each in view.exchanges)


def test_it_does_what_a_buyer_does(browser: Browser, site: Serving) -> None:
    actions = [
        BrowserAction(open="/shop"),
        BrowserAction(fill="#name", text="Adele"),
        BrowserAction(choose="#plan", text="gold"),
        BrowserAction(wait_for="button:enabled"),
        BrowserAction(click="button"),
    ]

    view = browser.visit(f"{site.url}/cleans", actions, cookies={site.url: {"who": "a known buyer"}})

    assert view.text == "Adele has gold, a known buyer"
    assert view.cookies[site.url]["who"] == "a known buyer"
    assert view.document is not None
    assert view.document.method == "POST"
    assert view.document.request_body == b"name=Adele&plan=gold"


def test_it_tells_what_scripts_have_done(browser: Browser, site: Serving) -> None:
    view = browser.visit(f"{site.url}/dialog", evaluate="window.ran")

    assert view.dialogs == ["ran"]
    assert view.found == 1
    assert '"secret":"kept"' in view.stored


def test_each_visit_has_a_window_of_its_own(browser: Browser, site: Serving) -> None:
    assert browser.visit(f"{site.url}/cleans", evaluate="localStorage.secret").found is None


def test_hosts_that_are_played_are_reached_where_they_are(browser: Browser) -> None:
    view = browser.visit("http://played.example/name")

    assert view.text == "played.example"
    assert [each.receiver for each in view.exchanges] == ["identity"]


@pytest.mark.parametrize("path", ["/third", "/away"])
def test_nobody_else_is_reached(browser: Browser, site: Serving, path: str) -> None:
    view = browser.visit(f"{site.url}{path}")

    refused = [each for each in view.exchanges if each.receiver == "elsewhere"]
    assert [(each.status, each.error) for each in refused] == [(None, "net::ERR_NAME_NOT_RESOLVED")]
    assert refused[0].url.startswith("http://elsewhere.example/")
    assert bool(view.problem) == (path == "/away")


def test_what_cannot_be_done_is_told_and_ends_the_actions(chromium: str, site: Serving) -> None:
    browser = Browser(origins={site.url: "publisher"}, addresses={}, observer=lambda _: None, timeout=0.5)
    try:
        view = browser.visit(f"{site.url}/shop", [BrowserAction(click="#nothing"), BrowserAction(open="/dialog")])
    finally:
        browser.close()

    assert "Timeout 500ms exceeded" in view.problem
    assert view.url == f"{site.url}/shop"


@pytest.mark.parametrize("path", ["/endless", "/asks"])
def test_a_page_that_never_comes_to_rest_is_left(chromium: str, site: Serving, path: str) -> None:
    browser = Browser(origins={site.url: "publisher"}, addresses={}, observer=lambda _: None, timeout=1)
    try:
        stuck = browser.visit(f"{site.url}{path}")
        fine = browser.visit(f"{site.url}/dialog")
    finally:
        browser.close()

    assert "Timeout 1000ms exceeded" in stuck.problem
    assert fine.text == "Hello"


def test_a_machine_without_a_browser_is_told_what_to_install(site: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAMS", ("no-such-program",))
    monkeypatch.setattr(module, "CHANNELS", ("no-such-channel",))
    browser = Browser(origins={site.url: "publisher"}, addresses={}, observer=lambda _: None, timeout=1)
    try:
        with pytest.raises(CannotArrange, match=r"publisher\.browser: no Chromium could be started"):
            browser.visit(site.url)
    finally:
        browser.close()
