"""What the Fulfillment API asks of a bearer token.

AccessTokenRefused
├── AccessTokenMissing
├── AccessTokenMalformed
├── AccessTokenUntrusted
├── AccessTokenExpired
├── AccessTokenNotYetValid
├── AccessTokenForOtherAudience
├── AccessTokenOfUser
└── NoServicePrincipal
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeGuard

import jwt

from fulfillment_conformance.emulator.identity.keys import KeyRing
from fulfillment_conformance.emulator.identity.settings import MARKETPLACE_APP_ID
from fulfillment_conformance.emulator.identity.tokens import issuer

ALLOWED_SKEW_SECONDS = 300
"""How far `nbf` may lie ahead. An expired token gets no such tolerance: it was issued by the same clock."""

_REMEMBERED = 1024


class AccessTokenRefused(Exception):  # noqa: N818 - an outcome of a check, not a fault of the program
    """A bearer token that the Fulfillment API does not accept. The message never shows the token."""


class AccessTokenMissing(AccessTokenRefused):
    """No Authorization header, or one of another scheme, or without a token."""


class AccessTokenMalformed(AccessTokenRefused):
    """Not a JWT: three parts, a JSON header and a JSON object."""


class AccessTokenUntrusted(AccessTokenRefused):
    """Not signed with RS256 by a key of the tenant it names, or not from that tenant's issuer."""


class AccessTokenExpired(AccessTokenRefused):
    """The time in `exp` has passed."""


class AccessTokenNotYetValid(AccessTokenRefused):
    """The time in `nbf` has not come."""


class AccessTokenForOtherAudience(AccessTokenRefused):
    """Issued for another resource than the marketplace."""


class AccessTokenOfUser(AccessTokenRefused):
    """Delegated by a user; the API knows applications only."""


class NoServicePrincipal(AccessTokenRefused):
    """The application has no service principal in its tenant: no claim `oid`."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An accepted token: which application of which tenant calls, and everything else it says."""

    client_id: str
    tenant_id: str
    claims: Mapping[str, Any]


class AccessTokenVerifier:
    """Checks bearer tokens; each rule is a method of its own, so that a deviation can leave out exactly one."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._remembered: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def verify(self, authorization: str | None, *, now: float) -> AccessToken:
        """Return who calls.

        Args:
            authorization: the value of the Authorization header, None when there is none.
            now: present time, seconds since 1970.

        Raises:
            AccessTokenRefused: one of its kinds says why.
        """
        token = self.bearer(authorization)
        claims = self._remembered.get(token)
        if claims is None:
            claims = MappingProxyType(self.signed_claims(token))
            self._remember(token, claims)
        self.check_times(claims, now)
        self.check_audience(claims)
        self.check_application(claims)
        self.check_service_principal(claims)
        client_id = claims.get("appid", claims.get("azp"))
        tenant_id = claims.get("tid")
        if not isinstance(client_id, str) or not isinstance(tenant_id, str):
            raise AccessTokenUntrusted("the access token names no client application: neither appid nor azp")
        return AccessToken(client_id, tenant_id, claims)

    def bearer(self, authorization: str | None) -> str:
        """Return the token in an Authorization header."""
        if authorization is None:
            raise AccessTokenMissing("no Authorization header; send 'Authorization: Bearer <access token>'")
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AccessTokenMissing("the Authorization header holds no bearer token; send 'Bearer <access token>'")
        return token.strip()

    def signed_claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token whose signature and issuer are genuine."""
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise AccessTokenMalformed("the access token is not a JWT with a JSON object as payload") from None
        tenant_id = unverified.get("tid")
        key = self._keys.issued_with(header.get("kid"), tenant_id)
        if key is None:
            raise AccessTokenUntrusted("the access token names no key that signs for its tenant")
        options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_sub"), False)
        try:
            claims: dict[str, Any] = jwt.decode(token, key.public_key, algorithms=["RS256"], options=options)
        except (jwt.PyJWTError, ValueError):
            raise AccessTokenUntrusted("the signature of the access token is not the one of its key") from None
        if claims.get("iss") not in {issuer(1, str(tenant_id)), issuer(2, str(tenant_id))}:
            raise AccessTokenUntrusted("the issuer of the access token is not the one of its tenant")
        return claims

    def check_times(self, claims: Mapping[str, Any], now: float) -> None:
        """Refuse a token outside its life."""
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not _is_time(expires) or not _is_time(begins):
            raise AccessTokenMalformed("exp and nbf of the access token are not numbers of seconds since 1970")
        if now >= expires:
            raise AccessTokenExpired(f"the access token expired {int(now - expires)} s ago; get a new one")
        if begins > now + ALLOWED_SKEW_SECONDS:
            raise AccessTokenNotYetValid(f"the access token is valid only in {int(begins - now)} s")

    def check_audience(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token for another resource."""
        if claims.get("aud") != MARKETPLACE_APP_ID:
            raise AccessTokenForOtherAudience(
                f"the access token is for the resource {claims.get('aud')!r}; ask for {MARKETPLACE_APP_ID}"
            )

    def check_application(self, claims: Mapping[str, Any]) -> None:
        """Refuse a user's token."""
        if "scp" in claims:
            raise AccessTokenOfUser("the access token was delegated by a user; use the client credentials grant")

    def check_service_principal(self, claims: Mapping[str, Any]) -> None:
        """Refuse an application that is only registered."""
        if "oid" not in claims:
            raise NoServicePrincipal("the application has no service principal in its tenant (claim oid); create one")

    def _remember(self, token: str, claims: Mapping[str, Any]) -> None:
        self._remembered[token] = claims
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
