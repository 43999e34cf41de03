"""Every seeded fault is caught by the shipped runner, for exactly the requirements that it breaks.

A whole run takes seconds, and there are hundreds of faults. So by default as many are tried as break every binding
requirement once, each by the tests that decide what it breaks. `FC_FAULTS=all` tries every fault by whole runs, which
also shows what fails beside; `FC_FAULTS=grouped` does so with up to five in a run, and asks again one by one where that
is not as declared; `FC_FAULTS=name,name` tries those that are named.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.suites.faults import (
    DEFECT_BREAKS,
    DEVIATION_BREAKS,
    PERHAPS,
    SHOW_WHEN_OBSERVED,
    Breaks,
    covering,
)
from tests.suites.runs import Judged, judge

from fulfillment_conformance import suite_index
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.seeded_faults import grouped

WANTED = os.environ.get("FC_FAULTS", "")

ENOUGH = 30
"""How many faults of each kind must show, at the least."""

SURVEY = 20
"""A test that claims so many ids looks at a whole run; what it finds beside is found by whole runs."""


_read_suites = cache(suite_index.read_suites)


def _tried(role: str, faults: Breaks) -> list[tuple[str, ...]]:
    if WANTED == "grouped":
        return grouped(faults)
    if WANTED == "all":
        names = sorted(faults)
    elif WANTED:
        names = sorted(set(WANTED.split(",")) & faults.keys())
    else:
        names = sorted(covering(faults, _tested_musts(role)))
    return [(name,) for name in names]


def _tested_musts(role: str) -> set[str]:
    catalogue = Catalogue.load()
    rows = [catalogue[each] for each in suite_index.tests_by_requirement(_read_suites())]
    return {row.id for row in rows if row.level == "MUST" and row.party == role and not row.excluded}


def _beside(broken: Iterable[str]) -> list[str]:
    """Return the broken ids, and those that are decided by the tests that decide them."""
    wanted = set(broken)
    tests = [test for test in _read_suites() if len(test.claims) < SURVEY and wanted.intersection(test.claims)]
    return sorted(wanted.union(*(test.claims for test in tests)))


def _target(role: str, names: Sequence[str]) -> dict[str, Any]:
    if role == "marketplace":
        return {"role": role, "marketplace": {"driver": "embedded", "deviations": list(names)}}
    return {"role": role, "publisher": {"embedded": True, "defects": list(names)}}


def _judged(role: str, names: Sequence[str], folder: Path, only: Iterable[str] = ()) -> Judged:
    folder.mkdir(exist_ok=True)
    options = ["--profile=observed"] if SHOW_WHEN_OBSERVED.intersection(names) else []
    return judge(_target(role, names), folder, *options, *[f"--only={each}" for each in only])


def _disagreement(judged: Judged, breaks: set[str], perhaps: set[str]) -> list[str]:
    """Say what failed that should not, and what should have failed and did not; nothing, if all is as declared."""
    failed = judged.with_outcome("failed")
    failed -= perhaps - breaks
    surplus = judged.why(failed - breaks)
    missing = [f"{each}: {judged.outcomes.get(each)}" for each in sorted(breaks - failed)]
    return ["not caught:", *missing, "failed as well:", *surplus] if surplus or missing else []


def _catches_exactly(role: str, names: Sequence[str], tested: Mapping[str, Any], folder: Path) -> None:
    faults = DEVIATION_BREAKS if role == "marketplace" else DEFECT_BREAKS
    breaks = {name: tested.keys() & faults[name] for name in names}
    perhaps = {name: set(PERHAPS[name]) for name in names}
    expected = set().union(*breaks.values())
    if not expected:
        pytest.skip(f"no test decides any of {', '.join(faults[names[0]])} yet")
    judged = _judged(role, names, folder, () if WANTED else _beside(expected))
    found = _disagreement(judged, expected, set().union(*perhaps.values()))
    if found and len(names) > 1:
        # Faults may hide each other: whose doing it is shows in runs of one of them, by the tests in question.
        beside = judged.with_outcome("failed") - expected
        alone = {name: _judged(role, [name], folder / name, sorted(breaks[name] | beside)) for name in names}
        whose = {name: _disagreement(alone[name], breaks[name], perhaps[name]) for name in names}
        found = [line for name, lines in whose.items() if lines for line in (f"{name}:", *lines)]

    assert not judged.blamed, "\n".join(["the suite itself broke:", *judged.blamed])
    assert not found, "\n".join(found)
    assert judged.exit_code == judged.results["exit_code"] == judged.deserved_exit_code


@pytest.mark.parametrize("names", _tried("marketplace", DEVIATION_BREAKS), ids="+".join)
def test_a_deviation_of_the_emulator_fails_what_it_breaks(
    tested: Mapping[str, Any], tmp_path: Path, names: Sequence[str]
) -> None:
    _catches_exactly("marketplace", names, tested, tmp_path)


@pytest.mark.parametrize("names", _tried("publisher", DEFECT_BREAKS), ids="+".join)
def test_a_defect_of_the_reference_publisher_fails_what_it_breaks(
    tested: Mapping[str, Any], tmp_path: Path, names: Sequence[str]
) -> None:
    _catches_exactly("publisher", names, tested, tmp_path)


@pytest.mark.parametrize("faults", [DEVIATION_BREAKS, DEFECT_BREAKS], ids=["deviations", "defects"])
def test_there_are_enough_faults(tested: Mapping[str, Any], faults: Breaks) -> None:
    effective = [name for name, breaks in faults.items() if any(broken in tested for broken in breaks)]

    assert len(effective) >= ENOUGH, f"{len(effective)} of {len(faults)} break anything that a test decides"
    assert len(covering(faults, tested)) >= ENOUGH, "they break too little to be worth so many"


@pytest.mark.parametrize(
    ("role", "faults"), [("marketplace", DEVIATION_BREAKS), ("publisher", DEFECT_BREAKS)], ids=["deviations", "defects"]
)
def test_every_fault_breaks_requirements_of_its_role(catalogue: Catalogue, role: str, faults: Breaks) -> None:
    for name, breaks in faults.items():
        assert breaks, f"{name} breaks nothing"
        for broken in breaks:
            assert catalogue[broken].party == role, f"{name} breaks {broken}, which judges the other role"


@pytest.mark.parametrize(
    ("role", "faults"),
    [
        ("marketplace", DEVIATION_BREAKS),
        ("publisher", DEFECT_BREAKS),
    ],
    ids=["deviations", "defects"],
)
def test_every_tested_must_is_broken_by_a_fault(
    tested: Mapping[str, Any], catalogue: Catalogue, role: str, faults: Breaks
) -> None:
    broken = {requirement_id for breaks in faults.values() for requirement_id in breaks}
    musts = {each for each in tested if catalogue[each].level == "MUST" and catalogue[each].party == role}

    assert not musts - broken, f"no fault shows that these can fail: {', '.join(sorted(musts - broken))}"
