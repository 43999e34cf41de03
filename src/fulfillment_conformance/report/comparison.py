"""What became better or worse from one run to another, found from their two `results.json` alone.

    comparison = compare(read(old), read(new))
    comparison.worse          # whether a gate has to stay shut
    comparison.sections       # what there is to tell, the worse first

A requirement counts as *decided* when it passed, failed, or failed as is known. What was decided before and is not any
more has stopped being checked, however quietly, and is as bad as a failure. docs/compare.md tells users the rest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.report.details import message
from fulfillment_conformance.report.plain import visible
from fulfillment_conformance.report.reply_times import ReplyTimes
from fulfillment_conformance.report.results import Kind, ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, counted, duration, target_name, verdict_words

FEWEST_REPLIES = 10
"""Replies of an operation that each run needs before their times are compared."""
SLOWER_FACTOR = 2.0
SLOWER_SECONDS = 0.1
"""A median that grew at least by this factor and by these seconds is slower, if it is beyond nearly all replies of the
old run as well; less is what networks do by themselves."""

_FAILING: frozenset[Kind] = frozenset({"failed", "warning"})
_DECIDED: frozenset[Kind] = frozenset({"passed", "failed", "warning", "waived"})
_NOT_JUDGED = "not judged"

Name = Literal["failures", "stopped", "stopped_tests", "slower", "waived", "fixed", "decided", "added", "added_tests"]
"""The kinds of change, see `TITLES`."""

TITLES: Mapping[Name, str] = {
    "failures": "New failures",
    "stopped": "Requirements that are not decided any more",
    "stopped_tests": "Tests that do not run any more",
    "slower": "Slower replies",
    "waived": "Put up with from now on",
    "fixed": "Fixed",
    "decided": "Decided now",
    "added": "New requirements",
    "added_tests": "New tests",
}
"""Kind of change -> how it is headed, the worse first."""

_CHANGE = ("Requirement", "Before", "Now", "What")
COLUMNS: Mapping[Name, Sequence[str]] = {
    **dict.fromkeys(("failures", "stopped", "waived", "fixed", "decided", "added"), _CHANGE),
    "stopped_tests": ("Test", "Requirements"),
    "added_tests": ("Test", "Requirements"),
    "slower": ("Operation", "Before", "Now", "Replies"),
}
"""Kind of change -> the columns of its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All changes of one kind.

    Attributes:
        name: the kind.
        worse: whether they keep a gate shut.
        rows: their cells, as text, in the columns that `COLUMNS` has for the kind.
        items: the same as JSON data.
    """

    name: Name
    worse: bool
    rows: Sequence[Sequence[str]]
    items: Sequence[Mapping[str, Any]]

    @property
    def title(self) -> str:
        """How the section is headed."""
        return TITLES[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of a run since another one.

    Attributes:
        old: the earlier run.
        new: the later run.
        differences: in what else than the outcomes they differ, a sentence each: target, profile, suite, catalogue.
        sections: what there is to tell; kinds of change that did not occur are left out.
    """

    old: RunResults
    new: RunResults
    differences: Sequence[str] = ()
    sections: Sequence[Section] = field(default=())

    @property
    def worse(self) -> bool:
        """Whether something got worse."""
        return any(section.worse for section in self.sections)

    @property
    def exit_code(self) -> int:
        """What a gate ends with: 0, or 1 when something got worse."""
        return ExitCode.FAILED if self.worse else ExitCode.CONFORMANT

    @property
    def conclusion(self) -> str:
        """What there is to say in one line."""
        worse = [section for section in self.sections if section.worse]
        if worse:
            told = "; ".join(f"{section.title.lower()}: {len(section.rows):,}" for section in worse)
            return f"Something got worse: {told}."
        better = sum(len(section.rows) for section in self.sections if section.name in {"fixed", "decided"})
        return f"Nothing got worse; {counted(better, 'requirement')} got better." if better else "Nothing got worse."

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON data; every kind of change is a key."""
        found = {section.name: section for section in self.sections}
        return {
            "worse": self.worse,
            "exit_code": self.exit_code,
            "old": _heading(self.old),
            "new": _heading(self.new),
            "differences": list(self.differences),
            **{name: [dict(item) for item in found[name].items] if name in found else [] for name in TITLES},
        }


def compare(old: RunResults, new: RunResults) -> Comparison:
    """Compare two runs of the same role.

    Raises:
        UsageProblem: one judged a marketplace and the other a publisher.
    """
    if old.role != new.role:
        raise UsageProblem(
            f"the old run judged a {old.role} and the new one a {new.role}; nothing can be said of their difference, "
            "name two runs of one role"
        )
    before = {one.id: one for one in old.requirements}
    after = {one.id: one for one in new.requirements}
    changes: dict[Name, list[_Change]] = {name: [] for name in TITLES}
    for requirement_id in (*after, *(name for name in before if name not in after)):
        change = _Change(requirement_id, before.get(requirement_id), after.get(requirement_id), new)
        if name := _kind_of_change(change):
            changes[name].append(change)
    same_suite = old.suite == new.suite
    sections = [
        Section(
            name=name,
            worse=name in {"failures", "stopped"},
            rows=[change.row for change in found],
            items=[change.to_json() for change in found],
        )
        for name, found in changes.items()
        if found
    ]
    sections += _tests("stopped_tests", old, new, worse=same_suite)
    sections += _tests("added_tests", new, old, worse=False)
    sections += _slower(old.reply_times, new.reply_times)
    order = list(TITLES)
    sections.sort(key=lambda section: order.index(section.name))
    return Comparison(old=old, new=new, differences=_differences(old, new), sections=sections)


@dataclass(frozen=True, slots=True)
class _Change:
    """A requirement in two runs; None where it was not judged."""

    id: str
    before: ReportedRequirement | None
    after: ReportedRequirement | None
    new: RunResults

    @property
    def one(self) -> ReportedRequirement:
        one = self.after or self.before
        assert one is not None, "it stands in one of the runs"
        return one

    @property
    def what(self) -> str:
        if self.after is None:
            return self._why_missing()
        return self.one.statement if self.after.kind == "passed" else f"{self.one.statement} {message(self.after)}"

    def _why_missing(self) -> str:
        if self.id in self.new.untested:
            return f"{self.one.statement} No test decides it any more."
        chosen = f"set {self.new.set}" if self.new.set else "what the new run judged"
        return f"{self.one.statement} It is not part of {chosen}."

    @property
    def row(self) -> Sequence[str]:
        return f"{self.id} ({self.one.level})", _word(self.before), _word(self.after), self.what

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "level": self.one.level,
            "before": self.before.kind if self.before else None,
            "after": self.after.kind if self.after else None,
            "what": self.what,
        }


def _word(one: ReportedRequirement | None) -> str:
    return KINDS[one.kind] if one else _NOT_JUDGED


def _kind_of_change(change: _Change) -> Name | None:
    before = change.before.kind if change.before else None
    after = change.after.kind if change.after else None
    if before == after:
        return None
    if before is None:
        return "added" if after in _DECIDED else None
    if before in _DECIDED and after not in _DECIDED:
        return "stopped"
    if after in _FAILING:
        return None if before in _FAILING else "failures"
    if after == "waived":
        return "waived"
    if after == "passed":
        return "fixed" if before in _DECIDED else "decided"
    return None


def _tests(name: Name, had: RunResults, has: RunResults, *, worse: bool) -> list[Section]:
    """Return the tests that ran in the one run and not in the other, of requirements that both decided.

    With requirements that one of them left open or out, that is told already.
    """
    ran = {test.test for test in has.tests}
    decided = {one.id for one in has.requirements if one.kind in _DECIDED}
    decided &= {one.id for one in had.requirements if one.kind in _DECIDED}
    found = [
        (test.test, [claim for claim in test.claims if claim in decided])
        for test in had.tests
        if test.test not in ran and not decided.isdisjoint(test.claims)
    ]
    if not found:
        return []
    return [
        Section(
            name=name,
            worse=worse,
            rows=[(test, ", ".join(claims)) for test, claims in found],
            items=[{"test": test, "requirements": claims} for test, claims in found],
        )
    ]


def _slower(before: Iterable[ReplyTimes], after: Iterable[ReplyTimes]) -> list[Section]:
    known = {times.operation: times for times in before}
    found = [
        (known[times.operation], times)
        for times in after
        if times.operation in known and _is_slower(known[times.operation], times)
    ]
    if not found:
        return []
    return [
        Section(
            name="slower",
            worse=True,
            rows=[
                (new.operation, duration(old.median), duration(new.median), f"{old.count:,} and {new.count:,}")
                for old, new in found
            ],
            items=[{"operation": new.operation, "before": old.median, "after": new.median} for old, new in found],
        )
    ]


def _is_slower(old: ReplyTimes, new: ReplyTimes) -> bool:
    if min(old.count, new.count) < FEWEST_REPLIES:
        return False
    return new.median > old.p95 and new.median >= max(SLOWER_FACTOR * old.median, old.median + SLOWER_SECONDS)


def _differences(old: RunResults, new: RunResults) -> list[str]:
    told = []
    facts: list[tuple[str, Callable[[RunResults], object]]] = [
        ("suite", lambda run: f"{run.suite['name']} {run.suite['version']}"),
        ("profile", lambda run: run.profile),
        ("set", lambda run: run.set or "all of the role"),
        ("seed", lambda run: run.seed),
    ]
    for name, value in facts:
        if value(old) != value(new):
            told.append(f"{name}: {visible(str(value(old)))}, now {visible(str(value(new)))}")
    for key in dict.fromkeys((*old.target, *new.target)):
        if old.target.get(key) != new.target.get(key):
            was, now = _told(old.target.get(key)), _told(new.target.get(key))
            told.append(f"target, {visible(key)}: {was}, now {now}")
    told += _catalogue(old, new)
    told += [
        f"the {when} run was interrupted: {run.reason}" for when, run in (("old", old), ("new", new)) if run.interrupted
    ]
    return told


def _told(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "nothing"
    return visible(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _catalogue(old: RunResults, new: RunResults) -> list[str]:
    was, now = _rows(old), _rows(new)
    gone, added = [name for name in was if name not in now], [name for name in now if name not in was]
    both = [(name, was[name], now[name]) for name in was if name in now and was[name] and now[name]]
    levels = [name for name, one, other in both if one and other and one.level != other.level]
    worded = [name for name, one, other in both if one and other and one.statement != other.statement]
    return [
        f"{how}: {counted(len(ids), 'requirement')}, {', '.join(ids[:10])}{' …' if len(ids) > 10 else ''}"
        for ids, how in (
            (gone, "not in the new run"),
            (added, "not in the old run"),
            (levels, "of another level now"),
            (worded, "worded differently now"),
        )
        if ids
    ]


def _rows(run: RunResults) -> dict[str, ReportedRequirement | None]:
    """Return every id that the run knew of; those without a test have no row."""
    return {**{one.id: one for one in run.requirements}, **dict.fromkeys(run.untested)}


def _heading(run: RunResults) -> dict[str, Any]:
    return {
        "verdict": run.verdict.value,
        "waived": [one.id for one in run.of_kind("waived")],
        "exit_code": run.exit_code,
        "counts": dict(run.counts),
        "target": dict(run.target),
        "profile": run.profile,
        "set": run.set,
        "suite": dict(run.suite),
        "started": run.started.isoformat(),
    }


def told_of(run: RunResults) -> str:
    """Return a run in one line: verdict, target, suite, when."""
    return (
        f"{verdict_words(run)}, {visible(target_name(run))}, {run.suite['version']}, {run.started:%Y-%m-%d %H:%M} UTC"
    )
