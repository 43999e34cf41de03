"""The emulator put together: core, clock, identity provider, webhook delivery, and the one origin that serves them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.types import ASGIApp

from fulfillment_conformance.emulator.callers import Callers, ObservedVerifier
from fulfillment_conformance.emulator.clock import VirtualClock, wall_clock
from fulfillment_conformance.emulator.control import Control, landing_url
from fulfillment_conformance.emulator.delivery import GENUINE, Courier, Notification
from fulfillment_conformance.emulator.deviations import apply
from fulfillment_conformance.emulator.faults import FaultPlan
from fulfillment_conformance.emulator.fulfillment import FulfillmentApi
from fulfillment_conformance.emulator.identity import IdentityProvider
from fulfillment_conformance.emulator.messages import Request
from fulfillment_conformance.emulator.observation import Recorder
from fulfillment_conformance.emulator.offers import default_offers
from fulfillment_conformance.emulator.settings import Settings
from fulfillment_conformance.emulator.web import WebPage
from fulfillment_conformance.emulator.wire import Wire
from fulfillment_conformance.exchange import Exchange, Observer, ignore
from fulfillment_conformance.marketplace import DOCUMENTED, OBSERVED, Delivery, Ids, Marketplace

T = TypeVar("T")
Composer = Callable[[Delivery], Notification]


class Emulator:
    """A marketplace that can be talked to. Everything but making it happens on the event loop that serves `app`.

    Args:
        settings: how it is set up; the embedded demonstration's settings when not given.
        observer: told of every request that arrives and of every webhook call.
        wall: the real time, aware UTC.

    Attributes:
        app: the ASGI application; may be mounted at any origin.
        market: the core. Commands on it go through `perform`, so that their effects are seen to.
        identity: the identity provider.
        clock: the marketplace's time.
        api: the Fulfillment API.
        courier: webhook delivery.
        faults: what is done to single calls on purpose.
        landing_page_url: where buyers are sent from now on.
        landing_url: makes the address that a buyer's browser opens, from the landing page's and a purchase token.

    Raises:
        UsageProblem: a deviation in the settings does not exist.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        observer: Observer = ignore,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.settings = settings = settings or Settings()
        rules = settings.rules or (OBSERVED if settings.profile == "observed" else DOCUMENTED)
        offers = default_offers(settings.identity) if settings.offers is None else settings.offers
        self.market = Marketplace(ids=Ids(settings.seed), start=wall(), offers=offers, rules=rules)
        self.identity = IdentityProvider(settings.identity, seed=settings.seed)
        if settings.profile == "observed":
            self.identity.verifier = ObservedVerifier(self.identity.keys)
        self.wire = Wire(rules, profile=settings.profile, seed=settings.seed)
        self.courier = Courier(
            take=self.market.take_deliveries,
            answered=self._answered,
            compose=self.notification,
            clock=self.now,
            observer=observer,
            url=settings.webhook_url,
            timeout=settings.webhook_timeout,
            trust=settings.webhook_trust,
        )
        self.clock = VirtualClock(self.market, dispatch=self.courier.dispatch, settle=self.courier.settle, wall=wall)
        self.api = FulfillmentApi(
            market=self.market,
            wire=self.wire,
            caller=Callers(self.market, self.identity),
            perform=self.perform,
            ids=Ids(settings.seed + 1),
            origin=self.origin,
            profile=settings.profile,
        )
        self.faults = FaultPlan()
        self.landing_page_url = settings.landing_page_url
        self.landing_url = landing_url
        self._compose: Composer = self._genuine
        apply(settings.deviations, self)
        self.app = self._application(observer)

    def origin(self, request: Request) -> str:
        """Return scheme and host of this emulator for whoever sent a request, without a trailing slash."""
        return (self.settings.public_url or request.origin).rstrip("/")

    # --- time and commands ---

    def now(self) -> datetime:
        """Return the marketplace's time, aware UTC."""
        return self.clock.now()

    def perform(self, command: Callable[[], T]) -> T:
        """Run a command on the core at this moment, and see to what it causes: notifications, timers."""
        self.clock.catch_up()
        try:
            return command()
        finally:
            self.clock.happened()

    async def advance(self, span: timedelta) -> datetime:
        """Let time pass, as `POST /control/clock` does; returns the time after everything due in the span has happened.

        Raises:
            ValueError: the span is negative, or too long for a calendar.
        """
        return await self.clock.advance(span)

    async def reset(self) -> None:
        """Forget subscriptions, operations and deliveries, and go back to real time; addresses and offers stay."""

        async def restart() -> None:
            await self.courier.clear()
            self.market.reset()

        await self.clock.reset(restart)

    async def close(self) -> None:
        """Stop timers and deliveries and close connections."""
        self.clock.stop()
        await self.courier.close()

    # --- notifications ---

    @property
    def hold_deliveries(self) -> bool:
        """Whether notifications wait in `held` for `send` instead of going out by themselves."""
        return self.courier.hold

    @hold_deliveries.setter
    def hold_deliveries(self, hold: bool) -> None:
        self.courier.hold = hold

    @property
    def held(self) -> list[Delivery]:
        """Deliveries held back so far, oldest first; sending one takes it out."""
        return self.courier.held

    def notification(self, delivery: Delivery) -> Notification:
        """Return what the marketplace itself sends for a delivery: payload and headers, a fresh token among them."""
        return self._compose(delivery)

    def wrap_notification(self, wrapper: Callable[[Delivery, Composer], Notification]) -> None:
        """Let `wrapper` compose notifications from now on; it gets the delivery and whoever composed so far."""
        inner = self._compose
        self._compose = lambda delivery: wrapper(delivery, inner)

    async def send(
        self,
        delivery: Delivery,
        *,
        token: str | None = GENUINE,
        authorization: Sequence[str] | None = None,
        payload: dict[str, Any] | bytes | None = None,
        headers: dict[str, str | None] | None = None,
        url: str | None = None,
        method: str = "POST",
        heard: bool = False,
        timeout: float | None = None,
    ) -> Exchange:
        """Make one attempt and return it; genuine in everything that is not given. It no longer waits in `held`.

        Args:
            delivery: what to send, held back or made up.
            token: the bearer token; None sends no Authorization header.
            authorization: every value of the Authorization header, instead of a token: none, one, or several.
            payload: a document, or raw bytes.
            headers: headers to replace or add; the value None leaves one out.
            url: where to, instead of the webhook address.
            method: the HTTP method.
            heard: whether the core takes the answer for the publisher's.
            timeout: seconds for the whole attempt, instead of `Settings.webhook_timeout`.

        Raises:
            UsageProblem: there is no webhook address, and none is given.
        """
        self.courier.held = [other for other in self.courier.held if other.id != delivery.id]
        notification = self.notification(delivery)
        if payload is not None:
            notification.payload = payload
        changes = dict(headers or {})
        if token != GENUINE:
            changes = {"authorization": None if token is None else f"Bearer {token}", **changes}
        merged = {**notification.headers, **changes}
        notification.headers = {name: value for name, value in merged.items() if value is not None}
        notification.authorization = authorization
        exchange = await self.courier.send(delivery, notification, url=url, method=method, timeout=timeout)
        if heard:
            self._answered(delivery, exchange.status)
        return exchange

    # --- inside ---

    def _answered(self, delivery: Delivery, status: int | None) -> None:
        self.perform(lambda: self.market.delivery_answered(delivery, status))

    def _genuine(self, delivery: Delivery) -> Notification:
        token = self.identity.webhook_token(self.settings.webhook_token_version)
        headers = {"content-type": "application/json; charset=utf-8", "authorization": f"Bearer {token}"}
        return Notification(self.wire.notification(delivery), headers)

    def _application(self, observer: Observer) -> ASGIApp:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self.close()

        control = Control(self)
        routes = [*self.api.routes(), *control.routes(), *WebPage(self, control).routes(), *self.identity.routes]
        app = Starlette(routes=routes, lifespan=lifespan)
        app.router.redirect_slashes = False
        disturbed = self.faults.around(app)
        return disturbed if observer is ignore else Recorder(disturbed, observer=observer, clock=self.now)
