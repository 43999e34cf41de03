"""Which seeded faults prove that a requirement's tests can fail: the emulator's deviations, the publisher's defects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.reference_publisher.defects import registered


@dataclass(frozen=True, slots=True)
class SeededFault:
    """A deviation or a defect: its name, and what it does, in a sentence."""

    name: str
    summary: str


def faults_by_requirement() -> dict[str, list[SeededFault]]:
    """Return requirement id -> the faults that break it: deviations if it judges a marketplace, defects otherwise."""
    index: dict[str, list[SeededFault]] = {}
    for deviation in DEVIATIONS.values():
        for broken in deviation.breaks:
            index.setdefault(broken, []).append(SeededFault(deviation.name, " ".join(deviation.summary.split())))
    for defect in registered().values():
        for broken in defect.breaks:
            index.setdefault(broken, []).append(SeededFault(defect.name, defect.description))
    return index


def grouped(faults: Mapping[str, Sequence[str]], size: int = 5) -> list[tuple[str, ...]]:
    """Put faults together that one run can look at: no two of a group break the same; who breaks much stays alone.

    Args:
        faults: name -> the requirements that a fault breaks.
        size: how many come together at the most.
    """
    groups: list[list[str]] = []
    for name in sorted(faults, key=lambda name: (-len(faults[name]), name)):
        for group in groups:
            taken = {broken for each in group for broken in faults[each]}
            if len(group) < size and len(taken | set(faults[name])) <= 4 * size and taken.isdisjoint(faults[name]):
                group.append(name)
                break
        else:
            groups.append([name])
    return [tuple(group) for group in groups]
