import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance import report
from fulfillment_conformance.report import html, markdown
from fulfillment_conformance.report.results import DERIVED, RESULTS

ALL = {RESULTS, "exchanges.jsonl", *DERIVED}


def test_everything_is_written(tmp_path: Path, any_run: Run) -> None:
    runs.write(tmp_path, *any_run)

    assert report.write_all(any_run[0], tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == ALL
    assert report.read(tmp_path) == any_run[0]


def test_all_reports_agree_with_the_results(folder: Path, mixed: Run) -> None:
    report.write_all(mixed[0], folder)
    data = json.loads((folder / RESULTS).read_text())

    failed = {one["id"] for one in data["requirements"] if one["outcome"] == "failed" and one["level"] == "MUST"}
    junit = ET.parse(folder / "junit.xml").getroot()
    cases = list(junit.iter("testcase"))
    assert len(cases) == len(data["requirements"])
    assert {(case.get("name") or "")[:7] for case in cases if case.find("failure") is not None} == failed
    assert f"### Failures ({len(failed)})" in (folder / "summary.md").read_text()
    assert "not conformant" in (folder / "badge.json").read_text()
    assert f'<li class="k-failed"><b>{len(failed)}</b>' in (folder / "report.html").read_text()


def test_a_run_without_recorded_exchanges_has_reports(tmp_path: Path, mixed: Run) -> None:
    assert report.write_all(mixed[0], tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == ALL - {"exchanges.jsonl"}


def test_allure_gets_its_files_where_it_is(folder: Path, mixed: Run) -> None:
    (folder / "allure-results").mkdir()

    assert report.write_all(mixed[0], folder) == []
    assert {path.name for path in (folder / "allure-results").iterdir()} == {
        "environment.properties",
        "categories.json",
    }


def test_a_damaged_evidence_file_is_told_and_costs_nothing_else(folder: Path, mixed: Run) -> None:
    with (folder / "exchanges.jsonl").open("a") as file:
        file.write("{broken\n")

    [problem] = report.write_all(mixed[0], folder)

    assert "exchanges.jsonl:17 is not a recorded exchange" in problem
    assert {path.name for path in folder.iterdir()} == ALL


def test_a_report_that_fails_costs_no_other(folder: Path, mixed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> str:
        raise ZeroDivisionError("no")

    (folder / "report.html").write_text("of an earlier run")
    monkeypatch.setattr(html, "render", broken)
    [problem] = report.write_all(mixed[0], folder)

    assert problem == f"cannot write {folder / 'report.html'}: ZeroDivisionError: no"
    assert {path.name for path in folder.iterdir()} == ALL - {"report.html"}
    assert report.read(folder) == mixed[0]


def test_a_file_that_cannot_be_written_costs_no_other(folder: Path, mixed: Run) -> None:
    (folder / "summary.md").mkdir()

    [problem] = report.write_all(mixed[0], folder)

    assert problem.startswith(f"cannot write {folder / 'summary.md'}: IsADirectoryError")
    assert (folder / "report.html").is_file()
    assert report.read(folder) == mixed[0]


def test_results_that_cannot_be_written_are_told(tmp_path: Path, mixed: Run) -> None:
    (tmp_path / "file").write_text("")

    problems = report.write_all(mixed[0], tmp_path / "file")

    assert problems[0].startswith(f"cannot write {tmp_path / 'file' / RESULTS}: ")


def test_nothing_unfinished_is_left(folder: Path, mixed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "render", lambda results: 1 / 0)
    report.write_all(mixed[0], folder)

    assert not list(folder.glob("*.unfinished"))


def test_every_key_is_documented(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    data = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    with (folder / "exchanges.jsonl").open(encoding="utf-8") as lines:
        exchange = json.loads(next(lines))
    keys = [*data, *data["requirements"][0], *data["tests"][0], *exchange, *exchange["response"], *exchange["request"]]

    assert [key for key in keys if f"`{key}`" not in text] == []
    assert [name for name in (*ALL, "allure-results/") if f"`{name}`" not in text] == []
