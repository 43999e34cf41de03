"""The control surface: the sandbox control protocol, version 1, by which situations are arranged.

Every body is JSON; errors are `{"error": {"code", "message"}}`. Where the settings have a control key, each call brings
it in `x-control-key`. Calls that a browser makes from another site's page are refused.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlsplit, urlunsplit

import isodate
from starlette.routing import Route

from fulfillment_conformance import __version__
from fulfillment_conformance.emulator.delivery import Attempt
from fulfillment_conformance.emulator.documents import GUID, BadDocument, values_in
from fulfillment_conformance.emulator.identity import MARKETPLACE_APP_ID, AccessTokenKind
from fulfillment_conformance.emulator.messages import Reply, Request, Resource, error_reply, read_object
from fulfillment_conformance.emulator.offers import BENEFICIARY, RESELLER, offer_document
from fulfillment_conformance.exchange import HeaderList
from fulfillment_conformance.marketplace import Action, Channel, Customer, Operation, Purchase, Refused

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

Handler = Callable[[Request], Awaitable[Reply]]

PROTOCOL: Final = 1

CAPABILITIES: Final = (
    "purchases",
    "manage-tokens",
    "expired-tokens",
    "events",
    "auto-renew",
    "clock",
    "webhook",
    "landing-page",
    "deliveries",
    "access-tokens",
    "foreign-publisher",
    "identity",
    "csp",
    "private-plans",
    "free-trial",
    "auto-activate",
    "reset",
)
"""All that version 1 of the protocol knows."""

TOKEN_KINDS: Final = (
    "valid",
    "expired",
    "wrong-audience",
    "wrong-signature",
    "foreign-publisher",
    "no-service-principal",
)

_CUSTOMER_KEYS = {"emailId": "email", "objectId": "object_id", "tenantId": "tenant_id", "puid": "puid"}


class Control:
    """Answers the calls of the protocol; one method for each."""

    def __init__(self, emulator: "Emulator") -> None:
        self._emulator = emulator
        self._key = emulator.settings.control_key

    def routes(self) -> list[Route]:
        """Return the routes, one for each path, and one for everything else below `/control`."""
        paths: dict[str, dict[str, Handler]] = {
            "": {"GET": self.describe},
            "/reset": {"POST": self.reset},
            "/offers": {"GET": self.offers},
            "/purchases": {"POST": self.buy},
            "/subscriptions/{subscription_id}/tokens": {"POST": self.issue_token},
            "/subscriptions/{subscription_id}/events": {"POST": self.raise_event},
            "/subscriptions/{subscription_id}/auto-renew": {"PUT": self.set_auto_renew},
            "/clock": {"GET": self.read_clock, "POST": self.advance_clock},
            "/webhook": {"PUT": self.set_webhook},
            "/landing-page": {"PUT": self.set_landing_page},
            "/deliveries": {"GET": self.deliveries},
            "/access-tokens": {"POST": self.issue_access_token},
            "/identity": {"GET": self.identity},
            "/{rest:path}": {},
        }
        return [
            Route(
                "/control" + path,
                Resource({method: self._guarded(handler) for method, handler in methods.items()}, refuse=_refuse),
            )
            for path, methods in paths.items()
        ]

    # --- the calls ---

    async def describe(self, _: Request) -> Reply:
        """GET /control."""
        return Reply(
            200,
            {
                "name": "fulfillment-conformance emulator",
                "version": __version__,
                "protocol": PROTOCOL,
                "capabilities": list(CAPABILITIES),
            },
        )

    async def reset(self, _: Request) -> Reply:
        """POST /control/reset."""
        await self._emulator.reset()
        return Reply(204)

    async def offers(self, _: Request) -> Reply:
        """GET /control/offers."""
        return Reply(200, {"offers": [offer_document(offer) for offer in self._emulator.market.offers()]})

    async def buy(self, request: Request) -> Reply:
        """POST /control/purchases."""
        values = _body(
            request,
            {
                "offerId": str,
                "planId": str,
                "quantity": int,
                "termUnit": str,
                "beneficiary": dict,
                "purchaser": dict,
                "channel": str,
                "freeTrial": bool,
                "autoRenew": bool,
                "name": str,
            },
            needed=("offerId", "planId"),
        )
        _limit("name", values.get("name"), 200, least=1)
        channel = Channel(_one_of("channel", values.get("channel", "direct"), ("direct", "csp")))
        beneficiary = _customer("beneficiary", values.get("beneficiary", {}), BENEFICIARY)
        buyer = RESELLER if channel is Channel.CSP else beneficiary
        purchase = Purchase(
            offer_id=values["offerId"],
            plan_id=values["planId"],
            quantity=values.get("quantity"),
            term_unit=values.get("termUnit"),
            beneficiary=beneficiary,
            purchaser=_customer("purchaser", values.get("purchaser", {}), buyer),
            channel=channel,
            free_trial=values.get("freeTrial", False),
            auto_renew=values.get("autoRenew", True),
            name=values.get("name"),
        )
        subscription, token = self._emulator.perform(lambda: self._emulator.market.purchase(purchase))
        return Reply(201, {"subscriptionId": subscription.id, **self._visit(token)})

    async def issue_token(self, request: Request) -> Reply:
        """POST /control/subscriptions/{id}/tokens."""
        expired = _body(request, {"expired": bool}).get("expired", False)
        token = self._emulator.perform(
            lambda: self._emulator.market.issue_token(request.ids["subscription_id"], expired=expired)
        )
        return Reply(201, self._visit(token))

    async def raise_event(self, request: Request) -> Reply:
        """POST /control/subscriptions/{id}/events."""
        values = _body(request, {"action": str, "planId": str, "quantity": int}, needed=("action",))
        command = self._event(request.ids["subscription_id"], values)
        return Reply(202, {"operationId": self._emulator.perform(command).id})

    async def set_auto_renew(self, request: Request) -> Reply:
        """PUT /control/subscriptions/{id}/auto-renew."""
        auto_renew = _body(request, {"autoRenew": bool}, needed=("autoRenew",))["autoRenew"]
        self._emulator.perform(lambda: self._emulator.market.set_auto_renew(request.ids["subscription_id"], auto_renew))
        return Reply(204)

    async def read_clock(self, _: Request) -> Reply:
        """GET /control/clock."""
        return Reply(200, {"now": _time(self._emulator.now())})

    async def advance_clock(self, request: Request) -> Reply:
        """POST /control/clock."""
        text = _body(request, {"advance": str}, needed=("advance",))["advance"]
        try:
            now = await self._emulator.advance(_span(text, self._emulator.now()))
        except (ValueError, OverflowError) as error:
            raise BadDocument(f"body.advance is {text!r}: {error}") from None
        return Reply(200, {"now": _time(now)})

    async def set_webhook(self, request: Request) -> Reply:
        """PUT /control/webhook."""
        self._emulator.courier.url = _address(request)
        return Reply(204)

    async def set_landing_page(self, request: Request) -> Reply:
        """PUT /control/landing-page."""
        self._emulator.landing_page_url = _address(request)
        return Reply(204)

    async def deliveries(self, request: Request) -> Reply:
        """GET /control/deliveries."""
        subscription_id, operation_id = _filter(request, "subscriptionId"), _filter(request, "operationId")
        return Reply(
            200,
            {
                "deliveries": [
                    _attempt(attempt)
                    for attempt in self._emulator.courier.attempts
                    if subscription_id in {None, attempt.delivery.operation.subscription_id}
                    and operation_id in {None, attempt.delivery.operation.id}
                ]
            },
        )

    async def issue_access_token(self, request: Request) -> Reply:
        """POST /control/access-tokens."""
        kind = _one_of("kind", _body(request, {"kind": str}, needed=("kind",))["kind"], TOKEN_KINDS)
        return Reply(201, {"accessToken": self._emulator.identity.access_token(cast("AccessTokenKind", kind))})

    async def identity(self, request: Request) -> Reply:
        """GET /control/identity."""
        application = self._emulator.settings.identity
        authority = f"{self._emulator.origin(request)}/{application.tenant_id}"
        return Reply(
            200,
            {
                "tenantId": application.tenant_id,
                "clientId": application.client_id,
                "clientSecret": application.client_secret,
                "authority": authority,
                "tokenEndpoint": f"{authority}/oauth2/v2.0/token",
                "resource": MARKETPLACE_APP_ID,
            },
        )

    async def answered(self, handler: Handler, request: Request) -> Reply:
        """Return what one of the calls above answers, its refusals included; no key is asked for."""
        try:
            return await handler(request)
        except Refused as refused:
            return _refuse(request, refused)
        except BadDocument as error:
            return error_reply(400, "BadRequest", f"{error}.")

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Reply:
            try:
                self._admit(request)
            except Refused as refused:
                return _refuse(request, refused)
            return await self.answered(handler, request)

        return guarded

    def _admit(self, request: Request) -> None:
        if self._key is not None and not hmac.compare_digest(
            request.headers.get("x-control-key", "").encode("latin-1"), self._key.encode()
        ):
            raise Refused(401, "ControlKeyNeeded", "Send the sandbox's control key in the header x-control-key.")
        site = request.headers.get("origin")
        if site is not None and site != self._emulator.origin(request):
            raise Refused(403, "OtherSite", f"A page of {site} may not control this sandbox.")

    def _visit(self, token: str) -> dict[str, Any]:
        """Return a purchase token and where the buyer's browser goes with it."""
        landing_page = self._emulator.landing_page_url
        return {"token": token, "landingPageUrl": landing_page and self._emulator.landing_url(landing_page, token)}

    def _event(self, subscription_id: str, values: Mapping[str, Any]) -> Callable[[], Operation]:
        market = self._emulator.market
        plain: dict[str, Callable[[str], Operation]] = {
            Action.SUSPEND: market.suspend,
            Action.REINSTATE: market.reinstate,
            Action.RENEW: market.renew,
            Action.UNSUBSCRIBE: market.unsubscribe,
        }
        action = _one_of("action", values["action"], (Action.CHANGE_PLAN, Action.CHANGE_QUANTITY, *plain))
        belongs = {Action.CHANGE_PLAN: "planId", Action.CHANGE_QUANTITY: "quantity"}.get(Action(action))
        for key in ("planId", "quantity"):
            if (key in values) != (key == belongs):
                raise BadDocument(f"{action} comes {'with' if key == belongs else 'without'} body.{key}")
        if action == Action.CHANGE_PLAN:
            return lambda: market.customer_changes_plan(subscription_id, values["planId"])
        if action == Action.CHANGE_QUANTITY:
            return lambda: market.customer_changes_quantity(subscription_id, values["quantity"])
        return lambda: plain[action](subscription_id)


def landing_url(landing_page: str, token: str) -> str:
    """Return the address that a buyer's browser opens: the landing page's own, with the token percent-encoded in it."""
    parts = urlsplit(landing_page)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}token={quote(token, safe='')}"))


def _refuse(_: Request, refused: Refused) -> Reply:
    return error_reply(refused.status, refused.code, refused.message)


def _body(request: Request, kinds: Mapping[str, type], *, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    document = read_object(request.body) if request.body.strip() else {}
    return values_in(document, kinds, "body", needed=needed)


def _filter(request: Request, name: str) -> str | None:
    value = request.parameter(name) or None
    if value is not None and not GUID.fullmatch(value):
        raise BadDocument(f"the query parameter {name} is {value!r}; give a GUID")
    return value and value.lower()


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadDocument(f"body.{name} is {value!r}; give one of {', '.join(allowed)}")
    return value


def _customer(name: str, document: Mapping[str, Any], default: Customer) -> Customer:
    """Return a customer in the API's own words; what is not given is the default customer's."""
    values = values_in(document, dict.fromkeys(_CUSTOMER_KEYS, str), f"body.{name}", nullable=("puid",))
    for key, limit in (("emailId", 320), ("puid", 64)):
        _limit(f"{name}.{key}", values.get(key), limit)
    for key in ("objectId", "tenantId"):
        if key in values and not GUID.fullmatch(values[key]):
            raise BadDocument(f"body.{name}.{key} is {values[key]!r}; give a GUID")
    return replace(default, **{_CUSTOMER_KEYS[key]: value for key, value in values.items()})


def _limit(name: str, text: str | None, limit: int, *, least: int = 0) -> None:
    if text is not None and not least <= len(text) <= limit:
        raise BadDocument(f"body.{name} has {len(text)} characters; give {least} to {limit}")


def _span(text: str, start: datetime) -> timedelta:
    problem = "that is no ISO 8601 duration; write it like PT10S or P30D"
    try:
        duration = isodate.parse_duration(text)
    except ValueError:
        raise ValueError(problem) from None
    if not any(character.isdecimal() for character in text):  # P and PT say how long without saying it
        raise ValueError(problem)
    # Months and years have a length only from some day on.
    return duration if isinstance(duration, timedelta) else duration.totimedelta(start=start)


def _address(request: Request) -> str | None:
    """Return the address in the body, or None for null."""
    document = read_object(request.body) if request.body.strip() else {}
    url: str | None = values_in(document, {"url": str}, "body", needed=("url",), nullable=("url",))["url"]
    if url is not None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise BadDocument(f"body.url is {url!r}; give an absolute address with http or https")
    return url


def _attempt(attempt: Attempt) -> dict[str, Any]:
    exchange = attempt.exchange
    response = None
    if exchange.status is not None:
        response = {
            "status": exchange.status,
            "headers": _lower(exchange.response_headers),
            "body": exchange.response_body.decode("utf-8", "replace"),
        }
    return {
        "operationId": attempt.delivery.operation.id,
        "subscriptionId": attempt.delivery.operation.subscription_id,
        "attempt": attempt.delivery.attempt,
        "sentAt": _time(exchange.virtual_at or exchange.at),
        "url": exchange.url,
        "request": {"headers": _lower(exchange.request_headers), "body": _document(exchange.request_body)},
        "response": response,
        "error": exchange.error,
    }


def _document(body: bytes) -> Any:
    """Return the JSON object that was sent; an empty one where nothing was, or something else on purpose."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _lower(headers: HeaderList) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
