"""`results.json`: what a run found. It is the truth; every other report is derived from it and `exchanges.jsonl`.

The file exists from the start of a run (`begin`), with `closed: false`; `RunResults.write` replaces it at the end,
whole, with `closed: true` as its last key. So a run that died, a file that was cut, and a run that ended can be told
apart. docs/reports.md explains every key.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast, get_args

from fulfillment_conformance import __version__
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.known_failures import KnownFailure, State
from fulfillment_conformance.outcome import (
    Blame,
    CheckResult,
    Level,
    Outcome,
    RequirementResult,
    TestRecord,
    Verdict,
)
from fulfillment_conformance.report.files import write_text
from fulfillment_conformance.report.reply_times import ReplyTimes

RESULTS = "results.json"
"""Name of the file in a run's output folder."""

DERIVED = ("report.html", "junit.xml", "results.sarif", "ctrf.json", "summary.md", "badge.json")
"""What is derived from it, in the same folder."""

SUITE: Mapping[str, str] = {"name": "fulfillment-conformance", "version": __version__}
"""Who made a `results.json`."""

LEVELS: tuple[Level, ...] = get_args(Level)

Kind = Literal["failed", "warning", "undecided", "untestable", "passed", "waived", "not-applicable", "excluded"]
"""What a requirement's outcome means for its reader, see `ReportedRequirement.kind`."""


class Described(Protocol):
    """What a report says about a requirement besides its outcome; the rows of the catalogue have it."""

    @property
    def theme(self) -> str:
        """The group that the requirement belongs to."""

    @property
    def statement(self) -> str:
        """The requirement in one sentence."""

    @property
    def source(self) -> Sequence[str]:
        """The pages that it comes from."""

    @property
    def observable(self) -> str:
        """How it can be seen from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRequirement:
    """The outcome of one requirement with its wording, so that a report needs no catalogue."""

    result: RequirementResult
    theme: str
    statement: str
    source: tuple[str, ...] = ()
    observable: str = ""

    @classmethod
    def of(cls, result: RequirementResult, row: Described) -> Self:
        """Put a result and its row of the catalogue together."""
        return cls(
            result=result,
            theme=row.theme,
            statement=row.statement,
            source=tuple(row.source),
            observable=row.observable,
        )

    @property
    def id(self) -> str:
        """The requirement's id, such as `WHK-018`."""
        return self.result.id

    @property
    def level(self) -> Level:
        """How binding it is."""
        return self.result.level

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return self.result.outcome

    @property
    def required(self) -> bool:
        """Whether it counts for the verdict, if it is not excluded or not applicable."""
        return self.level == "MUST"

    @property
    def kind(self) -> Kind:
        """The outcome, where a failure that does not decide the verdict is a `warning`."""
        if self.outcome is Outcome.FAILED:
            return "failed" if self.required else "warning"
        return cast("Kind", self.outcome.value)

    @property
    def blocks(self) -> bool:
        """Whether it alone keeps the exit code from being 0."""
        return self.kind == "failed" or (self.required and self.kind in {"undecided", "untestable"})

    @property
    def checks(self) -> list[CheckResult]:
        """Its checks; those that say the same are one, with the exchanges of all of them."""
        merged: dict[CheckResult, dict[str, None]] = {}
        for check in self.result.checks:
            merged.setdefault(replace(check, exchanges=()), {}).update(dict.fromkeys(check.exchanges))
        return [replace(check, exchanges=tuple(exchanges)) for check, exchanges in merged.items()]

    @property
    def findings(self) -> list[CheckResult]:
        """Those of its checks that gave it its outcome."""
        decisive = Outcome.FAILED if self.outcome is Outcome.WAIVED else self.outcome
        return [check for check in self.checks if check.outcome is decisive]

    def to_json(self) -> dict[str, Any]:
        """Return the requirement as JSON data."""
        data = self.result.to_json()
        wording = {"theme": self.theme, "statement": self.statement, "source": list(self.source)}
        if self.observable:
            wording["observable"] = self.observable
        heading = {key: data.pop(key) for key in ("id", "level", "party")}
        return heading | wording | data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            result=RequirementResult.from_json(data),
            theme=data["theme"],
            statement=data["statement"],
            source=tuple(data["source"]),
            observable=data.get("observable", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """Everything a run found. All texts in it are redacted already.

    Attributes:
        suite: name and version of the suite.
        role: which side was judged, `marketplace` or `publisher`.
        set: the frozen set of requirements that was judged, None for all of the role.
        profile: `documented` or `observed`.
        seed: where the choices of the run came from.
        run: name of the run, which its exchanges carry, too.
        target: what was judged; `file`, the target file, is used to say how to repeat a failure.
        environment: versions that the result depends on.
        verdict: what became of the run.
        exit_code: the exit code that goes with it (`outcome.ExitCode`).
        counts: outcome -> number of requirements.
        known_failures: what the run was told to put up with, and what became of it.
        requirements: every judged requirement, in the catalogue's order.
        tests: what each test contributed, in the order they ended.
        untested: ids in scope that no test decides and that are not excluded.
        reply_times: how fast the target replied, operation by operation.
        interrupted: whether the run was stopped from outside.
        reason: why the run ended early, if it did.
        started: when it began (aware, UTC).
        finished: when it ended (aware, UTC).
    """

    suite: Mapping[str, str] = field(default_factory=lambda: dict(SUITE))
    role: str
    set: str | None
    profile: str
    seed: int
    run: str = ""
    target: Mapping[str, Any]
    environment: Mapping[str, str]
    verdict: Verdict
    exit_code: int
    counts: Mapping[str, int]
    known_failures: tuple[KnownFailure, ...] = ()
    requirements: tuple[ReportedRequirement, ...]
    tests: tuple[TestRecord, ...]
    untested: tuple[str, ...] = ()
    reply_times: tuple[ReplyTimes, ...] = ()
    interrupted: bool = False
    reason: str = ""
    started: datetime
    finished: datetime

    @property
    def levels(self) -> dict[str, dict[str, int]]:
        """Level -> outcome -> number of requirements."""
        seen = Counter((one.level, one.outcome) for one in self.requirements)
        return {level: {outcome.value: seen[level, outcome] for outcome in Outcome} for level in LEVELS}

    @property
    def seconds(self) -> float:
        """How long the run took, in seconds."""
        return (self.finished - self.started).total_seconds()

    @property
    def faults(self) -> list[TestRecord]:
        """The tests that broke off for a reason that says nothing about the target."""
        return [test for test in self.tests if test.blame not in {None, Blame.TARGET}]

    @property
    def waivers(self) -> dict[str, KnownFailure]:
        """Id -> known failure, of the requirements that fail as is known."""
        return {entry.id: entry for entry in self.known_failures if entry.state is State.WAIVED}

    @property
    def stale(self) -> list[KnownFailure]:
        """The known failures that have expired, or whose requirement passes."""
        return [entry for entry in self.known_failures if entry.stale]

    def of_kind(self, *kinds: Kind) -> list[ReportedRequirement]:
        """Return the requirements of these kinds."""
        return [one for one in self.requirements if one.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON data; `closed` is the last key."""
        return {
            **_heading(self.suite, self.role, self.set, self.profile, self.seed, self.target, self.environment),
            "run": self.run,
            "verdict": self.verdict.value,
            "exit_code": self.exit_code,
            "counts": dict(self.counts),
            "levels": self.levels,
            "known_failures": [entry.to_json() for entry in self.known_failures],
            "requirements": [one.to_json() for one in self.requirements],
            "tests": [test.to_json() for test in self.tests],
            "untested": list(self.untested),
            "reply_times": [times.to_json() for times in self.reply_times],
            "interrupted": self.interrupted,
            "reason": self.reason,
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "closed": True,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            suite=dict(data["suite"]),
            role=data["role"],
            set=data["set"],
            profile=data["profile"],
            seed=data["seed"],
            run=data.get("run", ""),
            target=dict(data["target"]),
            environment=dict(data["environment"]),
            verdict=Verdict(data["verdict"]),
            exit_code=data["exit_code"],
            counts=dict(data["counts"]),
            known_failures=tuple(KnownFailure.from_json(entry) for entry in data["known_failures"]),
            requirements=tuple(ReportedRequirement.from_json(one) for one in data["requirements"]),
            tests=tuple(TestRecord.from_json(test) for test in data["tests"]),
            untested=tuple(data["untested"]),
            reply_times=tuple(ReplyTimes.from_json(times) for times in data["reply_times"]),
            interrupted=data["interrupted"],
            reason=data["reason"],
            started=datetime.fromisoformat(data["started"]),
            finished=datetime.fromisoformat(data["finished"]),
        )

    def write(self, folder: Path) -> Path:
        """Write `results.json` into a folder, whole or not at all, and return its path.

        Raises:
            OSError: the file cannot be written.
        """
        path = folder / RESULTS
        write_text(path, _text(self.to_json()))
        return path


def begin(
    folder: Path,
    *,
    role: str,
    set: str | None,  # noqa: A002 - the key's name
    profile: str,
    seed: int,
    target: Mapping[str, Any],
    environment: Mapping[str, str],
    started: datetime,
) -> None:
    """Say in a folder that a run has begun, and remove the reports that an earlier run left there.

    Raises:
        UsageProblem: the folder cannot be written to.
    """
    heading = _heading(SUITE, role, set, profile, seed, target, environment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / RESULTS, _text({**heading, "started": started.isoformat(), "closed": False}))
        for name in DERIVED:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageProblem(
            f"cannot write to {folder}: {error.strerror or error}; name another folder with --output"
        ) from error


def read(path: Path) -> RunResults:
    """Read the results of a run that ended; `path` is the file or the folder that holds it.

    Raises:
        UsageProblem: the file is missing, cut off, not the result of a run of this suite, or damaged.
    """
    if path.is_dir():
        path = path / RESULTS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageProblem(f"there is no {path}; name the folder that a run wrote with --output") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"cannot read {path}: {error}") from error
    data = _parsed(path, text)
    try:
        results = RunResults.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageProblem(f"{path} is damaged: {what}; run again") from error
    counted = Counter(one.outcome.value for one in results.requirements)
    if {outcome: number for outcome, number in results.counts.items() if number} != counted:
        raise UsageProblem(
            f"{path} is damaged: its counts {dict(results.counts)} are not those of its requirements; run again"
        )
    return results


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(f"{path} is cut off or not JSON ({error}); run again") from error
    suite = data.get("suite") if isinstance(data, dict) else None
    if not isinstance(suite, dict) or suite.get("name") != SUITE["name"]:
        raise UsageProblem(f"{path} was not written by {SUITE['name']}; name the results.json of one of its runs")
    if data.get("closed") is not True:
        raise UsageProblem(
            f"{path} belongs to a run that did not end (started {data.get('started')}); run again, and let it finish"
        )
    return dict(data)


def _heading(
    suite: Mapping[str, str],
    role: str,
    set_name: str | None,
    profile: str,
    seed: int,
    target: Mapping[str, Any],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "suite": dict(suite),
        "role": role,
        "set": set_name,
        "profile": profile,
        "seed": seed,
        "target": dict(target),
        "environment": dict(environment),
    }


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"
