"""Whether a run may be certified: everything that its set requires has been executed, decided, and is kept."""

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fulfillment_conformance.catalogue import Party, RequirementSet
from fulfillment_conformance.certification.installation import Installation
from fulfillment_conformance.outcome import CheckResult, ExitCode, Outcome, Verdict
from fulfillment_conformance.report.results import RunResults

_DECIDED = {Outcome.PASSED, Outcome.NOT_APPLICABLE}
_CLAIMED = re.compile(r"\bclaims\.(\w+):")

EXEMPTING: Mapping[str, Any] = {
    "acknowledges_changes": False,
    "per_seat": False,
    "refused_plans": [],
    "refused_seats": None,
    "refuses_changes": True,
    "sells_auto_activation": False,
}
"""What a claim has to say so that something is not asked; `refuses_reinstatement` leaves something out either way."""


def complaints(results: RunResults, installation: Installation) -> list[str]:
    """Say why a run cannot be certified, a sentence each; nothing if it can."""
    said: list[str] = []
    if results.interrupted or results.reason:
        said.append(f"the run ended early: {results.reason or 'interrupted'}")
    if results.verdict is not Verdict.CONFORMANT or results.exit_code != ExitCode.CONFORMANT:
        said.append(f"the verdict is {results.verdict}, exit code {results.exit_code}")
    waived = {one.id for one in results.requirements if one.outcome is Outcome.WAIVED}
    waived |= {entry.id for entry in results.known_failures}
    if waived:
        said.append(f"known failures have no place in a certificate: {', '.join(sorted(waived))}")
    if results.untested:
        said.append(f"no test decides {', '.join(results.untested)}")
    if results.set is None or results.set not in installation.catalogue.sets():
        said.append(f"it judged the set {results.set!r}, which is none of {', '.join(installation.catalogue.sets())}")
        return said
    chosen = installation.catalogue.set(results.set)
    return [*said, *_executed_equals_required(results, chosen), *_tests(results, installation, chosen)]


def _executed_equals_required(results: RunResults, chosen: RequirementSet) -> Iterator[str]:
    required, reported = ids_of(chosen, results.role)
    judged = {one.id: one for one in results.requirements}
    for name in required:
        if name not in judged:
            yield f"{name} is required by the set {chosen.name} and was not judged"
        elif judged[name].outcome not in _DECIDED:
            reason = judged[name].result.reason
            yield f"{name} is required and {judged[name].outcome}{f': {reason}' if reason else ''}"
    for name in reported:
        if name not in judged:
            yield f"{name} is to be reported by the set {chosen.name} and was not judged"
    surplus = judged.keys() - {*required, *reported}
    if surplus:
        yield f"{', '.join(sorted(surplus))}: judged, but not in the set {chosen.name}"


def _tests(results: RunResults, installation: Installation, chosen: RequirementSet) -> Iterator[str]:
    """Say which tests of the set are missing, unknown, or claim other ids than they do."""
    ids = {*chosen.required[_party(results.role)], *chosen.reported[_party(results.role)]}
    known = {test.id: test for test in installation.tests}
    ran = {record.test.partition("[")[0] for record in results.tests}
    for test in installation.tests:
        if not ids.isdisjoint(test.claims) and test.id not in ran:
            yield f"the test {test.id} did not run"
    for record in results.tests:
        own = known.get(record.test.partition("[")[0])
        if own is None:
            yield f"this suite has no test {record.test}"
        elif set(own.claims) != set(record.claims):
            yield f"{record.test} claims {', '.join(record.claims)}; in this suite it claims {', '.join(own.claims)}"


def ids_of(chosen: RequirementSet, role: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the ids of a set for a role: required ones, reported ones."""
    return chosen.required[_party(role)], chosen.reported[_party(role)]


def _party(role: str) -> Party:
    return "marketplace" if role == "marketplace" else "publisher"


def unfounded(check: CheckResult, test: str, claims: Mapping[str, Any], installation: Installation) -> str:
    """Say why a requirement cannot have been left out for the reason given; empty if it can."""
    file = test.partition("::")[0]
    source = installation.sources.get(file, "")
    reasons = (*reasons_in(source), *_reasons_of_the_stage())
    if not any(re.fullmatch(pattern, check.reason, re.DOTALL) for pattern in reasons):
        return f"is left out because {check.reason!r}, which no test in {file} ever says"
    for claim in _CLAIMED.findall(check.reason):
        if claim not in claims:
            return f"is left out because of claims.{claim}, which the target does not have"
        if claim in EXEMPTING and claims[claim] != EXEMPTING[claim]:
            return f"is left out because of claims.{claim}, but the target claims {claims[claim]!r}"
    return ""


@functools.cache
def _reasons_of_the_stage() -> tuple[str, ...]:
    stage = Path(__file__).parents[1] / "stage"
    return tuple(
        pattern for path in sorted(stage.glob("*.py")) for pattern in reasons_in(path.read_text(encoding="utf-8"))
    )


@functools.cache
def reasons_in(source: str) -> tuple[str, ...]:
    """Return regular expressions of all reasons that the source of a test gives for leaving something out.

    They are read from the source, so that no list has to be kept.
    """
    tree = ast.parse(source)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return tuple(
        pattern
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and _called(node.func) in {"not_applicable", "NotClaimed"}
        for pattern in _patterns(node.args[0], constants)
    )


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _patterns(node: ast.expr, constants: Mapping[str, ast.expr]) -> Iterable[str]:
    if isinstance(node, ast.Constant):
        return [re.escape(str(node.value))]
    if isinstance(node, ast.JoinedStr):
        parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values)
        return ["".join(parts)]
    if isinstance(node, ast.Name) and node.id in constants:
        return _patterns(constants[node.id], {})
    return []
