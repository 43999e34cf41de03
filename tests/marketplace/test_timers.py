from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fulfillment_conformance.marketplace.timers import Timer, TimerKind, Timers

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NEVER = NOON + timedelta(days=10_000)


class EagerTimers(Timers):
    """Sweeps out dead timers when there are few already."""

    _SWEEP = 3


def seconds(count: float) -> datetime:
    return NOON + timedelta(seconds=count)


def rung(timers: Timers, until: datetime = NEVER) -> list[str]:
    names = []
    while (timer := timers.pop(until)) is not None:
        names.append(timer.subject)
    return names


def test_timers_ring_in_order_of_due_time_then_of_setting() -> None:
    timers = Timers()
    for due, name in [(2, "c"), (1, "a"), (3, "d"), (1, "b")]:
        timers.set(seconds(due), TimerKind.RETRY, name)

    assert timers.next_due() == seconds(1)
    assert rung(timers) == ["a", "b", "c", "d"]
    assert timers.next_due() is None


def test_only_what_is_due_rings() -> None:
    timers = Timers()
    timers.set(seconds(1), TimerKind.RETRY, "due")
    timers.set(seconds(2), TimerKind.RETRY, "not due")

    assert rung(timers, until=seconds(1)) == ["due"]
    assert len(timers) == 1


def test_a_cancelled_timer_does_not_ring_and_is_nobodys_next() -> None:
    timers = Timers()
    first = timers.set(seconds(1), TimerKind.RETRY, "cancelled")
    timers.set(seconds(2), TimerKind.RETRY, "kept")
    timers.cancel(first)

    assert len(timers) == 1
    assert timers.next_due() == seconds(2)
    assert rung(timers) == ["kept"]


def test_cancelling_nothing_twice_or_what_has_rung_is_no_matter() -> None:
    timers = Timers()
    timer = timers.set(seconds(1), TimerKind.RETRY, "once")
    timers.cancel(None)
    assert rung(timers) == ["once"]
    timers.cancel(timer)
    timers.cancel(timer)

    assert len(timers) == 0


def test_a_timer_knows_what_it_is_for() -> None:
    timers = Timers()
    timers.set(seconds(1), TimerKind.TERM_END, "subscription")
    timer = timers.pop(NEVER)

    assert isinstance(timer, Timer)
    assert (timer.kind, timer.subject, timer.due) == (TimerKind.TERM_END, "subscription", seconds(1))


def test_dead_timers_do_not_pile_up() -> None:
    timers = Timers()
    timers.set(seconds(0), TimerKind.RETRY, "kept")
    for number in range(100_000):
        timers.cancel(timers.set(seconds(number), TimerKind.RETRY, "dead"))

    assert len(timers._heap) < 5_000
    assert rung(timers) == ["kept"]


def test_sweeping_keeps_the_order() -> None:
    timers = EagerTimers()
    made = [
        timers.set(seconds(number * 7919 % 1000), TimerKind.RETRY, f"{number * 7919 % 1000:03}")
        for number in range(1000)
    ]
    for timer in made[::3] + made[1::3]:
        timers.cancel(timer)

    assert rung(timers) == sorted(timer.subject for timer in made[2::3])


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=50))
def test_whatever_is_cancelled_the_rest_rings_in_order(wanted: list[tuple[int, bool]]) -> None:
    timers = EagerTimers()
    made = [timers.set(seconds(due), TimerKind.RETRY, f"{due:02}/{place:02}") for place, (due, _) in enumerate(wanted)]
    for timer, (_, cancelled) in zip(made, wanted, strict=True):
        if cancelled:
            timers.cancel(timer)

    assert rung(timers) == sorted(
        timer.subject for timer, (_, cancelled) in zip(made, wanted, strict=True) if not cancelled
    )
