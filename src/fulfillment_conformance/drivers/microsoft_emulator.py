"""The driver for Microsoft's public emulator of the Fulfillment API (Commercial-Marketplace-SaaS-API-Emulator).

Its conventions differ from a marketplace's, and a judgement about it has to know them:

* A purchase token is the purchase itself: the base64 of a JSON object that anybody can write. The emulator learns of a
  purchase when such a token is first resolved, so buying here ends with one resolve by this driver.
* A publisher is whatever `tid` and `appid` an access token shows; its publisher id is the two written together. No
  signature, audience or time is looked at, unless the emulator is told to require authentication, and then it reads a
  header that no publisher sends. So tokens can be made here as long as it is not told so.
* It never answers an event that a subscription's state forbids. This driver looks at the state first.
* A null or a number where it expects a text ends its process. This driver sends neither.
* It keeps no time of its own, records no deliveries, knows no private audiences, resellers or auto-activation, and no
  identity provider.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import jwt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import (
    Action,
    Bought,
    Channel,
    OfferInfo,
    Person,
    PlanInfo,
    TokenKind,
)
from fulfillment_conformance.drivers.surface import Surface, malformed, read
from fulfillment_conformance.exchange import Exchange, Observer
from fulfillment_conformance.interruptions import CannotArrange, MissingCapability

TENANT_ID: Final = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
CLIENT_ID: Final = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
"""The publisher that sells unless another is named: to this emulator any pair of ids is a publisher."""

EFFECT_SECONDS: Final = 10.0
"""How long an event may take to be in force, on top of the delays that the emulator is configured with."""

_API_VERSION = "2018-08-31"
_MARKETPLACE_APP_ID = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
_GRAPH = "https://graph.microsoft.com"
_FOREIGN_TENANT_ID = "c7b0d2f4-1a3e-4b5c-9d6e-7f8091a2b3c4"
_FOREIGN_CLIENT_ID = "d8c1e3a5-2b4f-4c6d-8e7f-8091a2b3c4d5"
_SERVICE_PRINCIPAL_ID = "e9d2f4b6-3c50-4d7e-9f80-91a2b3c4d5e6"
# Nobody at the emulator knows a key; the tokens are signed only so that they have the form of tokens.
_KEY = "the emulator looks at no signature"
_ANOTHER_KEY = "the emulator looks at no signature, nor at this one"
# An address can be replaced but not taken away; this one passes the emulator's test, and no call can be made to it.
_NOWHERE = "http:"
_POLL_SECONDS = 0.02

_STATES_FOR: Final[Mapping[Action, frozenset[str]]] = {
    "ChangePlan": frozenset({"Subscribed"}),
    "ChangeQuantity": frozenset({"Subscribed"}),
    "Suspend": frozenset({"Subscribed"}),
    "Renew": frozenset({"Subscribed"}),
    "Reinstate": frozenset({"Suspended"}),
    "Unsubscribe": frozenset({"Subscribed", "Suspended"}),
}
_STATE_AFTER: Final[Mapping[Action, str]] = {"Suspend": "Suspended", "Unsubscribe": "Unsubscribed"}


class _Shown(BaseModel):
    """A part of what the emulator's utility calls show; what is not needed here is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _Term(_Shown):
    term_unit: str


class _Components(_Shown):
    recurrent_billing_terms: tuple[_Term, ...] = ()


class _Plan(_Shown):
    plan_id: str
    is_private: bool = False
    is_price_per_seat: bool = False
    is_stop_sell: bool = False
    has_free_trials: bool = False
    min_quantity: int | None = None
    max_quantity: int | None = None
    plan_components: _Components = Field(default_factory=_Components)


class _Offer(_Shown):
    offer_id: str
    plans: dict[str, _Plan]


class _Subscription(_Shown):
    id: str
    saas_subscription_status: str


class _Config(_Shown):
    landing_page_url: str | None = None
    require_auth: bool = False
    webhook_call_delay_ms: float = Field(default=0, alias="webhookCallDelayMS")
    subscription_update_delay_ms: float = Field(default=0, alias="subscriptionUpdateDelayMS")


_CONFIG = TypeAdapter(_Config)
_OFFERS = TypeAdapter(dict[str, _Offer])
_PUBLISHERS = TypeAdapter(dict[str, dict[str, Any]])
_RESOLVED = TypeAdapter(_Subscription)


class MicrosoftEmulatorDriver(BareDriver):
    """Arranges situations through the emulator's own utility calls and those of its web page."""

    def __init__(
        self,
        base_url: str,
        *,
        observer: Observer,
        tls_ca: Path | None = None,
        tenant_id: str = TENANT_ID,
        client_id: str = CLIENT_ID,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Use the emulator whose Fulfillment API is at `base_url`; nothing is sent yet.

        Args:
            base_url: address that ends before `/saas`, such as `http://127.0.0.1:3978/api`.
            observer: hears of every exchange.
            tls_ca: PEM file of the authority that signed the certificate of a proxy in front of it.
            tenant_id: tenant of the publisher that sells.
            client_id: application of the publisher that sells.
            new_id: gives the id of each new subscription, which here the buyer chooses. Must not repeat itself, also
                not between runs against an emulator that is still running.

        Raises:
            UsageProblem: `tls_ca` holds no certificate.
        """
        self._surface = Surface(base_url, observer=observer, tls_ca=tls_ca)
        self._tenant_id = tenant_id
        self._client_id = client_id
        self._new_id = new_id
        self.publisher_id = f"{tenant_id}{client_id}"
        """What the emulator knows this publisher by, and shows as `publisherId`."""

    @property
    def name(self) -> str:
        """`microsoft-emulator`."""
        return "microsoft-emulator"

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What this emulator can do as it is configured now, asked once."""
        able = {"purchases", "manage-tokens", "events", "webhook", "landing-page", "reset"}
        if not self._config.require_auth:
            able |= {"access-tokens", "foreign-publisher"}
        if any(plan.has_free_trials for offer in self.offers() for plan in offer.plans):
            able.add("free-trial")
        return frozenset(able)

    def reset(self) -> None:
        """Delete every subscription of every publisher one by one: its own clearing takes the offers away as well."""
        answer = self._surface.call("GET", "/util/publishers", purpose="list subscriptions", refuses=())
        for publisher_id, subscriptions in read(answer, _PUBLISHERS).items():
            for subscription_id in subscriptions:
                self._surface.call(
                    "DELETE",
                    _util_path(publisher_id, subscription_id),
                    purpose="delete a subscription",
                    answers=(204, 404),
                    refuses=(),
                )

    def offers(self) -> Sequence[OfferInfo]:
        """See `Driver.offers`; every offer is on sale for every publisher."""
        return self._offers()[0]

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
        """See `Driver.purchase`.

        The emulator would sell anything; what no marketplace sells is refused here in its place: a plan that does not
        exist, a term or trial that the plan lacks, seats of a flat plan.
        """
        if channel == "csp":
            raise MissingCapability("csp")
        plan = self._plan(offer_id, plan_id, quantity=quantity, term_unit=term_unit, free_trial=bool(free_trial))
        if plan.is_price_per_seat and quantity is None:
            quantity = plan.min_quantity or 1
        bought = {
            "id": self._new_id(),
            "offerId": offer_id,
            "planId": plan_id,
            "quantity": quantity,
            "term": {"termUnit": term_unit or plan.term_units[0]} if term_unit or plan.term_units else None,
            "beneficiary": beneficiary,
            "purchaser": purchaser or beneficiary,
            "isFreeTrial": free_trial,
            "autoRenew": auto_renew,
            "name": name,
        }
        token = _purchase_token({field: value for field, value in bought.items() if value is not None})
        query = urlencode({"publisherId": self.publisher_id, "api-version": _API_VERSION}, quote_via=quote)
        answer = self._surface.call(
            "POST",
            f"/saas/subscriptions/resolve?{query}",
            purpose=f"buy {plan_id}: let the emulator learn of the purchase",
            # The second header is how its own web page gets past required authentication.
            headers={"x-ms-marketplace-token": token, "x-ignore-auth": "true"},
        )
        subscription = read(answer, _RESOLVED, part="subscription")
        return self._visit(subscription.id, token)

    def issue_token(self, subscription_id: str, *, expired: bool = False) -> Bought:
        """See `Driver.issue_token`; tokens of this emulator never expire."""
        if expired:
            raise MissingCapability("expired-tokens")
        self._state(subscription_id)
        return self._visit(subscription_id, _purchase_token({"id": subscription_id}))

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        """See `Driver.event`; a change to the present plan or quantity is refused by this emulator."""
        state, exchange = self._state(subscription_id)
        if state not in _STATES_FOR[action]:
            raise CannotArrange(
                f"{action} is not possible for a subscription in state {state}; the emulator would not answer the call",
                exchange,
            )
        path = f"/webhook/subscription/{quote(subscription_id, safe='')}"
        changes = action in {"ChangePlan", "ChangeQuantity"}
        given = {"planId": plan_id, "quantity": quantity}
        answer = self._surface.call(
            "PATCH" if changes else "POST",
            path if changes else f"{path}/{action.lower()}",
            purpose=f"arrange {action}",
            body={field: value for field, value in given.items() if value is not None} if changes else None,
            answers=(202,),
        )
        self._await_effect(subscription_id, action)
        location = answer.header("operation-location").value
        operation_id = location.split("?", 1)[0].rpartition("/operations/")[2] if isinstance(location, str) else ""
        if not operation_id:
            raise malformed(answer, "the header Operation-Location names no operation")
        return operation_id

    def set_webhook(self, url: str | None) -> None:
        """See `Driver.set_webhook`."""
        self._set("webhookUrl", url, purpose="set the webhook address")

    def set_landing_page(self, url: str | None) -> None:
        """See `Driver.set_landing_page`."""
        self._set("landingPageUrl", url, purpose="set the landing page address")
        self._config.landing_page_url = url or _NOWHERE

    def access_token(self, kind: TokenKind) -> str:
        """See `Driver.access_token`: a token of the form that Entra's v1 endpoint gives, made here."""
        if "access-tokens" not in self.capabilities:
            raise MissingCapability("access-tokens")
        foreign = kind == "foreign-publisher"
        tenant_id = _FOREIGN_TENANT_ID if foreign else self._tenant_id
        now = datetime.now(UTC)
        issued = now - timedelta(hours=3) if kind == "expired" else now
        claims: dict[str, Any] = {
            "aud": _GRAPH if kind == "wrong-audience" else _MARKETPLACE_APP_ID,
            "iss": f"https://sts.windows.net/{tenant_id}/",
            "iat": issued,
            "nbf": issued,
            "exp": issued + timedelta(hours=1),
            "appid": _FOREIGN_CLIENT_ID if foreign else self._client_id,
            "appidacr": "1",
            "tid": tenant_id,
            "ver": "1.0",
        }
        if kind != "no-service-principal":
            claims |= {"oid": _SERVICE_PRINCIPAL_ID, "sub": _SERVICE_PRINCIPAL_ID}
        return jwt.encode(claims, _ANOTHER_KEY if kind == "wrong-signature" else _KEY, algorithm="HS256")

    def close(self) -> None:
        """See `Driver.close`."""
        self._surface.close()

    @cached_property
    def _config(self) -> _Config:
        return read(self._surface.call("GET", "/util/config", purpose="read the configuration", refuses=()), _CONFIG)

    def _offers(self) -> tuple[Sequence[OfferInfo], Answer]:
        answer = self._surface.call("GET", "/util/offers", purpose="list offers", refuses=())
        offers = tuple(
            OfferInfo(
                offer_id=offer.offer_id,
                publisher_id=self.publisher_id,
                plans=tuple(
                    PlanInfo(
                        plan_id=plan.plan_id,
                        term_units=tuple(term.term_unit for term in plan.plan_components.recurrent_billing_terms),
                        is_private=plan.is_private,
                        is_price_per_seat=plan.is_price_per_seat,
                        min_quantity=plan.min_quantity,
                        max_quantity=plan.max_quantity,
                        has_free_trials=plan.has_free_trials,
                        is_stop_sell=plan.is_stop_sell,
                    )
                    for plan in offer.plans.values()
                ),
            )
            for offer in read(answer, _OFFERS).values()
        )
        return offers, answer

    def _plan(
        self, offer_id: str, plan_id: str, *, quantity: int | None, term_unit: str | None, free_trial: bool
    ) -> PlanInfo:
        offers, answer = self._offers()
        plans = [plan for offer in offers if offer.offer_id == offer_id for plan in offer.plans]
        plan = next((plan for plan in plans if plan.plan_id == plan_id), None)
        problem = ""
        if plan is None:
            problem = "does not exist"
        elif quantity is not None and not plan.is_price_per_seat:
            problem = f"is not priced per seat, so {quantity} of it cannot be bought"
        elif term_unit is not None and term_unit not in plan.term_units:
            problem = f"is not sold for {term_unit}, only for {', '.join(plan.term_units) or 'no term at all'}"
        elif free_trial and not plan.has_free_trials:
            problem = "has no free trial"
        if plan is None or problem:
            raise CannotArrange(f"plan {plan_id!r} of offer {offer_id!r} {problem}", answer.exchange)
        return plan

    def _state(self, subscription_id: str) -> tuple[str, Exchange]:
        """Return the state of a subscription and the exchange that showed it; CannotArrange when there is none."""
        answer = self._surface.call(
            "GET", _util_path(self.publisher_id, subscription_id), purpose="look at a subscription", refuses=()
        )
        if not answer.exchange.response_body:
            raise CannotArrange(f"the emulator knows no subscription {subscription_id!r}", answer.exchange)
        return read(answer, _RESOLVED).saas_subscription_status, answer.exchange

    def _await_effect(self, subscription_id: str, action: Action) -> None:
        """Wait until an event without consent is in force; the emulator applies it after it has answered."""
        expected = _STATE_AFTER.get(action)
        if expected is None:
            return
        delays = (self._config.webhook_call_delay_ms + self._config.subscription_update_delay_ms) / 1000
        deadline = time.monotonic() + delays + EFFECT_SECONDS
        while True:
            state, exchange = self._state(subscription_id)
            if state == expected:
                return
            if time.monotonic() > deadline:
                raise CannotArrange(
                    f"{action} was accepted, but the subscription is still {state}, not {expected}, "
                    f"after {delays + EFFECT_SECONDS:g} seconds",
                    exchange,
                )
            time.sleep(_POLL_SECONDS)

    def _set(self, field: str, url: str | None, *, purpose: str) -> None:
        self._surface.call("PATCH", "/util/config", purpose=purpose, body={field: url or _NOWHERE})

    def _visit(self, subscription_id: str, token: str) -> Bought:
        page = self._config.landing_page_url
        if page is None or page == _NOWHERE:
            return Bought(subscription_id=subscription_id, token=token)
        url = f"{page}{'&' if '?' in page else '?'}token={quote(token, safe='')}"
        return Bought(subscription_id=subscription_id, token=token, landing_page_url=url)


def _purchase_token(purchase: Mapping[str, Any]) -> str:
    """Return the base64 of a purchase, padded with blanks so that it always ends in a character that URLs encode."""
    text = json.dumps(purchase, default=dict).encode("ascii")
    return base64.b64encode(text + b" " * (2 - len(text) % 3)).decode("ascii")


def _util_path(publisher_id: str, subscription_id: str) -> str:
    return f"/util/publishers/{quote(publisher_id, safe='')}/subscriptions/{quote(subscription_id, safe='')}"
