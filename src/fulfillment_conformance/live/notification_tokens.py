"""The tokens of live notifications, checked against what the identity provider publishes now, in both versions.

Which version comes depends on the registration of the application that is the audience (LB-33), so metadata and keys of
both are read. Keys change: a token that names an unknown one makes them be read again, but not more than once a minute,
however many such tokens come.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.bearer import BearerToken, faults, read_bearer
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.http_client import HttpClient

READ_AGAIN_SECONDS: Final = 60.0
VERSIONS: Final[Mapping[Literal["1.0", "2.0"], str]] = {"1.0": "", "2.0": "/v2.0"}
"""Version of a token -> what stands before `/.well-known` in the address of its metadata."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a token: the version that it says it has, and all for which a careful publisher refuses it."""

    version: str
    faults: tuple[str, ...]


class NotificationTokens:
    """Checks tokens. Threads may share it; a check blocks while keys are read."""

    def __init__(
        self,
        http: HttpClient,
        authority: str,
        *,
        tenant_id: str,
        client_id: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Trust what the tenant publishes at `authority`, an address without the tenant; nothing is sent yet."""
        self._http = http
        self._base = f"{authority.rstrip('/')}/{tenant_id}"
        self._tenant_id = tenant_id
        self._client_id = client_id
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._issuers: dict[str, str] = {}
        self._read_at: float | None = None

    def check(self, authorization: str | None) -> Checked:
        """Check the value of an Authorization header.

        Raises:
            EnvironmentUnavailable: keys were never had, and cannot be read now.
        """
        token = read_bearer(authorization)
        if isinstance(token, str):
            return Checked("", (token,))
        # Who cannot be right is told so without asking anybody.
        found = [fault for fault in self._claims(token) if not fault.startswith("iss is ")]
        version = str(token.claims.get("ver", ""))
        if found:
            return Checked(version, tuple(found))
        key = self._key(str(token.header.get("kid")))
        issuer = self._issuers.get(version)
        if token.claims.get("iss") != issuer:
            found.append(f"iss is {token.claims.get('iss')!r}, and the metadata of version {version} says {issuer!r}")
        if key is None:
            found.append(f"{self._base} publishes no key {token.header.get('kid')!r}")
        elif not _signed_by(token, key):
            found.append(f"the signature is not that of key {token.header.get('kid')!r}")
        return Checked(version, tuple(found))

    def _claims(self, token: BearerToken) -> list[str]:
        version = str(token.claims.get("ver", ""))
        found = [] if version in VERSIONS else [f"ver is {version!r}, neither 1.0 nor 2.0"]
        return found + faults(token, tenant_id=self._tenant_id, client_id=self._client_id, keys=None, now=self._clock())

    def _key(self, kid: str) -> Mapping[str, Any] | None:
        with self._lock:
            now = self._clock()
            if kid not in self._keys and (self._read_at is None or now - self._read_at >= READ_AGAIN_SECONDS):
                self._read_at = now
                self._read()
            return self._keys.get(kid)

    def _read(self) -> None:
        keys: dict[str, Mapping[str, Any]] = {}
        for version, prefix in VERSIONS.items():
            metadata = self._get(f"{self._base}{prefix}/.well-known/openid-configuration", "read Entra's metadata")
            uri, issuer = metadata["jwks_uri"].value, metadata["issuer"].value
            published = self._get(uri, "read Entra's keys")["keys"] if isinstance(uri, str) else metadata["jwks_uri"]
            for entry in published:
                if isinstance(entry.value, dict) and isinstance(entry.value.get("kid"), str):
                    keys[entry.value["kid"]] = entry.value
            if isinstance(issuer, str):
                self._issuers[version] = issuer.replace("{tenantid}", self._tenant_id)
        if not keys and not self._keys:
            self._read_at = None
            raise EnvironmentUnavailable(
                f"{self._base} shows no signing keys, so that no notification can be verified; check "
                "marketplace.identity.authority and tenant_id, and that this machine reaches it"
            )
        self._keys = keys or self._keys

    def _get(self, url: str, purpose: str) -> Answer:
        return Answer(self._http.send("GET", url, receiver="identity", purpose=purpose))


def _signed_by(token: BearerToken, key: Mapping[str, Any]) -> bool:
    options: Any = {f"verify_{what}": False for what in ("aud", "iss", "exp", "nbf", "iat", "sub")}
    try:
        jwt.decode(token.text, jwt.PyJWK(dict(key), algorithm="RS256").key, algorithms=["RS256"], options=options)
    except (jwt.PyJWTError, ValueError):
        return False
    return True
