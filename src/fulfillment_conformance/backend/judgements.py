"""Judgements that tests of several themes share."""

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fulfillment_conformance.answers import Reading
from fulfillment_conformance.backend.client import API_VERSION, AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.checks import GUID, Check

BAD_CREDENTIALS: Final = ("missing", "malformed", "expired", "wrong-signature", "foreign-publisher")
"""What the fixture `credentials` knows and no operation accepts; the last is good for its own publisher."""

_OPERATION = re.compile(rf"/saas/subscriptions/([^/]+)/operations/({GUID.pattern})$")


def operation_is_located(
    check: Check, client: FulfillmentClient, subscription_id: str, accepted: AcceptedAnswer
) -> None:
    """Check that a 202 answer's Operation-Location is an absolute URL of an operation that can be read there."""
    location = accepted.operation_location or ""
    parts = urlsplit(location)
    found = _OPERATION.search(parts.path)
    right = (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and found is not None
        and found[1].lower() == subscription_id.lower()
        and parse_qs(parts.query).get("api-version") == [API_VERSION]
    )
    if check.that(
        accepted.status_code == 202 and right,
        expected=f"202 with Operation-Location: http(s)://…/saas/subscriptions/{subscription_id}/operations/"
        f"<guid>?api-version={API_VERSION}",
        actual=f"{accepted.status_code} with Operation-Location: {location or 'absent'}",
        rests_on=[accepted],
    ):
        check.status(client.follow(location, "get operation at its location"), 200)


def value_is(check: Check, shown: Reading, wanted: str | int | None, *, observed: str | None = None) -> bool:
    """Check a plan, or a number of seats, whichever way seats are written: their type is the matter of other rows."""
    return check.that(
        number_of_seats(shown.value) == wanted if isinstance(wanted, int) else shown.value == wanted,
        expected=f"{shown.name} {wanted!r}",
        actual=shown.value,
        rests_on=[shown],
        observed=observed,
    )


def number_of_seats(value: Any) -> int | None:
    """Return seats as a number, written as one or as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r" ?\d{1,9}", value) else None
