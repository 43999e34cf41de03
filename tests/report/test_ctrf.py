import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import runs
from tests.report.conftest import Run
from tests.report.schemas import CTRF

from fulfillment_conformance.outcome import Blame, ExitCode, Level, Outcome
from fulfillment_conformance.report import ctrf
from fulfillment_conformance.report.results import RunResults

LEVELS: list[Level] = ["MUST", "SHOULD", "MAY", "INFO"]


def report(results: RunResults) -> dict[str, Any]:
    """Return the results in the report, once it keeps to the format."""
    document = json.loads(ctrf.render(results).encode("utf-8", "backslashreplace"))
    CTRF.validate(document)
    found = document["results"]
    assert isinstance(found, dict)
    return found


def case(results: RunResults, begins: str) -> dict[str, Any]:
    [found] = [one for one in report(results)["tests"] if one["name"].startswith(begins)]
    assert isinstance(found, dict)
    return found


def test_it_keeps_to_the_format(any_run: Run) -> None:
    report(any_run[0])


@settings(deadline=None)
@given(text=st.text())
def test_any_text_keeps_to_the_format(text: str) -> None:
    tests = [runs.record(text, ["A-1"], runs.check("A-1", Outcome.FAILED, expected=text, actual=text, reason=text))]
    row = runs.row("A-1", tests, statement=text, theme=text, source=text)

    report(runs.run([row], tests, reason=text, target={"file": text}, environment={text: text}))


def test_there_is_a_test_for_each_requirement(mixed: Run) -> None:
    found = report(mixed[0])

    assert [one["name"] for one in found["tests"]] == [f"{one.id} {one.statement}" for one in mixed[0].requirements]
    assert found["tool"] == {"name": "fulfillment-conformance", "version": mixed[0].suite["version"]}
    assert found["environment"]["appName"] == "http://127.0.0.1:5000/webhook"


def test_the_summary_counts_what_is_there(any_run: Run) -> None:
    found = report(any_run[0])
    summary = found["summary"]

    assert summary["tests"] == len(found["tests"])
    for status in ("passed", "failed", "skipped", "pending", "other"):
        assert summary[status] == sum(one["status"] == status for one in found["tests"])
    assert summary["stop"] - summary["start"] == summary["duration"] == 42_250


def test_a_failure_tells_everything(mixed: Run) -> None:
    failed = case(mixed[0], "WHK-018")

    assert (failed["status"], failed["rawStatus"], failed["suite"]) == ("failed", "failed", ["publisher", "webhook"])
    assert failed["message"] == "failed (MUST): expected POST /webhook refused with 4xx; came 200"
    for part in (
        "whose fault: the publisher under test",
        "what to change: Let the publisher refuse POST /webhook",
        "exchange 4\n",
        "judge it again: fulfillment-conformance run --target publisher.yaml",
    ):
        assert part in failed["trace"]
    assert failed["extra"]["requirement"] == "WHK-018"


def test_a_known_failure_is_told_with_reason_and_link(mixed: Run) -> None:
    waived = case(mixed[0], "WHK-040")

    assert (waived["status"], waived["rawStatus"]) == ("skipped", "waived")
    assert "Fixed in version 4. (until 2026-12-31, https://tracker.contoso.example/WHK-040)" in waived["message"]
    assert waived["extra"]["knownFailure"]["link"] == "https://tracker.contoso.example/WHK-040"


@pytest.mark.parametrize(
    ("level", "outcome", "status", "raw"),
    [
        ("MUST", Outcome.PASSED, "passed", "passed"),
        ("MUST", Outcome.FAILED, "failed", "failed"),
        ("SHOULD", Outcome.FAILED, "other", "warning"),
        ("MUST", Outcome.UNDECIDED, "failed", "undecided"),
        ("MUST", Outcome.UNTESTABLE, "failed", "untestable"),
        ("MAY", Outcome.UNDECIDED, "other", "undecided"),
        ("MUST", Outcome.NOT_APPLICABLE, "skipped", "not-applicable"),
        ("MUST", Outcome.EXCLUDED, "skipped", "excluded"),
        ("MUST", Outcome.WAIVED, "skipped", "waived"),
    ],
)
def test_each_outcome_has_its_status(level: Level, outcome: Outcome, status: str, raw: str) -> None:
    one = runs.settled(runs.row("WHK-001", (), statement="x", level=level), outcome, "the reason")
    found = case(runs.run([one], ()), "WHK-001")

    assert (found["status"], found["rawStatus"]) == (status, raw)


def test_what_went_wrong_with_the_run_fails(mixed: Run) -> None:
    troubles = [one for one in report(runs.broken_run()[0])["tests"] if one["suite"] == ["publisher", "run"]]

    assert [one["status"] for one in troubles] == ["failed"] * 3
    assert troubles[0]["message"] == "suite: KeyError: 'planId'"
    assert all(one["suite"] != ["publisher", "run"] for one in report(mixed[0])["tests"])


@settings(deadline=None)
@given(
    outcomes=st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(Outcome)), max_size=6),
    blames=st.lists(st.sampled_from([None, *Blame]), max_size=3),
    interrupted=st.booleans(),
    known=st.booleans(),
)
def test_something_failed_exactly_when_the_exit_code_is_not_0(
    outcomes: list[tuple[Level, Outcome]], blames: list[Blame | None], interrupted: bool, known: bool
) -> None:
    rows = [
        runs.settled(runs.row(f"WHK-{number:03}", (), statement="x", level=level), outcome, "")
        for number, (level, outcome) in enumerate(outcomes)
    ]
    tests = [runs.record(f"test_{number}", [], blame=blame) for number, blame in enumerate(blames)]
    results = runs.run(rows, tests, interrupted=interrupted, known=[runs.known("WHK-000")] if known else ())

    assert (report(results)["summary"]["failed"] > 0) == (results.exit_code != ExitCode.CONFORMANT)
