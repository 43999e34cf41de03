"""The bearer token of a notification, as a careful publisher reads it (pc-saas-fulfillment-webhook).

Tokens are never quoted: what is wrong with one is said by the names of its parts and by ids that are no secrets.
"""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.under_test import MarketplaceUnderTest
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.run import Run
from fulfillment_conformance.target import MarketplaceTarget

MARKETPLACE_APP_ID: Final = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
SKEW_SECONDS: Final = 300
"""Difference between two clocks that either answer of a publisher allows (WHK-019, WHK-020)."""

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A decoded token; nothing of it has been verified."""

    text: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def read_bearer(authorization: Any) -> BearerToken | str:
    """Return the token in the value of an Authorization header, or what is wrong with it."""
    if not isinstance(authorization, str):
        return "no Authorization header"
    found = _BEARER.fullmatch(authorization.strip())
    if found is None:
        return (
            f"the Authorization header's scheme is {authorization.split(' ', 1)[0][:20]!r}, not Bearer with one token"
        )
    parts = found[1].split(".")
    if len(parts) != 3 or not all(parts):
        return f"the token is no JWT: it has {len([part for part in parts if part])} parts, not three"
    header, claims = (_object(part) for part in parts[:2])
    if header is None or claims is None:
        return "the token is no JWT: header or claims are no JSON object"
    return BearerToken(found[1], header, claims)


def faults(
    token: BearerToken, *, tenant_id: str | None, client_id: str | None, keys: "SigningKeys | None", now: float
) -> list[str]:
    """Return all for which a careful publisher refuses a token, in words; empty for a good one.

    Args:
        token: what was sent.
        tenant_id: the publisher's tenant, None where it is not known.
        client_id: the publisher's application, None where it is not known.
        keys: where the tenant publishes its keys; None leaves the signature unverified.
        now: real time, in seconds since 1970.
    """
    claims = token.claims
    tenant = tenant_id or claims.get("tid")
    issuers = (f"https://sts.windows.net/{tenant}/", f"https://login.microsoftonline.com/{tenant}/v2.0")
    caller = claims.get("azp", claims.get("appid"))
    found = [
        (token.header.get("alg") != "RS256", f"alg is {token.header.get('alg')!r}, not RS256"),
        (not isinstance(token.header.get("kid"), str), "kid is missing: it says which key signed"),
        (not _same(claims.get("tid"), tenant) or not _guid(tenant), f"tid is {claims.get('tid')!r}, not {tenant!r}"),
        (
            not any(_same(claims.get("iss"), each) for each in issuers),
            f"iss is {claims.get('iss')!r}, not {' or '.join(issuers)}",
        ),
        (
            not _same(caller, MARKETPLACE_APP_ID),
            f"neither azp nor appid is the marketplace's application: {caller!r}",
        ),
        (
            not _same(claims.get("aud"), client_id or claims.get("aud")),
            f"aud is {claims.get('aud')!r}, not the publisher's application {client_id!r}",
        ),
        (not _seconds(claims.get("exp")), "exp is missing or no number"),
        (_seconds(claims.get("exp")) and claims["exp"] < now - SKEW_SECONDS, "exp is past"),
        (_seconds(claims.get("nbf")) and claims["nbf"] > now + SKEW_SECONDS, "nbf lies ahead"),
    ]
    said = [text for wrong, text in found if wrong]
    return said + ([] if keys is None else keys.faults(token))


class SigningKeys:
    """The keys that an authority publishes, found by its metadata and fetched once."""

    def __init__(self, http: HttpClient, authority: str) -> None:
        """Use `authority`, such as `https://login.microsoftonline.com/<tenant>`; nothing is sent yet."""
        self._http = http
        self._authority = authority.rstrip("/")
        self._keys: dict[str, Mapping[str, Any]] | None = None

    def faults(self, token: BearerToken) -> list[str]:
        """Return what is wrong with a token's signature, in words.

        Raises:
            Precondition: the authority shows no keys.
        """
        if self._keys is None:
            self._keys = self._fetch()
        kid = token.header.get("kid")
        key = self._keys.get(str(kid))
        if key is None:
            return [f"{self._authority} publishes no key {kid!r}"]
        options: Any = {f"verify_{what}": False for what in ("aud", "iss", "exp", "nbf", "iat")}
        try:
            jwt.decode(token.text, jwt.PyJWK(dict(key), algorithm="RS256").key, algorithms=["RS256"], options=options)
        except jwt.PyJWTError as error:
            return [f"the signature is not that of key {kid!r}: {type(error).__name__}"]
        return []

    def _fetch(self) -> dict[str, Mapping[str, Any]]:
        metadata = self._get(f"{self._authority}/.well-known/openid-configuration", "read Entra's metadata")
        uri = metadata["jwks_uri"].value
        published = self._get(uri, "read Entra's keys")["keys"] if isinstance(uri, str) else metadata["jwks_uri"]
        keys: dict[str, Mapping[str, Any]] = {
            str(key.value["kid"]): key.value for key in published if isinstance(key.value, dict) and "kid" in key.value
        }
        if not keys:
            raise Precondition(
                f"{self._authority} shows no signing keys, so that no signature can be verified", metadata.exchange
            )
        return keys

    def _get(self, url: str, purpose: str) -> Answer:
        return Answer(self._http.send("GET", url, receiver="identity", purpose=purpose))


@dataclass(frozen=True, slots=True)
class Addressee:
    """To whom notifications are addressed, as far as the target or its file tells: what their tokens must say.

    `keys` are those that the tenant's authority publishes, None where the authority is not known.
    """

    tenant_id: str | None = None
    client_id: str | None = None
    keys: SigningKeys | None = None


def addressee(run: Run, under_test: MarketplaceUnderTest) -> Addressee:
    """Say whom the target's notifications must be addressed to."""
    target = run.target
    assert isinstance(target, MarketplaceTarget)
    authority = None
    if target.identity is not None:
        tenant_id, client_id = target.identity.tenant_id, target.identity.client_id
        authority = target.identity.authority
    elif "identity" in under_test.driver.capabilities:
        info = under_test.driver.identity()
        tenant_id, client_id, authority = info.tenant_id, info.client_id, info.authority
    else:
        return Addressee()
    return Addressee(tenant_id, client_id, SigningKeys(under_test.http, authority) if authority else None)


def wall_clock() -> float:
    """Return the real time, in which tokens are dated whatever a sandbox's clock says."""
    return time.time()


def _object(part: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _guid(value: Any) -> bool:
    return isinstance(value, str) and GUID.fullmatch(value) is not None


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, str) and isinstance(wanted, str) and value.lower() == wanted.lower()
