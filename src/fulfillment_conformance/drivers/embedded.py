"""The emulator inside this process, served on loopback, arranged through its own control surface.

Webhook calls, and whoever else wants to, reach it by its address; the suite itself by `EmbeddedDriver.inside`.
"""

from collections.abc import Sequence
from datetime import datetime

from fulfillment_conformance.drivers.control import ControlDriver
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.exchange import Observer, ignore
from fulfillment_conformance.inside import Inside
from fulfillment_conformance.serving import serve


class EmbeddedDriver(ControlDriver):
    """A `ControlDriver` that brings its own sandbox; `base_url` is the Fulfillment API's address."""

    def __init__(
        self,
        *,
        profile: Profile = "documented",
        seed: int = 0,
        deviations: Sequence[str] = (),
        observer: Observer = ignore,
    ) -> None:
        """Start an emulator.

        Raises:
            UsageProblem: a deviation that does not exist.
        """
        self.emulator = Emulator(Settings(profile=profile, seed=seed, deviations=tuple(deviations)))
        self._serving = serve(self.emulator.app)
        self.base_url = f"{self._serving.url}/api"
        self.inside = Inside(self._serving)
        super().__init__(f"{self._serving.url}/control", observer=observer, inside=self.inside)

    @property
    def name(self) -> str:
        """`embedded`."""
        return "embedded"

    def peek_time(self) -> datetime:
        """Return the emulator's time without asking for it; any thread may call this, also while time is advanced."""
        return self.emulator.now()

    def close(self) -> None:
        """Stop the emulator."""
        super().close()
        self._serving.stop()
