"""The pages of the report, looked over by axe-core in a real browser, and what it costs to open the largest.

Skipped where Chromium is not installed.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report import runs

from fulfillment_conformance.report import html, matrix
from fulfillment_conformance.stage.browser import PROGRAMS

CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}
OPEN_SECONDS = 2.0
"""How long a run of 600 requirements and 5,000 exchanges may take to open."""
OPEN_EVERYTHING = "document.querySelectorAll('details').forEach(each => { each.open = true })"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def written(folder: Path, name: str) -> Path:
    """Write the page of a synthetic run, or the matrix of three of them."""
    if name == "matrix":
        results = [runs.mixed_run()[0], runs.passed_run()[0], runs.hostile_run()[0]]
        text = matrix.render([matrix.Column(label=f"target {index}", results=one) for index, one in enumerate(results)])
    else:
        text = html.render(*getattr(runs, f"{name}_run")())
    page = folder / f"{name}.html"
    page.write_bytes(text.encode("utf-8", "backslashreplace"))
    return page


def complaints(page: Any) -> list[str]:
    """Return what axe-core finds wrong with a page, all of it opened: how serious it is, which rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(OPEN_EVERYTHING)
    found = Axe().run(page).response
    assert len(found["passes"]) > 20, "axe-core has not looked at the page"
    return [
        f"{violation['impact']}: {violation['id']} at {node['target']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("look", sorted(LOOKS))
@pytest.mark.parametrize("name", ["mixed", "passed", "matrix"])
def test_axe_core_finds_nothing(browser: Any, tmp_path: Path, name: str, look: str) -> None:
    """Nothing at all, so nothing serious either: a failing run, one that passed, and several side by side."""
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    page.goto(written(tmp_path, name).as_uri())

    found = complaints(page)
    context.close()

    assert found == []


def test_axe_core_would_find_it(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(**LOOKS["desktop"])
    page = context.new_page()
    page.goto(written(tmp_path, "passed").as_uri())
    page.evaluate("document.documentElement.lang = ''")
    page.evaluate("document.body.style.color = '#bbb'")
    page.evaluate("document.querySelectorAll('label').forEach(each => each.replaceWith(...each.children))")

    complained = complaints(page)
    context.close()

    for found in ("serious: html-has-lang at ['html']", "serious: color-contrast at ", "critical: "):
        assert any(each.startswith(found) for each in complained), complained


def test_the_largest_run_opens_at_once_and_asks_nobody_for_anything(browser: Any, tmp_path: Path) -> None:
    """The time is that which the page's own thread computes, so that other work on the machine makes no difference."""
    page_file = written(tmp_path, "large")
    context = browser.new_context(**LOOKS["desktop"])
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    page.goto(page_file.as_uri())
    page.wait_for_selector("html.js")
    figures = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    rows = page.locator("output", has_text="600 requirements").count()
    context.close()

    assert rows == 1
    assert asked == [page_file.as_uri()]
    assert page_file.stat().st_size < 5_000_000
    assert 0 < figures["ThreadTime"] < OPEN_SECONDS
