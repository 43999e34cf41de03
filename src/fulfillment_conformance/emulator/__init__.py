"""The emulator: the marketplace core on the network, with identity provider, webhook delivery and control surface."""

from fulfillment_conformance.emulator.delivery import GENUINE, Attempt, Notification
from fulfillment_conformance.emulator.identity.settings import IdentitySettings
from fulfillment_conformance.emulator.offers import BENEFICIARY, RESELLER, default_offers, offers_from
from fulfillment_conformance.emulator.service import Emulator
from fulfillment_conformance.emulator.settings import Profile, Settings

__all__ = [
    "BENEFICIARY",
    "GENUINE",
    "RESELLER",
    "Attempt",
    "Emulator",
    "IdentitySettings",
    "Notification",
    "Profile",
    "Settings",
    "default_offers",
    "offers_from",
]
