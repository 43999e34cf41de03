import sys
import types
from contextlib import closing
from pathlib import Path

import pytest

from fulfillment_conformance.drivers.base import Driver
from fulfillment_conformance.drivers.control import ControlDriver
from fulfillment_conformance.drivers.live import LiveDriver
from fulfillment_conformance.drivers.loading import DriverSettings, load_driver
from fulfillment_conformance.drivers.microsoft_emulator import CLIENT_ID, TENANT_ID, MicrosoftEmulatorDriver
from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem

SETTINGS = DriverSettings(base_url="http://127.0.0.1:1/api")


class OwnDriver(LiveDriver):
    """A driver as somebody else would write one."""

    def __init__(self, settings: DriverSettings) -> None:
        super().__init__(tenant_id="t", client_id="c", client_secret=settings.control_key or "")


class HalfADriver:
    name = "half"

    def __init__(self, settings: DriverSettings) -> None: ...

    @property
    def capabilities(self) -> frozenset[str]:
        raise AssertionError("a driver is not asked while it is being loaded")


def needs_more(settings: DriverSettings, more: str) -> Driver:
    raise AssertionError("nobody has more to give")


def refuses(settings: DriverSettings) -> Driver:
    raise EnvironmentUnavailable("the sandbox sleeps")


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType("own_drivers")
    vars(own).update(OwnDriver=OwnDriver, HalfADriver=HalfADriver, needs_more=needs_more, refuses=refuses, number=5)
    monkeypatch.setitem(sys.modules, "own_drivers", own)


def address(driver: Driver) -> str:
    """Return the address that a driver tells of when nobody is there."""
    with closing(driver), pytest.raises(EnvironmentUnavailable) as raised:
        _ = driver.capabilities
    return str(raised.value)


def test_a_control_surface_lies_beside_the_api_unless_it_is_named() -> None:
    beside = load_driver("control", DriverSettings(base_url="http://127.0.0.1:1/api/"))
    named = load_driver("control", DriverSettings(base_url="http://x.example", control_url="http://127.0.0.1:1/c"))

    assert isinstance(beside, ControlDriver)
    assert "GET http://127.0.0.1:1/control " in address(beside)
    assert "GET http://127.0.0.1:1/c " in address(named)


@pytest.mark.parametrize("base_url", ["http://x.example", "http://x.example/api/v2", "http://x.example/apis"])
def test_a_control_surface_that_cannot_be_guessed_has_to_be_named(base_url: str) -> None:
    with pytest.raises(UsageProblem, match="name control_url"):
        load_driver("control", DriverSettings(base_url=base_url))


@pytest.mark.parametrize("spec", ["control", "microsoft-emulator"])
def test_an_api_has_an_address(spec: str) -> None:
    with pytest.raises(UsageProblem, match=f"{spec}.* needs base_url"):
        load_driver(spec, DriverSettings())


def test_the_microsoft_emulator_sells_for_the_publisher_of_the_target_file() -> None:
    of_the_file = load_driver(
        "microsoft-emulator", DriverSettings(base_url="http://127.0.0.1:1/api", tenant_id="t-", client_id="c")
    )
    default = load_driver("microsoft-emulator", SETTINGS)

    assert isinstance(of_the_file, MicrosoftEmulatorDriver)
    assert of_the_file.publisher_id == "t-c"
    assert isinstance(default, MicrosoftEmulatorDriver)
    assert default.publisher_id == f"{TENANT_ID}{CLIENT_ID}"


def test_the_live_service_needs_the_publishers_identity() -> None:
    with pytest.raises(UsageProblem, match="missing in the target file: client_id, client_secret"):
        load_driver("live", DriverSettings(tenant_id="t"))

    assert isinstance(load_driver("live", DriverSettings(tenant_id="t", client_id="c", client_secret="s")), LiveDriver)


def test_a_ca_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="tls_ca"):
        load_driver("control", DriverSettings(base_url="https://x.example/api", tls_ca=tmp_path / "no.pem"))


def test_somebodys_own_driver_gets_the_settings() -> None:
    driver = load_driver("own_drivers:OwnDriver", DriverSettings(control_key="k"))

    assert isinstance(driver, OwnDriver)
    assert driver.identity().client_secret == "k"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("contrl", "did you mean 'control'"),
        ("microsoft_emulator", "did you mean 'microsoft-emulator'"),
        ("zzz", "expected control, microsoft-emulator, live, embedded or some.module:Driver$"),
        ("", "expected control"),
        (":OwnDriver", "a name on both sides of the colon"),
        ("own_drivers:", "a name on both sides of the colon"),
        ("no_such_module:Driver", "module 'no_such_module' cannot be imported"),
        ("..relative:Driver", "cannot be imported"),
        ("own_drivers:OwnDrivr", "did you mean 'OwnDriver'"),
        ("own_drivers:zzz", "has no 'zzz'$"),
        ("own_drivers:number", "is a int, expected a class or function"),
        ("own_drivers:needs_more", "could not be made from a DriverSettings .TypeError"),
        ("own_drivers:HalfADriver", "is no driver: it lacks reset, offers, purchase, .*close"),
    ],
)
def test_a_wrong_spec_is_explained(spec: str, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        load_driver(spec, SETTINGS)


def test_what_a_driver_says_about_itself_is_passed_on() -> None:
    with pytest.raises(EnvironmentUnavailable, match="the sandbox sleeps"):
        load_driver("own_drivers:refuses", SETTINGS)


def test_no_secret_shows_when_settings_are_printed() -> None:
    assert "hush" not in repr(DriverSettings(control_key="hush", client_secret="hush"))
