"""Who calls the webhook: validation of the Entra JWT in the Authorization header.

The token is the only proof that a call comes from Microsoft's marketplace, so nothing of a call is read before it has
been validated, and there is no setting that leaves the validation out. Source: pc-saas-fulfillment-webhook.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jwt
from jwt.types import Options

from fulfillment_conformance.reference_publisher.settings import MARKETPLACE_APP_ID, Settings
from fulfillment_conformance.reference_publisher.signing_keys import SigningKeys

ALGORITHM: Final = "RS256"

LEEWAY_SECONDS: Final = 240.0
"""How far the clocks of Entra and this machine may differ; five minutes are customary, this stays safely within."""

Claims = Mapping[str, Any]


class TokenRefused(Exception):  # noqa: N818 - a refusal is an answer
    """The call is not proved to come from the marketplace. The text says why and repeats nothing of the token."""


class WebhookTokens:
    """Decides whether a webhook call comes from Microsoft's marketplace and is meant for us.

    Attributes:
        checks: what is asked of the claims once the signature is known to be genuine, by name.
    """

    def __init__(self, settings: Settings, keys: SigningKeys, *, clock: Callable[[], float] = time.time) -> None:
        """Validate for the application and tenant of the settings. `clock` gives seconds since 1970."""
        self.keys = keys
        self._clock = clock
        self._client_id = settings.client_id
        self._tenant_id = settings.tenant_id
        self.issuers = {
            f"https://sts.windows.net/{settings.tenant_id}/",  # tokens of version 1
            f"https://login.microsoftonline.com/{settings.tenant_id}/v2.0",  # tokens of version 2
        }
        self.checks: dict[str, Callable[[Claims], None]] = {
            "exp": self.check_not_expired,
            "nbf": self.check_already_valid,
            "aud": self.check_audience,
            "tid": self.check_tenant,
            "iss": self.check_issuer,
            "appid or azp": self.check_sender,
        }

    async def validate(self, authorization: Sequence[str]) -> Claims:
        """Return the claims of a genuine token.

        Args:
            authorization: every value of the Authorization header.

        Raises:
            TokenRefused: the call is not from the marketplace, or not for us.
            KeysUnavailable: it cannot be decided at present.
        """
        claims = await self.signed_claims(self.bearer(authorization))
        for check in self.checks.values():
            check(claims)
        return claims

    def bearer(self, authorization: Sequence[str]) -> str:
        """Return the token in the Authorization header."""
        if len(authorization) != 1:
            raise TokenRefused("a call carries exactly one Authorization header")
        scheme, _, token = authorization[0].strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenRefused("the Authorization header holds no bearer token")
        return token.strip()

    async def signed_claims(self, token: str) -> Claims:
        """Return the claims of a token that Entra has signed with a key of our tenant.

        Which key is for the tenant's metadata to say. Keys and key addresses inside the token (`jwk`, `jku`, `x5c`) are
        the caller's own words and not looked at; the algorithm is ours to choose, not the token's.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenRefused("the bearer token is not a JWT") from error
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(kid, str):
            raise TokenRefused(f"the token is not signed with {ALGORITHM} by a key that it names")
        key = await self.keys.key(kid)
        if key is None:
            raise TokenRefused("the token names a key that Entra does not publish for our tenant")
        try:
            # Signature only: each claim is checked by a method of its own below.
            claims: Claims = jwt.decode(token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefused("the token's signature does not verify") from error
        return claims

    def check_not_expired(self, claims: Claims) -> None:
        """`exp` has to be there and not in the past."""
        if self._clock() > _time(claims, "exp") + LEEWAY_SECONDS:
            raise TokenRefused("the token has expired")

    def check_already_valid(self, claims: Claims) -> None:
        """`nbf` is missing from some genuine tokens; where it is given it may not be in the future."""
        if "nbf" in claims and self._clock() < _time(claims, "nbf") - LEEWAY_SECONDS:
            raise TokenRefused("the token is not valid yet")

    def check_audience(self, claims: Claims) -> None:
        """`aud` is our application, as in the technical configuration."""
        if claims.get("aud") != self._client_id:
            raise TokenRefused("the token is for another application")

    def check_tenant(self, claims: Claims) -> None:
        """`tid` is our tenant, as in the technical configuration."""
        if claims.get("tid") != self._tenant_id:
            raise TokenRefused("the token is of another tenant")

    def check_issuer(self, claims: Claims) -> None:
        """`iss` is our tenant's issuer; which of its two forms depends on our application's registration."""
        if claims.get("iss") not in self.issuers:
            raise TokenRefused("the token has another issuer than our tenant")

    def check_sender(self, claims: Claims) -> None:
        """`appid` (version 1) or `azp` (version 2) is the marketplace. `scp` would show a user's token."""
        senders = [claims[name] for name in ("appid", "azp") if name in claims]
        if not senders or any(sender != MARKETPLACE_APP_ID for sender in senders) or "scp" in claims:
            raise TokenRefused("the token was not issued to the marketplace")


_SIGNATURE_ONLY: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"{name} of the token is not a time")
    return value
