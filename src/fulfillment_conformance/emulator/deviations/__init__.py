"""Seeded faults of the emulator, by which the suite is tested: each must be caught, and for the right requirement."""

from fulfillment_conformance.emulator.deviations import (  # noqa: F401 - importing a theme registers its deviations
    activate,
    again,
    at_once,
    authorization,
    changes,
    csp,
    events,
    get,
    headers,
    landing_page,
    lifecycle,
    listing,
    operations,
    partial,
    plans,
    resolve,
    terms,
    transitions,
    webhook,
)
from fulfillment_conformance.emulator.deviations.registry import DEVIATIONS, Deviation, apply

__all__ = ["DEVIATIONS", "Deviation", "apply"]
