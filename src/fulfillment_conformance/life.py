"""Signs of life: which parts of the target a test relied on, and which parts have shown in this run that they work.

A service that always says the same satisfies every requirement that forbids something, or that speaks of all of what
happens to be none. So a pass needs a witness: each part of the target that its test called has, somewhere in the run,
told something that only a working service knows, or done what it was asked. Where a part never did, a pass that
involves it rests on silence, and counts as undecided (`outcome.with_witness`).

What a sign is differs between the roles: `backend.signs` and `stage.signs` read it off the exchanges.
"""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from fulfillment_conformance.exchange import Exchange

TARGET: Final = "the target"
"""What every test relies on, whatever else it calls; any sign of life of any part is one of it."""


LAST_CHANCE: Final = "signs of life"
"""What the exchanges are booked on by which a run, at its end, lets parts show that they work."""


class Signs(Protocol):
    """What one role's reader has found in the exchanges up to now."""

    def __call__(self, exchange: Exchange) -> None:
        """Take in a finished exchange."""

    def alive(self) -> Collection[str]:
        """Name the parts of the target that have shown that they work."""


class Life:
    """What tests of this process have called, and what has shown itself alive to it."""

    def __init__(self) -> None:
        self.signs: Signs | None = None
        self._lock = threading.Lock()
        self._aside = False
        self._called: set[str] = set()
        self._ever_called: set[str] = set()
        self._told: set[str] = set()

    def __call__(self, exchange: Exchange) -> None:
        """Take in a finished exchange of a test, as an `Observer` does."""
        if self.signs is not None:
            self.signs(exchange)

    def called(self, part: str) -> None:
        """Note that the current test relies on a part of the target; any thread may say so."""
        with self._lock:
            if not self._aside:
                self._called.add(part)
                self._ever_called.add(part)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let no test rely on what is called in the block, which may show signs of life all the same."""
        self._aside = True
        try:
            yield
        finally:
            self._aside = False

    def take_called(self) -> tuple[str, ...]:
        """Return the parts that were relied on since this was last asked."""
        with self._lock:
            taken, self._called = self._called | {TARGET}, set()
        return tuple(sorted(taken))

    def take_alive(self) -> tuple[str, ...]:
        """Return the parts that have shown that they work since this was last asked, each once."""
        new = self._alive() - self._told
        self._told |= new
        return tuple(sorted(new))

    @property
    def unproven(self) -> frozenset[str]:
        """The parts that tests have relied on and that have not shown yet that they work."""
        alive = self._alive()
        with self._lock:
            return frozenset((self._ever_called | {TARGET}) - alive)

    def _alive(self) -> set[str]:
        found = set(self.signs.alive()) if self.signs is not None else set()
        return found | {TARGET} if found else found
