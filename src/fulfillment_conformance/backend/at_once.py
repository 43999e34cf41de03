"""Calls that are made at the same moment, as two browser tabs, two instances of a service or an impatient user do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Make calls at once, each on a thread of its own, and return what came of them in the order of the arguments.

    Raises:
        Exception: what the first of them that failed has raised, when all of them are over.
    """
    start = threading.Barrier(len(calls))

    def begin(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(begin, call) for call in calls]]
