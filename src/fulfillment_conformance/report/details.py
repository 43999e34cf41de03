"""What is to be said about one requirement, or about the run beside them, as plain text: in one line, and in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fulfillment_conformance.outcome import CheckResult, ExitCode, Outcome
from fulfillment_conformance.report import advice, sources
from fulfillment_conformance.report.plain import short_path
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, why_it_ended_so

_EXPLAINED = {ExitCode.CONFORMANT, ExitCode.FAILED, ExitCode.INCOMPLETE}
_MOST_EXCHANGES = 12


def message(one: ReportedRequirement) -> str:
    """Return what came of a requirement that did not pass, in one sentence."""
    found = _expected_and_actual(one.findings)
    if one.outcome is Outcome.WAIVED:
        return f"{one.result.reason}; {found}" if found else one.result.reason
    return found or one.result.reason or KINDS[one.kind]


def _expected_and_actual(checks: Sequence[CheckResult]) -> str:
    for check in checks:
        if check.outcome is Outcome.FAILED and check.expected:
            return f"expected {check.expected}; came {check.actual}"
    return ""


def in_full(
    one: ReportedRequirement, results: RunResults, recorded: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """Return everything about a requirement: its checks, what to change, its sources, how to judge it again.

    Args:
        one: the requirement.
        results: the run.
        recorded: number -> exchange; None names exchanges by their numbers only.
    """
    lines = [f"{one.id} ({one.level}): {one.statement}", f"whose fault: {advice.whose_fault(one, results)}"]
    if one.id in results.waivers:
        lines.append(f"known failure: {one.result.reason}")
    for check in one.checks:
        lines += ["", f"check: {check.outcome.value}"]
        lines += [f"  {name}: {text}" for name, text in _parts(check) if text]
        if check.outcome is Outcome.FAILED:
            lines.append(f"  what to change: {advice.what_to_change(check, results)}")
        lines += [f"  exchange {number}{_told(number, recorded)}" for number in check.exchanges[:_MOST_EXCHANGES]]
        if len(check.exchanges) > _MOST_EXCHANGES:
            lines.append(f"  and {len(check.exchanges) - _MOST_EXCHANGES} more exchanges")
    lines.append("")
    for source in one.source:
        page = sources.address(source)
        lines.append(f"source: {source}" + (f" <{page}>" if page else ""))
    if repeat := advice.request_to_repeat(one.findings, recorded or {}, results.role):
        lines.append(f"repeat the request: {repeat}")
    lines.append(f"judge it again: {advice.command_line(results, one.id)}")
    return "\n".join(lines)


def _parts(check: CheckResult) -> list[tuple[str, str]]:
    return [
        ("expected", check.expected),
        ("actual", check.actual),
        ("reason", check.reason),
        *(("note", note) for note in check.notes),
    ]


def _told(number: str, recorded: Mapping[str, Mapping[str, Any]] | None) -> str:
    if recorded is None:
        return ""
    exchange = recorded.get(number)
    if exchange is None:
        return ": not recorded"
    came = exchange["response"]["status"] if exchange["response"] else exchange["error"]
    request = f"{exchange['request']['method']} {short_path(exchange['request']['url'])}"
    return f": {exchange['sender']} to {exchange['receiver']}, {request}, {came}"


def seconds_of(results: RunResults) -> dict[str, float]:
    """Return requirement id -> seconds; a test counts for the first requirement it claims, so that sums are right."""
    seconds: dict[str, float] = {}
    judged = {one.id for one in results.requirements}
    for test in results.tests:
        first = next((claim for claim in test.claims if claim in judged), None)
        if first is not None:
            seconds[first] = seconds.get(first, 0.0) + test.seconds
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that keeps the exit code from being 0 and that no requirement shows."""

    name: str
    kind: str
    message: str
    text: str


def troubles(results: RunResults) -> list[Trouble]:
    """Return what is to be told beside the requirements.

    That is every test that broke off without the target's fault, every known failure that is out of date, and the run
    as a whole where nothing else explains its exit code.
    """
    found = []
    for test in results.faults:
        blame = test.blame.value if test.blame else ""
        found.append(Trouble(name=test.test, kind=blame, message=f"{blame}: {test.reason}", text=test.reason))
    found += [
        Trouble(
            name=f"known failure {entry.id}",
            kind="stale known failure",
            message=entry.complaint,
            text=f"{entry.complaint}\n{entry.reason}",
        )
        for entry in results.stale
    ]
    explained = bool(found) or any(one.blocks for one in results.requirements)
    if results.exit_code not in _EXPLAINED or (results.exit_code != ExitCode.CONFORMANT and not explained):
        why = why_it_ended_so(results)
        kind = f"exit code {results.exit_code}"
        text = f"{why}\n{results.reason}"
        found.append(Trouble(name="the run as a whole", kind=kind, message=results.reason or why, text=text))
    return found
