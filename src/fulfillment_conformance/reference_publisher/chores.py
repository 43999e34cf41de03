"""Work that goes on after an answer has been given: reports to the marketplace, later looks, polls."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

Chore = Callable[[], Coroutine[Any, Any, None]]


class Chores:
    """Runs coroutine functions in the background. One that fails is logged and disturbs nobody else."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, chore: Chore) -> None:
        """Begin a chore and return at once; a coroutine function, as Starlette's background tasks want it."""
        task = asyncio.create_task(self._run(chore))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait for all chores, those included that they start, and cancel what is not done in time."""
        try:
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(set(self._tasks))
        except TimeoutError:
            leftovers = set(self._tasks)
            for task in leftovers:
                task.cancel()
            await asyncio.gather(*leftovers, return_exceptions=True)

    async def _run(self, chore: Chore) -> None:
        try:
            await chore()
        except Exception as error:  # whatever it is: nobody waits for this task, the log is where it shows
            logger.exception("work in the background failed: %s", type(error).__name__)
