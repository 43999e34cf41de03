from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.interruptions import MissingCapability


class NamedNowhere(BareDriver):
    pass


@pytest.fixture
def driver() -> BareDriver:
    return BareDriver()


def test_a_bare_driver_has_nothing_to_offer(driver: BareDriver) -> None:
    assert driver.capabilities == frozenset()
    assert driver.offers() == ()
    assert NamedNowhere().name == "NamedNowhere"


def test_its_time_is_the_wall_clock(driver: BareDriver) -> None:
    before = datetime.now(UTC)

    assert before <= driver.now() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("reset", lambda d: d.reset()),
        ("purchases", lambda d: d.purchase(offer_id="o", plan_id="p")),
        ("manage-tokens", lambda d: d.issue_token("s")),
        ("expired-tokens", lambda d: d.issue_token("s", expired=True)),
        ("events", lambda d: d.event("s", "Suspend")),
        ("auto-renew", lambda d: d.set_auto_renew("s", False)),
        ("clock", lambda d: d.advance(timedelta(seconds=1))),
        ("webhook", lambda d: d.set_webhook("https://x.example")),
        ("landing-page", lambda d: d.set_landing_page("https://x.example")),
        ("deliveries", lambda d: d.deliveries()),
        ("access-tokens", lambda d: d.access_token("expired")),
        ("identity", lambda d: d.identity()),
    ],
)
def test_what_cannot_be_arranged_is_missing_by_name(
    driver: BareDriver, capability: str, call: Callable[[BareDriver], object]
) -> None:
    with pytest.raises(MissingCapability) as missing:
        call(driver)

    assert missing.value.capability == capability
    driver.close()
