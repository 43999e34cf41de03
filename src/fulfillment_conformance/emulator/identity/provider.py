"""The emulator's Entra: one object that issues, publishes, checks and signs in."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, assert_never

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.discovery import Discovery
from fulfillment_conformance.emulator.identity.grants import Grants
from fulfillment_conformance.emulator.identity.graph import Graph
from fulfillment_conformance.emulator.identity.keys import KeyRing, SigningKey, stranger_key
from fulfillment_conformance.emulator.identity.settings import GRAPH_APP_ID, MARKETPLACE_APP_ID, IdentitySettings
from fulfillment_conformance.emulator.identity.sign_in import SignInPages
from fulfillment_conformance.emulator.identity.token_endpoint import TokenEndpoint
from fulfillment_conformance.emulator.identity.tokens import LIFETIME, TokenIssuer, TokenVersion
from fulfillment_conformance.emulator.identity.verification import AccessToken, AccessTokenVerifier

AccessTokenKind = Literal[
    "valid",
    "expired",
    "not-yet-valid",
    "wrong-audience",
    "wrong-signature",
    "foreign-publisher",
    "no-service-principal",
]
"""Bearer tokens for the Fulfillment API, good and bad, as the control protocol names them."""

Endpoint = Literal["metadata", "keys", "token"]
"""What can be out of order."""


class IdentityProvider:
    """Entra for the applications in the settings, a foreign publisher, and a few users.

    Attributes:
        directory: who exists.
        keys: the signing keys, Microsoft's and the foreign tenant's.
        verifier: what the Fulfillment API asks of a bearer token; replaceable.
        access_token_lifetime: of the tokens that the token endpoint issues from now on; an hour at first.
        out_of_order: endpoints that answer 503 for as long as they are in this set.
    """

    def __init__(self, settings: IdentitySettings | None = None, *, seed: int = 0) -> None:
        self.directory = Directory(settings or IdentitySettings())
        self.keys = KeyRing(self.directory.foreign_application.tenant_id)
        self.tokens = TokenIssuer(self.keys, seed=seed)
        self.verifier = AccessTokenVerifier(self.keys)
        self.access_token_lifetime = LIFETIME
        self.out_of_order: set[Endpoint] = set()
        grants = Grants(self.directory, self.keys, self.tokens)
        discovery = Discovery(self.directory, self.keys, self.tokens)
        token_endpoint = TokenEndpoint(self.directory, self.keys, self.tokens, grants, lifetime=self)
        self.routes: Sequence[Route] = (
            *self._interruptible("metadata", discovery.metadata_routes),
            *self._interruptible("keys", discovery.key_routes),
            *discovery.instance_routes,
            *self._interruptible("token", token_endpoint.routes),
            *SignInPages(self.directory, self.tokens, grants).routes,
            *Graph(self.directory, self.keys).routes,
        )

    def access_token(self, kind: AccessTokenKind = "valid", *, version: TokenVersion = 2) -> str:
        """Return an app-only token for the Fulfillment API, faulty in the one way that `kind` names."""
        application = self.directory.fulfillment_application
        if kind == "foreign-publisher":
            application = self.directory.foreign_application
        audience = GRAPH_APP_ID if kind == "wrong-audience" else MARKETPLACE_APP_ID
        claims = self.tokens.access_claims(application, audience=audience, version=version)
        key = self.keys.key_of(application.tenant_id)
        header: dict[str, Any] = {}
        match kind:
            case "valid" | "foreign-publisher" | "wrong-audience":
                pass
            case "expired":
                claims = _moved(claims, by=-timedelta(hours=2))
            case "not-yet-valid":
                claims = _moved(claims, by=timedelta(hours=1))
            case "no-service-principal":
                claims["sub"] = application.client_id
                del claims["oid"]
            case "wrong-signature":
                header = {"kid": key.kid, "x5t": key.kid}
                key = stranger_key()
            case _:
                assert_never(kind)
        return self.tokens.sign(header, claims, key=key)

    def webhook_token(self, version: TokenVersion = 2, **claims: Any) -> str:
        """Return the token that a notification carries.

        Args:
            version: 1 or 2.
            claims: values that replace the genuine ones; None leaves a claim out.
        """
        genuine = self.webhook_claims(version)
        changed = {name: value for name, value in {**genuine, **claims}.items() if value is not None}
        return self.tokens.sign({}, changed)

    def webhook_claims(self, version: TokenVersion = 2) -> dict[str, Any]:
        """Return the genuine claims of the token that a notification to the publisher carries now."""
        application = self.directory.fulfillment_application
        return self.tokens.notification_claims(
            audience=application.client_id, tenant_id=application.tenant_id, version=version
        )

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any], *, key: SigningKey | None = None) -> str:
        """Return a JWS by RS256; see `TokenIssuer.sign`."""
        return self.tokens.sign(header, claims, key=key)

    def verify_access_token(self, authorization: str | None) -> AccessToken:
        """Return who calls, from the value of the Authorization header (None: there was no such header).

        Raises:
            AccessTokenRefused: one of its kinds says why.
        """
        return self.verifier.verify(authorization, now=time.time())

    def rotate_keys(self, *, keep_previous: bool = True) -> None:
        """Sign with a new key from now on.

        The previous key stays published until the next rotation, or is dropped at once. Access tokens that were issued
        before stay good for the Fulfillment API either way.
        """
        self.keys.rotate(keep_previous=keep_previous)

    def _interruptible(self, endpoint: Endpoint, routes: Sequence[Route]) -> Sequence[Route]:
        return [
            Route(route.path, self._unless_out_of_order(endpoint, route.endpoint), methods=route.methods)
            for route in routes
        ]

    def _unless_out_of_order(
        self, endpoint: Endpoint, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if endpoint in self.out_of_order:
                return PlainTextResponse("Service Unavailable", status_code=503)
            return await answer(request)

        return guarded


def _moved(claims: dict[str, Any], *, by: timedelta) -> dict[str, Any]:
    seconds = int(by.total_seconds())
    return {**claims, **{name: claims[name] + seconds for name in ("iat", "nbf", "exp")}}
