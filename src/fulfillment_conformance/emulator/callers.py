"""Who calls the Fulfillment API: from the access token to the publisher it belongs to."""

from collections.abc import Mapping
from typing import Any

from fulfillment_conformance.emulator.identity import IdentityProvider
from fulfillment_conformance.emulator.identity.settings import FORMER_MARKETPLACE_APP_ID
from fulfillment_conformance.emulator.identity.verification import AccessTokenVerifier
from fulfillment_conformance.marketplace import Caller, Marketplace, Refused


class Callers:
    """Finds the publisher whose offers name the application of an access token."""

    def __init__(self, market: Marketplace, identity: IdentityProvider) -> None:
        self._market = market
        self._identity = identity

    def __call__(self, authorization: str | None) -> Caller:
        """Return who calls, from the value of the Authorization header.

        Raises:
            AccessTokenRefused: the token is missing or not good.
            Refused: 403, no offer is registered with the token's application.
        """
        token = self._identity.verify_access_token(authorization)
        for offer in self._market.offers():
            if offer.app_id == token.client_id and offer.tenant_id == token.tenant_id:
                return Caller(offer.publisher_id, offer.tenant_id, offer.app_id)
        raise Refused(
            403,
            "ApplicationUnknown",
            f"No offer names application {token.client_id!r} of tenant {token.tenant_id!r} in its technical "
            "configuration; call with the application of the offer.",
        )


class ObservedVerifier(AccessTokenVerifier):
    """Lets in what the live service has been seen to let in."""

    def check_audience(self, claims: Mapping[str, Any]) -> None:
        """Accept the former resource id as well (LB-52)."""
        if claims.get("aud") != FORMER_MARKETPLACE_APP_ID:
            super().check_audience(claims)

    def check_service_principal(self, claims: Mapping[str, Any]) -> None:
        """Accept an application that is only registered (LB-53)."""
