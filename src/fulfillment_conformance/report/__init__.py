"""What a run leaves in its output folder: `results.json` first, then everything derived from it.

Each kind of report is a module of its own that reads nothing but `RunResults` and, in part, the recorded exchanges:

    html        report.html, one self-contained page
    junit       junit.xml, one test case per requirement
    sarif       results.sarif, one rule per requirement, one result per failure
    ctrf        ctrf.json, one test per requirement
    markdown    summary.md, for job summaries
    badge       badge.json, for shields
    allure      labels and attachments through allure-pytest, while the tests run
    terminal    what is shown while the tests run, and at the end

docs/reports.md describes them.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import read_exchanges
from fulfillment_conformance.report import allure, badge, ctrf, html, junit, markdown, sarif
from fulfillment_conformance.report.files import write_text
from fulfillment_conformance.report.results import RESULTS, ReportedRequirement, RunResults, begin, read

__all__ = ["ReportedRequirement", "RunResults", "begin", "read", "recorded", "write_all"]

EXCHANGES = "exchanges.jsonl"
ALLURE_RESULTS = "allure-results"


def write_all(results: RunResults, folder: Path) -> list[str]:
    """Write `results.json`, then every report derived from it and the recorded exchanges.

    Returns:
        What went wrong, a sentence each; the caller ends with exit code 3 then. A derived report that cannot be made
        or written leaves the others, and `results.json` above all, untouched.
    """
    problems: list[str] = []
    try:
        results.write(folder)
    except OSError as error:
        problems.append(f"cannot write {folder / RESULTS}: {error.strerror or error}")
    exchanges, problem = recorded(folder)
    problems += [problem] if problem else []
    reports: Mapping[str, Callable[[], str]] = {
        "report.html": lambda: html.render(results, exchanges),
        "junit.xml": lambda: junit.render(results, exchanges),
        "results.sarif": lambda: sarif.render(results),
        "ctrf.json": lambda: ctrf.render(results),
        "summary.md": lambda: markdown.render(results),
        "badge.json": lambda: badge.render(results),
    }
    for name, render in reports.items():
        try:
            write_text(folder / name, render())
        except Exception as error:
            # A report of an earlier run must not pass for this one's.
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
            problems.append(f"cannot write {folder / name}: {type(error).__name__}: {error}")
    try:
        allure.write_files(results, folder / ALLURE_RESULTS)
    except OSError as error:
        problems.append(f"cannot write to {folder / ALLURE_RESULTS}: {error.strerror or error}")
    return problems


def recorded(folder: Path) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Return the recorded exchanges in a run's folder, and what is wrong with them, if something is."""
    if not (folder / EXCHANGES).is_file():
        return [], None
    exchanges: list[Mapping[str, Any]] = []
    try:
        exchanges.extend(read_exchanges(folder / EXCHANGES))
    except UsageProblem as error:
        return exchanges, str(error)
    return exchanges, None
