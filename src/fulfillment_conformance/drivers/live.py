"""The driver for Microsoft's live service, which has no control surface: money and calendars cannot be arranged there.

What needs no arrangement is still judged: authentication, headers, refusals, the list. Everything else is untestable,
by the name of the capability that is missing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from fulfillment_conformance.drivers.base import (
    Action,
    Channel,
    IdentityInfo,
    OfferInfo,
    Person,
    TokenKind,
)
from fulfillment_conformance.interruptions import MissingCapability

MARKETPLACE_APP_ID: Final = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
AUTHORITY_HOST: Final = "https://login.microsoftonline.com"


class LiveDriver:
    """Knows who the publisher is and arranges nothing."""

    name = "live"
    capabilities = frozenset({"identity"})

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

    def identity(self) -> IdentityInfo:
        """Return the publisher's application at Entra's v2.0 token endpoint (pc-saas-registration)."""
        return self._identity

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def offers(self) -> Sequence[OfferInfo]:
        """Return none: the Fulfillment API does not list offers, and nothing could be bought of them."""
        return ()

    def reset(self) -> NoReturn:
        """Raise: live subscriptions are never touched."""
        raise MissingCapability("reset")

    def purchase(
        self,
        *,
        offer_id: str,  # noqa: ARG002
        plan_id: str,  # noqa: ARG002
        quantity: int | None = None,  # noqa: ARG002
        term_unit: str | None = None,  # noqa: ARG002
        beneficiary: Person | None = None,  # noqa: ARG002
        purchaser: Person | None = None,  # noqa: ARG002
        channel: Channel | None = None,  # noqa: ARG002
        free_trial: bool | None = None,  # noqa: ARG002
        auto_renew: bool | None = None,  # noqa: ARG002
        name: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raise: only a person with a payment method can buy."""
        raise MissingCapability("purchases")

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> NoReturn:  # noqa: ARG002
        """Raise: tokens are given to a customer's browser only."""
        raise MissingCapability("manage-tokens")

    def event(
        self,
        subscription_id: str,  # noqa: ARG002
        action: Action,  # noqa: ARG002
        *,
        plan_id: str | None = None,  # noqa: ARG002
        quantity: int | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raise: customers, banks and calendars make events."""
        raise MissingCapability("events")

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> NoReturn:  # noqa: ARG002
        """Raise: a setting of the customer's portal."""
        raise MissingCapability("auto-renew")

    def advance(self, span: timedelta) -> NoReturn:  # noqa: ARG002
        """Raise: time passes by itself."""
        raise MissingCapability("clock")

    def set_webhook(self, url: str | None) -> NoReturn:  # noqa: ARG002
        """Raise: a setting of Partner Center."""
        raise MissingCapability("webhook")

    def set_landing_page(self, url: str | None) -> NoReturn:  # noqa: ARG002
        """Raise: a setting of Partner Center."""
        raise MissingCapability("landing-page")

    def deliveries(
        self,
        *,
        subscription_id: str | None = None,  # noqa: ARG002
        operation_id: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raise: deliveries are seen by the webhook only."""
        raise MissingCapability("deliveries")

    def access_token(self, kind: TokenKind) -> NoReturn:  # noqa: ARG002
        """Raise: a good token comes from `identity`'s token endpoint; bad ones cannot be had."""
        raise MissingCapability("access-tokens")

    def close(self) -> None:
        """Do nothing: no connection is held."""
