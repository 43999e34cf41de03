"""How a situation is arranged on a marketplace target: who buys, who stops paying, what the calendar says.

The Fulfillment API has no calls for that. Every target therefore has a `Driver`, named in its target file: `control`
for any sandbox that serves the control protocol, `microsoft-emulator`, `live`, `embedded`, or somebody's own class.
`base` says what a driver is, `loading` finds one by its name.
"""

from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import (
    CAPABILITIES,
    Action,
    Bought,
    Channel,
    DeliveryRecord,
    DeliveryRequest,
    DeliveryResponse,
    Driver,
    IdentityInfo,
    OfferInfo,
    Person,
    PlanInfo,
    TokenKind,
)
from fulfillment_conformance.drivers.loading import DriverSettings, load_driver

__all__ = [
    "CAPABILITIES",
    "Action",
    "BareDriver",
    "Bought",
    "Channel",
    "DeliveryRecord",
    "DeliveryRequest",
    "DeliveryResponse",
    "Driver",
    "DriverSettings",
    "IdentityInfo",
    "OfferInfo",
    "Person",
    "PlanInfo",
    "TokenKind",
    "load_driver",
]
