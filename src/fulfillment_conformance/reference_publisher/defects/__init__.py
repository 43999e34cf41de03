"""Publishers with one fault each, for testing tests: what a conformance suite must catch, and by which requirement.

A defect is a small function that alters a freshly built `ReferencePublisher` at one of its seams. Its docstring says
what such a publisher does wrong; `breaks` names the requirements that it does not meet.
"""

from fulfillment_conformance.reference_publisher.defects import (
    access_token,
    addresses,
    api_use,
    changes,
    failures,
    forms,
    in_the_browser,
    landing_page,
    lifecycle,
    misreadings,
    own_changes,
    payload,
    repeats,
    visits,
    webhook_authentication,
)
from fulfillment_conformance.reference_publisher.defects.registry import Defect, UnknownDefect, named, registered

__all__ = [
    "Defect",
    "UnknownDefect",
    "access_token",
    "addresses",
    "api_use",
    "changes",
    "failures",
    "forms",
    "in_the_browser",
    "landing_page",
    "lifecycle",
    "misreadings",
    "named",
    "own_changes",
    "payload",
    "registered",
    "repeats",
    "visits",
    "webhook_authentication",
]
