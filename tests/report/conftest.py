from pathlib import Path
from typing import Any

import pytest
from tests.report import runs

from fulfillment_conformance.report.results import RunResults

Run = tuple[RunResults, list[dict[str, Any]]]


@pytest.fixture(params=["passed", "mixed", "broken", "hostile"])
def any_run(request: pytest.FixtureRequest) -> Run:
    """Each of the small synthetic runs in turn."""
    made: Run = getattr(runs, f"{request.param}_run")()
    return made


@pytest.fixture
def mixed() -> Run:
    return runs.mixed_run()


@pytest.fixture
def folder(tmp_path: Path, mixed: Run) -> Path:
    """A folder as the mixed run leaves it before the reports are derived."""
    runs.write(tmp_path / "output", *mixed)
    return tmp_path / "output"
