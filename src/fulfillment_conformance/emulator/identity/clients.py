"""How an application proves who it is at the token endpoint: secret in form or Basic header, or signed assertion."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import (
    APPLICATION_NOT_FOUND,
    ASSERTION_AUDIENCE,
    ASSERTION_MALFORMED,
    ASSERTION_OF_OTHER_APPLICATION,
    ASSERTION_OUTSIDE_ITS_TIME,
    ASSERTION_SIGNATURE,
    CREDENTIAL_MISSING,
    FEDERATED_AUDIENCE,
    FEDERATED_ISSUER,
    FEDERATED_SUBJECT,
    FEDERATION_UNKNOWN,
    INVALID_REQUEST,
    MISSING_PARAMETER,
    SECRET_INVALID,
    EntraError,
)
from fulfillment_conformance.emulator.identity.keys import b64url
from fulfillment_conformance.emulator.identity.settings import Application

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Client:
    """An application that has proved who it is, and by what."""

    application: Application
    by_certificate: bool


def authenticate(
    form: Mapping[str, str],
    authorization: str | None,
    *,
    directory: Directory,
    tenant: str,
    audiences: frozenset[str],
    now: float,
) -> Client:
    """Return the client of a token request.

    Args:
        form: the request's form.
        authorization: its Authorization header.
        directory: who exists.
        tenant: the path segment that the request was sent to.
        audiences: what a client assertion may be made out to.
        now: present time, seconds since 1970.

    Raises:
        EntraError: the application is unknown in the tenant, or its credential is missing or wrong.
    """
    form = {**form, **_basic(authorization)}
    assertion = form.get("client_assertion")
    client_id = form.get("client_id") or (_claimed_issuer(assertion) if assertion else None)
    if not client_id:
        raise EntraError(MISSING_PARAMETER, "The request body lacks the parameter 'client_id'.")
    application = directory.application(client_id, tenant)
    if application is None:
        raise EntraError(
            APPLICATION_NOT_FOUND, f"Application '{client_id}' was not found in the directory of tenant '{tenant}'."
        )
    if assertion:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise EntraError(INVALID_REQUEST, f"Parameter 'client_assertion_type' must be '{ASSERTION_TYPE}'.")
        _check_assertion(assertion, application, audiences, now)
        return Client(application, by_certificate=True)
    secret = form.get("client_secret")
    if not secret:
        raise EntraError(
            CREDENTIAL_MISSING, "The request body lacks a credential: 'client_secret' or 'client_assertion'."
        )
    if not hmac.compare_digest(secret.encode(), application.client_secret.encode()):
        raise EntraError(
            SECRET_INVALID,
            f"Invalid client secret for application '{application.client_id}'. Send the secret's value, not its id.",
        )
    return Client(application, by_certificate=False)


def _basic(authorization: str | None) -> dict[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise EntraError(
            INVALID_REQUEST, "The Authorization header is not 'Basic' with base64 of client id and secret."
        )
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


def _claimed_issuer(assertion: str) -> str | None:
    issuer = _unverified(assertion)[1].get("iss")
    return issuer if isinstance(issuer, str) else None


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return jwt.get_unverified_header(assertion), jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise EntraError(ASSERTION_MALFORMED, "The client assertion is not a JWT.") from None


def _check_assertion(assertion: str, application: Application, audiences: frozenset[str], now: float) -> None:
    header, claims = _unverified(assertion)
    if str(claims.get("iss", "")).startswith("https://"):
        _check_federated(assertion, claims, application)
        _check_time(claims, now)
        return
    key = _registered_key(application, header)
    options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_sub"), False)
    try:
        jwt.decode(assertion, key, algorithms=["RS256", "PS256"], options=options)
    except jwt.PyJWTError:
        raise EntraError(ASSERTION_SIGNATURE, "The signature of the client assertion does not verify.") from None
    if claims.get("iss") != application.client_id or claims.get("sub") != application.client_id:
        raise EntraError(
            ASSERTION_OF_OTHER_APPLICATION,
            f"Claims iss and sub of the client assertion must be the application id '{application.client_id}'.",
        )
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not audiences.intersection(str(one).lower() for one in named):
        raise EntraError(
            ASSERTION_AUDIENCE, f"The audience of the client assertion is {audience!r}, not this token endpoint."
        )
    _check_time(claims, now)


def _check_federated(assertion: str, claims: Mapping[str, Any], application: Application) -> None:
    """Check a token of somebody else's, such as a pipeline's, that stands for the application."""
    if not application.federated:
        raise EntraError(FEDERATION_UNKNOWN, "No federated identity record was found for the presented assertion.")
    by_issuer = [each for each in application.federated if each.issuer == claims.get("iss")]
    if not by_issuer:
        raise EntraError(
            FEDERATED_ISSUER, f"No federated identity record matches the assertion's issuer '{claims.get('iss')}'."
        )
    by_subject = [each for each in by_issuer if each.subject == claims.get("sub")]
    if not by_subject:
        raise EntraError(
            FEDERATED_SUBJECT, f"No federated identity record matches the assertion's subject '{claims.get('sub')}'."
        )
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    credential = next((each for each in by_subject if each.audience in named), None)
    if credential is None:
        raise EntraError(
            FEDERATED_AUDIENCE, f"No federated identity record matches the assertion's audience {audience!r}."
        )
    if credential.public_key_pem is None:
        return
    key = load_pem_public_key(credential.public_key_pem)
    options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_sub"), False)
    try:
        jwt.decode(assertion, key, algorithms=["RS256"], options=options)  # type: ignore[arg-type] # refused if no RSA
    except (jwt.PyJWTError, TypeError):
        raise EntraError(ASSERTION_SIGNATURE, "The signature of the federated token does not verify.") from None


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    expires, begins = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise EntraError(ASSERTION_MALFORMED, "Claims exp and nbf of the client assertion must be numbers.")
    if expires <= now - _SKEW_SECONDS or begins > now + _SKEW_SECONDS:
        raise EntraError(
            ASSERTION_OUTSIDE_ITS_TIME,
            f"The client assertion is valid from {begins:.0f} to {expires:.0f}, the present time is {now:.0f}.",
        )


def _registered_key(application: Application, header: Mapping[str, Any]) -> rsa.RSAPublicKey:
    """Return the key that an assertion's header points at, if it is the registered certificate's."""
    if application.certificate_pem is None:
        raise EntraError(ASSERTION_SIGNATURE, f"No certificate is registered for '{application.client_id}'.")
    certificate = x509.load_pem_x509_certificate(application.certificate_pem)
    thumbprints = {
        "x5t": b64url(certificate.fingerprint(hashes.SHA1())),  # noqa: S303 - what `x5t` is defined as
        "x5t#S256": b64url(certificate.fingerprint(hashes.SHA256())),
    }
    given = {name: header[name] for name in thumbprints if name in header}
    if not given:
        raise EntraError(
            ASSERTION_SIGNATURE, "The header of the client assertion names no certificate: x5t or x5t#S256."
        )
    if any(thumbprints[name] != str(value).rstrip("=") for name, value in given.items()):
        raise EntraError(
            ASSERTION_SIGNATURE, f"The client assertion's certificate is not registered for '{application.client_id}'."
        )
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise EntraError(ASSERTION_SIGNATURE, f"The certificate of '{application.client_id}' holds no RSA key.")
    return key
