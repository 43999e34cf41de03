"""Every seeded fault is caught by the shipped runner, for exactly the requirements that it breaks.

A whole run takes seconds, and there are hundreds of faults. So by default as many are tried as break every binding
requirement once, each by the tests that decide what it breaks. `FC_FAULTS=all` tries every fault by whole runs, which
also shows what fails beside; `FC_FAULTS=name,name` those that are named.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.suites.faults import DEFECT_BREAKS, DEVIATION_BREAKS, IN_STORIES, SHOW_WHEN_OBSERVED, Breaks, covering
from tests.suites.runs import judge

from fulfillment_conformance import suite_index
from fulfillment_conformance.catalogue import Catalogue

WANTED = os.environ.get("FC_FAULTS", "")

ENOUGH = 30
"""How many faults of each kind must show, at the least."""

SURVEY = 20
"""A test that claims so many ids looks at a whole run; what it finds beside is found by whole runs."""


_read_suites = cache(suite_index.read_suites)


def _tried(role: str, faults: Breaks) -> list[str]:
    if WANTED == "all":
        return sorted(faults)
    if WANTED:
        return sorted(set(WANTED.split(",")) & faults.keys())
    return sorted(covering(faults, _tested_musts(role)))


def _tested_musts(role: str) -> set[str]:
    catalogue = Catalogue.load()
    rows = [catalogue[each] for each in suite_index.tests_by_requirement(_read_suites())]
    return {row.id for row in rows if row.level == "MUST" and row.party == role and not row.excluded}


def _beside(broken: Iterable[str]) -> list[str]:
    """Return the broken ids, and those that are decided by the tests that decide them."""
    wanted = set(broken)
    tests = [test for test in _read_suites() if len(test.claims) < SURVEY and wanted.intersection(test.claims)]
    return sorted(wanted.union(*(test.claims for test in tests)))


def _catches_exactly(
    target: Mapping[str, Any],
    breaks: Sequence[str],
    tested: Mapping[str, Any],
    folder: Path,
    *options: str,
    in_stories: Sequence[str] = (),
) -> None:
    expected = {requirement_id for requirement_id in breaks if requirement_id in tested}
    if not expected:
        pytest.skip(f"no test decides any of {', '.join(breaks)} yet")
    judged = judge(target, folder, *options, *([] if WANTED else [f"--only={each}" for each in _beside(expected)]))
    failed = judged.with_outcome("failed")

    assert not judged.blamed, "\n".join(["the suite itself broke:", *judged.blamed])
    failed -= set(in_stories) - expected
    surplus = judged.why(failed - expected)
    missing = [f"{each}: {judged.outcomes.get(each)}" for each in sorted(expected - failed)]
    assert failed == expected, "\n".join(["not caught:", *missing, "failed as well:", *surplus])
    assert judged.exit_code == judged.results["exit_code"] == judged.deserved_exit_code


@pytest.mark.parametrize("name", _tried("marketplace", DEVIATION_BREAKS))
def test_a_deviation_of_the_emulator_fails_what_it_breaks(tested: Mapping[str, Any], tmp_path: Path, name: str) -> None:
    target = {"role": "marketplace", "marketplace": {"driver": "embedded", "deviations": [name]}}

    _catches_exactly(target, DEVIATION_BREAKS[name], tested, tmp_path, in_stories=IN_STORIES[name])


@pytest.mark.parametrize("name", _tried("publisher", DEFECT_BREAKS))
def test_a_defect_of_the_reference_publisher_fails_what_it_breaks(
    tested: Mapping[str, Any], tmp_path: Path, name: str
) -> None:
    target = {"role": "publisher", "publisher": {"embedded": True, "defects": [name]}}
    options = ["--profile=observed"] if name in SHOW_WHEN_OBSERVED else []

    _catches_exactly(target, DEFECT_BREAKS[name], tested, tmp_path, *options)


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
