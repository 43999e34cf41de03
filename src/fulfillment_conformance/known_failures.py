"""Known failures: what a target is known to break, why, where that is tracked, and until when it is put up with.

    # known.yaml
    failures:
      - id: WHK-018
        why: Forged tokens are let through until the gateway checks them.
        link: https://dev.azure.com/contoso/crm/_workitems/edit/4711
        until: 2026-12-31

A requirement that fails and is known, on a day up to and including `until`, has the outcome `waived`. An entry that has
expired, or whose requirement passes now, is stale and fails the run: the file shrinks, or somebody decides again.
docs/known-failures.md tells users the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from fulfillment_conformance.catalogue import Catalogue, Id
from fulfillment_conformance.fieldtypes import Address, Date, Text
from fulfillment_conformance.filemodel import FileModel, validate
from fulfillment_conformance.outcome import Outcome, RequirementResult
from fulfillment_conformance.yamlfile import InvalidContent, nearest, read


class State(StrEnum):
    """What became of a known failure in a run."""

    WAIVED = "waived"
    """The requirement fails, as is known."""
    EXPIRED = "expired"
    """Its time is over, whatever the requirement does: stale."""
    PASSES = "passes"
    """The requirement passes: stale."""
    OPEN = "open"
    """The run judged the requirement, and neither failure nor pass came of it."""
    NOT_JUDGED = "not-judged"
    """The requirement was not part of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """An entry of the file, and what became of it.

    Attributes:
        id: the requirement.
        why: why it fails, and is put up with.
        link: where that is tracked.
        until: the last day on which it is put up with.
        place: name of the file and line of the entry, as in `known.yaml:3`.
        state: what became of it in a run.
    """

    id: str
    why: str
    link: str
    until: date
    place: str
    state: State = State.NOT_JUDGED

    @property
    def stale(self) -> bool:
        """Whether the entry has to be removed or decided again, and fails the run."""
        return self.state in {State.EXPIRED, State.PASSES}

    @property
    def reason(self) -> str:
        """Why the failure is put up with, in one sentence for people."""
        return f"{self.why} (until {self.until}, {self.link})"

    @property
    def complaint(self) -> str:
        """What is wrong with a stale entry and what to do, in one sentence."""
        if self.state is State.PASSES:
            return f"{self.place}: {self.id} passes now; remove the entry"
        return f"{self.place}: {self.id} was put up with until {self.until}; mend the target, or decide again"

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        return {
            "id": self.id,
            "why": self.why,
            "link": self.link,
            "until": self.until.isoformat(),
            "place": self.place,
            "state": self.state.value,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            id=data["id"],
            why=data["why"],
            link=data["link"],
            until=date.fromisoformat(data["until"]),
            place=data["place"],
            state=State(data["state"]),
        )


class _Entry(FileModel):
    id: Id = Field(description="the id of a requirement, such as WHK-018")
    why: Text = Field(description="why it fails and is put up with")
    link: Address = Field(description="the address where that is tracked")
    until: Date = Field(description="the last day on which it is put up with, such as 2026-12-31")


class _File(FileModel):
    failures: tuple[_Entry, ...] = Field(
        description="a list of entries with id, why, link and until; [] if there are none", strict=False
    )


def load_known(file: Path, catalogue: Catalogue, *, role: str) -> tuple[KnownFailure, ...]:
    """Read the known failures of a target of this role.

    Raises:
        YamlProblem: all that is wrong with the file, one line each: what its keys may be, and ids that the catalogue
            lacks, excludes or has for the other role, or that stand there twice.
    """
    document = read(file)
    entries = validate(document, _File).failures
    problems, lines = [], dict[str, int]()
    for index, entry in enumerate(entries):
        path = ("failures", index, "id")
        said = _complaint_about(entry.id, catalogue, role)
        if entry.id in lines:
            said = f"{entry.id} is given twice, first on line {lines[entry.id]}; remove one of them"
        lines.setdefault(entry.id, document.line(path))
        if said:
            problems.append(document.problem(path, said))
    if problems:
        raise InvalidContent(problems)
    return tuple(
        KnownFailure(**dict(entry), place=f"{file.name}:{document.line(('failures', index))}")
        for index, entry in enumerate(entries)
    )


def _complaint_about(requirement_id: str, catalogue: Catalogue, role: str) -> str:
    if requirement_id not in catalogue:
        own = [row.id for row in catalogue.values() if row.party == role]
        return f"{requirement_id} is not in the catalogue{nearest(requirement_id, own) or '; remove the entry'}"
    row = catalogue[requirement_id]
    if row.excluded:
        return f"{row.id} is excluded, so no run can find that it fails; remove the entry"
    if row.party != role:
        return f"{row.id} binds the {row.party}, and the target's role is {role}; move it"
    return ""


def in_force(known: Sequence[KnownFailure], *, on: date) -> dict[str, KnownFailure]:
    """Return id -> known failure, of those that have not expired on a day."""
    return {entry.id: entry for entry in known if on <= entry.until}


def settle(
    known: Sequence[KnownFailure], results: Sequence[RequirementResult], *, on: date
) -> tuple[tuple[RequirementResult, ...], tuple[KnownFailure, ...]]:
    """Waive what is known to fail.

    Args:
        known: the known failures.
        results: what a run found.
        on: the day of the run.

    Returns:
        The results, those that failed as is known with the outcome `waived`; and the known failures with their states.
    """
    waivable = in_force(known, on=on)
    settled = tuple(
        replace(result, outcome=Outcome.WAIVED, reason=waivable[result.id].reason)
        if result.outcome is Outcome.FAILED and result.id in waivable
        else result
        for result in results
    )
    outcomes = {result.id: result.outcome for result in settled}
    return settled, tuple(
        replace(entry, state=_state(outcomes.get(entry.id), expired=entry.id not in waivable)) for entry in known
    )


def _state(outcome: Outcome | None, *, expired: bool) -> State:
    if expired:
        return State.EXPIRED
    if outcome is None:
        return State.NOT_JUDGED
    return {Outcome.WAIVED: State.WAIVED, Outcome.PASSED: State.PASSES}.get(outcome, State.OPEN)
