"""The application: its parts put together, and its addresses."""

import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from secrets import token_bytes

import httpx2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from fulfillment_conformance.reference_publisher import pages
from fulfillment_conformance.reference_publisher.access_tokens import AccessTokens
from fulfillment_conformance.reference_publisher.accounts import Accounts
from fulfillment_conformance.reference_publisher.administration import Administration
from fulfillment_conformance.reference_publisher.alarm import Alarm
from fulfillment_conformance.reference_publisher.changes import Changes
from fulfillment_conformance.reference_publisher.chores import Chores
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import FulfillmentApi
from fulfillment_conformance.reference_publisher.landing import LANDING_PATH, Landing
from fulfillment_conformance.reference_publisher.management import Management
from fulfillment_conformance.reference_publisher.sessions import Entropy, Sessions
from fulfillment_conformance.reference_publisher.settings import Settings
from fulfillment_conformance.reference_publisher.sign_in import EntraSignIn
from fulfillment_conformance.reference_publisher.sign_in_pages import SignInPages
from fulfillment_conformance.reference_publisher.signing_keys import SigningKeys
from fulfillment_conformance.reference_publisher.tokens import WebhookTokens
from fulfillment_conformance.reference_publisher.webhook import WEBHOOK_PATH, Webhook

SHUTDOWN_SECONDS = 0.4
"""What work in the background gets to finish when the application stops."""


class ReferencePublisher:
    """A publisher's application for the Microsoft commercial marketplace, small and complete.

    Attributes:
        app: the ASGI application.
        landing_page: the address of the landing page, as it is registered with the offer.
        webhook_address: the address of the connection webhook, likewise.

    The other attributes are its parts, in the order in which they rest on each other; each has a module of its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        defects: Sequence[str] = (),
        entropy: Entropy = token_bytes,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Put the application together.

        Args:
            settings: who the publisher is, and its rules.
            defects: names of seeded faults, for testing tests; see the package `defects`.
            entropy: gives unpredictable bytes for session keys and request ids.
            transport: carries calls to the Fulfillment API and to Entra's keys instead of the network.

        Raises:
            ValueError: there is no defect of such a name.
        """
        self.settings = settings
        self.landing_page = f"{settings.public_url}{LANDING_PATH}"
        self.webhook_address = f"{settings.public_url}{WEBHOOK_PATH}"
        self.alarm = Alarm()
        self.chores = Chores()
        self.http = _http_client(settings, transport)
        self.signing_keys = SigningKeys(settings, self.http)
        self.webhook_tokens = WebhookTokens(settings, self.signing_keys)
        self.access_tokens = AccessTokens(settings, self.alarm)
        self.api = FulfillmentApi(
            settings,
            self.http,
            self.access_tokens,
            self.alarm,
            new_id=lambda: str(uuid.UUID(bytes=entropy(16), version=4)),
        )
        self.accounts = Accounts()
        self.follower = Follower(settings, self.api, self.accounts)
        self.changes = Changes(settings, self.api, self.accounts, self.follower, self.chores)
        self.webhook = Webhook(
            settings, self.webhook_tokens, self.api, self.accounts, self.follower, self.changes, self.chores
        )
        self.sessions = Sessions(secure=settings.secure, entropy=entropy)
        self.sign_in = EntraSignIn(settings, settings.sign_in) if settings.sign_in is not None else None
        self.management = Management(
            settings, self.api, self.accounts, self.follower, self.changes, self.sessions, self.chores
        )
        self.landing = Landing(
            settings,
            self.api,
            self.accounts,
            self.follower,
            self.management,
            self.sessions,
            self.sign_in,
            self.chores,
        )
        self.page_headers = pages.HEADERS
        self.administration = Administration(settings, self.accounts, self.follower, self.alarm)
        _apply(self, defects)
        self.app = self._assemble()

    def _assemble(self) -> Starlette:
        routes = [
            *self.landing.routes,
            *self.webhook.routes,
            *self.management.routes,
            *self.administration.routes,
            *pages.ROUTES,
        ]
        if self.sign_in is not None:
            routes += SignInPages(self.sign_in, self.sessions).routes
        return Starlette(
            routes=routes,
            middleware=[Middleware(pages.SecurityHeaders, headers=self.page_headers)],
            exception_handlers={404: _not_found, 500: _failed},
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self.chores.finish(SHUTDOWN_SECONDS)
        await self.http.aclose()


def _apply(publisher: ReferencePublisher, names: Sequence[str]) -> None:
    if names:
        from fulfillment_conformance.reference_publisher import defects

        for name in names:
            defects.named(name).apply(publisher)


def _http_client(settings: Settings, transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    authorities = str(settings.ca_file) if settings.ca_file is not None else None
    return httpx2.AsyncClient(
        transport=transport,
        verify=ssl.create_default_context(cafile=authorities),
        trust_env=False,  # proxy and CA variables must not decide whom we talk to
        proxy=settings.proxy,
        follow_redirects=False,
        timeout=httpx2.Timeout(settings.patience.request, pool=None),
        limits=httpx2.Limits(max_connections=50, max_keepalive_connections=20),
    )


async def _not_found(_request: Request, _error: Exception) -> Response:
    return pages.notice("There is no such page", "The address leads nowhere in this application.", status=404)


async def _failed(_request: Request, _error: Exception) -> Response:
    return pages.notice("Something went wrong", "It is our fault. Please try again in a few minutes.", status=500)
