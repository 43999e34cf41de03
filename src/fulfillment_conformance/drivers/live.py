"""The driver for Microsoft's live service, which has no control surface: money and calendars cannot be arranged there.

What needs no arrangement is still judged: authentication, headers, refusals, the list. Everything else is untestable,
by the name of the capability that is missing.
"""

from typing import Final

from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import IdentityInfo

MARKETPLACE_APP_ID: Final = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
AUTHORITY_HOST: Final = "https://login.microsoftonline.com"


class LiveDriver(BareDriver):
    """Knows who the publisher is and arranges nothing."""

    def __init__(self, *, tenant_id: str, client_id: str, client_secret: str) -> None:
        """Stand for the publisher's own application, as in the offer's technical configuration.

        Args:
            tenant_id: tenant of the application.
            client_id: its application id.
            client_secret: its secret.
        """
        authority = f"{AUTHORITY_HOST}/{tenant_id}"
        self._identity = IdentityInfo(
            tenant_id=tenant_id,
            client_id=client_id,
            client_secret=client_secret,
            authority=authority,
            token_endpoint=f"{authority}/oauth2/v2.0/token",
            resource=MARKETPLACE_APP_ID,
        )

    @property
    def name(self) -> str:
        """`live`."""
        return "live"

    @property
    def capabilities(self) -> frozenset[str]:
        """`identity` alone."""
        return frozenset({"identity"})

    def identity(self) -> IdentityInfo:
        """Return the publisher's application at Entra's v2.0 token endpoint (pc-saas-registration)."""
        return self._identity
