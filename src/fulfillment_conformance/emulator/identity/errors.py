"""Entra's refusals: OAuth error, AADSTS number, trace and correlation ids."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from fulfillment_conformance.emulator.identity.tokens import TokenIssuer

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

NO_STORE = {"cache-control": "no-store, no-cache", "pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of Entra's errors: its number, the OAuth error it is reported as, and the status of the answer."""

    number: int
    error: str
    status: int = 400


INVALID_REQUEST = Kind(9002313, "invalid_request")
MISSING_PARAMETER = Kind(900144, "invalid_request")
TENANT_NOT_FOUND = Kind(90002, "invalid_request")
NO_TENANT_NAMED = Kind(50059, "invalid_request")
UNSUPPORTED_GRANT = Kind(70003, "unsupported_grant_type")
UNSUPPORTED_RESPONSE_TYPE = Kind(700054, "unsupported_response_type")
APPLICATION_NOT_FOUND = Kind(700016, "unauthorized_client")
RESOURCE_NOT_FOUND = Kind(500011, "invalid_resource")
SCOPE_NOT_VALID = Kind(70011, "invalid_scope")
SCOPE_NEEDS_DEFAULT = Kind(1002012, "invalid_scope")
CREDENTIAL_MISSING = Kind(7000218, "invalid_client", 401)
SECRET_INVALID = Kind(7000215, "invalid_client", 401)
ASSERTION_MALFORMED = Kind(50027, "invalid_request")
ASSERTION_OF_OTHER_APPLICATION = Kind(700021, "invalid_client", 401)
ASSERTION_AUDIENCE = Kind(700023, "invalid_client", 401)
ASSERTION_OUTSIDE_ITS_TIME = Kind(700024, "invalid_client", 401)
ASSERTION_SIGNATURE = Kind(700027, "invalid_client", 401)
FEDERATION_UNKNOWN = Kind(70021, "invalid_request")
FEDERATED_ISSUER = Kind(700211, "invalid_client", 401)
FEDERATED_AUDIENCE = Kind(700212, "invalid_client", 401)
FEDERATED_SUBJECT = Kind(700213, "invalid_client", 401)
REDIRECT_URI_MISMATCH = Kind(50011, "invalid_request")
CODE_INVALID = Kind(70000, "invalid_grant")
CODE_EXPIRED = Kind(70008, "invalid_grant")
CODE_REDEEMED = Kind(54005, "invalid_grant")
VERIFIER_MISMATCH = Kind(501481, "invalid_grant")
NOBODY_SIGNED_IN = Kind(50058, "login_required")
USER_CANCELLED = Kind(65004, "access_denied")
USER_NOT_IN_TENANT = Kind(50020, "invalid_request")


class EntraError(Exception):
    """A refusal. `text` goes to the client behind the AADSTS number and never shows a secret or a token."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(f"AADSTS{kind.number}: {text}")
        self.kind = kind


class Failure:
    """A refusal on its way to one client, with the ids by which support would find it."""

    def __init__(self, error: EntraError, tokens: TokenIssuer, request: Request) -> None:
        self._error = error
        self._at = datetime.now(UTC)
        self._trace_id = tokens.guid()
        given = request.headers.get("client-request-id", "")
        self._correlation_id = given if _GUID.fullmatch(given) else tokens.guid()

    @property
    def description(self) -> str:
        """What `error_description` says."""
        return (
            f"{self._error} Trace ID: {self._trace_id} Correlation ID: {self._correlation_id} "
            f"Timestamp: {self._at:%Y-%m-%d %H:%M:%SZ}"
        )

    def as_json(self) -> JSONResponse:
        """Return the answer of the token endpoint."""
        number = self._error.kind.number
        body: dict[str, Any] = {
            "error": self._error.kind.error,
            "error_description": self.description,
            "error_codes": [number],
            "timestamp": f"{self._at:%Y-%m-%d %H:%M:%SZ}",
            "trace_id": self._trace_id,
            "correlation_id": self._correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }
        headers = {**NO_STORE, "x-ms-request-id": self._trace_id, "client-request-id": self._correlation_id}
        return JSONResponse(body, status_code=self._error.kind.status, headers=headers)
