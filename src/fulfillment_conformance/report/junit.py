"""`junit.xml`: one test case per requirement, for CI servers.

A server turns red exactly when the run's exit code is not 0:

| Outcome | Element |
|---|---|
| passed | none |
| failed, MUST | `<failure type="MUST">` |
| failed, SHOULD, MAY or INFO | `<skipped type="warning">` |
| undecided or untestable, MUST | `<error>` of that type |
| undecided or untestable, other levels | `<skipped>` of that type |
| waived, not applicable, excluded | `<skipped>` of that type |

A second suite, `run`, has an `<error>` for every test that broke off without the target's fault, and one for the run as
a whole when its exit code is not explained by a requirement.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from fulfillment_conformance.outcome import CheckResult, ExitCode, Outcome
from fulfillment_conformance.report import advice, sources
from fulfillment_conformance.report.plain import one_line, short_path
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import EXIT_CODES, KINDS

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EXPLAINED = {ExitCode.CONFORMANT, ExitCode.FAILED, ExitCode.INCOMPLETE}
_LONGEST_MESSAGE = 300
_MOST_EXCHANGES = 12


def render(results: RunResults, exchanges: Iterable[Mapping[str, Any]]) -> str:
    """Return the results as JUnit XML.

    Args:
        results: what the run found.
        exchanges: the recorded exchanges, as `evidence.read_exchanges` gives them.
    """
    recorded = {exchange["number"]: exchange for exchange in exchanges}
    seconds = _seconds(results)
    cases = [_requirement(one, results, recorded, seconds.get(one.id, 0.0)) for one in results.requirements]
    suites = [_suite(results.role, cases, results), _suite("run", _run_cases(results, cases), results)]
    root = ET.Element("testsuites", {"name": f"{results.suite['name']} {results.role}", **_sums(suites)})
    root.set("time", f"{results.seconds:.3f}")
    root.extend(suites)
    ET.indent(root, space=" ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(name: str, cases: Sequence[ET.Element], results: RunResults) -> ET.Element:
    suite = ET.Element(
        "testsuite",
        {
            "name": name,
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
            "timestamp": f"{results.started:%Y-%m-%dT%H:%M:%S}",
            "hostname": "localhost",
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("verdict", results.verdict.value),
        ("exit_code", str(results.exit_code)),
        ("suite", f"{results.suite['name']} {results.suite['version']}"),
        ("profile", results.profile),
        ("set", results.set or ""),
        ("seed", str(results.seed)),
    ):
        ET.SubElement(properties, "property", {"name": key, "value": _legal(value)})
    suite.extend(cases)
    return suite


def _sums(suites: Sequence[ET.Element]) -> dict[str, str]:
    return {name: str(sum(int(suite.get(name, "0")) for suite in suites)) for name in ("tests", "failures", "errors")}


def _requirement(
    one: ReportedRequirement,
    results: RunResults,
    recorded: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> ET.Element:
    case = _case(f"{results.role}.{one.theme}", f"{one.id} {one.statement}", seconds)
    kind = one.kind
    if kind == "passed":
        return case
    checks = one.findings
    message = _message(checks, one.result.reason) or KINDS[kind]
    if kind == "failed":
        _add(case, "failure", one.level, message, _details(one, results, recorded))
    elif kind in {"undecided", "untestable"} and one.required:
        _add(case, "error", kind, message, _details(one, results, recorded))
    else:
        _add(case, "skipped", kind, f"{KINDS[kind]} ({one.level}): {message}")
        if kind == "warning":
            ET.SubElement(case, "system-out").text = _legal(_details(one, results, recorded))
    return case


def _seconds(results: RunResults) -> dict[str, float]:
    """Return requirement id -> seconds; a test counts for the first requirement it claims, so that sums are right."""
    seconds: dict[str, float] = {}
    judged = {one.id for one in results.requirements}
    for test in results.tests:
        first = next((claim for claim in test.claims if claim in judged), None)
        if first is not None:
            seconds[first] = seconds.get(first, 0.0) + test.seconds
    return seconds


def _run_cases(results: RunResults, cases: Sequence[ET.Element]) -> list[ET.Element]:
    """Return a case for everything that makes the exit code what it is and that no requirement shows."""
    found = []
    for test in results.faults:
        case = _case(f"{results.role}.run", test.test, 0.0)
        blame = test.blame.value if test.blame else ""
        _add(case, "error", blame, f"{blame}: {test.reason}", test.reason)
        found.append(case)
    red = any(case.find(element) is not None for case in cases for element in ("failure", "error"))
    if results.exit_code not in _EXPLAINED or (results.exit_code != ExitCode.CONFORMANT and not red and not found):
        case = _case(f"{results.role}.run", "the run as a whole", 0.0)
        why = EXIT_CODES.get(results.exit_code, "unknown exit code")
        _add(case, "error", f"exit code {results.exit_code}", results.reason or why, f"{why}\n{results.reason}")
        found.append(case)
    return found


def _case(classname: str, name: str, seconds: float) -> ET.Element:
    return ET.Element(
        "testcase", {"classname": _legal(classname), "name": one_line(_legal(name), 500), "time": f"{seconds:.3f}"}
    )


def _add(case: ET.Element, tag: str, kind: str, message: str, text: str = "") -> None:
    element = ET.SubElement(case, tag, {"type": kind, "message": one_line(_legal(message), _LONGEST_MESSAGE)})
    element.text = _legal(text) or None


def _message(checks: Sequence[CheckResult], reason: str) -> str:
    for check in checks:
        if check.outcome is Outcome.FAILED and check.expected:
            return f"expected {check.expected}; came {check.actual}"
    return reason


def _details(one: ReportedRequirement, results: RunResults, recorded: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{one.id} ({one.level}): {one.statement}", f"whose fault: {advice.whose_fault(one, results)}"]
    for check in one.checks:
        lines += ["", f"check: {check.outcome.value}"]
        lines += [f"  {name}: {text}" for name, text in _parts(check) if text]
        if check.outcome is Outcome.FAILED:
            lines.append(f"  what to change: {advice.what_to_change(check, results)}")
        lines += [f"  exchange {number}: {_told(recorded.get(number))}" for number in check.exchanges[:_MOST_EXCHANGES]]
        if len(check.exchanges) > _MOST_EXCHANGES:
            lines.append(f"  and {len(check.exchanges) - _MOST_EXCHANGES} more exchanges")
    lines.append("")
    for source in one.source:
        page = sources.address(source)
        lines.append(f"source: {source}" + (f" <{page}>" if page else ""))
    if repeat := advice.request_to_repeat(one.findings, recorded, results.role):
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


def _told(exchange: Mapping[str, Any] | None) -> str:
    if exchange is None:
        return "not recorded"
    came = exchange["response"]["status"] if exchange["response"] else exchange["error"]
    request = f"{exchange['request']['method']} {short_path(exchange['request']['url'])}"
    return f"{exchange['sender']} to {exchange['receiver']}, {request}, {came}"


def _legal(text: str) -> str:
    """Replace what XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
