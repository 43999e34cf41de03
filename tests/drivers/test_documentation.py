import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from fulfillment_conformance.drivers import CAPABILITIES, Bought, DriverSettings
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import MissingCapability

if TYPE_CHECKING:
    from tests.drivers.conftest import StandIn

PAGE = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text("utf-8")


def code(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


def test_the_driver_on_the_page_works_as_it_stands(stand_in: "StandIn", exchanges: list[Exchange]) -> None:
    names: dict[str, Any] = {}
    exec(code("python"), names)
    stand_in.says("GET", "/till/espresso", 200, {"number": 7, "token": "t"})

    driver = names["CoffeeShopDriver"](DriverSettings(control_url=stand_in.url, observer=exchanges.append))

    assert driver.purchase(offer_id="drinks", plan_id="espresso") == Bought(subscription_id="7", token="t")
    assert driver.capabilities == {"purchases"}
    assert [told.purpose for told in exchanges] == ["buy espresso"]
    with pytest.raises(MissingCapability, match="clock"):
        driver.advance(None)
    driver.close()


def test_the_target_on_the_page_names_a_driver() -> None:
    assert yaml.safe_load(code("yaml"))["marketplace"]["driver"] == "microsoft-emulator"


def test_the_page_explains_every_capability() -> None:
    rows = re.findall(r"^\| (`[a-z`, -]+`) \|", PAGE.partition("## Capabilities")[2], re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == CAPABILITIES
