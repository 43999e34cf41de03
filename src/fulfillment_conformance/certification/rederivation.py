"""Decides recorded checks again, from the recorded exchanges alone.

Three things can be said of a check. *Re-derived*: every value that it looked at stands in the exchanges as it says, and
the decision, made once more by the function that made it in the run (`basis.decide`), comes out the same. *Seen again*:
the values stand there, but the condition was a test's own. *Trusted*: nothing of it can be found in an exchange, or
what it looked at is a placeholder for a secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fulfillment_conformance.basis import (
    ACTING,
    IN_OWN_WORDS,
    OF_STATUSES,
    STATUS,
    AcceptedReading,
    Basis,
    NotRecorded,
    Operand,
    decide,
    find,
    shown,
    told,
)
from fulfillment_conformance.outcome import CheckResult, Outcome

Exchanges = Mapping[str, Mapping[str, Any]]
"""The recorded exchanges by number."""

_PLACEHOLDER = re.compile(r"\[(?:token|purchase-token|secret|email|person|cookie):[0-9a-f]{8}[^\]]*\]")
_DECIDED = {Outcome.PASSED, Outcome.FAILED}


class Depth(StrEnum):
    """How far a check could be decided again."""

    REDERIVED = "re-derived"
    SEEN_AGAIN = "seen again"
    TRUSTED = "trusted"


@dataclass
class Rederivation:
    """What became of one check: how deep it went, and what does not match, a sentence each."""

    depth: Depth = Depth.TRUSTED
    mismatches: list[str] = field(default_factory=list)


def rederive(
    check: CheckResult,
    exchanges: Exchanges,
    *,
    readings: Iterable[AcceptedReading],
    profile: str,
    patterns: str,
) -> Rederivation:
    """Decide a check again.

    Args:
        check: the check as the test recorded it.
        exchanges: those of the run; the ones that the check rests on have to be there.
        readings: the other readings that the requirement's row accepts.
        profile: the profile of the run.
        patterns: a text in which every regular expression stands that the suite uses; no other one is tried.
    """
    found = Rederivation()
    if check.basis is None:
        if check.outcome in _DECIDED:
            found.mismatches.append(f"says {check.outcome} and not what it was decided from")
        return found
    try:
        basis = Basis.from_json(check.basis)
        _look(basis, check, exchanges, found)
        if not found.mismatches and basis.kind != "seen":
            _decide(basis, check, exchanges, found, list(readings), profile, patterns)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        found.mismatches.append(f"says what it was decided from in a form that is not ours ({type(error).__name__})")
    return found


def _look(basis: Basis, check: CheckResult, exchanges: Exchanges, found: Rederivation) -> None:
    """Find every value again."""
    hidden = False
    again = 0
    for operand in basis.of:
        if operand.exchange and operand.exchange not in check.exchanges:
            found.mismatches.append(f"looked at exchange {operand.exchange}, on which it does not say that it rests")
        if basis.kind in OF_STATUSES and operand.place != STATUS:
            found.mismatches.append("is about a status, and does not say of which exchange")
        if not operand.place:
            hidden = hidden or _is_hidden(operand.value)
            continue
        try:
            there = find(exchanges[operand.exchange], operand.place)
        except NotRecorded:
            hidden = True
            continue
        if not operand.long and _is_hidden(operand.value, there):
            hidden = True
        elif not operand.long and shown(there, 10_000) != shown(operand.value, 10_000):
            found.mismatches.append(
                f"saw {_where(operand)} {shown(operand.value, 80)} in exchange {operand.exchange}, "
                f"where it is {shown(there, 80)}"
            )
        again += 1
    if again:
        found.depth = Depth.SEEN_AGAIN if hidden or basis.kind == "seen" else Depth.REDERIVED


def _decide(
    basis: Basis,
    check: CheckResult,
    exchanges: Exchanges,
    found: Rederivation,
    readings: list[AcceptedReading],
    profile: str,
    patterns: str,
) -> None:
    """Make the decision again, and compare what the check says about it in words."""
    found.mismatches += _words(basis, check, exchanges)
    if found.depth is not Depth.REDERIVED:
        return
    if basis.kind == "pattern" and basis.terms["pattern"] not in patterns:
        found.mismatches.append(f"asks for the pattern {basis.terms['pattern']!r}, which this suite does not know")
        return
    decided = decide(basis, readings=readings, profile=profile)
    outcome = decided[0] if decided is not None else check.outcome
    if basis.kind == "no-effect":
        found.mismatches += _overlooked(basis, exchanges)
    if outcome is not check.outcome and not _as_observed(check, outcome, readings, profile):
        found.mismatches.append(f"says {check.outcome}, but by its own exchanges it {_past(outcome)}")


def _words(basis: Basis, check: CheckResult, exchanges: Exchanges) -> Iterator[str]:
    def request_of(number: str) -> tuple[str, str]:
        request = exchanges[number]["request"]
        return request["method"], request["url"]

    if basis.kind in IN_OWN_WORDS:
        return
    expected, actual = told(basis, request_of)
    for name, wanted, given in (("expected", expected, check.expected), ("actual", actual, check.actual)):
        if wanted and wanted != given and not _is_hidden(wanted, given):
            yield f"says {name} {shown(given, 120)}, where its own data say {shown(wanted, 120)}"
    if not actual:
        status = basis.of[0].value
        came = str(status) if isinstance(status, int) else "no answer"
        if not check.actual.startswith(came):
            yield f"says that {shown(check.actual, 80)} came, where its own data say {came}"


def _overlooked(basis: Basis, exchanges: Exchanges) -> Iterator[str]:
    """Find the calls again that acted on a subscription between the first look at it and the last."""
    subscription = basis.terms["subscription"]
    looks = [operand.exchange for operand in basis.of if operand.exchange]
    elsewhere = [number for number in looks if subscription not in exchanges[number]["request"]["url"]]
    if not subscription or elsewhere:
        yield f"is about the subscription {subscription!r}, and looked at another in exchange {looks[0]}"
        return
    (worker, _, first), (_, _, last) = looks[0].rpartition("-"), looks[-1].rpartition("-")
    for number, one in exchanges.items():
        of, _, count = number.rpartition("-")
        between = of == worker and int(first) < int(count) < int(last)
        acts = one["receiver"] == "marketplace" and one["request"]["method"] in ACTING
        about = f"/subscriptions/{subscription}" in one["request"]["url"]
        if between and acts and about and number not in basis.terms["calls"]:
            yield f"does not name exchange {number}, which acted on the subscription"


def _as_observed(check: CheckResult, outcome: Outcome, readings: list[AcceptedReading], profile: str) -> bool:
    """Whether a pass is what the requirement's row accepts under the profile `observed`."""
    return (
        profile == "observed"
        and (outcome, check.outcome) == (Outcome.FAILED, Outcome.PASSED)
        and any(
            note == f"observed: {one.reading} ({one.source})"
            for note in check.notes
            for one in readings
            if one.profile == "observed"
        )
    )


def _is_hidden(*values: Any) -> bool:
    """Whether a placeholder for a secret stands in one of them."""
    return any(_PLACEHOLDER.search(repr(value)) is not None for value in values)


def _where(operand: Operand) -> str:
    return operand.name or "the value"


def _past(outcome: Outcome) -> str:
    return {Outcome.PASSED: "passed", Outcome.FAILED: "failed"}.get(outcome, f"is {outcome}")
