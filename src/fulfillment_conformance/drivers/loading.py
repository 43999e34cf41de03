"""From the `driver:` line of a target file to a driver."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from fulfillment_conformance.drivers.base import Driver
from fulfillment_conformance.drivers.control import ControlDriver
from fulfillment_conformance.drivers.live import LiveDriver
from fulfillment_conformance.drivers.microsoft_emulator import MicrosoftEmulatorDriver
from fulfillment_conformance.errors import ConformanceError, UsageProblem
from fulfillment_conformance.exchange import Observer, ignore
from fulfillment_conformance.yamlfile import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSettings:
    """What a target file says that a driver may need.

    Attributes:
        base_url: address of the Fulfillment API, ending before `/saas`; None if the driver brings the API along.
        control_url: address of the control surface; None: `/control` beside the API's `/api`.
        control_key: key that the control surface asks for.
        tls_ca: PEM file of the authority that signed the target's certificate.
        observer: hears of every exchange.
        tenant_id: tenant of the publisher's application.
        client_id: the publisher's application id.
        client_secret: its secret.
        profile: whose behaviour a sandbox that the driver brings along shows.
        seed: same seed, same ids in such a sandbox.
        deviations: seeded faults of such a sandbox.
    """

    base_url: str | None = None
    control_url: str | None = None
    control_key: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    observer: Observer = ignore
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    profile: Literal["documented", "observed"] = "documented"
    seed: int = 0
    deviations: tuple[str, ...] = ()


def load_driver(spec: str, settings: DriverSettings) -> Driver:
    """Return the driver that a target file names.

    Args:
        spec: `control`, `microsoft-emulator`, `live`, `embedded`, or `some.module:Driver`: a class, or a function, that
            takes a `DriverSettings` and gives a driver.
        settings: what the driver may need.

    Raises:
        UsageProblem: no such name, module or attribute; what it names is no driver; a setting is missing.
    """
    make = _BUILT_IN.get(spec)
    if make is not None:
        return make(settings)
    if ":" not in spec:
        expected = f"{', '.join(_BUILT_IN)} or some.module:Driver"
        raise UsageProblem(f"driver {spec!r} is unknown, expected {expected}{nearest(spec, _BUILT_IN)}")
    return _custom(spec, settings)


def _custom(spec: str, settings: DriverSettings) -> Driver:
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise UsageProblem(f"driver {spec!r}: expected some.module:Driver, with a name on both sides of the colon")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageProblem(
            f"driver {spec!r}: module {module_name!r} cannot be imported ({type(error).__name__}: {error}); check the "
            "name, and that its folder is on PYTHONPATH"
        ) from error
    make = getattr(module, attribute, None)
    if make is None:
        hint = nearest(attribute, dir(module))
        raise UsageProblem(f"driver {spec!r}: module {module_name!r} has no {attribute!r}{hint}")
    if not callable(make):
        raise UsageProblem(
            f"driver {spec!r} is a {type(make).__name__}, expected a class or function that takes a DriverSettings"
        )
    try:
        driver = make(settings)
    except ConformanceError:
        raise
    except Exception as error:
        raise UsageProblem(
            f"driver {spec!r} could not be made from a DriverSettings ({type(error).__name__}: {error})"
        ) from error
    if missing := _missing(driver):
        raise UsageProblem(
            f"driver {spec!r} gave a {type(driver).__name__}, which is no driver: it lacks {', '.join(missing)}; "
            "see fulfillment_conformance.drivers.Driver"
        )
    return cast("Driver", driver)


def _missing(candidate: object) -> list[str]:
    """Return the members of `Driver` that something lacks, without running any of its code."""
    wanted = (name for name in vars(Driver) if not name.startswith("_"))
    return [name for name in wanted if inspect.getattr_static(candidate, name, None) is None]


def _control(settings: DriverSettings) -> Driver:
    url = settings.control_url
    if url is None:
        origin, api, rest = _base_url("control", settings).rstrip("/").rpartition("/api")
        if not api or rest:
            raise UsageProblem(
                f"base_url {settings.base_url!r} does not end in /api, so the control surface cannot be guessed from "
                "it; name control_url in the target file"
            )
        url = f"{origin}/control"
    return ControlDriver(url, key=settings.control_key, observer=settings.observer, tls_ca=settings.tls_ca)


def _microsoft_emulator(settings: DriverSettings) -> Driver:
    publisher = {
        name: value
        for name, value in (("tenant_id", settings.tenant_id), ("client_id", settings.client_id))
        if value is not None
    }
    return MicrosoftEmulatorDriver(
        _base_url("microsoft-emulator", settings),
        observer=settings.observer,
        tls_ca=settings.tls_ca,
        **cast("dict[str, Any]", publisher),
    )


def _live(settings: DriverSettings) -> Driver:
    if settings.tenant_id is None or settings.client_id is None or settings.client_secret is None:
        lacking = [name for name in ("tenant_id", "client_id", "client_secret") if getattr(settings, name) is None]
        raise UsageProblem(
            f"driver 'live' needs the publisher's identity; missing in the target file: {', '.join(lacking)}"
        )
    return LiveDriver(tenant_id=settings.tenant_id, client_id=settings.client_id, client_secret=settings.client_secret)


def _embedded(settings: DriverSettings) -> Driver:
    from fulfillment_conformance.drivers.embedded import EmbeddedDriver  # the emulator is loaded only where it is used

    return EmbeddedDriver(
        profile=settings.profile, seed=settings.seed, deviations=settings.deviations, observer=settings.observer
    )


def _base_url(driver: str, settings: DriverSettings) -> str:
    if settings.base_url is None:
        raise UsageProblem(f"driver {driver!r} needs base_url in the target file: the Fulfillment API's address")
    return settings.base_url


_BUILT_IN: Final[Mapping[str, Callable[[DriverSettings], Driver]]] = {
    "control": _control,
    "microsoft-emulator": _microsoft_emulator,
    "live": _live,
    "embedded": _embedded,
}
