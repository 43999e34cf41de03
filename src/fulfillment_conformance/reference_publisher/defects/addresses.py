"""Publishers that have registered addresses with their offer that they should not have."""

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace


@defect("registers-a-key-in-an-address", breaks=["REG-006"])
def registers_a_key_in_an_address(publisher: ReferencePublisher) -> None:
    """The webhook's address holds the key of the function that serves it."""
    replace(publisher, "webhook_address", f"{publisher.webhook_address}?code=a-function-key")


@defect("registers-a-key-by-another-name", breaks=["REG-006"])
def registers_a_key_by_another_name(publisher: ReferencePublisher) -> None:
    """The webhook's address holds the key of the function that serves it, as a header would be called."""
    replace(publisher, "webhook_address", f"{publisher.webhook_address}?x-functions-key=a-function-key")


@defect(
    "registers-an-address-with-a-fragment",
    breaks=[
        *("ACT-004", "LND-003", "LND-004", "LND-005", "LND-006", "LND-007", "LND-008", "LND-029", "POL-003", "POL-004"),
        *("POL-005", "REG-005", "RES-002", "RES-003", "RES-025", "TST-003"),
    ],
)
def registers_an_address_with_a_fragment(publisher: ReferencePublisher) -> None:
    """The landing page's address has a #, behind which no server ever sees the token."""
    replace(publisher, "landing_page", f"{publisher.landing_page}#welcome")
