"""The marketplace's appointments: a heap of timers that ring in order of their due time."""

from datetime import datetime
from enum import StrEnum
from heapq import heapify, heappop, heappush


class TimerKind(StrEnum):
    """What falls due. The first group concerns a subscription, the second an operation."""

    ACTIVATION = "activation"
    UNCONFIGURED = "unconfigured"
    TRIAL_END = "trial end"
    TERM_END = "term end"
    GRACE_END = "grace end"

    RETRY = "retry"
    SILENCE = "silence"
    REPEAT = "repeat"


class Timer:
    """One appointment; `subject` is the id of the subscription or operation it concerns."""

    __slots__ = ("_sequence", "due", "kind", "live", "subject")

    def __init__(self, due: datetime, sequence: int, kind: TimerKind, subject: str) -> None:
        self.due = due
        self.kind = kind
        self.subject = subject
        self.live = True
        self._sequence = sequence

    def __lt__(self, other: "Timer") -> bool:
        return (self.due, self._sequence) < (other.due, other._sequence)


class Timers:
    """Timers in order of due time, then of setting; cancelled ones are swept out when they outnumber the live."""

    __slots__ = ("_dead", "_heap", "_set")

    _SWEEP = 1024

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._set = 0
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def set(self, due: datetime, kind: TimerKind, subject: str) -> Timer:
        """Let a timer ring at `due`."""
        timer = Timer(due, self._set, kind, subject)
        self._set += 1
        heappush(self._heap, timer)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Let a timer never ring; None and timers that have rung or been cancelled are no matter."""
        if timer is None or not timer.live:
            return
        timer.live = False
        self._dead += 1
        if self._dead > self._SWEEP and self._dead * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if kept.live]
            heapify(self._heap)
            self._dead = 0

    def next_due(self) -> datetime | None:
        """Return when the next timer rings, or None."""
        self._drop_dead()
        return self._heap[0].due if self._heap else None

    def pop(self, until: datetime) -> Timer | None:
        """Remove and return the next timer that is due at `until` or before, or None."""
        self._drop_dead()
        if not self._heap or self._heap[0].due > until:
            return None
        timer = heappop(self._heap)
        timer.live = False
        return timer

    def _drop_dead(self) -> None:
        while self._heap and not self._heap[0].live:
            heappop(self._heap)
            self._dead -= 1
