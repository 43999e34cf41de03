"""`results.sarif`: the failures in SARIF 2.1.0, for code scanning and editors.

The requirements are the rules, and every requirement that fails is one result: level `error` for a MUST, `warning` for
a SHOULD, `note` for the others. A known failure is a result with an external suppression. What could not be decided,
and what went wrong with the run, are notifications of its one invocation, because no finding follows from them.

A fault of a running service has no line of its own, but readers of SARIF want one: it is the first line of the target
file, the file in which the service is named. The tests that found it are related locations, below `SUITES`.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fulfillment_conformance.outcome import ExitCode, Level
from fulfillment_conformance.report import advice, sources
from fulfillment_conformance.report.details import message, troubles
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, conclusion, target_name, verdict_words, why_it_ended_so

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Mapping[Level, str] = {"MUST": "error", "SHOULD": "warning", "MAY": "note", "INFO": "note"}
_MEASURED = {ExitCode.CONFORMANT, ExitCode.FAILED, ExitCode.INCOMPLETE}
_SUITES = "SUITES"
_MOST_CHECKS = 5
_LONGEST = 1_000


def render(results: RunResults) -> str:
    """Return the results as a SARIF log with one run."""
    rules = {one.id: index for index, one in enumerate(results.requirements)}
    failures = results.of_kind("failed", "warning", "waived")
    run = {
        "tool": {
            "driver": {
                "name": results.suite["name"],
                "version": results.suite["version"],
                "fullName": f"SaaS Fulfillment API v2 conformance of a {results.role}",
                "rules": [_rule(one) for one in results.requirements],
            }
        },
        "automationDetails": {"id": f"{results.suite['name']}/{results.role}/"},
        "originalUriBaseIds": {_SUITES: {"description": {"text": "The suites that come with the package."}}},
        "invocations": [_invocation(results, rules)],
        "results": [_result(one, results, rules[one.id]) for one in failures],
        "properties": {
            "verdict": verdict_words(results),
            "target": visible(target_name(results)),
            "profile": results.profile,
            "set": results.set or "",
            "seed": results.seed,
            "counts": dict(results.counts),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1) + "\n"


def _rule(one: ReportedRequirement) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": one.id,
        "shortDescription": {"text": _text(one.statement, 250)},
        "fullDescription": {"text": _text(" ".join(filter(None, (one.statement, one.observable))))},
        "defaultConfiguration": {"level": _LEVELS[one.level]},
        "help": {"text": _text(f"{one.level}. Source: {'; '.join(one.source)}")},
        "properties": {"tags": [one.level, visible(one.theme)]},
    }
    if page := next(filter(None, map(sources.address, one.source)), None):
        rule["helpUri"] = page
    return rule


def _result(one: ReportedRequirement, results: RunResults, index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.id,
        "ruleIndex": index,
        "level": _LEVELS[one.level],
        "message": {"text": _told(one, results)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": _target_file(results), "region": {"startLine": 1}},
                "logicalLocations": [
                    {"name": one.id, "fullyQualifiedName": visible(f"{results.role}/{one.theme}/{one.id}")}
                ],
            }
        ],
        "partialFingerprints": {"requirement/v1": f"{results.role}/{one.id}"},
        "properties": {"outcome": one.outcome.value},
    }
    if tests := [_test(name) for name in one.result.tests]:
        result["relatedLocations"] = tests
    if one.kind == "waived":
        justification = visible(one.result.reason)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return result


def _told(one: ReportedRequirement, results: RunResults) -> str:
    """Return expected, actual and what to change, the first sentence by itself."""
    parts = [f"{one.statement.rstrip('.')}: {KINDS[one.kind]}."]
    for check in one.findings[:_MOST_CHECKS]:
        told = f"Expected {check.expected}; came {check.actual}." if check.expected else f"{check.reason}."
        parts.append(f"{told} What to change: {advice.what_to_change(check, results)}")
    if len(one.findings) > _MOST_CHECKS:
        parts.append(f"{len(one.findings) - _MOST_CHECKS} more findings stand in results.json.")
    if one.kind == "waived":
        parts.append(f"Known failure: {one.result.reason}")
    parts.append(f"Judge it again: {advice.command_line(results, one.id)}")
    return "\n".join(_text(part) for part in parts)


def _target_file(results: RunResults) -> dict[str, Any]:
    return {"uri": quote(str(results.target.get("file") or "target.yaml"), errors="replace")}


def _test(name: str) -> dict[str, Any]:
    file = name.partition("::")[0]
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(file, errors="replace"), "uriBaseId": _SUITES}},
        "message": {"text": _text(f"The test {name}")},
    }


def _invocation(results: RunResults, rules: Mapping[str, int]) -> dict[str, Any]:
    open_ = [one for one in results.requirements if one.kind in {"undecided", "untestable"}]
    return {
        "executionSuccessful": results.exit_code in _MEASURED,
        "exitCode": results.exit_code,
        "exitCodeDescription": visible(f"{why_it_ended_so(results)}: {conclusion(results)}"),
        "startTimeUtc": f"{results.started:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "endTimeUtc": f"{results.finished:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "toolExecutionNotifications": [
            *(
                {
                    "level": "warning" if one.blocks else "note",
                    "message": {"text": _text(f"{one.id}: {KINDS[one.kind]}: {message(one)}")},
                    "associatedRule": {"id": one.id, "index": rules[one.id]},
                    "properties": {"outcome": one.outcome.value},
                }
                for one in open_
            ),
            *(
                {"level": "error", "message": {"text": _text(f"{trouble.name}: {trouble.message}")}}
                for trouble in troubles(results)
            ),
        ],
    }


def _text(text: str, limit: int = _LONGEST) -> str:
    """Return a text as a plain text message: braces are doubled, and nothing in it reads as a link or a placeholder."""
    return one_line(text, limit).replace("{", "{{").replace("}", "}}").replace("](", "] (")
