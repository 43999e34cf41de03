"""What a sign-in leaves behind: authorization codes and refresh tokens, and the tokens they are exchanged for."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import (
    CODE_EXPIRED,
    CODE_INVALID,
    CODE_REDEEMED,
    MISSING_PARAMETER,
    REDIRECT_URI_MISMATCH,
    RESOURCE_NOT_FOUND,
    VERIFIER_MISMATCH,
    EntraError,
)
from fulfillment_conformance.emulator.identity.keys import KeyRing, b64url
from fulfillment_conformance.emulator.identity.settings import GRAPH_APP_ID, Application, User
from fulfillment_conformance.emulator.identity.tokens import LIFETIME, TokenIssuer, TokenVersion

CODE_LIFETIME_SECONDS = 600
OPENID_SCOPES = ("openid", "profile", "email", "offline_access")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who signed in to which application, and what for."""

    user: User
    client_id: str
    scopes: tuple[str, ...]
    nonce: str | None


@dataclass(slots=True, kw_only=True)
class _Code:
    sign_in: SignIn
    redirect_uri: str
    challenge: str | None
    method: str
    issued_at: float
    redeemed: bool = False


class Grants:
    """Codes, each good once, and refresh tokens."""

    def __init__(self, directory: Directory, keys: KeyRing, tokens: TokenIssuer) -> None:
        self._directory = directory
        self._keys = keys
        self._tokens = tokens
        self._codes: dict[str, _Code] = {}
        self._refresh_tokens: dict[str, SignIn] = {}

    def issue_code(self, sign_in: SignIn, *, redirect_uri: str, challenge: str | None, method: str, now: float) -> str:
        """Return an authorization code for a finished sign-in.

        Args:
            sign_in: who, where, what for.
            redirect_uri: must be named again when the code is redeemed.
            challenge: PKCE code challenge, None without PKCE.
            method: `S256` or `plain`.
            now: present time, seconds since 1970.
        """
        code = f"1.{self._tokens.opaque(48)}"
        self._codes[code] = _Code(
            sign_in=sign_in, redirect_uri=redirect_uri, challenge=challenge, method=method, issued_at=now
        )
        return code

    def id_token(self, sign_in: SignIn, version: TokenVersion, *, code: str | None = None) -> str:
        """Return the ID token of a sign-in; with a code, bound to it by `c_hash`."""
        claims = self._tokens.id_claims(
            sign_in.user, sign_in.client_id, scopes=sign_in.scopes, nonce=sign_in.nonce, version=version
        )
        if code is not None:
            claims["c_hash"] = b64url(hashlib.sha256(code.encode()).digest()[:16])
        return self._tokens.sign({}, claims, key=self._keys.key_of(sign_in.user.tenant_id))

    def redeem_code(
        self, application: Application, form: Mapping[str, str], version: TokenVersion, *, now: float
    ) -> dict[str, Any]:
        """Return the token endpoint's answer to the grant `authorization_code`.

        Raises:
            EntraError: the code is unknown, used, too old, or not this client's; redirect URI or verifier do not match.
        """
        given = form.get("code")
        if not given:
            raise EntraError(MISSING_PARAMETER, "The request body lacks the parameter 'code'.")
        code = self._codes.get(given)
        if code is None or code.sign_in.client_id != application.client_id:
            raise EntraError(CODE_INVALID, "The authorization code is not one that was issued to this application.")
        if code.redeemed:
            raise EntraError(CODE_REDEEMED, "The authorization code was already redeemed; sign in again.")
        if now - code.issued_at > CODE_LIFETIME_SECONDS:
            raise EntraError(CODE_EXPIRED, f"The authorization code is older than {CODE_LIFETIME_SECONDS} seconds.")
        if form.get("redirect_uri") != code.redirect_uri:
            raise EntraError(
                REDIRECT_URI_MISMATCH,
                f"The redirect URI {form.get('redirect_uri')!r} is not the one of the sign-in, {code.redirect_uri!r}.",
            )
        _check_verifier(code, form.get("code_verifier"))
        code.redeemed = True
        return self._tokens_for(code.sign_in, code.sign_in.scopes, form, version)

    def redeem_refresh_token(
        self, application: Application, form: Mapping[str, str], version: TokenVersion
    ) -> dict[str, Any]:
        """Return the token endpoint's answer to the grant `refresh_token`.

        Raises:
            EntraError: the refresh token is missing, unknown or not this client's.
        """
        given = form.get("refresh_token")
        if not given:
            raise EntraError(MISSING_PARAMETER, "The request body lacks the parameter 'refresh_token'.")
        sign_in = self._refresh_tokens.get(given)
        if sign_in is None or sign_in.client_id != application.client_id:
            raise EntraError(CODE_INVALID, "The refresh token is not one that was issued to this application.")
        return self._tokens_for(sign_in, tuple(form.get("scope", "").split()) or sign_in.scopes, form, version)

    def audience_of(self, scopes: tuple[str, ...]) -> str:
        """Return whom an access token for these scopes is for: Microsoft Graph, or the one resource they are of.

        Raises:
            EntraError: a scope belongs to a resource that does not exist.
        """
        for scope in scopes:
            resource, slash, _ = scope.rpartition("/")
            if slash:
                audience = self._directory.resource(resource)
                if audience is None:
                    raise EntraError(RESOURCE_NOT_FOUND, f"The resource principal named '{resource}' was not found.")
                return audience
        return GRAPH_APP_ID

    def _tokens_for(
        self, sign_in: SignIn, scopes: tuple[str, ...], form: Mapping[str, str], version: TokenVersion
    ) -> dict[str, Any]:
        names = [scope.rpartition("/")[2] for scope in scopes if scope != "offline_access"]
        names = ["User.Read" if name == ".default" else name for name in names]
        claims = self._tokens.user_claims(
            sign_in.user, sign_in.client_id, audience=self.audience_of(scopes), scopes=names
        )
        seconds = int(LIFETIME.total_seconds())
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": " ".join(scope for scope in scopes if scope != "offline_access"),
            "expires_in": seconds if version == 2 else str(seconds),
            "ext_expires_in": seconds if version == 2 else str(seconds),
            "access_token": self._tokens.sign({}, claims, key=self._keys.key_of(sign_in.user.tenant_id)),
        }
        if "offline_access" in scopes:
            body["refresh_token"] = f"1.{self._tokens.opaque(64)}"
            self._refresh_tokens[body["refresh_token"]] = sign_in
        if "openid" in scopes:
            body["id_token"] = self.id_token(sign_in, version)
        if form.get("client_info") == "1":
            tenant = {"uid": sign_in.user.object_id, "utid": sign_in.user.tenant_id}
            body["client_info"] = b64url(json.dumps(tenant).encode())
        return body


def _check_verifier(code: _Code, verifier: str | None) -> None:
    if code.challenge is None:
        return
    answer = verifier or ""
    if code.method == "S256":
        answer = b64url(hashlib.sha256(answer.encode()).digest())
    if not hmac.compare_digest(answer.encode(), code.challenge.encode()):
        raise EntraError(VERIFIER_MISMATCH, "The code verifier does not match the code challenge of the sign-in.")
