from dataclasses import replace
from typing import Any, get_args

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import ExitCode, Outcome, TestRecord, Verdict
from fulfillment_conformance.report.results import Kind
from fulfillment_conformance.report.wording import (
    EXIT_CODES,
    KINDS,
    MEANINGS,
    VERDICTS,
    conclusion,
    counted,
    duration,
    target_name,
    theme_title,
    verdict_words,
    why_it_ended_so,
)


def test_everything_has_a_word() -> None:
    codes = {value for name, value in vars(ExitCode).items() if name.isupper() and isinstance(value, int)}

    assert KINDS.keys() == MEANINGS.keys() == set(get_args(Kind))
    assert VERDICTS.keys() == set(Verdict)
    assert EXIT_CODES.keys() == codes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.00096, "1 ms"),
        (0.0123, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.7, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7_260, "2 h 1 min"),
    ],
)
def test_time_is_told_as_people_tell_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_come_with_their_noun() -> None:
    assert counted(1, "test") == "1 test"
    assert counted(1_200, "test") == "1,200 tests"
    assert counted(2, "entry", "entries") == "2 entries"


def test_themes_are_titles() -> None:
    assert theme_title("landing-page") == "Landing page"
    assert theme_title("change_plan") == "Change plan"
    assert theme_title("") == ""


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ({"name": "our sandbox", "base_url": "http://h"}, "our sandbox"),
        ({"base_url": "http://h/api", "file": "x.yaml"}, "http://h/api"),
        ({"webhook": "http://h/hook", "landing_page": "http://h/"}, "http://h/hook"),
        ({"file": "x.yaml", "name": None}, "x.yaml"),
        ({}, "the publisher"),
    ],
)
def test_a_target_is_called_what_tells_most(mixed: Run, target: dict[str, Any], name: str) -> None:
    assert target_name(replace(mixed[0], target=target)) == name


ONE_TEST = (TestRecord(test="publisher/test_webhook.py::test_it", claims=("WHK-001", "WHK-002")),)
"""Something that ran: a run without any test has judged nothing, whatever it says."""


class TestConclusion:
    def test_all_passed(self) -> None:
        two = [runs.settled(runs.row(name, (), statement="x"), Outcome.PASSED, "") for name in ("WHK-001", "WHK-002")]

        assert conclusion(runs.run(two[:1], ONE_TEST)) == "1 binding requirement judged and kept."
        assert conclusion(runs.run(two, ONE_TEST)) == "All of the 2 binding requirements that were judged are kept."

    def test_a_known_failure_is_not_concealed(self) -> None:
        rows = [
            runs.settled(runs.row("WHK-001", (), statement="x"), Outcome.PASSED, ""),
            runs.settled(runs.row("WHK-002", (), statement="x"), Outcome.WAIVED, "known"),
        ]

        assert conclusion(runs.run(rows, ONE_TEST)).endswith("1 is broken and waived: a known failure.")
        assert verdict_words(runs.run(rows, ONE_TEST)) == "conformant, with 1 known failure"
        assert why_it_ended_so(runs.run(rows, ONE_TEST)).endswith(" is kept, but for known failures")

    def test_failures_and_what_is_missing(self, mixed: Run) -> None:
        assert conclusion(mixed[0]) == (
            "2 of 7 binding requirements failed. 2 could not be decided or tested. "
            "1 is broken and waived: a known failure."
        )

    def test_known_failures_out_of_date(self) -> None:
        row = runs.settled(runs.row("WHK-001", (), statement="x"), Outcome.PASSED, "")
        results = runs.run([row], ONE_TEST, known=[runs.known("WHK-001")])

        assert conclusion(results) == (
            "1 of 1 binding requirement passed. The known failures are out of date: "
            "known.yaml:2: WHK-001 passes now; remove the entry."
        )
        assert why_it_ended_so(results) == "the known failures are out of date"
        assert verdict_words(results) == "incomplete"

    def test_a_fault_of_the_suite(self) -> None:
        told = conclusion(runs.broken_run()[0])

        assert told.startswith("2 of 2 binding requirements could not be decided or tested. The run is not complete: ")

    def test_nothing_judged(self) -> None:
        told = conclusion(runs.run((), (), faults=[ExitCode.NOTHING_SELECTED]))

        assert told == "0 of 0 binding requirements passed. The run is not complete: no test was selected."
