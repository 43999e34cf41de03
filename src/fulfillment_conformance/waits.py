"""How long to wait for what the other side does in its own time: an effect, a report, an answer."""

from typing import Final

MARGIN: Final = 10.0
"""How many times what the slowest has taken is still waited for, whatever has failed to come."""


class Waits:
    """A limit for waits of one kind: as long as was allowed, less once what is waited for has failed to come often.

    It never becomes shorter than what the other side, on this machine, under this load, may need: that is told by what
    has come.
    """

    def __init__(self, longest: float, *, shortest: float, misses: int) -> None:
        """Wait for `longest` seconds, and for `shortest` at the least once so many have not come."""
        self._longest = longest
        self._shortest = shortest
        self._misses = misses
        self._missed = 0
        self._slowest = 0.0

    def note(self, *, came: bool, after: float) -> None:
        """Note whether what was waited for has come, and after how many seconds."""
        if came:
            self._slowest = max(self._slowest, after)
        else:
            self._missed += 1

    @property
    def limit(self) -> float:
        """Seconds that the next wait may take."""
        if self._missed < self._misses:
            return self._longest
        return min(self._longest, max(self._shortest, MARGIN * self._slowest))
