"""How a publisher sends buyers to Entra, and what they bring back from there.

An authorization request counts wherever it shows: followed to the emulator, in a redirect to Microsoft's own host,
which is never followed, or as a link or form on the page.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.emulator.identity.settings import User
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.marketplace import Customer
from fulfillment_conformance.stage.buyer import Page, Request

BASIC_SCOPES = frozenset({"openid", "profile", "email", "offline_access", "user.read"})
"""What every user may consent to on the way to activation, in lower case (LND-007)."""

_GRAPH = ("https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000/")


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """One authorization request: where it goes, and the exchange that showed it."""

    url: str
    exchange: Exchange

    @property
    def tenant(self) -> str:
        """The first segment of the path: a tenant, or `common`, `organizations`, `consumers`."""
        return unquote(urlsplit(self.url).path.strip("/").partition("/")[0]).lower()

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def scopes(self) -> list[str]:
        """The scopes asked for, those of Microsoft Graph without its name; version 1 of the endpoint has none."""
        asked = self.parameters.get("scope", "").split()
        for prefix in _GRAPH:
            asked = [scope.removeprefix(prefix) for scope in asked]
        return asked

    @property
    def asks_an_administrator(self) -> bool:
        """Whether it goes to the page where an administrator consents for everybody."""
        return urlsplit(self.url).path.endswith("/adminconsent")

    @property
    def prompt(self) -> str:
        """What `prompt` says."""
        return self.parameters.get("prompt", "")


def buying_as(user: User) -> Customer:
    """Return one of Entra's users as a customer of the marketplace."""
    return Customer(
        email=user.mail or user.user_principal_name, object_id=user.object_id, tenant_id=user.tenant_id, puid=user.puid
    )


def brought_back(answer: Request) -> dict[str, str]:
    """Return the fields of Entra's answer on its way to the application: `code`, `state`, perhaps `id_token`.

    Those of an answer in a fragment are not among them: it does not reach a server.
    """
    content = answer.body.decode("utf-8", "replace") if answer.method == "POST" else urlsplit(answer.url).query
    return dict(parse_qsl(content, keep_blank_values=True))


def bringing(answer: Request, fields: Mapping[str, str]) -> Request:
    """Return Entra's answer with other fields, on the same way to the application."""
    content = urlencode(fields)
    if answer.method == "POST":
        return replace(answer, body=content.encode())
    return replace(answer, url=urlsplit(answer.url)._replace(query=content).geturl())


def sign_in_requests(history: Iterable[Exchange], page: Page | None = None) -> list[SignInRequest]:
    """Return the authorization requests of a visit in order, each once.

    Args:
        history: what the browser has sent.
        page: the page that it shows.
    """
    found = {url: SignInRequest(url, exchange) for exchange in history for url in _addresses(exchange)}
    if page is not None:
        for element in page.tree.select("a[href], form[action]"):
            url = urljoin(page.url, str(element.get("href") or element.get("action")))
            found.setdefault(url, SignInRequest(url, page.answer.exchange))
    return [request for url, request in found.items() if _is_sign_in(url)]


def _addresses(exchange: Exchange) -> Iterator[str]:
    yield exchange.url
    target = Answer(exchange).header("location").value
    if isinstance(target, str):
        yield urljoin(exchange.url, target)


def _is_sign_in(url: str) -> bool:
    path = urlsplit(url).path
    return path.endswith(("/oauth2/authorize", "/oauth2/v2.0/authorize", "/adminconsent"))
