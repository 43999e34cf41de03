import shlex
from dataclasses import replace

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Blame, Outcome
from fulfillment_conformance.report import advice


class TestFault:
    def test_a_failure_is_the_targets(self, mixed: Run) -> None:
        results, _ = mixed

        assert {advice.whose_fault(one, results) for one in results.of_kind("failed", "warning")} == {
            "the publisher under test"
        }

    @pytest.mark.parametrize(
        ("blame", "begins"),
        [
            (Blame.SUITE, "the suite: this says nothing about the publisher"),
            (Blame.ENVIRONMENT, "the environment:"),
            (Blame.CONFIGURATION, "the target file or the command line:"),
            (Blame.TARGET, "the publisher under test"),
        ],
    )
    def test_a_test_that_broke_off_names_whose_it_is(self, blame: Blame, begins: str) -> None:
        tests = [runs.record("test_one", ["WHK-001"], blame=blame)]
        one = runs.row("WHK-001", tests, statement="x")

        assert advice.whose_fault(one, runs.run([one], tests)).startswith(begins)

    def test_what_cannot_be_tested_is_nobodys(self, mixed: Run) -> None:
        results, _ = mixed
        [one] = results.of_kind("untestable")

        assert advice.whose_fault(one, results).startswith("nobody's")

    def test_what_was_not_decided_is_open(self, mixed: Run) -> None:
        results, _ = mixed
        [one] = results.of_kind("undecided")

        assert advice.whose_fault(one, results).startswith("open: something that had to work first did not")

    def test_what_did_not_run_is_open(self) -> None:
        one = runs.row("WHK-001", (), statement="x")

        assert advice.whose_fault(one, runs.run([one], ())) == "open: the test that decides it did not run"


@pytest.mark.parametrize(
    ("expected", "actual", "change"),
    [
        (
            "POST /webhook answered 200 or 202",
            "500: boom",
            "Let the publisher answer POST /webhook with 200 or 202. It answers 500 now.",
        ),
        (
            "POST /webhook refused with 4xx",
            "200",
            (
                "Let the publisher refuse POST /webhook with 4xx, and go on accepting the same request without the "
                "fault. It answers 200 now."
            ),
        ),
        (
            f"POST /api/saas/subscriptions/{runs.SUBSCRIPTION}/activate?api-version=2018-08-31 answered 200",
            "204",
            "Let the publisher answer POST /api/saas/subscriptions/37f9…/activate with 200. It answers 204 now.",
        ),
        (
            "GET /signup accepted (2xx)",
            "no answer: ReadTimeout",
            "Let the publisher accept GET /signup (2xx). It gives no answer now.",
        ),
        (
            "no effect: no change of state and no call that acts on it",
            "plan silver became gold",
            "Let the publisher do nothing in this situation: change no state, and make no call that acts on it.",
        ),
        ("planId 'gold'", "'silver'", "Change the publisher so that it shows what is expected: planId 'gold'."),
        ("", "", "Change the publisher so that it keeps the requirement."),
    ],
)
def test_what_to_change_is_said_from_expected_and_actual(mixed: Run, expected: str, actual: str, change: str) -> None:
    check = runs.check("WHK-001", Outcome.FAILED, expected=expected, actual=actual)

    assert advice.what_to_change(check, mixed[0]) == change


class TestCommandLine:
    def test_it_repeats_the_choices_of_the_run(self, mixed: Run) -> None:
        results = replace(mixed[0], profile="observed", seed=9, set="2026.1")

        assert advice.command_line(results, "WHK-001", "WHK-002") == (
            "fulfillment-conformance run --target publisher.yaml --output reports/again --only WHK-001 --only WHK-002 "
            "--set 2026.1 --profile observed --seed 9"
        )

    def test_a_file_name_is_one_word(self, mixed: Run) -> None:
        results = replace(mixed[0], target={"file": "my target; rm -rf x.yaml"})

        assert shlex.split(advice.command_line(results))[3] == "my target; rm -rf x.yaml"

    def test_without_a_file_there_is_a_name_to_replace(self, mixed: Run) -> None:
        assert "--target TARGET.yaml" in advice.command_line(replace(mixed[0], target={}))


class TestRequestToRepeat:
    def test_it_is_the_first_one_to_the_target(self, mixed: Run) -> None:
        recorded = {one["number"]: one for one in mixed[1]}
        check = runs.check("WHK-019", Outcome.FAILED, exchanges=[99, 5, 4, 6])

        command = advice.request_to_repeat([check], recorded, "publisher")

        assert command is not None
        assert command.startswith("curl -i -X POST")
        assert command.endswith("http://127.0.0.1:5000/webhook")

    def test_there_may_be_none(self, mixed: Run) -> None:
        recorded = {one["number"]: one for one in mixed[1]}

        assert advice.request_to_repeat([runs.check("WHK-019", exchanges=[5])], recorded, "publisher") is None
        assert advice.request_to_repeat([], recorded, "publisher") is None
