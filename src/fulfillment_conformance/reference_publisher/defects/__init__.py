"""Seeded faults."""

from fulfillment_conformance.reference_publisher.defects.registry import Defect, UnknownDefect, named, registered

__all__ = ["Defect", "UnknownDefect", "named", "registered"]
