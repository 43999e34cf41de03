import pytest

from fulfillment_conformance.drivers.base import IdentityInfo, OfferInfo
from fulfillment_conformance.drivers.live import LiveDriver
from fulfillment_conformance.interruptions import MissingCapability


@pytest.fixture
def driver() -> LiveDriver:
    return LiveDriver(tenant_id="a-tenant", client_id="an-app", client_secret="hush")


def test_the_live_service_gives_an_identity_and_nothing_else(driver: LiveDriver) -> None:
    assert driver.name == "live"
    assert driver.capabilities == {"identity"}
    assert driver.offers() == ()
    with pytest.raises(MissingCapability, match="purchases"):
        driver.purchase(offer_id="o", plan_id="p")


def test_the_identity_is_the_publishers_application_at_entra(driver: LiveDriver) -> None:
    assert driver.identity() == IdentityInfo(
        tenant_id="a-tenant",
        client_id="an-app",
        client_secret="hush",
        authority="https://login.microsoftonline.com/a-tenant",
        token_endpoint="https://login.microsoftonline.com/a-tenant/oauth2/v2.0/token",
        resource="20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
    )


def test_what_the_file_says_is_on_offer() -> None:
    offers = (OfferInfo(offer_id="o-preview", publisher_id="p", plans=()),)
    driver = LiveDriver(tenant_id="t", client_id="c", client_secret="s", offers=offers)

    assert driver.offers() == offers


def test_an_application_without_a_secret_gives_no_identity() -> None:
    driver = LiveDriver(tenant_id="t", client_id="c", client_secret=None)

    assert driver.capabilities == frozenset()
    with pytest.raises(MissingCapability, match="has no secret to ask for tokens with"):
        driver.identity()
