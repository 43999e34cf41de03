"""A buyer with a browser: opens a page, follows redirects, fills in a form, signs in with Entra.

Only addresses that the target file names, and the emulator's own, are ever opened; a page that leads elsewhere is
looked at no further.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.stage.browser import Browser, View
from fulfillment_conformance.target import BrowserAction

FORM = "application/x-www-form-urlencoded"

REDIRECTS = 20
"""How many redirects a browser follows before it calls them a loop."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

READING_SECONDS = 3.0
"""Seconds of this machine's work that a page may cost."""

MOST_COOKIES = 180
LONGEST_COOKIE = 4096
"""How many cookies of an origin a browser keeps, and how many characters one may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a browser sends next."""

    method: str
    url: str
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None


class _TooLong(Exception):  # noqa: N818 - says what is so
    """Reading a page has taken too long."""


class _Hasty(BeautifulSoup):
    """Reads a page in bounded time: what malformed text costs Python's parser grows with the square of its length."""

    def __init__(self, markup: str, features: str) -> None:
        self._until = time.thread_time() + READING_SECONDS
        super().__init__(markup, features)

    def handle_data(self, data: str) -> None:
        """Take in a text."""
        if time.thread_time() > self._until:
            raise _TooLong
        super().handle_data(data)

    def handle_starttag(self, *given: Any, **named: Any) -> Tag | None:
        """Take in a tag."""
        if time.thread_time() > self._until:
            raise _TooLong
        return super().handle_starttag(*given, **named)


@dataclass(slots=True)
class Page:
    """What the browser shows: the last answer, its address, and the way there.

    `elsewhere` says where the way leads on to if that is not to be opened: the page that a buyer sees in the end has
    then not been seen.
    """

    answer: Answer
    url: str
    way: list[Exchange] = field(default_factory=list)
    problem: str = ""
    elsewhere: str = ""
    _tree: BeautifulSoup | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def tree(self) -> BeautifulSoup:
        """The page as a browser parses it; an empty one where that cannot be done in `READING_SECONDS`."""
        if self._tree is None:
            try:
                self._tree = _Hasty(self.answer.text, "html.parser")
            except _TooLong:
                self.problem = self.problem or f"the page cannot be read within {READING_SECONDS:g} s"
                self._tree = BeautifulSoup("", "html.parser")
        return self._tree

    @property
    def text(self) -> str:
        """The visible text."""
        return self.tree.get_text(" ", strip=True)

    @property
    def html(self) -> str:
        """The page as it was sent."""
        return self.answer.text

    @property
    def opened(self) -> bool:
        """Whether there is a page to look at: an answer that is neither an error nor a redirect."""
        return self.answer.is_success

    @property
    def scripted(self) -> bool:
        """Whether scripts may make something else of the page than was sent; data in a `script` element is none."""
        kinds = [str(element.get("type") or "module").lower() for element in self.tree.select("script")]
        return any(kind == "module" or "script" in kind for kind in kinds) or "onload=" in self.html

    def shows(self, text: str) -> bool:
        """Whether a person finds a text on the page, written out or filled into a field."""
        filled = " ".join(str(element.get("value") or "") for element in self.tree.select("input, option, textarea"))
        return text.casefold() in f"{self.text} {filled}".casefold()


class Buyer:
    """One browser session with its cookies; `sign_in_as` decides which account Entra finds signed in."""

    def __init__(
        self,
        http: HttpClient,
        *,
        party_of: Callable[[str], Party | None],
        browser: Browser | None = None,
        account: str | None = "buyer",
        account_cookie: str = "emulator_account",
    ) -> None:
        """Use `http`; `party_of` says who lives at an origin, None for addresses that must not be opened.

        `browser` is used where a page is to be looked at as it is made by its scripts.
        """
        self._http = http
        self._browser = browser
        self._party_of = party_of
        self._jar: dict[str, dict[str, str]] = {}
        self._account = account
        self._account_cookie = account_cookie
        self.page: Page | None = None
        self.history: list[Exchange] = []
        """Everything that this browser has sent, with the answers."""
        self._held: Request | None = None

    def fresh(self, account: str | None = "buyer") -> "Buyer":
        """Return a browser without cookies on the same machine, signed in at Entra as one of the emulator's users."""
        return Buyer(
            self._http,
            party_of=self._party_of,
            browser=self._browser,
            account=account,
            account_cookie=self._account_cookie,
        )

    def another_tab(self) -> "Buyer":
        """Return a second tab of this browser, with the same cookies, that shows the same page."""
        tab = self.fresh(self._account)
        tab._jar, tab.page, tab.history = self._jar, self.page, self.history
        return tab

    def sign_in_as(self, account: str | None) -> None:
        """Be signed in at Entra as one of the emulator's users from now on, or as nobody."""
        self._account = account

    def open(self, url: str, purpose: str = "open page") -> Page:
        """Open an address as a browser tab does, and return the page it ends on."""
        return self._go(Request("GET", url), purpose)

    def open_until_signed_in(self, url: str, purpose: str = "open page") -> Request | None:
        """Open an address, sign in at Entra, and stop before the browser brings Entra's answer back to the application.

        Returns:
            What would bring it there, for `bring`; None if the way does not lead through Entra.
        """
        self._go(Request("GET", url), purpose, until_signed_in=True)
        return self._held

    def bring(self, answer: Request, purpose: str = "answer of the sign-in") -> Page:
        """Bring Entra's answer to the application and return the page that comes of it.

        If the application begins another sign-in, that one is not ended.
        """
        return self._go(answer, purpose, until_signed_in=True)

    def submit(
        self,
        selector: str,
        fields: Mapping[str, str],
        purpose: str = "submit form",
        *,
        forging: Mapping[str, str] | None = None,
    ) -> Page:
        """Submit a form of the page just shown: its own fields, hidden ones included, with `fields` filled in.

        Values that `forging` names are exchanged for others before anything is sent, also in the form's address.
        """
        assert self.page is not None, "no page has been opened"
        form = _form(self.page, selector)
        if form is None:
            self.page.problem = f"the page at {self.page.url} has no form that matches {selector!r}"
            return self.page
        values: dict[str, str] = forged(_fields(form) | dict(fields), forging)
        action = forged_address(
            _joined(self.page.url, unescape(str(form.get("action") or "")) or self.page.url), forging
        )
        if str(form.get("method") or "get").lower() == "post":
            body = urlencode(values).encode()
            return self._go(Request("POST", action, body, FORM), purpose)
        return self._go(Request("GET", urlsplit(action)._replace(query=urlencode(values)).geturl()), purpose)

    def post(self, url: str, body: bytes, content_type: str, purpose: str = "post") -> Page:
        """Send what a page's script would send."""
        base = self.page.url if self.page else url
        return self._go(Request("POST", urljoin(base, url), body, content_type), purpose)

    def browse(self, url: str, actions: Sequence[BrowserAction] = (), *, evaluate: str = "") -> View:
        """Open an address in a real browser, with this session's cookies, and return what it shows in the end.

        Args:
            url: what to open.
            actions: what to do there.
            evaluate: an expression of JavaScript whose value is to be told.

        Raises:
            CannotArrange: there is no browser on this machine.
        """
        assert self._browser is not None, "this buyer has no browser"
        known = {origin: dict(values) for origin, values in self._jar.items()}
        if self._account is not None:
            for origin in self._browser.origins_of("identity"):
                known.setdefault(origin, {})[self._account_cookie] = self._account
        view = self._browser.visit(url, actions, cookies=known, evaluate=evaluate)
        self.history.extend(view.exchanges)
        for origin, values in view.cookies.items():
            self._jar.setdefault(origin, {}).update(values)
        shown = view.document or Exchange(
            sender="buyer", receiver="publisher", method="GET", url=url, error=view.problem or "no page"
        )
        made = replace(shown, response_body=view.html.encode()) if view.html else shown
        elsewhere = leads_elsewhere(shown.url) if shown.receiver == "elsewhere" else ""
        self.page = Page(Answer(made), view.url or url, view.exchanges, elsewhere or view.problem, elsewhere)
        return view

    def _go(self, request: Request, purpose: str, *, until_signed_in: bool = False) -> Page:
        way: list[Exchange] = []
        problem = elsewhere = ""
        answer: Answer | None = None
        came_from = self.page.url if self.page is not None else request.url
        self._held = None
        begun = time.monotonic()
        for _ in range(REDIRECTS):
            if way and time.monotonic() - begun > self._http.timeout:
                problem = f"more than {self._http.timeout:g} s of redirects"
                break
            party = self._party_of(_origin(request.url))
            if party is None:
                problem = elsewhere = leads_elsewhere(request.url)
                break
            exchange = self._send(request, party, purpose, came_from)
            way.append(exchange)
            answer = Answer(exchange)
            following = _following(request, answer, entra=party == "identity")
            if following is None:
                break
            if until_signed_in and party == "identity" and self._party_of(_origin(following.url)) != party:
                self._held = following
                break
            if party == "identity" and following.method == "POST":
                came_from = request.url
            request = following
        else:
            problem = f"more than {REDIRECTS} redirects"
        if answer is None:
            answer = Answer(
                Exchange(sender="buyer", receiver="publisher", method=request.method, url=request.url, error=problem)
            )
        self.page = Page(answer, request.url, way, problem, elsewhere)
        return self.page

    def _send(self, request: Request, party: Party, purpose: str, came_from: str) -> Exchange:
        origin = _origin(request.url)
        cookies = dict(self._jar.get(origin, {}))
        if party == "identity" and self._account is not None:
            cookies[self._account_cookie] = self._account
        headers = {"accept": "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"}
        if cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if request.content_type is not None:
            headers["content-type"] = request.content_type
            headers["origin"] = _origin(came_from)
            if _origin(came_from) == origin:
                headers["referer"] = came_from
        exchange = self._http.send(
            request.method,
            request.url.split("#", maxsplit=1)[0],
            headers=headers,
            content=request.body,
            sender="buyer",
            receiver=party,
            purpose=purpose,
        )
        self.history.append(exchange)
        self._keep_cookies(origin, exchange)
        return exchange

    def _keep_cookies(self, origin: str, exchange: Exchange) -> None:
        for name, value in exchange.response_headers:
            if name.lower() != "set-cookie":
                continue
            cookie: SimpleCookie = SimpleCookie()
            try:
                cookie.load(value)
            except CookieError:
                continue
            jar = self._jar.setdefault(origin, {})
            for key, morsel in cookie.items():
                if morsel["max-age"] == "0" or not morsel.value:
                    jar.pop(key, None)
                elif len(key) + len(morsel.coded_value) <= LONGEST_COOKIE:
                    jar[key] = morsel.coded_value
            for oldest in [*jar][:-MOST_COOKIES]:
                del jar[oldest]


def leads_elsewhere(url: str) -> str:
    """Say that a page leads to a host that must not be asked, and what changes that."""
    origin = _origin(url)
    return (
        f"the page leads to {origin}, which the target file does not name; if it is part of the service, add it to "
        "publisher.origins"
    )


def _following(request: Request, answer: Answer, *, entra: bool) -> Request | None:
    """Return what a browser sends by itself after an answer: a redirect, or the form on a page of Entra's."""
    if entra and (sent_back := _sent_by_itself(answer)) is not None:
        target, values = sent_back
        return Request("POST", _joined(request.url, target), urlencode(values).encode(), FORM)
    target = answer.header("location").value
    if answer.status_code not in {301, 302, 303, 307, 308} or not isinstance(target, str):
        return None
    url = _joined(request.url, target)
    return replace(request, url=url) if answer.status_code in {307, 308} else Request("GET", url)


def _joined(base: str, target: str) -> str:
    """Return the address that a page leads to; what is none becomes one that leads nowhere."""
    try:
        url = urljoin(base, target)
        urlsplit(url)
    except ValueError:
        return f"invalid:/{target}"
    return url


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def forged(value: Any, forging: Mapping[str, str] | None) -> Any:
    """Return what is to be sent with some texts exchanged for others, at any depth."""
    if isinstance(value, str):
        return (forging or {}).get(value, value)
    if isinstance(value, Mapping):
        return {name: forged(inner, forging) for name, inner in value.items()}
    return [forged(inner, forging) for inner in value] if isinstance(value, list | tuple) else value


def forged_address(url: str, forging: Mapping[str, str] | None) -> str:
    """Return an address with some segments of its path and values of its query exchanged for others."""
    if not forging:
        return url
    parts = urlsplit(url)
    path = "/".join(
        quote(forging[name], safe="") if (name := unquote(each)) in forging else each for each in parts.path.split("/")
    )
    query = "&".join(
        f"{name}{equals}{quote_plus(forging[given])}"
        if (given := unquote_plus(value)) in forging
        else f"{name}{equals}{value}"
        for name, equals, value in (each.partition("=") for each in parts.query.split("&"))
    )
    return parts._replace(path=path, query=query).geturl()


def same_form(page: Page, other: Page, selector: str) -> bool:
    """Whether two pages have the same form where a selector finds one: same address, ids apart, and same fields."""
    here, there = _kind_of_form(page, selector), _kind_of_form(other, selector)
    return here is not None and here == there


def _kind_of_form(page: Page, selector: str) -> tuple[str, frozenset[str]] | None:
    form = _form(page, selector)
    if form is None:
        return None
    path = urlsplit(_joined(page.url, unescape(str(form.get("action") or "")))).path
    return _ID.sub("", path), frozenset(_fields(form))


def _sent_by_itself(answer: Answer) -> tuple[str, dict[str, str]] | None:
    """Return address and fields of the form that Entra's page submits by script (`response_mode=form_post`)."""
    tree = BeautifulSoup(answer.text, "html.parser")
    form = tree.select_one("form[action]")
    if form is None or not answer.is_success or "submit()" not in answer.text:
        return None
    return unescape(str(form["action"])), _fields(form)


def _form(page: Page, selector: str) -> Tag | None:
    found = page.tree.select_one(selector)
    if found is not None and found.name != "form":
        return found.find_parent("form")
    return found


def _fields(form: Tag) -> dict[str, str]:
    values: dict[str, str] = {}
    for element in form.select("input[name], textarea[name], select[name]"):
        name, kind = str(element["name"]), str(element.get("type") or "").lower()
        if kind in {"submit", "button", "image", "file", "reset"} or element.has_attr("disabled"):
            continue
        if kind in {"checkbox", "radio"} and not element.has_attr("checked"):
            continue
        if element.name == "select":
            chosen = element.select_one("option[selected]") or element.select_one("option")
            values[name] = str(chosen.get("value", chosen.get_text())) if chosen else ""
        elif element.name == "textarea":
            values[name] = element.get_text()
        else:
            values[name] = str(element.get("value", "on" if kind in {"checkbox", "radio"} else ""))
    return values
