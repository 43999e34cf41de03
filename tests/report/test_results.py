import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.catalogue import Requirement
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.outcome import Blame, Outcome, RequirementResult
from fulfillment_conformance.report.results import DERIVED, RESULTS, SUITE, ReportedRequirement, begin, read

HEADING: dict[str, Any] = {
    "role": "publisher",
    "set": "2026.1",
    "profile": "observed",
    "seed": 7,
    "target": {"file": "publisher.yaml"},
    "environment": {"python": "3.11"},
    "started": runs.START,
}


class TestWriting:
    def test_what_is_written_is_read_again(self, tmp_path: Path, any_run: Run) -> None:
        results, _ = any_run
        path = results.write(tmp_path)

        assert path == tmp_path / "results.json"
        assert read(path) == results
        assert read(tmp_path) == results

    def test_it_has_the_keys_that_others_rely_on(self, folder: Path) -> None:
        data = json.loads((folder / RESULTS).read_text())

        assert data["suite"] == dict(SUITE)
        assert {"set", "profile", "target", "verdict", "exit_code", "counts", "started", "finished"} <= data.keys()
        assert list(data)[-1] == "closed"
        assert data["closed"] is True
        for requirement in data["requirements"]:
            assert {"id", "level", "party", "outcome", "checks", "tests"} <= requirement.keys()

    def test_its_counts_are_those_of_its_requirements(self, folder: Path) -> None:
        data = json.loads((folder / RESULTS).read_text())
        outcomes = Counter(requirement["outcome"] for requirement in data["requirements"])

        assert {name: number for name, number in data["counts"].items() if number} == outcomes
        assert sum(sum(level.values()) for level in data["levels"].values()) == len(data["requirements"])
        for level, numbers in data["levels"].items():
            of_level = Counter(one["outcome"] for one in data["requirements"] if one["level"] == level)
            assert {name: number for name, number in numbers.items() if number} == of_level

    def test_a_file_that_cannot_be_written_leaves_the_old_one(self, tmp_path: Path, mixed: Run) -> None:
        with pytest.raises(OSError, match="nowhere"):
            mixed[0].write(tmp_path / "nowhere")


class TestBeginning:
    def test_a_run_that_began_is_told_from_one_that_ended(self, tmp_path: Path) -> None:
        begin(tmp_path / "new", **HEADING)

        data = json.loads((tmp_path / "new" / RESULTS).read_text())
        assert data["closed"] is False
        assert data["seed"] == 7
        with pytest.raises(UsageProblem, match=r"did not end \(started 2026-11-22T09:30:00"):
            read(tmp_path / "new")

    def test_reports_of_an_earlier_run_are_gone(self, folder: Path) -> None:
        for name in DERIVED:
            (folder / name).write_text("old")
        (folder / "notes.txt").write_text("mine")

        begin(folder, **HEADING)

        assert {path.name for path in folder.iterdir()} == {RESULTS, "exchanges.jsonl", "notes.txt"}

    def test_a_folder_that_cannot_be_written_to_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(UsageProblem, match=r"cannot write to .*file.*--output"):
            begin(tmp_path / "file", **HEADING)


class TestReading:
    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageProblem, match=r"there is no .*results\.json; name the folder"):
            read(tmp_path)

    def test_every_cut_is_noticed(self, folder: Path) -> None:
        whole = (folder / RESULTS).read_bytes()
        for length in [*range(0, len(whole) - 2, 997), len(whole) - 2]:
            (folder / RESULTS).write_bytes(whole[:length])
            with pytest.raises(UsageProblem, match=r"results\.json"):
                read(folder)

    @pytest.mark.parametrize("text", ["[]", "{}", '{"suite": "other"}', '{"suite": {"name": "other"}}', "17", "null"])
    def test_a_foreign_file_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "other.json").write_text(text)

        with pytest.raises(UsageProblem, match=r"other\.json was not written by fulfillment-conformance"):
            read(tmp_path / "other.json")

    @pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"{broken", b""])
    def test_what_is_not_json_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.json").write_bytes(content)

        with pytest.raises(UsageProblem, match=r"x\.json"):
            read(tmp_path / "x.json")

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data.pop("verdict"),
            lambda data: data.update(verdict="splendid"),
            lambda data: data.update(requirements=[{}]),
            lambda data: data.update(requirements=None),
            lambda data: data["requirements"][0].update(outcome="great"),
            lambda data: data["requirements"][0].pop("theme"),
            lambda data: data["requirements"].pop(),
            lambda data: data["counts"].update(passed=99),
            lambda data: data.update(counts=[]),
            lambda data: data.update(started="yesterday"),
            lambda data: data["tests"][0].pop("claims"),
            lambda data: data["tests"].append("test"),
        ],
    )
    def test_a_damaged_file_is_named(self, folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
        data = json.loads((folder / RESULTS).read_text())
        change(data)
        (folder / RESULTS).write_text(json.dumps(data))

        with pytest.raises(UsageProblem, match=r"results\.json is damaged: .*; run again"):
            read(folder)


class TestReportedRequirement:
    def test_it_takes_its_wording_from_the_catalogue(self) -> None:
        row = Requirement(
            id="WHK-018",
            party="publisher",
            level="MUST",
            theme="webhook",
            statement="A statement.",
            source=("a page", "another"),
            observable="Look.",
            file=Path("webhook.yaml"),
            line=1,
        )
        result = RequirementResult(id="WHK-018", level="MUST", party="publisher", outcome=Outcome.PASSED)

        reported = ReportedRequirement.of(result, row)

        assert (reported.theme, reported.statement, reported.source) == (
            "webhook",
            "A statement.",
            ("a page", "another"),
        )
        assert reported.observable == "Look."
        assert (reported.id, reported.level, reported.outcome) == ("WHK-018", "MUST", Outcome.PASSED)

    @pytest.mark.parametrize(
        ("level", "outcome", "kind"),
        [
            ("MUST", Outcome.FAILED, "failed"),
            ("SHOULD", Outcome.FAILED, "warning"),
            ("INFO", Outcome.FAILED, "warning"),
            ("MUST", Outcome.NOT_APPLICABLE, "not-applicable"),
            ("SHOULD", Outcome.UNDECIDED, "undecided"),
        ],
    )
    def test_a_failure_that_does_not_bind_is_a_warning(self, level: Any, outcome: Outcome, kind: str) -> None:
        one = runs.settled(runs.row("WHK-001", (), statement="x", level=level), outcome, "")

        assert one.kind == kind


def test_checks_that_say_the_same_are_one() -> None:
    tests = [
        runs.record(
            "test_one",
            ["A-1"],
            runs.check("A-1", Outcome.FAILED, exchanges=[1, 2], expected="x", actual="y"),
            runs.check("A-1", exchanges=[3]),
            runs.check("A-1", Outcome.FAILED, exchanges=[2, 4], expected="x", actual="y"),
            runs.check("A-1", Outcome.FAILED, exchanges=[5], expected="x", actual="z"),
        )
    ]
    one = runs.row("A-1", tests, statement="x")

    assert [check.exchanges for check in one.checks] == [("1", "2", "4"), ("3",), ("5",)]
    assert [check.actual for check in one.findings] == ["y", "z"]
    assert len(one.result.checks) == 4


def test_tests_that_broke_off_without_the_target_are_faults(mixed: Run) -> None:
    results, _ = mixed
    first, second, *rest = results.tests
    tests = (replace(first, blame=Blame.TARGET), replace(second, blame=Blame.ENVIRONMENT), *rest)

    assert [test.test for test in replace(results, tests=tests).faults] == [second.test]
