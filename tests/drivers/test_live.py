from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fulfillment_conformance.drivers.base import IdentityInfo
from fulfillment_conformance.drivers.live import LiveDriver
from fulfillment_conformance.interruptions import MissingCapability


@pytest.fixture
def driver() -> LiveDriver:
    return LiveDriver(tenant_id="a-tenant", client_id="an-app", client_secret="hush")


def test_the_live_service_gives_an_identity_and_nothing_else(driver: LiveDriver) -> None:
    assert driver.name == "live"
    assert driver.capabilities == {"identity"}
    assert driver.offers() == ()


def test_the_identity_is_the_publishers_application_at_entra(driver: LiveDriver) -> None:
    assert driver.identity() == IdentityInfo(
        tenant_id="a-tenant",
        client_id="an-app",
        client_secret="hush",
        authority="https://login.microsoftonline.com/a-tenant",
        token_endpoint="https://login.microsoftonline.com/a-tenant/oauth2/v2.0/token",
        resource="20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
    )


def test_its_time_is_the_wall_clock(driver: LiveDriver) -> None:
    before = datetime.now(UTC)

    assert before <= driver.now() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("reset", lambda d: d.reset()),
        ("purchases", lambda d: d.purchase(offer_id="o", plan_id="p")),
        ("manage-tokens", lambda d: d.issue_token("s")),
        ("events", lambda d: d.event("s", "Suspend")),
        ("auto-renew", lambda d: d.set_auto_renew("s", False)),
        ("clock", lambda d: d.advance(timedelta(seconds=1))),
        ("webhook", lambda d: d.set_webhook("https://x.example")),
        ("landing-page", lambda d: d.set_landing_page("https://x.example")),
        ("deliveries", lambda d: d.deliveries()),
        ("access-tokens", lambda d: d.access_token("expired")),
    ],
)
def test_what_cannot_be_arranged_is_missing_by_name(
    driver: LiveDriver, capability: str, call: Callable[[LiveDriver], object]
) -> None:
    with pytest.raises(MissingCapability) as missing:
        call(driver)

    assert missing.value.capability == capability
    driver.close()
