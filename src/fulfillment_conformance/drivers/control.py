"""The driver for any sandbox that serves the control protocol, version 1 (`openapi/sandbox-control.yaml`)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import isodate
from pydantic import AwareDatetime, TypeAdapter

from fulfillment_conformance.answers import Answer
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
from fulfillment_conformance.drivers.surface import Surface, read
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Observer
from fulfillment_conformance.interruptions import MissingCapability

if TYPE_CHECKING:
    from fulfillment_conformance.inside import Inside

PROTOCOL = 1

ADVANCE_TIMEOUT_SECONDS = 300.0
"""An advance answers only after every delivery in its span has been made and answered."""

_NAMES = TypeAdapter(frozenset[str])
_OFFERS = TypeAdapter(tuple[OfferInfo, ...])
_BOUGHT = TypeAdapter(Bought)
_DELIVERIES = TypeAdapter(tuple[DeliveryRecord, ...])
_IDENTITY = TypeAdapter(IdentityInfo)
_TEXT = TypeAdapter(str)
_TIME = TypeAdapter(AwareDatetime)


class ControlDriver:
    """Arranges situations through a sandbox's control surface. What the sandbox does not list is not asked of it."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        observer: Observer,
        tls_ca: Path | None = None,
        inside: "Inside | None" = None,
    ) -> None:
        """Use the control surface at `base_url`; nothing is sent yet.

        Args:
            base_url: address of the surface, such as `http://127.0.0.1:8080/control`.
            key: value of the header `x-control-key`, which a sandbox off loopback asks for.
            observer: hears of every exchange.
            tls_ca: PEM file of the authority that signed the sandbox's certificate.
            inside: the way to a sandbox that this process serves.

        Raises:
            UsageProblem: `tls_ca` holds no certificate.
        """
        headers = {} if key is None else {"x-control-key": key}
        self._surface = Surface(base_url, observer=observer, tls_ca=tls_ca, headers=headers, inside=inside)

    @property
    def name(self) -> str:
        """`control`."""
        return "control"

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What the sandbox says it can do, asked once.

        Raises:
            EnvironmentUnavailable: nobody there, or it speaks another protocol.
        """
        answer = self._surface.call("GET", "", purpose="read capabilities", refuses=())
        protocol = answer["protocol"].value
        if isinstance(protocol, bool) or protocol != PROTOCOL:
            shown = "no protocol version" if answer["protocol"].absent else f"protocol {protocol!r}"
            raise EnvironmentUnavailable(
                f"{self._surface.base_url} shows {shown}, this suite speaks version {PROTOCOL} of the sandbox control "
                "protocol; check control_url in the target file, or use a sandbox of that version"
            )
        return read(answer, _NAMES, part="capabilities")

    def reset(self) -> None:
        """See `Driver.reset`."""
        self._need("reset")
        self._surface.call("POST", "/reset", purpose="reset the sandbox", answers=(204,), refuses=())

    def offers(self) -> Sequence[OfferInfo]:
        """See `Driver.offers`."""
        answer = self._surface.call("GET", "/offers", purpose="list offers", refuses=())
        return read(answer, _OFFERS, part="offers")

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
        self._need("purchases", *(["csp"] if channel == "csp" else []), *(["free-trial"] if free_trial else []))
        body = _given(
            offerId=offer_id,
            planId=plan_id,
            quantity=quantity,
            termUnit=term_unit,
            beneficiary=None if beneficiary is None else dict(beneficiary),
            purchaser=None if purchaser is None else dict(purchaser),
            channel=channel,
            freeTrial=free_trial,
            autoRenew=auto_renew,
            name=name,
        )
        answer = self._surface.call("POST", "/purchases", purpose=f"buy {plan_id}", body=body, answers=(201,))
        return read(answer, _BOUGHT)

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> Bought:
        """See `Driver.issue_token`."""
        self._need("manage-tokens", *(["expired-tokens"] if expired else []))
        answer = self._surface.call(
            "POST",
            f"{_path(subscription_id)}/tokens",
            purpose="issue an expired purchase token" if expired else "issue a purchase token",
            body={"expired": True} if expired else {},
            answers=(201,),
        )
        return read(answer, _BOUGHT, subscriptionId=subscription_id)

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        """See `Driver.event`."""
        self._need("events")
        body = _given(action=action, planId=plan_id, quantity=quantity)
        answer = self._surface.call(
            "POST", f"{_path(subscription_id)}/events", purpose=f"arrange {action}", body=body, answers=(202,)
        )
        return read(answer, _TEXT, part="operationId")

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> None:
        """See `Driver.set_auto_renew`."""
        self._need("auto-renew")
        self._surface.call(
            "PUT",
            f"{_path(subscription_id)}/auto-renew",
            purpose=f"switch auto-renew {'on' if auto_renew else 'off'}",
            body={"autoRenew": auto_renew},
            answers=(204,),
        )

    def now(self) -> datetime:
        """See `Driver.now`."""
        if "clock" not in self.capabilities:
            return datetime.now(UTC)
        return _time(self._surface.call("GET", "/clock", purpose="read the clock", refuses=()))

    def advance(self, span: timedelta) -> datetime:
        """See `Driver.advance`."""
        self._need("clock")
        duration = isodate.duration_isoformat(span)
        answer = self._surface.call(
            "POST",
            "/clock",
            purpose=f"advance the clock by {duration}",
            body={"advance": duration},
            timeout=ADVANCE_TIMEOUT_SECONDS,
        )
        return _time(answer)

    def set_webhook(self, url: str | None) -> None:
        """See `Driver.set_webhook`."""
        self._need("webhook")
        self._surface.call("PUT", "/webhook", purpose="set the webhook address", body={"url": url}, answers=(204,))

    def set_landing_page(self, url: str | None) -> None:
        """See `Driver.set_landing_page`."""
        self._need("landing-page")
        self._surface.call(
            "PUT", "/landing-page", purpose="set the landing page address", body={"url": url}, answers=(204,)
        )

    def deliveries(
        self, *, subscription_id: str | None = None, operation_id: str | None = None
    ) -> Sequence[DeliveryRecord]:
        """See `Driver.deliveries`."""
        self._need("deliveries")
        query = urlencode(_given(subscriptionId=subscription_id, operationId=operation_id), quote_via=quote)
        answer = self._surface.call(
            "GET", "/deliveries" + (f"?{query}" if query else ""), purpose="list deliveries", refuses=()
        )
        return read(answer, _DELIVERIES, part="deliveries")

    def access_token(self, kind: TokenKind) -> str:
        """See `Driver.access_token`."""
        self._need("access-tokens", *(["foreign-publisher"] if kind == "foreign-publisher" else []))
        answer = self._surface.call(
            "POST", "/access-tokens", purpose=f"issue a {kind} access token", body={"kind": kind}, answers=(201,)
        )
        return read(answer, _TEXT, part="accessToken")

    def identity(self) -> IdentityInfo:
        """See `Driver.identity`."""
        self._need("identity")
        return read(self._surface.call("GET", "/identity", purpose="read the identity", refuses=()), _IDENTITY)

    def close(self) -> None:
        """See `Driver.close`."""
        self._surface.close()

    def _need(self, *capabilities: str) -> None:
        for capability in capabilities:
            if capability not in self.capabilities:
                raise MissingCapability(capability)


def _path(subscription_id: str) -> str:
    return f"/subscriptions/{quote(subscription_id, safe='')}"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(answer: Answer) -> datetime:
    return read(answer, _TIME, part="now").astimezone(UTC)
