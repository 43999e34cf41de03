"""The web page for people: what there is, what was delivered, and buttons that call the control surface."""

import base64
import functools
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import jinja2
from starlette.routing import Route

from fulfillment_conformance import __version__
from fulfillment_conformance.emulator.control import Control
from fulfillment_conformance.emulator.messages import Reply, Request, Resource
from fulfillment_conformance.marketplace import Action, Caller, Operation, Refused, Subscription

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

SHOWN: Final = 100
"""Subscriptions, and deliveries, that the page shows: the newest ones."""

_HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


class WebPage:
    """Serves the page at `/`. Where the settings have a control key, the browser asks for it as a password."""

    def __init__(self, emulator: "Emulator", control: Control) -> None:
        self._emulator = emulator
        self._control = control
        self._buttons: Mapping[str, Callable[[Request], Awaitable[Reply]]] = {
            "buy": control.buy,
            "event": control.raise_event,
            "auto-renew": control.set_auto_renew,
            "token": control.issue_token,
            "clock": control.advance_clock,
            "webhook": control.set_webhook,
            "landing-page": control.set_landing_page,
            "reset": control.reset,
        }

    def routes(self) -> list[Route]:
        """Return the route of the page."""
        return [Route("/", Resource({"GET": self._show, "POST": self._press}, refuse=_refuse))]

    async def _show(self, request: Request) -> Reply:
        return self._locked(request) or self._page(request, 200)

    async def _press(self, request: Request) -> Reply:
        """Make the call of the control surface that the pressed button stands for."""
        locked = self._locked(request)
        if locked is not None:
            return locked
        if request.headers.get("origin", self._emulator.origin(request)) != self._emulator.origin(request):
            return self._page(request, 403, message="A page of another site pressed the button.")
        fields = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        name = fields.pop("button", "")
        button = self._buttons.get(name)
        if button is None:
            return self._page(request, 400, message="There is no such button.")
        if "plan" in fields:
            fields["offerId"], _, fields["planId"] = fields.pop("plan").rpartition("/")
        document: dict[str, Any] = {key: _typed(key, value) for key, value in fields.items() if key != "subscription"}
        if name in {"webhook", "landing-page"}:
            document.setdefault("url", None)
        call = Request(
            method=request.method,
            origin=request.origin,
            path=request.path,
            query={},
            headers={},
            ids={"subscription_id": fields.get("subscription", "")},
            body=json.dumps(document).encode(),
        )
        reply = await self._control.answered(button, call)
        said = reply.document or {}
        if "error" in said:
            return self._page(request, reply.status, message=said["error"]["message"])
        if "token" in said:
            return self._page(request, 200, visit=said)
        return Reply(303, headers={"location": "/"})

    def _locked(self, request: Request) -> Reply | None:
        """Return the answer that asks for the control key, or None when there is none or it was given."""
        key = self._emulator.settings.control_key
        if key is None or hmac.compare_digest(_password(request.headers.get("authorization", "")), key.encode()):
            return None
        headers = {"www-authenticate": 'Basic realm="control key as password", charset="UTF-8"', **_HEADERS}
        return Reply(
            401, b"<!doctype html><title>Control key needed</title><p>Give the control key as password.", headers
        )

    def _page(self, request: Request, status: int, **extra: Any) -> Reply:
        emulator = self._emulator
        subscriptions, hidden = self._subscriptions()
        html = _template().render(
            version=__version__,
            settings=emulator.settings,
            origin=emulator.origin(request),
            now=emulator.now(),
            webhook=emulator.courier.url or "",
            landing_page=emulator.landing_page_url or "",
            offers=emulator.market.offers(),
            subscriptions=subscriptions,
            hidden=hidden,
            operations=self._operations(subscriptions),
            attempts=emulator.courier.attempts[: -SHOWN - 1 : -1],
            actions=[action.value for action in Action if action is not Action.SUBSCRIBE],
            **{"message": None, "visit": None, **extra},
        )
        return Reply(status, html.encode(), dict(_HEADERS))

    def _callers(self) -> list[Caller]:
        offers = self._emulator.market.offers()
        return list(dict.fromkeys(Caller(offer.publisher_id, offer.tenant_id, offer.app_id) for offer in offers))

    def _subscriptions(self) -> tuple[list[tuple[Caller, Subscription]], int]:
        """Return the newest subscriptions, newest first, and how many more there are."""
        newest: deque[tuple[Caller, Subscription]] = deque(maxlen=SHOWN)
        count = 0
        for caller in self._callers():
            continuation: str | None = ""
            while continuation is not None:
                page = self._emulator.market.page(caller, continuation=continuation)
                newest.extend((caller, subscription) for subscription in page.subscriptions)
                count += len(page.subscriptions)
                continuation = page.continuation
        rows = sorted(newest, key=lambda row: row[1].created, reverse=True)
        return rows, count - len(rows)

    def _operations(self, subscriptions: list[tuple[Caller, Subscription]]) -> list[Operation]:
        """Return the operations that were announced or are pending, as they stand now, newest first."""
        market = self._emulator.market
        owners = {subscription.id: caller for caller, subscription in subscriptions}
        found = {
            attempt.delivery.operation.id: attempt.delivery.operation for attempt in self._emulator.courier.attempts
        }
        for subscription_id, caller in owners.items():
            found |= {operation.id: operation for operation in market.pending_operations(caller, subscription_id)}
        for operation in list(found.values()):
            if operation.subscription_id in owners:
                with suppress(Refused):  # some are not shown once they have been announced
                    now = market.operation(owners[operation.subscription_id], operation.subscription_id, operation.id)
                    found[operation.id] = now
        return sorted(found.values(), key=lambda operation: operation.created, reverse=True)[:SHOWN]


@functools.cache
def _template() -> jinja2.Template:
    source = resources.files("fulfillment_conformance.emulator").joinpath("page.html").read_text("utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)


def _refuse(_: Request, refused: Refused) -> Reply:
    return Reply(refused.status, refused.message.encode(), {"content-type": "text/plain; charset=utf-8"})


def _password(authorization: str) -> bytes:
    """Return the password in an Authorization header of the Basic scheme; empty when there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _typed(name: str, value: str) -> Any:
    """Return a form field as the control surface wants it."""
    if name in {"autoRenew", "freeTrial"}:
        return value == "true"
    return int(value) if name == "quantity" and value.isdecimal() else value
