"""Tests of the index of seeded faults."""

from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.reference_publisher.defects import registered
from fulfillment_conformance.seeded_faults import faults_by_requirement, grouped


def test_every_fault_is_found_under_everything_that_it_breaks() -> None:
    deviations = {(broken, each.name) for each in DEVIATIONS.values() for broken in each.breaks}
    defects = {(broken, each.name) for each in registered().values() for broken in each.breaks}

    found = {(broken, fault.name) for broken, faults in faults_by_requirement().items() for fault in faults}

    assert found == deviations | defects


def test_a_fault_says_what_it_does_in_one_line() -> None:
    for faults in faults_by_requirement().values():
        for fault in faults:
            assert fault.summary.endswith("."), fault
            assert "\n" not in fault.summary, fault


def test_faults_of_a_group_break_different_requirements() -> None:
    breaks = {"one": ["A", "B"], "two": ["B"], "three": ["C"], "many": [str(number) for number in range(9)]}

    assert grouped(breaks, size=2) == [("many",), ("one", "three"), ("two",)]
    assert grouped(breaks, size=1) == [("many",), ("one",), ("three",), ("two",)]
    assert grouped({}) == []
