"""From single checks to the verdict of a run: pure functions over small records.

    check (one decision) -> outcome of a test's claim -> outcome of a requirement -> verdict and exit code of the run

Everything here is plain data that survives JSON, so that workers can send it and reports can be derived from it again.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Self

Level = Literal["MUST", "SHOULD", "MAY", "INFO"]
"""How binding a catalogue row is; only MUST decides the verdict."""


class Outcome(StrEnum):
    """What became of a check, and of a requirement."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    UNTESTABLE = "untestable"
    NOT_APPLICABLE = "not-applicable"
    EXCLUDED = "excluded"
    WAIVED = "waived"


class Verdict(StrEnum):
    """What became of a run."""

    CONFORMANT = "conformant"
    NOT_CONFORMANT = "not-conformant"
    INCOMPLETE = "incomplete"


class Blame(StrEnum):
    """Whose fault it is that something did not pass."""

    TARGET = "target"
    SUITE = "suite"
    ENVIRONMENT = "environment"
    CONFIGURATION = "configuration"


class ExitCode:
    """The process exit codes; `worst` names the one that wins when several apply."""

    CONFORMANT = 0
    FAILED = 1
    INTERRUPTED = 2
    SUITE_FAULT = 3
    USAGE = 4
    NOTHING_SELECTED = 5
    ENVIRONMENT = 6
    INCOMPLETE = 7

    _BY_WEIGHT = (USAGE, INTERRUPTED, SUITE_FAULT, ENVIRONMENT, FAILED, INCOMPLETE, NOTHING_SELECTED, CONFORMANT)

    @classmethod
    def worst(cls, codes: Iterable[int]) -> int:
        """Return the code that a run with all of `codes` ends with."""
        return min(codes, key=cls._BY_WEIGHT.index, default=cls.CONFORMANT)


# When one requirement is decided by several checks, the first of these that occurs is its outcome.
_PRECEDENCE = (
    Outcome.FAILED,
    Outcome.UNDECIDED,
    Outcome.UNTESTABLE,
    Outcome.PASSED,
    Outcome.WAIVED,
    Outcome.NOT_APPLICABLE,
    Outcome.EXCLUDED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One decision about one requirement, with the exchanges it rests on.

    `expected`, `actual`, `reason` and `notes` are redacted text for people. `exchanges` are the numbers under which
    `exchanges.jsonl` holds the evidence. `basis` is what it was decided from, as redacted data (see `basis`).
    """

    requirement: str
    outcome: Outcome
    expected: str = ""
    actual: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    exchanges: tuple[str, ...] = ()
    basis: Mapping[str, Any] | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON data, empty parts left out."""
        data: dict[str, Any] = {"requirement": self.requirement, "outcome": self.outcome.value}
        data |= {key: getattr(self, key) for key in ("expected", "actual", "reason") if getattr(self, key)}
        data |= {key: list(getattr(self, key)) for key in ("notes", "exchanges") if getattr(self, key)}
        return data if self.basis is None else data | {"basis": dict(self.basis)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            requirement=data["requirement"],
            outcome=Outcome(data["outcome"]),
            expected=data.get("expected", ""),
            actual=data.get("actual", ""),
            reason=data.get("reason", ""),
            notes=tuple(data.get("notes", ())),
            exchanges=tuple(data.get("exchanges", ())),
            basis=data.get("basis"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecord:
    """What one test contributed: the ids it claims, the checks it made, the exchanges it caused.

    `blame` is set when the test broke off for a reason that says nothing about the requirements (`reason` tells it).
    `called` names the parts of the target that the test relied on, `alive` those that showed until its end,
    for the first time in the same process, that they work (see `life`).
    """

    __test__ = False  # keeps pytest from collecting this class

    test: str
    claims: tuple[str, ...]
    title: str = ""
    checks: tuple[CheckResult, ...] = ()
    exchanges: tuple[str, ...] = ()
    seconds: float = 0.0
    blame: Blame | None = None
    reason: str = ""
    called: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            "test": self.test,
            "title": self.title,
            "claims": list(self.claims),
            "checks": [check.to_json() for check in self.checks],
            "exchanges": list(self.exchanges),
            "seconds": round(self.seconds, 4),
            "blame": self.blame.value if self.blame else None,
            "reason": self.reason,
            "called": list(self.called),
            "alive": list(self.alive),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            test=data["test"],
            title=data["title"],
            claims=tuple(data["claims"]),
            checks=tuple(CheckResult.from_json(check) for check in data["checks"]),
            exchanges=tuple(data["exchanges"]),
            seconds=data["seconds"],
            blame=Blame(data["blame"]) if data["blame"] else None,
            reason=data["reason"],
            called=tuple(data.get("called", ())),
            alive=tuple(data.get("alive", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementResult:
    """The outcome of one requirement and everything it rests on."""

    id: str
    level: Level
    party: str
    outcome: Outcome
    reason: str = ""
    checks: tuple[CheckResult, ...] = ()
    tests: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether this requirement counts for the verdict."""
        return self.level == "MUST" and self.outcome not in {Outcome.EXCLUDED, Outcome.NOT_APPLICABLE}

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "id": self.id,
            "level": self.level,
            "party": self.party,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "checks": [check.to_json() for check in self.checks],
            "tests": list(self.tests),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            id=data["id"],
            level=data["level"],
            party=data["party"],
            outcome=Outcome(data["outcome"]),
            reason=data.get("reason", ""),
            checks=tuple(CheckResult.from_json(check) for check in data["checks"]),
            tests=tuple(data["tests"]),
        )


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome of a requirement from those of its checks; without any check it is undecided."""
    seen = set(outcomes)
    return next((outcome for outcome in _PRECEDENCE if outcome in seen), Outcome.UNDECIDED)


def with_witness(check: CheckResult, record: TestRecord, alive: Collection[str]) -> CheckResult:
    """Return a check of a test, undecided where it passed on nothing but the silence of a part that the test called.

    `alive` names the parts of the target that have shown, anywhere in the run, that they work.
    """
    silent = [part for part in record.called if part not in alive]
    if not silent or check.outcome is not Outcome.PASSED:
        return check
    reason = f"nothing in this run shows that it works at all: {', '.join(silent)}; a pass would rest on silence"
    return replace(check, outcome=Outcome.UNDECIDED, reason=reason)


def decide_requirement(
    requirement_id: str, *, level: Level, party: str, records: Sequence[TestRecord]
) -> RequirementResult:
    """Judge one requirement by the records of all tests that claim it.

    A test that claims the id and recorded no check of it leaves it undecided: silence is never a pass. Nor is that of
    the target: `with_witness`. What a check was decided from stays with the record.
    """
    alive = frozenset().union(*(record.alive for record in records))
    claiming = [record for record in records if requirement_id in record.claims]
    checks: list[CheckResult] = []
    for record in claiming:
        made = [replace(check, basis=None) for check in record.checks if check.requirement == requirement_id]
        own = [with_witness(check, record, alive) for check in made]
        if not own or record.blame:
            own.append(
                CheckResult(
                    requirement=requirement_id,
                    outcome=Outcome.UNDECIDED,
                    reason=record.reason or f"{record.test} made no check of it",
                    exchanges=record.exchanges[-1:],
                )
            )
        checks += own
    outcome = combine(check.outcome for check in checks)
    reasons = dict.fromkeys(check.reason for check in checks if check.outcome is outcome and check.reason)
    return RequirementResult(
        id=requirement_id,
        level=level,
        party=party,
        outcome=outcome,
        reason="; ".join(reasons),
        checks=tuple(checks),
        tests=tuple(record.test for record in claiming),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Verdict, exit code and the counts behind them."""

    verdict: Verdict
    exit_code: int
    counts: Mapping[str, int] = field(default_factory=dict)


def conclude(
    requirements: Sequence[RequirementResult],
    records: Sequence[TestRecord] = (),
    *,
    interrupted: bool = False,
    faults: Iterable[int] = (),
    stale: bool = False,
) -> Conclusion:
    """Judge the run.

    Args:
        requirements: the results of every requirement in scope.
        records: the tests that ran; a blame other than the target's decides the exit code.
        interrupted: the run was stopped from outside.
        faults: exit codes of what went wrong outside of any test.
        stale: a known failure has expired, or its requirement passes: the gate stays shut, though the target is not
            to blame.
    """
    deciding = [result for result in requirements if result.decides]
    failed = any(result.outcome is Outcome.FAILED for result in deciding)
    open_ = any(result.outcome in {Outcome.UNDECIDED, Outcome.UNTESTABLE} for result in deciding)
    blames = {record.blame for record in records}
    codes = set(faults)
    if interrupted:
        codes.add(ExitCode.INTERRUPTED)
    if Blame.SUITE in blames:
        codes.add(ExitCode.SUITE_FAULT)
    if Blame.CONFIGURATION in blames:
        codes.add(ExitCode.USAGE)
    if Blame.ENVIRONMENT in blames:
        codes.add(ExitCode.ENVIRONMENT)
    if failed or stale:
        codes.add(ExitCode.FAILED)
    # Nothing measured at all must never read as conformant.
    measured = any(result.outcome in {Outcome.PASSED, Outcome.FAILED} for result in requirements)
    if not codes and not records:
        codes.add(ExitCode.NOTHING_SELECTED)
    elif open_ or not (codes or measured):
        codes.add(ExitCode.INCOMPLETE)
    exit_code = ExitCode.worst(codes)
    if failed:
        verdict = Verdict.NOT_CONFORMANT
    elif exit_code == ExitCode.CONFORMANT:
        verdict = Verdict.CONFORMANT
    else:
        verdict = Verdict.INCOMPLETE
    counts = Counter(result.outcome.value for result in requirements)
    return Conclusion(
        verdict=verdict, exit_code=exit_code, counts={outcome.value: counts[outcome.value] for outcome in Outcome}
    )
