"""How this project's own tests are run."""

import os
import signal
import threading

import pytest

RUNS_PER_CORE = 2
"""Most time goes to judged runs in processes of their own, which wait for a publisher as much as they compute."""


# A shell lets what it starts in the background ignore SIGINT, and so would every command that is interrupted here.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever starts a process that may not keep what it compiles pays half a second for each that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` stands for."""
    return RUNS_PER_CORE * (os.cpu_count() or 1)
