"""A driver that can arrange nothing, for others to start from: they override what their target can do."""

# ruff: noqa: ARG002 - whoever can do nothing looks at no argument

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fulfillment_conformance.drivers.base import (
    Action,
    Bought,
    Channel,
    DeliveryRecord,
    IdentityInfo,
    OfferInfo,
    Person,
    TokenKind,
)
from fulfillment_conformance.interruptions import MissingCapability


class BareDriver:
    """Says of every situation which capability is missing; its time is the wall clock, and it holds nothing open."""

    @property
    def name(self) -> str:
        """The class's own name, unless a subclass gives a better one."""
        return type(self).__name__

    @property
    def capabilities(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def reset(self) -> None:
        """See `Driver.reset`."""
        raise MissingCapability("reset")

    def offers(self) -> Sequence[OfferInfo]:
        """Return none: nothing can be bought."""
        return ()

    def purchase(
        self,
        *,
        offer_id: str,
        plan_id: str,
        quantity: int | None = None,
        term_unit: str | None = None,
        beneficiary: Person | None = None,
        purchaser: Person | None = None,
        channel: Channel | None = None,
        free_trial: bool | None = None,
        auto_renew: bool | None = None,
        name: str | None = None,
    ) -> Bought:
        """See `Driver.purchase`."""
        raise MissingCapability("purchases")

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> Bought:
        """See `Driver.issue_token`."""
        raise MissingCapability("expired-tokens" if expired else "manage-tokens")

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        """See `Driver.event`."""
        raise MissingCapability("events")

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> None:
        """See `Driver.set_auto_renew`."""
        raise MissingCapability("auto-renew")

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def advance(self, span: timedelta) -> datetime:
        """See `Driver.advance`."""
        raise MissingCapability("clock")

    def set_webhook(self, url: str | None) -> None:
        """See `Driver.set_webhook`."""
        raise MissingCapability("webhook")

    def set_landing_page(self, url: str | None) -> None:
        """See `Driver.set_landing_page`."""
        raise MissingCapability("landing-page")

    def deliveries(
        self, *, subscription_id: str | None = None, operation_id: str | None = None
    ) -> Sequence[DeliveryRecord]:
        """See `Driver.deliveries`."""
        raise MissingCapability("deliveries")

    def access_token(self, kind: TokenKind) -> str:
        """See `Driver.access_token`."""
        raise MissingCapability("access-tokens")

    def identity(self) -> IdentityInfo:
        """See `Driver.identity`."""
        raise MissingCapability("identity")

    def close(self) -> None:
        """See `Driver.close`."""
