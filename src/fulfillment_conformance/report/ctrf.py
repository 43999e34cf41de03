"""`ctrf.json`: the results in the Common Test Report Format 1.0, one test per requirement.

The format knows five statuses. A server that counts `failed` turns red exactly when the run's exit code is not 0:

| Outcome | Status |
|---|---|
| passed | `passed` |
| failed, MUST | `failed` |
| undecided or untestable, MUST | `failed` |
| failed, SHOULD, MAY or INFO | `other` |
| undecided or untestable, other levels | `other` |
| waived, not applicable, excluded | `skipped` |

`rawStatus` has the kind of outcome itself (`warning`, `undecided`, ...). What went wrong with the run and belongs to no
requirement is a test of the suite `run`, as in `junit.xml`, with `rawStatus` `run`.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fulfillment_conformance.report.details import Trouble, in_full, message, seconds_of, troubles
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, target_name, verdict_words

_STATUSES = ("passed", "failed", "skipped", "pending", "other")
_RUN = "run"
_LONGEST_NAME = 500
_LONGEST_MESSAGE = 1_000


def render(results: RunResults) -> str:
    """Return the results as a CTRF document."""
    seconds = seconds_of(results)
    tests = [_test(one, results, seconds.get(one.id, 0.0)) for one in results.requirements]
    tests += [_trouble(trouble, results) for trouble in troubles(results)]
    statuses = Counter(test["status"] for test in tests)
    document = {
        "reportFormat": "CTRF",
        "specVersion": "1.0.0",
        "timestamp": results.finished.isoformat(),
        "generatedBy": results.suite["name"],
        "results": {
            "tool": {"name": results.suite["name"], "version": results.suite["version"]},
            "summary": {
                "tests": len(tests),
                **{status: statuses[status] for status in _STATUSES},
                "start": _milliseconds(results.started),
                "stop": _milliseconds(results.finished),
                "duration": _milliseconds(results.finished) - _milliseconds(results.started),
                "extra": {"verdict": verdict_words(results), "exitCode": results.exit_code},
            },
            "tests": tests,
            "environment": {
                "reportName": f"SaaS Fulfillment API v2 conformance of a {results.role}",
                "appName": visible(target_name(results)),
                "testEnvironment": results.profile,
                "extra": {name: visible(value) for name, value in results.environment.items()},
            },
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _test(one: ReportedRequirement, results: RunResults, seconds: float) -> Mapping[str, Any]:
    test: dict[str, Any] = {
        "name": one_line(f"{one.id} {one.statement}", _LONGEST_NAME),
        "status": _status(one),
        "duration": round(seconds * 1000),
        "suite": [results.role, visible(one.theme) or "-"],
        "rawStatus": one.kind,
        "tags": [one.level, visible(one.theme)],
        "type": "conformance",
        "extra": {"requirement": one.id, "level": one.level, "outcome": one.outcome.value, "tests": one.result.tests},
    }
    if one.kind != "passed":
        test["message"] = one_line(f"{KINDS[one.kind]} ({one.level}): {message(one)}", _LONGEST_MESSAGE)
        test["trace"] = visible(in_full(one, results))
    if known := results.waivers.get(one.id):
        test["extra"]["knownFailure"] = known.to_json()
    return test


def _status(one: ReportedRequirement) -> str:
    if one.kind == "passed":
        return "passed"
    if one.blocks:
        return "failed"
    return "other" if one.kind in {"warning", "undecided", "untestable"} else "skipped"


def _trouble(trouble: Trouble, results: RunResults) -> Mapping[str, Any]:
    return {
        "name": one_line(trouble.name, _LONGEST_NAME),
        "status": "failed",
        "duration": 0,
        "suite": [results.role, _RUN],
        "message": one_line(trouble.message, _LONGEST_MESSAGE),
        "trace": visible(trouble.text),
        "rawStatus": _RUN,
        "type": "conformance",
    }


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
