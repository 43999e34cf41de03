"""Access tokens for the Fulfillment API, asked for as a publisher's back end does: client credentials, cached, renewed.

An https authority is asked through msal. A sandbox on plain http is asked directly, because msal refuses to.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import msal

from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.msal_http import MsalSession, NoAnswer

MARKETPLACE_RESOURCE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The publisher's Entra application, and where its tokens come from.

    `authority` (`https://login.microsoftonline.com/<tenant>`) is for msal; `token_endpoint` is asked directly.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    authority: str | None = None
    token_endpoint: str | None = None
    resource: str = MARKETPLACE_RESOURCE


class TokenSource:
    """Calling it returns a usable access token."""

    def __init__(self, fetch: Callable[[], str], learn: Callable[[str, str], None]) -> None:
        """Take tokens from `fetch`; each is told to `learn`, so that it is redacted everywhere."""
        self._fetch = fetch
        self._learn = learn
        self._token = ""
        self._renew_at = 0.0

    def __call__(self) -> str:
        """Return a token that is good for another five minutes, or as long as a fresh one is."""
        if not self._token or time.time() >= self._renew_at:
            self._token = self._fetch()
            self._learn(self._token, "token")
            self._renew_at = (_expiry(self._token) or time.time() + 3600.0) - RENEW_BEFORE
        return self._token


def by_msal(application: Application, http: HttpClient) -> Callable[[], str]:
    """Return a function that gets a token from `application.authority` through msal.

    Raises (the function, not this):
        EnvironmentUnavailable: the identity provider cannot be reached, or refuses; its error code is named.
    """

    def fetch() -> str:
        session = MsalSession(http)
        try:
            client = msal.ConfidentialClientApplication(
                application.client_id,
                authority=application.authority,
                client_credential=application.client_secret,
                instance_discovery=False,
                http_client=session,
            )
            answer = client.acquire_token_for_client([f"{application.resource}/.default"])
        except NoAnswer as silence:
            raise EnvironmentUnavailable(
                f"no access token from {silence}; check authority, network and tls_ca"
            ) from None
        except (ValueError, msal.exceptions.MsalError) as error:
            answer = session.last_error or {"error": str(error)}
        return _token_in(answer, application)

    return fetch


def in_version(token_endpoint: str, version: int) -> str:
    """Return the address of version 1 or 2 beside a token endpoint; one unlike those of Entra stays as it is."""
    tenant, _, last = token_endpoint.rpartition("/oauth2/")
    if last not in {"token", "v2.0/token"} or not tenant:
        return token_endpoint
    return f"{tenant}/oauth2/{'v2.0/' if version == 2 else ''}token"


def by_form(application: Application, http: HttpClient) -> Callable[[], str]:
    """Return a function that posts the client-credentials form to `application.token_endpoint`."""

    def fetch() -> str:
        exchange = ask(application, http)
        if exchange.status is None:
            raise EnvironmentUnavailable(
                f"no access token from {exchange.url}: {exchange.error}; is the identity provider running?"
            )
        try:
            answer = json.loads(exchange.response_body)
        except ValueError:
            answer = {}
        return _token_in(answer if isinstance(answer, dict) else {}, application, status=exchange.status)

    return fetch


def ask(application: Application, http: HttpClient) -> Exchange:
    """Post the client-credentials form, with scope or resource as the version of the endpoint has it."""
    endpoint = application.token_endpoint or ""
    form = {
        "grant_type": "client_credentials",
        "client_id": application.client_id,
        "client_secret": application.client_secret,
    }
    is_v2 = "/v2.0/" in urlsplit(endpoint).path
    form |= {"scope": f"{application.resource}/.default"} if is_v2 else {"resource": application.resource}
    return http.send(
        "POST",
        endpoint,
        headers={"content-type": "application/x-www-form-urlencoded"},
        content=urlencode(form).encode(),
        receiver="identity",
        purpose="access token",
    )


def _token_in(answer: dict[str, Any], application: Application, *, status: int | None = None) -> str:
    token = answer.get("access_token")
    if isinstance(token, str) and token:
        return token
    said = answer.get("error_description") or answer.get("error") or f"status {status}, no access_token"
    first_line = str(said).splitlines()[0][:300]
    raise EnvironmentUnavailable(
        f"the identity provider gave no access token for client {application.client_id} "
        f"in tenant {application.tenant_id}: {first_line}; check tenant_id, client_id and client_secret"
    )


def _expiry(token: str) -> float | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, IndexError, TypeError):
        return None
