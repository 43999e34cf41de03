"""The keys with which Entra signs the tokens of our tenant, fetched from its metadata and cached."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from fulfillment_conformance.reference_publisher.settings import Settings

logger = logging.getLogger(__name__)

FRESH_SECONDS: Final = 3600.0
"""Keys are fetched again after this time, so that a key that Entra will sign with soon is known before it does."""

SPARE_FETCHES: Final = 5
"""How many unknown key ids may cause a fetch in a row."""

SPARE_FETCH_SECONDS: Final = 10.0
"""How long one such fetch takes to become available again: whoever invents key ids cannot make us flood Entra."""


class KeysUnavailable(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """Entra's keys cannot be fetched: tokens can be neither accepted nor refused at present."""


class SigningKeys:
    """The tenant's signing keys by key id."""

    def __init__(
        self, settings: Settings, http: httpx2.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fetch with `http`, when needed. `clock` counts seconds."""
        self.metadata_url = f"{settings.login_url}/{settings.tenant_id}/v2.0/.well-known/openid-configuration"
        self._http = http
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: float | None = None
        self._spare = float(SPARE_FETCHES)
        self._spare_counted_at = clock()
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> RSAPublicKey | None:
        """Return the key with an id, or None when the tenant publishes none such.

        Raises:
            KeysUnavailable: Entra did not answer, and nothing is known that could decide.
        """
        async with self._lock:  # one fetch serves everybody who waits for it
            if self._fetched_at is None:
                await self._fetch()
            elif self._clock() - self._fetched_at > FRESH_SECONDS:
                await self._refresh()
            elif kid not in self._keys and self.may_fetch():
                await self._fetch()
            return self._keys.get(kid)

    async def _refresh(self) -> None:
        try:
            await self._fetch()
        except KeysUnavailable:
            logger.warning("Entra's signing keys could not be refreshed; those known so far stay in use")

    def may_fetch(self) -> bool:
        """Whether an unknown key id may cause a fetch now; saying yes uses up one of the spare fetches."""
        now = self._clock()
        self._spare = min(float(SPARE_FETCHES), self._spare + (now - self._spare_counted_at) / SPARE_FETCH_SECONDS)
        self._spare_counted_at = now
        if self._spare < 1:
            return False
        self._spare -= 1
        return True

    async def _fetch(self) -> None:
        try:
            metadata = await self._get(self.metadata_url)
            keys = await self._get(str(metadata["jwks_uri"]))
            self._keys = {entry["kid"]: _public_key(entry) for entry in keys["keys"] if _signs(entry)}
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise KeysUnavailable(f"Entra's signing keys cannot be fetched ({type(error).__name__})") from error
        self._fetched_at = self._clock()

    async def _get(self, url: str) -> Any:
        answer = await self._http.get(url)
        answer.raise_for_status()
        return answer.json()


def _signs(entry: dict[str, Any]) -> bool:
    return entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and isinstance(entry.get("kid"), str)


def _public_key(entry: dict[str, Any]) -> RSAPublicKey:
    try:
        key = RSAAlgorithm.from_jwk(entry)
    except jwt.InvalidKeyError as error:
        raise ValueError("Entra publishes a key that is not an RSA key") from error
    if not isinstance(key, RSAPublicKey):
        raise TypeError("Entra publishes a private key")
    return key
