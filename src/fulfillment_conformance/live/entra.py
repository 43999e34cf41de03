"""Access tokens for the live service: by msal, through the suite's own HTTP client.

msal decides what is asked and how it is signed. Everything it sends goes the one way out, so that neither proxy nor CA
variables of the machine have a say, every exchange is recorded, and names are resolved as for all other calls.
"""

import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import jwt
import msal
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.live.diagnosis import Asked, Diagnosis, of_entra, of_network
from fulfillment_conformance.msal_http import MsalSession, NoAnswer

RENEW_BEFORE: Final = 300.0
"""Seconds before its end at which a token is renewed."""
PUBLIC_CLOUD: Final = "https://login.microsoftonline.com"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherApplication:
    """The publisher's application, and by what it proves who it is.

    Attributes:
        tenant_id: its tenant.
        client_id: its application id.
        credential: as msal takes it: a secret, or a mapping for certificates and federated tokens.
        credential_key: the key of the target file that it comes from.
        authority: address of the identity provider, without the tenant.
        resource: application id of the marketplace.
        endpoint: `v2` asks for the scope `<resource>/.default`, `v1` for the resource.
    """

    tenant_id: str
    client_id: str
    credential: str | Mapping[str, Any] = field(repr=False)
    credential_key: str = "client_secret"
    authority: str = PUBLIC_CLOUD
    resource: str = ""
    endpoint: Literal["v1", "v2"] = "v2"

    @property
    def asked(self) -> Asked:
        """What a diagnosis wants to know of it."""
        return Asked(
            tenant_id=self.tenant_id,
            client_id=self.client_id,
            resource=self.resource,
            credential=self.credential_key,
            authority=self.authority,
            endpoint=self.endpoint,
            secret_is_an_id=isinstance(self.credential, str) and _GUID.fullmatch(self.credential) is not None,
        )


def certificate_credential(path: Path, password: str | None, *, now: datetime | None = None) -> dict[str, str]:
    """Return the credential in a PEM file that holds a private key and its certificate.

    Raises:
        UsageProblem: the file lacks one of them, cannot be opened with the password, or the certificate has expired.
    """
    content = path.read_bytes()
    key_name = f"identity.client_certificate {path}"
    try:
        key = load_pem_private_key(content, password.encode() if password else None)
    except TypeError:
        said = (
            "is not locked, remove client_certificate_password"
            if password
            else "is locked, give client_certificate_password"
        )
        raise UsageProblem(f"{key_name}: its private key {said}") from None
    except ValueError:
        raise UsageProblem(
            f"{key_name} holds no private key that can be read; put the key (BEGIN PRIVATE KEY) and the certificate "
            "into one PEM file, and check the password"
        ) from None
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError:
        raise UsageProblem(
            f"{key_name} holds no certificate; append it (BEGIN CERTIFICATE) to the private key"
        ) from None
    if certificate.not_valid_after_utc < (now or datetime.now(UTC)):
        raise UsageProblem(
            f"{key_name} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; make a new one, and upload its public "
            "part in Entra: App registrations > your application > Certificates & secrets > Certificates"
        )
    return {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
        "public_certificate": certificate.public_bytes(Encoding.PEM).decode("ascii"),
    }


def federated_credential(read: Callable[[], str]) -> dict[str, Callable[[], str]]:
    """Return the credential of a pipeline whose own token stands for the application; `read` is called each time."""
    return {"client_assertion": read}


class EntraTokens:
    """The publisher's access token: fetched when it is first needed, renewed before its end. Threads may share it."""

    def __init__(
        self,
        application: PublisherApplication,
        http: HttpClient,
        *,
        learn: Callable[[str, str], None] = lambda _value, _kind: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask for tokens of `application` through `http`; each is told to `learn`, so that it is redacted."""
        self.application = application
        self._http = http
        self._learn = learn
        self._clock = clock
        self._lock = threading.RLock()
        self._token = ""
        self._renew_at = 0.0
        self._refused_renewal = False

    def __call__(self) -> str:
        """Return a token that is good for another five minutes, or as long as a fresh one is.

        Raises:
            EnvironmentUnavailable: there is none; the message is a diagnosis.
        """
        with self._lock:
            if not self._token or self._clock() >= self._renew_at:
                self._fetch()
            return self._token

    def is_own(self, authorization: str | None) -> bool:
        """Whether the value of an Authorization header is the present token."""
        return bool(self._token) and authorization == f"Bearer {self._token}"

    def renew(self) -> str | None:
        """Return a new token because the present one was answered 401; None when that has been tried already."""
        with self._lock:
            if self._refused_renewal:
                return None
            self._refused_renewal = True
            self._fetch()
            return self._token

    def accepted(self) -> None:
        """Note that the present token was taken, so that a later 401 is worth another one."""
        self._refused_renewal = False

    @property
    def claims(self) -> Mapping[str, Any] | None:
        """What the present token says, None when there is none or it is no JWT."""
        try:
            claims: dict[str, Any] = jwt.decode(self._token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return None
        return claims

    def _fetch(self) -> None:
        application = self.application
        session = MsalSession(self._http)
        base = f"{application.authority}/{application.tenant_id}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what msal advises its callers is not for ours to read
                client = msal.ConfidentialClientApplication(
                    application.client_id,
                    client_credential=application.credential,
                    http_client=session,
                    instance_discovery=False,
                    **({"authority": base} if application.endpoint == "v2" else {"oidc_authority": base}),
                )
                answer = client.acquire_token_for_client(
                    [f"{application.resource}/.default"],
                    **({"data": {"resource": application.resource}} if application.endpoint == "v1" else {}),
                )
        except NoAnswer as silence:
            failed = silence.exchange
            diagnosis = of_network(failed.error or "", urlsplit(failed.url).hostname or failed.url)
            raise EnvironmentUnavailable(f"no access token: {diagnosis}") from None
        except (ValueError, msal.exceptions.MsalError) as error:
            raise self._no_token(session.last_error or {"error": f"{error} {_busy(session.last)}".strip()}) from None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise self._no_token(answer if isinstance(answer, dict) else {})
        self._learn(token, "token")
        self._token = token
        expires = (self.claims or {}).get("exp")
        lasts = answer.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | str) and str(lasts).isdecimal() else 3600.0
        self._renew_at = (
            float(expires) if isinstance(expires, int | float) else self._clock() + seconds
        ) - RENEW_BEFORE

    def _no_token(self, answer: Mapping[str, Any]) -> EnvironmentUnavailable:
        said = str(answer.get("error_description") or answer.get("error") or "nothing").splitlines()[0][:300]
        return no_token(self.application, of_entra(answer, self.application.asked), said)


def _busy(last: Exchange | None) -> str:
    """Return a number of Entra's for an answer of 500 or more that names none; nothing for any other answer."""
    status = last.status if last is not None else None
    return "AADSTS90033" if status is not None and status >= 500 else ""


def no_token(application: PublisherApplication, diagnosis: Diagnosis, said: str) -> EnvironmentUnavailable:
    """Return the error that ends a command for want of an access token."""
    return EnvironmentUnavailable(
        f"no access token for application {application.client_id} in tenant {application.tenant_id}: {diagnosis} "
        f"(Entra said: {said})"
    )
