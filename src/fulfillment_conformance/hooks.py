"""Hooks that the plugin calls, for those who want to follow a run: the terminal, Allure, a dashboard."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fulfillment_conformance.outcome import TestRecord
from fulfillment_conformance.report.results import RunResults


@pytest.hookspec()
def pytest_conformance_record(record: TestRecord, config: pytest.Config) -> None:
    """A test has ended, in the controlling process."""


@pytest.hookspec()
def pytest_conformance_finish(
    results: RunResults, folder: Path | None, problems: Sequence[str], config: pytest.Config
) -> None:
    """The run has ended, and its results are written to the folder, if there is one; `problems` names what is not."""
