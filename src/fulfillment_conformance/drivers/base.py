"""What a driver is: the protocol, and what it returns.

A driver says no in two ways, both of them `interruptions`: `MissingCapability` when the target has no means for a
situation, `CannotArrange` when it has the means and refused. A control surface that is down or talks nonsense is
neither of them: that is `errors.EnvironmentUnavailable`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from pydantic import AwareDatetime, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

CAPABILITIES: Final = frozenset(
    {
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
    }
)
"""Every capability that version 1 of the control protocol names."""

Action = Literal["ChangePlan", "ChangeQuantity", "Suspend", "Reinstate", "Renew", "Unsubscribe"]
Channel = Literal["direct", "csp"]
TokenKind = Literal[
    "valid", "expired", "wrong-audience", "wrong-signature", "foreign-publisher", "no-service-principal"
]
"""Bearer tokens for the Fulfillment API: one that is right, and five that differ from it in one point each."""

Person = Mapping[str, str | None]
"""Beneficiary or purchaser in the API's own words: `emailId`, `objectId`, `tenantId`, `puid`."""

_WIRE = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore")
"""Python names here, the protocol's camelCase on the wire; fields that a newer sandbox adds are passed over."""


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class PlanInfo:
    """One plan that can be bought.

    `audience` lists the tenant ids that a private plan is open to. `min_quantity` and `max_quantity` are seats, None
    where the plan sets no limit. `term_units` are ISO 8601 durations such as `P1M`. `market` is the country that the
    plan is sold in, None where the target does not tell.
    """

    plan_id: str
    term_units: tuple[str, ...]
    is_private: bool = False
    audience: tuple[str, ...] = ()
    is_price_per_seat: bool = False
    min_quantity: int | None = None
    max_quantity: int | None = None
    has_free_trials: bool = False
    is_stop_sell: bool = False
    market: str | None = None
    auto_activate: bool = False

    @property
    def has_one_number_of_seats(self) -> bool:
        """Whether the plan is priced per seat and its limits leave one number of them."""
        return self.is_price_per_seat and (self.min_quantity or 1) == self.max_quantity


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class OfferInfo:
    """One offer; `publisher_id` is what its subscriptions show as `publisherId`."""

    offer_id: str
    publisher_id: str
    plans: tuple[PlanInfo, ...]


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class Bought:
    """A purchase, or a later visit of its customer.

    `token` is the purchase token as resolve takes it; inside `landing_page_url` it is percent-encoded. The URL is None
    where the target knows no landing page.
    """

    subscription_id: str
    token: str = field(repr=False)
    landing_page_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class DeliveryRequest:
    """A notification as it was sent; header names in lower case, the body is its JSON object."""

    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class DeliveryResponse:
    """What the webhook answered; header names in lower case, the body is text."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class DeliveryRecord:
    """One attempt to deliver a notification; without `response`, `error` says why none came."""

    operation_id: str
    subscription_id: str
    attempt: int
    sent_at: AwareDatetime
    url: str
    request: DeliveryRequest
    response: DeliveryResponse | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, config=_WIRE)
class IdentityInfo:
    """What a publisher needs to get an access token from the target's identity provider."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    authority: str
    token_endpoint: str
    resource: str


class Driver(Protocol):
    """Arranges situations on one marketplace target.

    Every method may raise `MissingCapability`, `CannotArrange` or `EnvironmentUnavailable`. Every HTTP call that a
    driver makes is reported to its observer, from `suite` to `control`. One thread at a time uses a driver.
    """

    @property
    def name(self) -> str:
        """The name under which target files ask for this driver."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What the target can be asked to do, in the words of `CAPABILITIES`; may be asked of the target itself."""
        ...

    def reset(self) -> None:
        """Forget all subscriptions, operations and deliveries, and return to real time; addresses stay as they are."""
        ...

    def offers(self) -> Sequence[OfferInfo]:
        """Return what can be bought, of every publisher the target knows."""
        ...

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
        """Buy a plan, as a customer does. What is None is for the target to choose.

        Args:
            offer_id: what to buy.
            plan_id: which plan of it.
            quantity: seats, for a plan that is priced per seat.
            term_unit: billing term, one of the plan's `term_units`.
            beneficiary: for whom.
            purchaser: by whom.
            channel: `csp` for a purchase through a reseller.
            free_trial: start with the plan's free trial.
            auto_renew: whether the subscription renews by itself.
            name: display name of the subscription.
        """
        ...

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> Bought:
        """Return what a customer's browser gets on *Manage account*: a new token, already expired if asked for."""
        ...

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        """Let something happen on the marketplace's side and return the id of its operation.

        Suspend, Renew and Unsubscribe are in force when this returns; a change of plan or seats has only been started.
        """
        ...

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> None:
        """Switch automatic renewal on or off, as a customer does."""
        ...

    def now(self) -> datetime:
        """Return the target's time in UTC: the wall clock, unless it has been advanced."""
        ...

    def advance(self, span: timedelta) -> datetime:
        """Let time pass; returns the target's time after everything due in that span has happened."""
        ...

    def set_webhook(self, url: str | None) -> None:
        """Say where notifications go from now on; None: nowhere."""
        ...

    def set_landing_page(self, url: str | None) -> None:
        """Say where buyers are sent from now on; None: nowhere."""
        ...

    def deliveries(
        self, *, subscription_id: str | None = None, operation_id: str | None = None
    ) -> Sequence[DeliveryRecord]:
        """Return the attempts to deliver notifications so far, in the order in which they were made."""
        ...

    def access_token(self, kind: TokenKind) -> str:
        """Return a bearer token for the Fulfillment API."""
        ...

    def identity(self) -> IdentityInfo:
        """Return what a publisher needs to get its access tokens itself."""
        ...

    def close(self) -> None:
        """Release connections; the target stays as it is."""
        ...
