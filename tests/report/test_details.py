from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import ExitCode, Outcome
from fulfillment_conformance.report.details import in_full, message, seconds_of, troubles
from fulfillment_conformance.report.results import ReportedRequirement


def requirement(run: Run, requirement_id: str) -> ReportedRequirement:
    return next(one for one in run[0].requirements if one.id == requirement_id)


class TestMessage:
    def test_a_failure_is_expected_and_actual(self, mixed: Run) -> None:
        assert message(requirement(mixed, "WHK-018")) == "expected POST /webhook refused with 4xx; came 200"

    def test_what_is_open_is_its_reason(self, mixed: Run) -> None:
        assert message(requirement(mixed, "LCY-020")) == "capability 'clock' is missing"

    def test_a_known_failure_is_its_reason_and_what_came(self, mixed: Run) -> None:
        assert message(requirement(mixed, "WHK-040")) == (
            "Fixed in version 4. (until 2026-12-31, https://tracker.contoso.example/WHK-040); "
            "expected POST /webhook answered 200; came 500: boom"
        )

    def test_without_anything_to_say_it_is_the_outcome(self) -> None:
        assert message(runs.settled(runs.row("A-1", (), statement="x"), Outcome.EXCLUDED, "")) == "excluded"


class TestInFull:
    def test_exchanges_are_told_where_they_are_known(self, mixed: Run) -> None:
        results, recorded = mixed
        one = requirement(mixed, "WHK-018")
        by_number = {exchange["number"]: exchange for exchange in recorded}

        assert "  exchange 4: stranger to publisher, POST /webhook, 200" in in_full(one, results, by_number)
        assert "  exchange 4: not recorded" in in_full(one, results, {})
        assert "  exchange 4\n" in in_full(one, results)

    def test_many_exchanges_are_counted(self) -> None:
        tests = [runs.record("t", ["A-1"], runs.check("A-1", Outcome.FAILED, exchanges=range(1, 16)))]
        row = runs.row("A-1", tests, statement="x")

        assert "  and 3 more exchanges" in in_full(row, runs.run([row], tests))


def test_a_test_counts_for_the_first_requirement_it_claims() -> None:
    tests = [runs.record("t", ["A-1", "A-2"], seconds=1.5), runs.record("u", ["A-2"], seconds=0.5)]
    rows = [runs.row(name, tests, statement="x") for name in ("A-1", "A-2")]

    assert seconds_of(runs.run(rows, tests)) == {"A-1": 1.5, "A-2": 0.5}


class TestTroubles:
    def test_requirements_that_explain_the_exit_code_are_no_trouble(self, mixed: Run) -> None:
        assert troubles(mixed[0]) == []
        assert troubles(runs.passed_run()[0]) == []

    def test_tests_that_broke_off_are(self) -> None:
        assert [trouble.kind for trouble in troubles(runs.broken_run()[0])] == ["suite", "environment", "exit code 3"]

    def test_known_failures_out_of_date_are(self) -> None:
        results, _ = runs.passed_run()
        [trouble] = troubles(runs.run(results.requirements, results.tests, known=[runs.known("WHK-003")]))

        assert trouble.name == "known failure WHK-003"
        assert trouble.message == "known.yaml:2: WHK-003 passes now; remove the entry"
        assert "https://tracker.contoso.example/WHK-003" in trouble.text

    def test_an_exit_code_that_nothing_explains_is_told_as_such(self) -> None:
        [trouble] = troubles(runs.run((), (), faults=[ExitCode.USAGE]))

        assert trouble.name == "the run as a whole"
        assert trouble.message == "command line, target file or configuration cannot be used"
