import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.report import allure

PLUGIN = """
from fulfillment_conformance.report import allure
from tests.report import runs
import pytest

class Row:
    party, theme, observable = "publisher", "landing-page", ""
    def __init__(self, id, level, source):
        self.id, self.level, self.statement, self.source = id, level, f"Statement of {id}.", (source,)

CLAIMS = [
    Row("LND-001", "SHOULD", "azure-ad-transactable-saas-landing-page § one"),
    Row("LND-002", "MUST", "azure-ad-transactable-saas-landing-page § two"),
    Row("LND-003", "MAY", "observed in the field"),
]

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "teardown":
        results, recorded = runs.mixed_run()
        known = {name: runs.known(name) for name in ("WHK-018", "WHK-777")}
        parameters = {"profile": "documented"}
        allure.report_test(CLAIMS, results.tests[0], recorded[3:5], known=known, parameters=parameters)
    return report
"""


def one_result(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Run two tests, one whose fixture fails, with the plugin above; return what Allure got."""
    (folder / "labelling.py").write_text(PLUGIN)
    (folder / "test_it.py").write_text(
        dedent(
            """
            import pytest
            @pytest.fixture
            def missing():
                pytest.skip("capability 'clock' is missing")
            def test_one(): pass
            def test_two(missing): pass
            """
        )
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "allure_pytest.plugin", "-p", "labelling", *options, "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}{os.pathsep}{root}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = [json.loads(path.read_text()) for path in (folder / "results").glob("*-result.json")]
    return sorted(found, key=lambda one: str(one["fullName"]))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return one_result(tmp_path_factory.mktemp("allure"), "--alluredir=results")


def test_a_later_run_continues_the_history_of_an_earlier_one(results: list[dict[str, Any]], tmp_path: Path) -> None:
    later = one_result(tmp_path, "--alluredir=results")

    assert [result["historyId"] for result in later] == [result["historyId"] for result in results]
    assert len({result["historyId"] for result in later}) == len(later)
    assert {result["uuid"] for result in later}.isdisjoint({result["uuid"] for result in results})


def labels(result: dict[str, Any], name: str) -> list[str]:
    return [label["value"] for label in result["labels"] if label["name"] == name]


@pytest.mark.parametrize("number", [0, 1], ids=["passed", "skipped in a fixture"])
def test_every_test_is_labelled(results: list[dict[str, Any]], number: int) -> None:
    result = results[number]

    assert result["status"] == ["passed", "skipped"][number]
    assert result["name"] == "A notification whose signature no marketplace key verifies is refused."
    assert labels(result, "epic") == ["Publisher"]
    assert labels(result, "feature") == ["Landing page"]
    assert labels(result, "severity") == ["critical"]
    assert labels(result, "requirement") == ["LND-001", "LND-002", "LND-003"]
    assert labels(result, "story")[0] == "LND-001 Statement of LND-001."
    assert [parameter["name"] for parameter in result["parameters"]] == ["profile"]


def test_requirements_are_links_to_their_pages(results: list[dict[str, Any]]) -> None:
    [link] = [link for link in results[0]["links"] if link["type"] == "link"]

    assert link["url"].endswith("/azure-ad-transactable-saas-landing-page")
    assert link["name"] == "LND-001, LND-002: azure-ad-transactable-saas-landing-page"
    assert "**LND-003** (MAY): Statement of LND-003." in results[0]["description"]


def test_a_known_failure_is_told_with_reason_and_link(results: list[dict[str, Any]]) -> None:
    [link] = [link for link in results[0]["links"] if link["type"] == "issue"]

    assert link["url"] == "https://tracker.contoso.example/WHK-018"
    assert link["name"] == "WHK-018: known failure until 2026-12-31"
    assert labels(results[0], "known-failure") == ["WHK-018"]
    assert "Known failure **WHK-018**: Fixed in version 4. (until 2026-12-31" in results[0]["description"]


def test_checks_and_exchanges_are_attached(results: list[dict[str, Any]]) -> None:
    names = [attachment["name"] for attachment in results[0]["attachments"]]

    assert names == ["Checks", "4 stranger to publisher: POST 200", "5 publisher to marketplace: PATCH 200"]


def test_without_allure_nothing_happens(tmp_path: Path, mixed: Run) -> None:
    assert not allure.is_active()
    allure.report_test([], mixed[0].tests[0], mixed[1])

    assert one_result(tmp_path) == []


def test_an_exchange_reads_as_http(mixed: Run) -> None:
    text = allure.http_text(mixed[1][3])

    assert text.startswith("POST http://127.0.0.1:5000/webhook\nhost: 127.0.0.1\nauthorization: Bearer [token:")
    assert "\n200\ncontent-type: application/json" in text
    assert allure.http_text(mixed[1][8]).endswith("no answer: ReadTimeout: no answer in 10 s")


def test_hostile_texts_are_visible() -> None:
    assert "\x1b" not in allure.http_text(runs.hostile_run()[1][0])


class TestFiles:
    def test_environment_and_categories_are_written(self, tmp_path: Path, mixed: Run) -> None:
        allure.write_files(mixed[0], tmp_path)

        lines = (tmp_path / "environment.properties").read_text().splitlines()
        assert "Role=publisher" in lines
        assert "Exit.code=1: a binding requirement failed" in lines
        assert "python=3.11.7" in lines
        assert {
            category["matchedStatuses"][0] for category in json.loads((tmp_path / "categories.json").read_text())
        } == {
            "failed",
            "skipped",
            "broken",
        }

    def test_names_and_values_cannot_break_the_file(self, tmp_path: Path) -> None:
        allure.write_files(runs.hostile_run()[0], tmp_path)

        for line in (tmp_path / "environment.properties").read_text().splitlines():
            assert "=" in line

    def test_without_allure_results_there_is_no_folder(self, tmp_path: Path, mixed: Run) -> None:
        allure.write_files(mixed[0], tmp_path / "allure-results")

        assert list(tmp_path.iterdir()) == []
