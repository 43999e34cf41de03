"""What a publisher's calls say: bodies, headers and tokens, read without ever raising."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.exchange import Exchange, header

VALUES_REFUSED = frozenset({"PlanMismatch", "QuantityMismatch"})
"""Codes with which the emulator refuses to activate what was not bought."""

PURCHASE_TOKEN = "x-ms-marketplace-token"  # noqa: S105 - the header's name


def document(call: Exchange) -> Any:
    """Return the JSON that a call carries, `ABSENT` where it carries none."""
    try:
        return json.loads(call.request_body) if call.request_body.strip() else ABSENT
    except (ValueError, RecursionError):
        return ABSENT


def answered(call: Exchange) -> Any:
    """Return the JSON that a call was answered with, `ABSENT` where there was none."""
    try:
        return json.loads(call.response_body) if call.response_body.strip() else ABSENT
    except (ValueError, RecursionError):
        return ABSENT


def query(call: Exchange) -> dict[str, list[str]]:
    """Return the query parameters of a call, all values of each."""
    return parse_qs(urlsplit(call.url).query, keep_blank_values=True)


def form(call: Exchange) -> dict[str, str]:
    """Return the form fields that a call carries, the last value of each."""
    fields = parse_qs(call.request_body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def sent(call: Exchange, name: str) -> str | None:
    """Return a request header, None where it is missing."""
    return header(call.request_headers, name)


def bearer(call: Exchange) -> str:
    """Return the bearer token of a call, empty where it has none."""
    scheme, _, token = (sent(call, "authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def claims(token: str) -> Mapping[str, Any]:
    """Return the claims of a JWT, unverified; none where it is not one."""
    try:
        found: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
    return found


def refused_for_its_values(call: Exchange) -> str:
    """Say why activate was refused, if it was for the plan or the seats that its body names (ACT-006); else nothing."""
    error = answered(call)
    error = error.get("error") if isinstance(error, dict) else None
    if call.status != 400 or not isinstance(error, dict) or error.get("code") not in VALUES_REFUSED:
        return ""
    return f"{error.get('message')} The live service was seen not to look at the body: --profile observed does not"


def brief(call: Exchange) -> str:
    """Name a call in a few words: method, path from the subscription on, and what it was answered."""
    path = urlsplit(call.url).path.removeprefix("/api/saas/subscriptions")
    return f"{call.method} {path or '/'} -> {call.status if call.status is not None else call.error}"


def briefly(calls: list[Exchange], *, otherwise: str) -> str:
    """Name several calls; `otherwise` says what there is when there are none."""
    return "; ".join(map(brief, calls)) or otherwise
