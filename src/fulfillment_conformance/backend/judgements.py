"""Judgements that tests of several themes share."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fulfillment_conformance.answers import ABSENT, Answer, Reading, SubscriptionAnswer
from fulfillment_conformance.backend.client import API_VERSION, AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.checks import GUID, Check
from fulfillment_conformance.contract import Contract, Violation
from fulfillment_conformance.dates import moment_of

BAD_CREDENTIALS: Final = ("missing", "malformed", "expired", "wrong-signature", "foreign-publisher")
"""What the fixture `credentials` knows and no operation accepts; the last is good for its own publisher."""

UNUSABLE_TOKENS: Final = BAD_CREDENTIALS[:-1]
"""Those of them that are good for nobody."""

SLACK: Final = timedelta(minutes=10)
"""How far two clocks and a slow answer may be apart."""

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


def nothing_has_begun(
    check: Check,
    client: FulfillmentClient,
    subscription_id: str,
    before: SubscriptionAnswer,
    refused: Answer,
    *,
    listed: bool = True,
) -> bool:
    """Check that a change which was refused has left plan and seats alone, and no operation that waits for an outcome.

    A change that was not refused is the matter of other checks: nothing is recorded then. `listed` tells whether the
    list of operations is looked at, which shows nothing where none of a run's operations ever waits.
    """
    if not refused.is_client_error:
        return True
    shown = client.get_subscription(subscription_id)
    lists = [client.list_operations(subscription_id)] if listed else []
    waiting = [str(entry["id"].value) for operations in lists for entry in operations.entries]
    was, now = ((answer["planId"].value, answer["quantity"].value) for answer in (before, shown))
    return check.that(
        was == now and not waiting,
        expected=f"plan and quantity {was} as before, and no outstanding operation",
        actual=f"{now}, outstanding: {', '.join(waiting) or 'none'}",
        rests_on=[refused, before, shown, *lists],
    )


def has_status(check: Check, contract: Contract, notification: Notification, status: str) -> bool:
    """Check the status word of a notification, written in any way that the profile knows."""
    violations = contract.webhook_violations(notification.action, notification.body.value)
    known = not any("EVT-010" in violation.requirements for violation in violations)
    return check.that(
        notification["status"].value == status or known,
        expected=f"status {status}",
        actual=notification["status"].value,
        rests_on=[notification.exchange],
    )


def keeps_to(check: Check, violations: Iterable[Violation], shown: Reading) -> bool:
    """Check that a value breaks nothing of what the description says in the name of this requirement."""
    own = [str(violation) for violation in violations if check.requirement.id in violation.requirements]
    return check.that(
        shown.value is not ABSENT and not own,
        expected=f"{shown.name} as openapi/fulfillment-v2.yaml describes it",
        actual="; ".join(own) or ("as described" if shown else "absent"),
        rests_on=[shown],
    )


def is_dated(
    check: Check, shown: Reading, around: datetime, *, zones: Sequence[str], observed: Mapping[str, str] | None = None
) -> bool:
    """Check that a time is written as an ISO date-time and lies near a moment.

    Args:
        check: the requirement.
        shown: the time that was shown.
        around: when it happened; `SLACK` either way is near.
        zones: the ways to write the zone that the row allows, such as `Z`; empty for none written.
        observed: ways that were only observed, with words of the row's reading.
    """
    moment = moment_of(shown.value)
    zone = None if moment is None else re.sub(r".*T[\d:.]*", "", shown.value.strip())
    near = moment is not None and abs(moment - around) <= SLACK
    return check.that(
        near and zone in zones,
        expected=f"{shown.name} an ISO date-time near {around.isoformat(timespec='seconds')}, zone written as "
        f"{' or '.join(zone or 'none' for zone in zones)}",
        actual=shown.value,
        rests_on=[shown],
        observed=(observed or {}).get(zone) if near and zone is not None else None,
    )


def number_of_seats(value: Any) -> int | None:
    """Return seats as a number, written as one or as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r" ?\d{1,9}", value) else None
