"""Which seeded faults prove that a requirement's tests can fail: the emulator's deviations, the publisher's defects."""

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
