"""The report in a real browser; skipped where Chromium is not installed. Screenshots stay in the test's folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.report import runs

from fulfillment_conformance.report import html, matrix

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def browse(folder: Path, name: str, *options: str) -> str:
    """Open the report of a synthetic run, or the matrix of several; return what the browser says."""
    page = folder / f"{name}.html"
    if name == "matrix":
        given = [runs.mixed_run()[0], runs.passed_run()[0], runs.hostile_run()[0]]
        text = matrix.render([matrix.Column(label=f"target {index}", results=one) for index, one in enumerate(given)])
    else:
        text = html.render(*getattr(runs, f"{name}_run")())
    page.write_bytes(text.encode("utf-8", "backslashreplace"))
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["mixed", "hostile", "large"])
def test_the_pages_own_script_runs_and_no_other(tmp_path: Path, name: str) -> None:
    count = len(getattr(runs, f"{name}_run")()[0].requirements)

    page = browse(tmp_path, name, "--dump-dom")

    assert '<html lang="en" class="js">' in page
    assert f'<output aria-live="polite">{count} requirements</output>' in page
    assert page.count('<button type="button">Id</button>') == 1
    assert not re.search(r"<img\b", page)


def test_the_matrix_can_be_sorted_by_every_target(tmp_path: Path) -> None:
    page = browse(tmp_path, "matrix", "--dump-dom")

    assert '<html lang="en" class="js">' in page
    assert re.search(r'<output aria-live="polite">\d+ requirements</output>', page)
    assert page.count('<button type="button">target ') == 3
    assert not re.search(r"<img\b", page)


@pytest.mark.parametrize("page", ["mixed", "matrix"])
@pytest.mark.parametrize(
    ("kind", "size", "options"),
    [
        ("desktop", "1280,2400", ()),
        ("phone", "500,2400", ()),
        ("dark", "1280,2400", ("--blink-settings=preferredColorScheme=0",)),
    ],
)
def test_screenshots(tmp_path: Path, kind: str, size: str, options: tuple[str, ...], page: str) -> None:
    picture = tmp_path / f"{kind}.png"

    browse(tmp_path, page, f"--window-size={size}", f"--screenshot={picture}", *options)

    assert picture.stat().st_size > 50_000
