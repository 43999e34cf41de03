"""What the emulator does when a publisher calls it without end, so that a run still comes to its own.

Microsoft throttles callers, too. In each test so many calls are answered and recorded one by one; all that follow are
answered 429, and told in the evidence as one: the last of them, which says how many they were.
"""

from typing import Final

from fulfillment_conformance.emulator.faults import Answers, FaultPlan, Planned
from fulfillment_conformance.exchange import Exchange

MOST_CALLS: Final = 2_000
"""Calls of a publisher in one test that are dealt with; the busiest test of an honest one has some hundred."""

FEWER_CALLS: Final = 200
"""How many they are once `FLOODS` tests have had more."""

FLOODS: Final = 3

_REFUSAL: Final = Answers(
    429,
    {"error": {"code": "TooManyRequests", "message": "Too many calls; wait before the next one."}},
    {"retry-after": "60"},
)


class Flood:
    """Counts a publisher's calls, and refuses them when they are too many. Used on the emulator's loop only."""

    def __init__(self, faults: FaultPlan) -> None:
        """Refuse by a fault of the plan, which those of a test come before."""
        self._faults = faults
        self._floods = 0
        self._calls = 0
        self._refusing: Planned | None = None
        self._last: Exchange | None = None

    @property
    def most(self) -> int:
        """How many calls of the present test are dealt with."""
        return MOST_CALLS if self._floods < FLOODS else FEWER_CALLS

    def takes(self, call: Exchange) -> bool:
        """Take in a finished call, and say whether it is dealt with as all others; else it counts, and that is all."""
        self._calls += 1
        if self._calls == self.most:
            self._refusing = self._faults.add(_REFUSAL, call="*")
        if self._calls <= self.most:
            return True
        self._last = call
        return False

    def ends(self) -> Exchange | None:
        """Begin to count anew; returns what stands for the calls that were not dealt with, if there were any."""
        last = self._last
        if last is not None:
            more = f"{self._calls - self.most:,} calls beyond the first {self.most:,}"
            last.purpose = f"the last of {more} of this test; they are not recorded one by one"
        if self._refusing is not None:
            self._faults.remove(self._refusing)
            self._floods += 1
        self._calls, self._refusing, self._last = 0, None, None
        return last
