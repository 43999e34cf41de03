"""What a reader wants to know of a requirement that did not pass: whose fault, what to change, how to see it again."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from fulfillment_conformance.evidence import curl
from fulfillment_conformance.outcome import Blame, CheckResult, Outcome
from fulfillment_conformance.report.plain import short_path
from fulfillment_conformance.report.results import ReportedRequirement, RunResults

_BLAMED = {
    Blame.TARGET: "the {role} under test",
    Blame.SUITE: "the suite: this says nothing about the {role}; please report it",
    Blame.ENVIRONMENT: "the environment: this says nothing about the {role}",
    Blame.CONFIGURATION: "the target file or the command line: this says nothing about the {role}",
}


def whose_fault(one: ReportedRequirement, results: RunResults) -> str:
    """Say whose fault it is that a requirement did not pass."""
    role = results.role
    if one.outcome in {Outcome.FAILED, Outcome.WAIVED}:
        return f"the {role} under test"
    claiming = set(one.result.tests)
    for test in results.tests:
        if test.test in claiming and test.blame is not None:
            return _BLAMED[test.blame].format(role=role)
    if not one.result.checks:
        return "open: the test that decides it did not run"
    if one.outcome is Outcome.UNTESTABLE:
        return "nobody's: the target cannot be put into the situation, or cannot show what it did"
    return "open: something that had to work first did not, or the observation does not tell"


def what_to_change(check: CheckResult, results: RunResults) -> str:
    """Say what has to become different so that a failed check passes."""
    expected, actual, role = check.expected, check.actual, results.role
    if found := re.fullmatch(r"(\S+) (\S+) (answered|refused with|accepted) (.+)", expected, re.DOTALL):
        request, status = f"{found[1]} {short_path(found[2])}", found[4]
        if found[3] == "answered":
            return f"Let the {role} answer {request} with {status}. {_now(actual)}"
        if found[3] == "accepted":
            return f"Let the {role} accept {request} {status}. {_now(actual)}"
        return (
            f"Let the {role} refuse {request} with {status}, and go on accepting the same request without the fault. "
            f"{_now(actual)}"
        )
    if expected.startswith("no effect"):
        return f"Let the {role} do nothing in this situation: change no state, and make no call that acts on it."
    if expected:
        return f"Change the {role} so that it shows what is expected: {expected}."
    return f"Change the {role} so that it keeps the requirement."


def command_line(results: RunResults, *requirement_ids: str) -> str:
    """Return the command that judges single requirements again, with the same choices."""
    words = ["fulfillment-conformance", "run", "--target", str(results.target.get("file") or "TARGET.yaml")]
    words += ["--output", "reports/again"]
    for requirement_id in requirement_ids:
        words += ["--only", requirement_id]
    if results.set:
        words += ["--set", results.set]
    return shlex.join([*words, "--profile", results.profile, "--seed", str(results.seed)])


def request_to_repeat(
    checks: Iterable[CheckResult], exchanges: Mapping[str, Mapping[str, Any]], role: str
) -> str | None:
    """Return a curl line for the first request to the target that one of the checks rests on, None if there is none."""
    for check in checks:
        for number in check.exchanges:
            exchange = exchanges.get(number)
            if exchange is not None and exchange["receiver"] == role:
                return curl(exchange)
    return None


def _now(actual: str) -> str:
    status = re.match(r"\d{3}\b", actual)
    if status:
        return f"It answers {status.group()} now."
    return "It gives no answer now." if actual.startswith("no answer") else f"Now: {actual}."
