"""The landing page in an installed Chromium: the reference publisher's is good, and what its defects do is seen."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.suites.runs import judge

from fulfillment_conformance.reference_publisher.defects import registered
from fulfillment_conformance.stage.browser import PROGRAMS

DEFECTS = {name: fault.breaks for name, fault in registered().items() if fault.in_browser}
ROWS = sorted({row for breaks in DEFECTS.values() for row in breaks})
ONLY = [f"--only={row}" for row in ROWS]


def target(**publisher: Any) -> dict[str, Any]:
    return {"role": "publisher", "publisher": {"embedded": True, **publisher}}


@pytest.fixture(autouse=True)
def chromium() -> None:
    if importlib.util.find_spec("playwright") is None or not any(map(shutil.which, PROGRAMS)):
        pytest.skip("no Chromium, or nothing to drive it with, is installed on this machine")


def test_the_reference_publisher_is_found_good(tmp_path: Path) -> None:
    judged = judge(target(browser=True), tmp_path, *ONLY)

    assert judged.exit_code == 0
    assert {row: judged.outcomes[row] for row in ROWS} == dict.fromkeys(ROWS, "passed")


def test_every_defect_of_its_scripts_is_caught(tmp_path: Path) -> None:
    """All at once, because each breaks something else: what fails are the rows that they name, and no other."""
    assert sum(map(len, DEFECTS.values())) == len(ROWS), "two defects break the same row; try them one by one"
    judged = judge(target(browser=True, defects=sorted(DEFECTS)), tmp_path, *ONLY, "--only=LND-003", "--only=ACT-022")

    assert judged.with_outcome("failed") == set(ROWS)
    assert judged.exit_code == 1


def test_nobody_sees_them_without_a_browser(tmp_path: Path) -> None:
    """So it is the browser's doing that they are caught."""
    judged = judge(target(defects=sorted(DEFECTS)), tmp_path, *ONLY)

    assert not judged.with_outcome("failed")
    assert judged.outcomes["LND-037"] == "untestable"
