"""What a publisher's calls say: bodies, headers and tokens, read without ever raising."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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


def tells(text: str, token: str) -> bool:
    """Whether a text, an address perhaps, holds a purchase token: as it is, or percent-encoded once or twice."""
    once = unquote(text)
    return any(token in each or token.replace("+", " ") in each for each in (text, once, unquote(once)))


def refused_for_its_values(call: Exchange) -> str:
    """Say why activate was refused, if it was for the plan or the seats that its body names (ACT-006); else nothing."""
    if call.status != 400 or error_code(call) not in VALUES_REFUSED:
        return ""
    said = answered(call)["error"].get("message")
    return f"{said} The live service was seen not to look at the body: --profile observed does not"


def error_code(call: Exchange) -> str:
    """Return the code of the error that a call was refused with, empty where there is none."""
    document = answered(call)
    error = document.get("error") if isinstance(document, dict) and (call.status or 0) >= 400 else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def brief(call: Exchange) -> str:
    """Name a call in a few words: method, path from the subscription on, and what it was answered."""
    path = urlsplit(call.url).path.removeprefix("/api/saas/subscriptions")
    answer = " ".join(filter(None, (str(call.status), error_code(call)))) if call.status is not None else call.error
    return f"{call.method} {path or '/'} -> {answer}"


def briefly(calls: list[Exchange], *, otherwise: str) -> str:
    """Name several calls; `otherwise` says what there is when there are none."""
    return "; ".join(map(brief, calls)) or otherwise
