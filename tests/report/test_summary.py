from pathlib import Path

from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance import report
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.report.summary import MOST_FINDINGS, counts_line, summary, verdict_line


def told(run: Run, folder: Path | None = None) -> str:
    return "\n".join(part.plain for part in summary(run[0], folder))


def test_verdict_failures_and_what_to_do(mixed: Run) -> None:
    text = told(mixed)

    assert " NOT CONFORMANT  2 of 7 binding requirements failed." in text
    assert "2 failed, 1 warning, 1 undecided, 1 untestable, 1 known failure, 3 passed" in text
    assert (
        "FAILED WHK-018  A notification whose token no marketplace key verifies is refused.\n"
        "  expected POST /webhook refused with 4xx\n"
        "  came     200\n"
        "  change   Let the publisher refuse POST /webhook"
    ) in text
    assert (
        "  again    fulfillment-conformance run --target publisher.yaml --output reports/again --only WHK-018" in text
    )
    assert "UNDECIDED WHK-030  the twin, the same request without the fault, was not accepted either" in text
    assert "UNTESTABLE LCY-020  capability 'clock' is missing" in text
    assert (
        "KNOWN FAILURE WHK-040  Retries are recognised as such.\n"
        "  why      Fixed in version 4. (until 2026-12-31, https://tracker.contoso.example/WHK-040)\n"
        "  expected POST /webhook answered 200\n"
        "  came     500: boom\n"
    ) in text
    assert "1 warning: recommended or optional requirements that are not kept" in text
    assert "2 requirements of the role without a test" in text
    assert "exit code 1: a binding requirement failed" in text


def test_a_run_that_passed_is_short() -> None:
    text = told(runs.passed_run())

    assert " CONFORMANT  1 binding requirement judged and kept." in text
    assert len(text.splitlines()) == 5


def test_what_broke_off_is_told_whole() -> None:
    text = told(runs.broken_run())

    assert "BROKE OFF publisher/test_a.py::test_one  fault of the suite\n  KeyError: 'planId'" in text
    assert "ended early: the target was never reached" in text


def test_the_reports_that_are_there_are_named(folder: Path, mixed: Run) -> None:
    assert told(mixed, folder).endswith(str(folder / "results.json"))

    report.write_all(mixed[0], folder)

    assert told(mixed, folder).endswith(
        f"{folder / 'report.html'}  and results.json, junit.xml, results.sarif, ctrf.json, summary.md, badge.json"
    )


def test_a_long_list_is_cut() -> None:
    text = told(runs.large_run(600, 600, failing=600))

    assert text.count("FAILED") == MOST_FINDINGS
    assert f"… and {300 - MOST_FINDINGS} more failed; the report has them all" in text


def test_what_is_not_decided_for_one_reason_is_told_together() -> None:
    rows = [runs.row(f"WHK-{number:03}", (), statement="x") for number in range(30)]
    text = told((runs.run(rows, (), reason="cannot collect"), []))

    assert "UNDECIDED 30  open: the test that decides it did not run\n" in text
    assert "           WHK-000, WHK-001, WHK-002" in text


def test_hostile_texts_are_visible() -> None:
    assert "\x1b" not in told(runs.hostile_run())
    assert "\u202e" not in told(runs.hostile_run())


def test_a_run_of_nothing_says_why() -> None:
    results = runs.run((), (), faults=[ExitCode.NOTHING_SELECTED])

    assert verdict_line(results).plain.startswith(" INCOMPLETE  0 of 0")
    assert counts_line({}).plain == "nothing decided"


def test_known_failures_that_are_out_of_date_are_told() -> None:
    results, recorded = runs.passed_run()
    stale = runs.run(results.requirements, results.tests, known=[runs.known("WHK-003")])
    text = told((stale, recorded))

    assert "CONFORMANT" not in text
    assert "KNOWN FAILURES OUT OF DATE\n           known.yaml:2: WHK-003 passes now; remove the entry" in text
    assert "exit code 1: the known failures are out of date" in text
