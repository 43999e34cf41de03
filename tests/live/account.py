"""A publisher's account on a stand-in of the live service, and the target file that its owner would write."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.exchange import Exchange, ignore
from fulfillment_conformance.live.opening import LiveService, live_service
from fulfillment_conformance.live.standin import stand_in
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import shared_portal
from fulfillment_conformance.target import MarketplaceTarget, load_target

API = "https://marketplaceapi.microsoft.com/api"
TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
APPLICATION = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
FLAT = "2b1c9f04-7a53-4d18-9e6f-c0a4d8b35e71"
PENDING = "6e0d7a38-1f4b-4c92-8b57-d93e5a20f8c4"
SEATS = "7d42c6b9-58e1-4f03-a9d7-21b8c4e06f35"
DOOMED = "83fa1e57-0c6d-4b29-85e4-f7d0a3c91b62"
UNLISTED = "9a5e08d3-b714-4c60-92fb-6e1d3c7a4805"
SECRET = "a-secret-from-the-portal~Q8"
TOKEN = "T25seS1mb3ItdGVzdHM/K2NhbmFyeStwdXJjaGFzZS90b2tlbj09"
ENVIRONMENT = {"CLIENT_SECRET": SECRET, "PURCHASE_TOKEN": TOKEN}
"""What the file's owner has set; a test may set something wrong."""
IN_TRUTH = dict(ENVIRONMENT)

OFFERS = [
    {"offerId": "contoso-crm-preview", "plans": [{"planId": "silver"}, {"planId": "gold"}]},
    {
        "offerId": "contoso-seats-preview",
        "plans": [
            {"planId": "team", "isPricePerSeat": True, "minQuantity": 1, "maxQuantity": 100},
            {"planId": "business", "isPricePerSeat": True, "minQuantity": 5, "maxQuantity": 500},
        ],
    },
]


def subscriptions() -> list[dict[str, Any]]:
    crm, seats = "contoso-crm-preview", "contoso-seats-preview"
    both = ["read", "change-plan", "change-quantity"]
    return [
        {"id": FLAT, "offer": crm, "plan": "silver", "may": ["read", "change-plan"]},
        {"id": PENDING, "offer": crm, "plan": "gold", "status": "PendingFulfillmentStart"},
        {"id": SEATS, "offer": seats, "plan": "team", "quantity": 10, "may": both},
        {"id": DOOMED, "offer": crm, "plan": "gold", "may": ["read", "cancel"]},
    ]


@dataclass
class Account:
    """A running stand-in with the account on it."""

    file: Path
    target: MarketplaceTarget
    emulator: Emulator
    arrived: list[Exchange] = field(default_factory=list)

    def on_loop(self, action: Callable[[], Any]) -> Any:
        """Do something to the emulator on the thread that it lives on."""

        async def act() -> Any:
            return action()

        return shared_portal().call(act)

    def state(self) -> dict[str, tuple[str, int | None, str]]:
        """Plan, seats and status of every subscription, as the core has them."""
        market = self.emulator.market
        return {
            identity: (found.plan_id, found.quantity, str(found.status))
            for identity in (FLAT, PENDING, SEATS, DOOMED, UNLISTED)
            for found in [market.find(identity).subscription]
        }

    @contextmanager
    def service(self, **settings: Any) -> Iterator[LiveService]:
        """Give the guarded way to the stand-in; `settings` are those of `live_service`."""
        given: dict[str, Any] = {"observer": ignore, "redactor": Redactor(self.target.secrets), **settings}
        with live_service(self.target, **given) as service:
            yield service


def write(folder: Path, live: Mapping[str, Any] | None = None, **changes: Any) -> Path:
    """Write a target file; `live` and `changes` replace keys of the section and of `marketplace`."""
    obtained = datetime.now(UTC) - timedelta(hours=1)
    section = {
        "subscriptions": subscriptions(),
        "purchase_tokens": [{"token": "${PURCHASE_TOKEN}", "obtained": obtained.isoformat(), "subscription": PENDING}],
        "requests_per_minute": 600_000,
        **(live or {}),
    }
    marketplace = {
        "driver": "live",
        "base_url": API,
        "identity": {"tenant_id": TENANT, "client_id": APPLICATION, "client_secret": "${CLIENT_SECRET}"},
        "live": section,
        "offers": OFFERS,
        **changes,
    }
    file = folder / "live.yaml"
    document = {"role": "marketplace", "marketplace": marketplace}
    apart = json.loads(json.dumps(document))  # what stands in it twice would become an alias
    file.write_text(yaml.safe_dump(apart, sort_keys=False), encoding="utf-8")
    return file


def load(file: Path, environment: Mapping[str, str] = ENVIRONMENT) -> MarketplaceTarget:
    target = load_target(file, environment)
    assert isinstance(target, MarketplaceTarget)
    return target


@contextmanager
def account(
    folder: Path,
    live: Mapping[str, Any] | None = None,
    *,
    arrived: list[Exchange] | None = None,
    profile: Profile = "documented",
    **changes: Any,
) -> Iterator[Account]:
    """Run a stand-in that holds the account, and one subscription more than the file lists.

    The file that its owner uses differs from a real one in two keys, `addresses` and `tls_ca`.
    """
    everything = [*subscriptions(), {"id": UNLISTED, "offer": "contoso-crm-preview", "plan": "silver"}]
    arrived = [] if arrived is None else arrived
    whole = load(write(folder, {"subscriptions": everything}), IN_TRUTH)
    with stand_in(whole, profile=profile, observer=arrived.append, folder=folder) as running:
        there = {host: str(place) for host, place in running.target.addresses.items()}
        file = write(folder, live, **{"addresses": there, "tls_ca": str(running.target.tls_ca), **changes})
        yield Account(file, load(file), running.emulator, arrived)


def environ() -> dict[str, str]:
    """The environment of a command, with proxy and CA variables that would lead it astray if it read them."""
    astray = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "REQUESTS_CA_BUNDLE": "/nowhere.pem",
        "CURL_CA_BUNDLE": "/nowhere.pem",
    }
    return {**os.environ, **astray, **ENVIRONMENT}
