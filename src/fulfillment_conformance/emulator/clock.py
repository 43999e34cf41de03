"""The marketplace's clock: the wall clock plus the sum of all advances.

Whatever falls due runs at its own due time. During an advance the clock stands still at each due time until all that it
caused, webhook calls and their answers included, is done; calls that the publisher makes meanwhile see that time.
Between advances an alarm of the event loop waits for the next due time; nothing polls.

One clock belongs to one event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timeline(Protocol):
    """What has timers: the marketplace core."""

    def next_due(self) -> datetime | None:
        """Return the time of the next timer, or None."""

    def advance_to(self, when: datetime) -> None:
        """Run every timer due up to `when`, each at its own time."""


def wall_clock() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """Time of one marketplace.

    Args:
        timeline: the timers to run.
        dispatch: starts what commands and timers have caused; called outside advances only, must return at once.
        settle: does all of it to the end; awaited at each step of an advance.
        wall: the real time, aware UTC.
    """

    def __init__(
        self,
        timeline: Timeline,
        *,
        dispatch: Callable[[], None],
        settle: Callable[[], Awaitable[None]],
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._timeline = timeline
        self._dispatch = dispatch
        self._settle = settle
        self._wall = wall
        self._ahead = timedelta()
        self._latest = wall()
        self._held: datetime | None = None
        self._lock = asyncio.Lock()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_due: datetime | None = None

    def now(self) -> datetime:
        """Return the marketplace's time, aware UTC. It never goes back, even when the machine's clock is set back."""
        if self._held is not None:
            return self._held
        self._latest = max(self._latest, self._wall() + self._ahead)
        return self._latest

    def catch_up(self) -> None:
        """Run what has fallen due, so that a command meets the state of this very moment."""
        self._timeline.advance_to(self.now())

    def happened(self) -> None:
        """See to what a command has caused: start it, and set the alarm for what falls due next."""
        if self._held is not None:
            return  # the advance under way takes it up in its next step
        self._dispatch()
        self._set_alarm()

    async def advance(self, span: timedelta) -> datetime:
        """Let `span` pass and return the time afterwards.

        Everything that falls due in the span has happened then, in order of time, each delivery answered or failed.
        Advances asked for at the same time run one after the other.

        Raises:
            ValueError: the span is negative, or leads beyond the last year that can be written.
        """
        if span < timedelta():
            raise ValueError(f"time never goes back, but the advance asked for is {span}; give a positive duration")
        async with self._lock:
            start = self.now()
            try:
                end = start + span
            except OverflowError:
                raise ValueError(f"an advance by {span} leads beyond the year 9999; give a shorter duration") from None
            self._hold(start)
            try:
                self._timeline.advance_to(start)
                await self._settle()
                while (due := self._timeline.next_due()) is not None and due <= end:
                    self._hold(due)
                    self._timeline.advance_to(due)
                    await self._settle()
                self._hold(end)
                self._timeline.advance_to(end)
            finally:
                self._release(start)
            return self.now()

    async def reset(self, restart: Callable[[], Awaitable[None]]) -> None:
        """Go back to the wall clock, once no advance is running. `restart` drops the timers and what they caused."""
        async with self._lock:
            self.stop()
            await restart()
            self._ahead = timedelta()
            self._latest = self._wall()

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._alarm_due = None

    def _hold(self, at: datetime) -> None:
        self.stop()
        self._held = at

    def _release(self, start: datetime) -> None:
        assert self._held is not None
        self._ahead += self._held - start
        self._latest = self._held
        self._held = None
        self.happened()

    def _set_alarm(self) -> None:
        due = self._timeline.next_due()
        if due == self._alarm_due:
            return
        self.stop()
        if due is not None:
            wait = (due - self.now()).total_seconds()
            self._alarm = asyncio.get_running_loop().call_later(max(wait, 0.0), self._ring)
            self._alarm_due = due

    def _ring(self) -> None:
        self._alarm = self._alarm_due = None
        self.catch_up()
        self.happened()
