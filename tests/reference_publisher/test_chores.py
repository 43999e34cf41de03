import asyncio
import logging

import pytest

from fulfillment_conformance.reference_publisher.chores import Chores

pytestmark = pytest.mark.anyio


async def test_chores_are_done_with_those_that_they_start() -> None:
    chores, done = Chores(), []

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await chores.start(second)
        done.append("first")

    await chores.start(first)
    assert done == []
    await chores.finish(5.0)
    assert done == ["first", "second"]


async def test_a_chore_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    chores, done = Chores(), []

    async def fails() -> None:
        raise ValueError("broken")

    async def works() -> None:
        done.append(True)

    await chores.start(fails)
    await chores.start(works)
    await chores.finish(5.0)

    assert done == [True]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_what_takes_too_long_is_cancelled() -> None:
    chores = Chores()
    cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await chores.start(endless)
    await chores.finish(0.01)
    assert cancelled.is_set()
