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

A second suite, `run`, has an `<error>` for every test that broke off without the target's fault, for every known
failure that has expired or passes, and one for the run as a whole when nothing else explains its exit code.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from fulfillment_conformance.report.details import in_full, message, seconds_of, troubles
from fulfillment_conformance.report.plain import one_line
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, verdict_words

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_MESSAGE = 300


def render(results: RunResults, exchanges: Iterable[Mapping[str, Any]]) -> str:
    """Return the results as JUnit XML.

    Args:
        results: what the run found.
        exchanges: the recorded exchanges, as `evidence.read_exchanges` gives them.
    """
    recorded = {exchange["number"]: exchange for exchange in exchanges}
    seconds = seconds_of(results)
    cases = [_requirement(one, results, recorded, seconds.get(one.id, 0.0)) for one in results.requirements]
    suites = [_suite(results.role, cases, results), _suite("run", _run_cases(results), results)]
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
        ("verdict", verdict_words(results)),
        ("known_failures", ", ".join(results.waivers)),
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
    told = message(one)
    if kind == "failed":
        _add(case, "failure", one.level, told, in_full(one, results, recorded))
    elif one.blocks:
        _add(case, "error", kind, told, in_full(one, results, recorded))
    else:
        _add(case, "skipped", kind, f"{KINDS[kind]} ({one.level}): {told}")
        if kind in {"warning", "waived"}:
            ET.SubElement(case, "system-out").text = _legal(in_full(one, results, recorded))
    return case


def _run_cases(results: RunResults) -> list[ET.Element]:
    """Return a case for everything that makes the exit code what it is and that no requirement shows."""
    found = []
    for trouble in troubles(results):
        case = _case(f"{results.role}.run", trouble.name, 0.0)
        _add(case, "error", trouble.kind, trouble.message, trouble.text)
        found.append(case)
    return found


def _case(classname: str, name: str, seconds: float) -> ET.Element:
    return ET.Element(
        "testcase", {"classname": _legal(classname), "name": one_line(_legal(name), 500), "time": f"{seconds:.3f}"}
    )


def _add(case: ET.Element, tag: str, kind: str, told: str, text: str = "") -> None:
    element = ET.SubElement(case, tag, {"type": kind, "message": one_line(_legal(told), _LONGEST_MESSAGE)})
    element.text = _legal(text) or None


def _legal(text: str) -> str:
    """Replace what XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
