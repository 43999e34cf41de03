"""Faults of access tokens and of who may see what (catalogue theme AUT)."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt

from fulfillment_conformance.emulator.deviations.registry import answers, decision, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.identity.verification import AccessTokenExpired
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.marketplace import Refused

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

_EVERY_OPERATION = (
    "RES-020",
    "ACT-016",
    "GET-003",
    "LST-012",
    "PLN-010",
    "CHP-016",
    "CHQ-014",
    "DEL-008",
    "OPL-007",
    "OPG-013",
    "OPP-006",
)
"""The rows that ask of one operation each what AUT-011 to AUT-013 ask of all."""


@deviation("access-tokens-live-ten-minutes", breaks=["AUT-009"])
def live_ten_minutes(emulator: "Emulator") -> None:
    """An access token is valid for ten minutes."""
    emulator.identity.access_token_lifetime = timedelta(minutes=10)


@deviation("no-access-token-is-needed", breaks=["AUT-011", *_EVERY_OPERATION])
def no_access_token_is_needed(emulator: "Emulator") -> None:
    """A call without an Authorization header is served."""

    @answers(emulator)
    def anonymous(request: Request, answer: Answer) -> Reply:
        if "authorization" not in request.headers:
            request.headers = {**request.headers, "authorization": f"Bearer {emulator.identity.access_token()}"}
        return answer(request)


@deviation("access-tokens-need-no-signature", breaks=["AUT-012", *_EVERY_OPERATION])
def need_no_signature(emulator: "Emulator") -> None:
    """An access token is believed, whoever signed it."""

    @decision(emulator.identity.verifier, "signed_claims")
    def believed(_: Any, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            claims = emulator.identity.tokens.access_claims(
                emulator.identity.directory.fulfillment_application,
                audience="20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
                version=2,
            )
        return claims


@deviation("access-tokens-never-expire", breaks=["AUT-013", *_EVERY_OPERATION])
def never_expire(emulator: "Emulator") -> None:
    """An access token is accepted after its time."""

    @decision(emulator.identity.verifier, "check_times")
    def whenever(check: Any, claims: Any, now: float) -> None:
        try:
            check(claims, now)
        except AccessTokenExpired:
            return


@deviation("access-tokens-are-good-for-any-resource", breaks=["AUT-016"])
def are_good_for_any_resource(emulator: "Emulator") -> None:
    """An access token for another resource is accepted."""

    @decision(emulator.identity.verifier, "check_audience")
    def any_audience(*_: Any) -> None:
        return


@deviation(
    "publishers-are-not-told-apart",
    breaks=[
        *("AUT-014", "AUT-015", "AUT-030", "RES-021", "ACT-017", "GET-004"),
        *("PLN-010", "CHP-016", "CHQ-014", "OPL-007", "OPG-013", "OPP-007"),
    ],
)
def are_not_told_apart(emulator: "Emulator") -> None:
    """Every publisher may see and change every subscription."""

    @decision(emulator.market, "may_access")
    def everybody(*_: Any) -> bool:
        return True


@deviation("the-list-shows-all-publishers", breaks=["AUT-025"])
def the_list_shows_all_publishers(emulator: "Emulator") -> None:
    """The list also holds the subscriptions of the other publishers."""

    @answers(emulator, "list_subscriptions")
    def everything(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if reply.status == 200:
            for kind in ("valid", "foreign-publisher"):
                request.headers = {
                    **request.headers,
                    "authorization": f"Bearer {emulator.identity.access_token(kind)}",
                }
                known = {each["id"] for each in reply.document["subscriptions"]}
                others = (answer(request).document or {}).get("subscriptions", [])
                room = emulator.market.rules.page_size - len(known)
                reply.document["subscriptions"] += [each for each in others if each["id"] not in known][:room]
        return reply


@deviation("cancelling-takes-effect-before-it-is-refused", breaks=["AUT-030"])
def takes_effect_before_it_is_refused(emulator: "Emulator") -> None:
    """Another publisher's DELETE is answered 403, but the subscription is cancelled all the same."""

    @decision(emulator.market, "cancel")
    def all_the_same(cancel: Any, caller: Any, subscription_id: str) -> Any:
        try:
            return cancel(caller, subscription_id)
        except Refused as refused:
            if refused.status == 403:
                emulator.market.unsubscribe(subscription_id)
            raise
