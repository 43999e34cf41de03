"""The driver for Microsoft's live service, which has no control surface: money and calendars cannot be arranged there.

Situations are looked up among the subscriptions that the target file lists (`fulfillment_conformance.live`). The driver
itself knows who the publisher is and which plans the file says are on offer.
"""

from collections.abc import Sequence
from typing import Final

from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import IdentityInfo, OfferInfo
from fulfillment_conformance.interruptions import MissingCapability

MARKETPLACE_APP_ID: Final = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
AUTHORITY_HOST: Final = "https://login.microsoftonline.com"


class LiveDriver(BareDriver):
    """Knows who the publisher is and what is on offer, and arranges nothing."""

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        client_secret: str | None,
        authority: str = AUTHORITY_HOST,
        resource: str = MARKETPLACE_APP_ID,
        offers: Sequence[OfferInfo] = (),
    ) -> None:
        """Stand for the publisher's own application, as in the offer's technical configuration.

        Args:
            tenant_id: tenant of the application.
            client_id: its application id.
            client_secret: its secret; None where it proves who it is by other means.
            authority: address of the identity provider, without the tenant.
            resource: application id of the marketplace.
            offers: what the target file says is on offer.
        """
        self._identity: IdentityInfo | None = None
        if client_secret is not None:
            self._identity = IdentityInfo(
                tenant_id=tenant_id,
                client_id=client_id,
                client_secret=client_secret,
                authority=f"{authority}/{tenant_id}",
                token_endpoint=f"{authority}/{tenant_id}/oauth2/v2.0/token",
                resource=resource,
            )
        self._offers = tuple(offers)

    @property
    def name(self) -> str:
        """`live`."""
        return "live"

    @property
    def capabilities(self) -> frozenset[str]:
        """`identity`, where the application has a secret."""
        return frozenset() if self._identity is None else frozenset({"identity"})

    def offers(self) -> Sequence[OfferInfo]:
        """Return what the target file says is on offer."""
        return self._offers

    def identity(self) -> IdentityInfo:
        """Return the publisher's application at Entra's v2.0 token endpoint (pc-saas-registration)."""
        if self._identity is None:
            raise MissingCapability("identity", ": the application has no secret to ask for tokens with")
        return self._identity
