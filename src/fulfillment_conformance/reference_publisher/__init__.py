"""A reference publisher: how an ISV integrates with the SaaS Fulfillment API v2, small enough to be read in an hour.

Start with `webhook` and `landing`; everything else serves these two. docs/reference-publisher.md gives the tour.
"""

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.settings import Patience, Settings, SignIn

__all__ = ["Patience", "ReferencePublisher", "Settings", "SignIn"]
