import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fulfillment_conformance.emulator.clock import VirtualClock, wall_clock

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Wall:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Timers:
    """A timeline whose timers note when they ran, and by which clock."""

    def __init__(self) -> None:
        self.due: list[tuple[datetime, str, Callable[[], None]]] = []
        self.ran: list[tuple[str, datetime]] = []
        self.now = NOON

    def at(self, when: datetime, name: str, then: Callable[[], None] = lambda: None) -> None:
        self.due.append((when, name, then))
        self.due.sort(key=lambda timer: timer[0])

    def next_due(self) -> datetime | None:
        return self.due[0][0] if self.due else None

    def advance_to(self, when: datetime) -> None:
        while self.due and self.due[0][0] <= when:
            self.now, name, then = self.due.pop(0)
            self.ran.append((name, self.now))
            then()
        self.now = max(self.now, when)


class World:
    """A clock over timers, whose effects are settled by `settle`."""

    def __init__(self, wall: Callable[[], datetime] | None = None) -> None:
        self.timers = Timers()
        self.wall = Wall()
        self.settled_at: list[datetime] = []
        self.dispatched = 0
        self.clock = VirtualClock(
            self.timers, dispatch=self.dispatch, settle=self.settle, wall=wall if wall is not None else self.wall
        )

    def dispatch(self) -> None:
        self.dispatched += 1

    async def settle(self) -> None:
        await asyncio.sleep(0)
        self.settled_at.append(self.clock.now())


async def test_before_any_advance_time_is_the_wall_clock() -> None:
    world = World()
    world.wall.time += timedelta(seconds=5)

    assert world.clock.now() == NOON + timedelta(seconds=5)


async def test_after_advances_time_keeps_running_on_top_of_their_sum() -> None:
    world = World()

    await world.clock.advance(timedelta(hours=1))
    world.wall.time += timedelta(seconds=5)

    assert await world.clock.advance(timedelta(days=1)) == NOON + timedelta(days=1, hours=1, seconds=5)


async def test_time_does_not_go_back_with_the_machine() -> None:
    world = World()
    world.wall.time += timedelta(minutes=1)
    seen = world.clock.now()
    world.wall.time -= timedelta(minutes=10)

    assert world.clock.now() == seen


async def test_an_advance_stands_still_at_each_due_time_until_all_is_settled() -> None:
    world = World()
    third = NOON + timedelta(seconds=30)
    world.timers.at(NOON + timedelta(seconds=10), "first", lambda: world.timers.at(third, "born by first"))
    world.timers.at(NOON + timedelta(seconds=20), "second")
    world.timers.at(NOON + timedelta(seconds=61), "too late")

    await world.clock.advance(timedelta(seconds=60))

    assert [name for name, _ in world.timers.ran] == ["first", "second", "born by first"]
    assert world.settled_at == [NOON, *(at for _, at in world.timers.ran)]


async def test_a_timer_due_exactly_at_the_end_of_the_span_runs() -> None:
    world = World()
    world.timers.at(NOON + timedelta(seconds=10), "ten seconds")

    await world.clock.advance(timedelta(seconds=10))

    assert world.timers.ran == [("ten seconds", NOON + timedelta(seconds=10))]


async def test_advances_asked_for_together_run_one_after_the_other() -> None:
    world = World()

    times = await asyncio.gather(*(world.clock.advance(timedelta(hours=1)) for _ in range(3)))

    assert times == [NOON + timedelta(hours=hours) for hours in (1, 2, 3)]


async def test_an_advance_that_is_cut_off_keeps_the_time_it_reached() -> None:
    world = World()
    reached = NOON + timedelta(hours=1)
    world.timers.at(reached, "last")
    stuck = asyncio.Event()

    async def settle() -> None:
        if world.timers.ran:
            stuck.set()
            await asyncio.Event().wait()

    clock = VirtualClock(world.timers, dispatch=world.dispatch, settle=settle, wall=world.wall)
    advance = asyncio.create_task(clock.advance(timedelta(days=1)))
    await stuck.wait()
    advance.cancel()
    with pytest.raises(asyncio.CancelledError):
        await advance

    assert clock.now() == reached


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(days=3_000_000)])
async def test_an_impossible_span_is_refused_and_changes_nothing(span: timedelta) -> None:
    world = World()

    with pytest.raises(ValueError, match="give a"):
        await world.clock.advance(span)

    assert world.clock.now() == NOON


async def test_commands_start_their_effects_at_once_but_leave_them_to_an_advance_under_way() -> None:
    world = World()
    world.clock.happened()
    assert world.dispatched == 1

    world.timers.at(NOON + timedelta(seconds=1), "command", world.clock.happened)
    await world.clock.advance(timedelta(seconds=2))

    assert world.dispatched == 2, "only the end of the advance dispatches"


async def test_a_command_meets_the_state_of_its_own_moment() -> None:
    world = World()
    world.timers.at(NOON + timedelta(seconds=10), "due")
    world.wall.time += timedelta(seconds=11)

    world.clock.catch_up()

    assert world.timers.ran == [("due", NOON + timedelta(seconds=10))]


async def test_a_timer_fires_by_the_wall_clock_without_any_advance() -> None:
    world = World(wall_clock)
    fired = asyncio.Event()
    world.timers.at(wall_clock() + timedelta(milliseconds=20), "later")
    world.timers.at(wall_clock() + timedelta(milliseconds=10), "sooner", fired.set)
    world.clock.happened()

    await asyncio.wait_for(fired.wait(), 2)
    while len(world.timers.ran) < 2:
        await asyncio.sleep(0.005)

    assert [name for name, _ in world.timers.ran] == ["sooner", "later"]


async def test_a_reset_goes_back_to_the_wall_clock_and_waits_for_nothing() -> None:
    world = World()
    world.timers.at(NOON + timedelta(days=2), "never")
    world.clock.happened()
    await world.clock.advance(timedelta(days=1))

    async def restart() -> None:
        world.timers.due.clear()

    await world.clock.reset(restart)

    assert world.clock.now() == NOON
    assert world.timers.ran == []
