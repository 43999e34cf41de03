"""The seeded faults of both sides, and few of them that together break all that is wanted."""

from collections.abc import Iterable, Mapping, Sequence

from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.reference_publisher.defects import registered

Breaks = Mapping[str, Sequence[str]]

SHOW_WHEN_OBSERVED = frozenset({"refuses-the-way-back"})
"""Faults in what the live service is known to do and the pages do not tell: they show under that profile alone."""

PERHAPS: Breaks = {
    **{name: fault.perhaps for name, fault in DEVIATIONS.items()},
    **{name: fault.perhaps for name, fault in registered().items()},
}
"""What may fail beside, as the seed or the order of the tests has it."""

DEVIATION_BREAKS: Breaks = {name: fault.breaks for name, fault in DEVIATIONS.items()}
DEFECT_BREAKS: Breaks = {name: fault.breaks for name, fault in registered().items() if not fault.in_browser}
"""Those that only a browser sees are in `test_in_the_browser.py`."""


def covering(faults: Breaks, wanted: Iterable[str]) -> list[str]:
    """Choose few faults that together break all that is wanted and that any fault breaks."""
    left = {broken for breaks in faults.values() for broken in breaks} & set(wanted)
    chosen = []
    while left:
        best = max(faults, key=lambda name: (len(left.intersection(faults[name])), name))
        left.difference_update(faults[best])
        chosen.append(best)
    return chosen
