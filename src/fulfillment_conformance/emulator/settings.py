"""How one emulator is set up: whom it serves, how it behaves, where it calls."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the settings of the identity provider are read without the marketplace
    from fulfillment_conformance.marketplace import Offer, Rules

MARKETPLACE_APP_ID = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
"""The application id of Microsoft's marketplace: audience of access tokens, sender of notification tokens."""

API_VERSION = "2018-08-31"

Profile = Literal["documented", "observed"]
"""`documented`: what the pages say. `observed`: what the live service is known to do instead."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The application that the publisher under test has registered, as in its offer's technical configuration.

    The defaults are those of the embedded demonstration. `certificate_pem` is the public certificate with which client
    assertions are checked; without it only the secret is accepted.
    """

    tenant_id: str = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    client_id: str = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    client_secret: str = field(default="local-development-secret", repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)


OTHER_PUBLISHER = IdentitySettings(
    tenant_id="c3a1e6b8-0f4d-4b57-9d2e-71c05a9f8e34",
    client_id="b7d94c02-6e1a-4f38-8c5b-2f60d3a7e915",
    client_secret="another-development-secret",  # noqa: S106 - the application exists in this process only
)
"""The application of the second publisher, whose subscriptions the first may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is fixed for the life of an emulator, and the two addresses it starts with.

    Attributes:
        profile: whose behaviour it shows.
        rules: every switch of that behaviour; None: as the profile has them.
        seed: same seed, same ids, keys, purchase tokens and choices.
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
    rules: "Rules | None" = None
    seed: int = 0
    offers: "Sequence[Offer] | None" = None
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    webhook_url: str | None = None
    landing_page_url: str | None = None
    webhook_token_version: Literal[1, 2] = 2
    webhook_timeout: float = 10.0
    webhook_trust: ssl.SSLContext | None = None
    control_key: str | None = field(default=None, repr=False)
    public_url: str | None = None
    deviations: Sequence[str] = ()
