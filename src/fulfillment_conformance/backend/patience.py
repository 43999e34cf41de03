"""How long to wait for something that may never come, on a target whose time cannot be made to pass."""

from typing import Final

EXAMPLES: Final = 3
"""How often a target must have shown how quick it is before that counts."""
MARGIN: Final = 20.0
"""How many times the longest wait so far one more may take."""


class Patience:
    """A limit for waits of one kind: generous at first, and near to what the target needs once it has shown that.

    patience = Patience(shortest=2.0, longest=10.0)
    patience.seconds        # 10.0
    patience.took(0.01)     # three times
    patience.seconds        # 2.0
    """

    def __init__(self, *, shortest: float, longest: float) -> None:
        """Wait for `longest` seconds until something is known about the target, and never less than `shortest`."""
        self._shortest = shortest
        self._longest = longest
        self._examples = 0
        self._slowest = 0.0

    def took(self, seconds: float) -> None:
        """Note after how many seconds something came that was waited for."""
        self._examples += 1
        self._slowest = max(self._slowest, seconds)

    @property
    def seconds(self) -> float:
        """How long the next wait may take."""
        if self._examples < EXAMPLES:
            return self._longest
        return min(self._longest, max(self._shortest, MARGIN * self._slowest))
