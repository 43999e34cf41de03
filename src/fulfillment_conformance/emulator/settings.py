"""How one emulator is set up: whom it serves, how it behaves, where it calls."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from fulfillment_conformance.emulator.identity.settings import IdentitySettings
from fulfillment_conformance.marketplace import Offer, Rules

API_VERSION = "2018-08-31"

Profile = Literal["documented", "observed"]
"""`documented`: what the pages say. `observed`: what the live service is known to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is fixed for the life of an emulator, and the two addresses it starts with.

    Attributes:
        profile: whose behaviour it shows.
        rules: every switch of that behaviour; None: as the profile has them.
        seed: same seed, same ids, purchase tokens and choices.
        offers: what can be bought; None stands for `offers.default_offers()`.
        identity: the publisher's application.
        webhook_url: where notifications go at first; None: nowhere, every attempt fails.
        landing_page_url: where buyers are sent at first; None: nowhere.
        webhook_token_version: version of the token that notifications carry.
        webhook_timeout: seconds that the receiver of a notification has for its answer.
        webhook_trust: how a receiver's certificate is checked; None: by the machine's certificate authorities.
        control_key: what `x-control-key` must say on the control surface; None: no key is asked for.
        public_url: origin in absolute links; None: the one that the request was sent to.
        deviations: names of seeded faults.
    """

    profile: Profile = "documented"
    rules: Rules | None = None
    seed: int = 0
    offers: Sequence[Offer] | None = None
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    webhook_url: str | None = None
    landing_page_url: str | None = None
    webhook_token_version: Literal[1, 2] = 2
    webhook_timeout: float = 10.0
    webhook_trust: ssl.SSLContext | None = None
    control_key: str | None = field(default=None, repr=False)
    public_url: str | None = None
    deviations: Sequence[str] = ()
