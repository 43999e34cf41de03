"""HTML pages: templates, and the headers that every answer of this application carries."""

from collections.abc import Mapping
from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    # Addresses of the landing page may hold a purchase token: no cache keeps them and no Referer tells them.
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
}

_UNITS: Final = {
    "P1M": "1 month",
    "P1Y": "1 year",
    "P2Y": "2 years",
    "P3Y": "3 years",
    "P4Y": "4 years",
    "P5Y": "5 years",
}

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("fulfillment_conformance.reference_publisher"),
    autoescape=True,  # names come from the marketplace and may hold anything
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["unit"] = lambda unit: _UNITS.get(unit, unit)
_environment.filters["date"] = lambda moment: moment[:10]


def page(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page made from a template."""
    return HTMLResponse(_environment.get_template(template).render(**context), status_code=status)


def notice(title: str, *paragraphs: str, status: int = 200, link: tuple[str, str] | None = None) -> HTMLResponse:
    """Return a page that only says something; `link` is an address and its text."""
    return page("notice.html", status=status, title=title, paragraphs=paragraphs, link=link)


async def _stylesheet(_request: Request) -> Response:
    return Response(_environment.get_template("style.css").render(), media_type="text/css")


ROUTES: Final = [Route("/style.css", _stylesheet)]


class SecurityHeaders:
    """ASGI middleware that adds headers to every answer."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._headers.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
