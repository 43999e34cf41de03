"""Every seeded fault is caught by the shipped runner, for exactly the requirements that it breaks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.reference_publisher.defects import registered

if TYPE_CHECKING:
    from tests.suites.conftest import Judge

DEFECTS = registered()
ENOUGH = 30
"""How many faults of each kind must show, at the least."""


def _marketplace(deviation: str) -> dict[str, Any]:
    return {"role": "marketplace", "marketplace": {"driver": "embedded", "deviations": [deviation]}}


def _publisher(defect: str) -> dict[str, Any]:
    return {
        "role": "publisher",
        "publisher": {"embedded": True, "defects": [defect]},
        "claims": {"refused_plans": ["multiyear"]},
    }


def _catches_exactly(
    judge: "Judge", target: Mapping[str, Any], breaks: Sequence[str], tested: Mapping[str, Any]
) -> None:
    expected = {requirement_id for requirement_id in breaks if requirement_id in tested}
    if not expected:
        pytest.skip(f"no test decides any of {', '.join(breaks)} yet")
    judged = judge(target)
    failed = judged.with_outcome("failed")

    assert not judged.blamed, f"the suite itself broke:\n{chr(10).join(judged.blamed)}"
    surplus = judged.why(failed - expected)
    missing = [f"{each}: {judged.outcomes.get(each)}" for each in sorted(expected - failed)]
    assert failed == expected, "\n".join(["not caught:", *missing, "failed as well:", *surplus])


@pytest.mark.parametrize("name", sorted(DEVIATIONS))
def test_a_deviation_of_the_emulator_fails_what_it_breaks(judge: "Judge", tested: Mapping[str, Any], name: str) -> None:
    _catches_exactly(judge, _marketplace(name), DEVIATIONS[name].breaks, tested)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_of_the_reference_publisher_fails_what_it_breaks(
    judge: "Judge", tested: Mapping[str, Any], name: str
) -> None:
    _catches_exactly(judge, _publisher(name), DEFECTS[name].breaks, tested)


def test_there_are_enough_faults(tested: Mapping[str, Any]) -> None:
    deviations = [fault.breaks for fault in DEVIATIONS.values()]
    defects = [fault.breaks for fault in DEFECTS.values()]

    for kind in (deviations, defects):
        effective = [breaks for breaks in kind if any(broken in tested for broken in breaks)]
        assert len(effective) >= ENOUGH, f"{len(effective)} of {len(kind)} break anything that a test decides"


def test_every_fault_breaks_requirements_that_exist(catalogue: Catalogue) -> None:
    faults = [("marketplace", each.name, each.breaks) for each in DEVIATIONS.values()]
    faults += [("publisher", each.name, each.breaks) for each in DEFECTS.values()]
    for role, name, breaks in faults:
        assert breaks, f"{name} breaks nothing"
        for broken in breaks:
            assert catalogue[broken].party == role, f"{name} breaks {broken}, which judges the other role"


@pytest.mark.parametrize("role", ["marketplace", "publisher"])
def test_every_tested_must_is_broken_by_a_fault(tested: Mapping[str, Any], catalogue: Catalogue, role: str) -> None:
    faults = [fault.breaks for fault in DEVIATIONS.values()] + [fault.breaks for fault in DEFECTS.values()]
    broken = {requirement_id for breaks in faults for requirement_id in breaks}
    musts = {each for each in tested if catalogue[each].level == "MUST" and catalogue[each].party == role}

    assert not musts - broken, f"no fault shows that these can fail: {', '.join(sorted(musts - broken))}"
