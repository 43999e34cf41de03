"""The tokens that Entra issues: what claims they carry, in both versions."""

import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

import jwt

from fulfillment_conformance.emulator.identity.keys import KeyRing, SigningKey, b64url
from fulfillment_conformance.emulator.identity.settings import GRAPH_APP_ID, MARKETPLACE_APP_ID, Application, User
from fulfillment_conformance.marketplace.ids import Ids

TokenVersion = Literal[1, 2]
"""1: issuer sts.windows.net, `appid`. 2: issuer login.microsoftonline.com, `azp`."""

LIFETIME = timedelta(hours=1)
"""How long every token is valid."""


def issuer(version: TokenVersion, tenant_id: str) -> str:
    """Return the issuer of a tenant's tokens, always Microsoft's own host."""
    if version == 1:
        return f"https://sts.windows.net/{tenant_id}/"
    return f"https://login.microsoftonline.com/{tenant_id}/v2.0"


def service_principal(tenant_id: str, client_id: str) -> str:
    """Return the object id of an application's service principal in a tenant."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://graph.microsoft.com/{tenant_id}/servicePrincipals/{client_id}"))


class TokenIssuer:
    """Makes and signs tokens. Times are the wall clock's, because somebody else checks them."""

    def __init__(self, keys: KeyRing, *, seed: int) -> None:
        self._keys = keys
        self._ids = Ids(-1 - seed)  # another sequence than that of the marketplace with the same seed

    def opaque(self, size: int) -> str:
        """Return `size` fresh bytes as URL-safe text."""
        return b64url(self._ids.token_bytes(size))

    def guid(self) -> str:
        """Return a fresh GUID."""
        return self._ids.guid()

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any], *, key: SigningKey | None = None) -> str:
        """Return a JWS over the claims by RS256.

        Args:
            header: fields besides, or instead of, `typ`, `alg`, `x5t` and `kid`; the value None leaves a field out.
            claims: the payload, as it is.
            key: whose signature; Microsoft's present key when not given.
        """
        key = key or self._keys.signing_key
        fields = {"x5t": key.kid, "kid": key.kid, **header}
        fields = {name: value for name, value in fields.items() if value is not None}
        return jwt.encode(dict(claims), key.private_key, algorithm="RS256", headers=fields)

    def access_claims(
        self,
        application: Application,
        *,
        audience: str,
        version: TokenVersion,
        by_certificate: bool = False,
        lifetime: timedelta = LIFETIME,
    ) -> dict[str, Any]:
        """Return the claims of an app-only access token."""
        oid = service_principal(application.tenant_id, application.client_id)
        client = _client_claims(application.client_id, version, by_certificate=by_certificate)
        return {
            **self._common_claims(version, application.tenant_id, lifetime),
            **client,
            "aud": audience,
            "idtyp": "app",
            "oid": oid,
            "sub": oid,
        }

    def notification_claims(self, *, audience: str, tenant_id: str, version: TokenVersion) -> dict[str, Any]:
        """Return the claims of the token that a notification carries: the marketplace calling a publisher."""
        oid = service_principal(tenant_id, MARKETPLACE_APP_ID)
        return {
            **self._common_claims(version, tenant_id, LIFETIME),
            **_client_claims(MARKETPLACE_APP_ID, version, by_certificate=True),
            "aud": audience,
            "oid": oid,
            "sub": oid,
        }

    def id_claims(
        self,
        user: User,
        client_id: str,
        *,
        scopes: Iterable[str],
        nonce: str | None,
        version: TokenVersion,
    ) -> dict[str, Any]:
        """Return the claims of an ID token. A personal account, and whoever has no `mail`, has no `email` claim."""
        claims = {
            **self._common_claims(version, user.tenant_id, LIFETIME),
            "aud": client_id,
            "oid": user.object_id,
            "sub": _pairwise_subject(user, client_id),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if version == 1:
            return claims | {
                "name": user.display_name,
                "given_name": user.given_name,
                "family_name": user.surname,
                "upn": user.user_principal_name,
                "unique_name": user.user_principal_name,
            }
        if "profile" in scopes:
            claims |= {"name": user.display_name, "preferred_username": user.user_principal_name}
        if "email" in scopes and user.mail is not None:
            claims["email"] = user.mail
        return claims

    def user_claims(self, user: User, client_id: str, *, audience: str, scopes: Iterable[str]) -> dict[str, Any]:
        """Return the claims of a user's access token; version 1, which is what Microsoft Graph asks for."""
        claims = {
            **self._common_claims(1, user.tenant_id, LIFETIME),
            **_client_claims(client_id, 1, by_certificate=False),
            "aud": audience,
            "idtyp": "user",
            "oid": user.object_id,
            "sub": _pairwise_subject(user, audience),
            "name": user.display_name,
            "upn": user.user_principal_name,
            "scp": " ".join(scopes),
        }
        if audience == GRAPH_APP_ID:
            claims["puid"] = user.puid
        return claims

    def _common_claims(self, version: TokenVersion, tenant_id: str, lifetime: timedelta) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": issuer(version, tenant_id),
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime.total_seconds()),
            "aio": self.opaque(24),
            "rh": f"1.{self.opaque(32)}.",
            "tid": tenant_id,
            "uti": self.opaque(16),
            "ver": f"{version}.0",
        }


def _client_claims(client_id: str, version: TokenVersion, *, by_certificate: bool) -> dict[str, str]:
    strength = "2" if by_certificate else "1"
    if version == 1:
        return {"appid": client_id, "appidacr": strength}
    return {"azp": client_id, "azpacr": strength}


def _pairwise_subject(user: User, audience: str) -> str:
    return b64url(hashlib.sha256(f"{user.object_id}/{audience}".encode()).digest())
