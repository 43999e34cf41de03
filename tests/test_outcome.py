import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment_conformance.outcome import (
    Blame,
    CheckResult,
    ExitCode,
    Level,
    Outcome,
    RequirementResult,
    TestRecord,
    Verdict,
    combine,
    conclude,
    decide_requirement,
)

ID = "ACT-009"
BY_WEIGHT = (ExitCode.SUITE_FAULT, ExitCode.ENVIRONMENT, ExitCode.FAILED, ExitCode.INCOMPLETE)

TEXTS = st.text(max_size=20)
CHECKS = st.builds(
    CheckResult,
    requirement=st.sampled_from([ID, "ACT-001"]),
    outcome=st.sampled_from(Outcome),
    expected=TEXTS,
    actual=TEXTS,
    reason=TEXTS,
    notes=st.lists(TEXTS, max_size=2).map(tuple),
    exchanges=st.lists(st.integers().map(str), max_size=3).map(tuple),
)
RECORDS = st.builds(
    TestRecord,
    test=TEXTS,
    claims=st.lists(st.sampled_from([ID, "ACT-001"]), max_size=2, unique=True).map(tuple),
    title=TEXTS,
    checks=st.lists(CHECKS, max_size=3).map(tuple),
    exchanges=st.lists(st.integers().map(str), max_size=3).map(tuple),
    seconds=st.integers(0, 10_000).map(lambda milliseconds: milliseconds / 1000),
    blame=st.sampled_from([None, *Blame]),
    reason=TEXTS,
    called=st.sets(TEXTS, max_size=2).map(tuple),
    alive=st.sets(TEXTS, max_size=2).map(tuple),
)
RESULTS = st.builds(
    RequirementResult,
    id=st.just(ID),
    level=st.sampled_from(["MUST", "SHOULD", "MAY", "INFO"]),
    party=st.just("publisher"),
    outcome=st.sampled_from(Outcome),
    reason=TEXTS,
    checks=st.lists(CHECKS, max_size=3).map(tuple),
    tests=st.lists(TEXTS, max_size=2).map(tuple),
)


def check(outcome: Outcome, requirement: str = ID, reason: str = "") -> CheckResult:
    return CheckResult(requirement=requirement, outcome=outcome, reason=reason)


def record(*outcomes: Outcome, name: str = "test_one", blame: Blame | None = None, reason: str = "") -> TestRecord:
    return TestRecord(
        test=name,
        claims=(ID,),
        checks=tuple(check(outcome) for outcome in outcomes),
        exchanges=("1", "2"),
        blame=blame,
        reason=reason,
    )


def result(outcome: Outcome, level: Level = "MUST") -> RequirementResult:
    return RequirementResult(id=ID, level=level, party="publisher", outcome=outcome)


class TestJson:
    @settings(deadline=None)
    @given(CHECKS)
    def test_a_check_survives_it(self, one: CheckResult) -> None:
        assert CheckResult.from_json(json.loads(json.dumps(one.to_json()))) == one

    @settings(deadline=None)
    @given(RECORDS)
    def test_a_record_survives_it(self, one: TestRecord) -> None:
        assert TestRecord.from_json(json.loads(json.dumps(one.to_json()))) == one

    @settings(deadline=None)
    @given(RESULTS)
    def test_a_result_survives_it(self, one: RequirementResult) -> None:
        assert RequirementResult.from_json(json.loads(json.dumps(one.to_json()))) == one

    def test_empty_parts_of_a_check_are_left_out(self) -> None:
        assert check(Outcome.PASSED).to_json() == {"requirement": ID, "outcome": "passed"}


class TestCombining:
    def test_nothing_is_undecided(self) -> None:
        assert combine([]) is Outcome.UNDECIDED

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(Outcome), min_size=1))
    def test_the_weightiest_outcome_wins_in_any_order(self, outcomes: list[Outcome]) -> None:
        weights = [
            Outcome.FAILED,
            Outcome.UNDECIDED,
            Outcome.UNTESTABLE,
            Outcome.PASSED,
            Outcome.WAIVED,
            Outcome.NOT_APPLICABLE,
            Outcome.EXCLUDED,
        ]

        assert combine(outcomes) is min(outcomes, key=weights.index)

    @pytest.mark.parametrize("other", [Outcome.FAILED, Outcome.UNDECIDED, Outcome.UNTESTABLE])
    def test_a_pass_hides_nothing(self, other: Outcome) -> None:
        assert combine([Outcome.PASSED, other]) is other


class TestDecidingARequirement:
    @staticmethod
    def decide(*records: TestRecord) -> RequirementResult:
        return decide_requirement(ID, level="MUST", party="publisher", records=records)

    def test_checks_of_all_claiming_tests_count(self) -> None:
        decided = self.decide(record(Outcome.PASSED), record(Outcome.FAILED, name="test_two"))

        assert decided.outcome is Outcome.FAILED
        assert decided.tests == ("test_one", "test_two")
        assert len(decided.checks) == 2

    def test_tests_that_do_not_claim_it_do_not_count(self) -> None:
        other = TestRecord(test="test_other", claims=("ACT-001",), checks=(check(Outcome.FAILED),))

        assert self.decide(record(Outcome.PASSED), other).outcome is Outcome.PASSED

    def test_silence_is_no_pass(self) -> None:
        decided = self.decide(record())

        assert decided.outcome is Outcome.UNDECIDED
        assert decided.reason == "test_one made no check of it"
        assert decided.checks[0].exchanges == ("2",)

    def test_a_test_without_a_check_of_it_leaves_it_open_beside_one_that_passes(self) -> None:
        assert self.decide(record(Outcome.PASSED), record(name="test_two")).outcome is Outcome.UNDECIDED

    def test_checks_of_other_ids_do_not_decide_it(self) -> None:
        both = TestRecord(test="test_both", claims=(ID, "ACT-001"), checks=(check(Outcome.PASSED, "ACT-001"),))

        assert self.decide(both).outcome is Outcome.UNDECIDED

    @pytest.mark.parametrize("blame", Blame)
    def test_a_test_that_broke_off_leaves_it_open(self, blame: Blame) -> None:
        decided = self.decide(record(Outcome.PASSED, blame=blame, reason="it broke"))

        assert decided.outcome is Outcome.UNDECIDED
        assert decided.reason == "it broke"

    def test_a_failure_before_a_test_broke_off_stays_a_failure(self) -> None:
        assert self.decide(record(Outcome.FAILED, blame=Blame.SUITE)).outcome is Outcome.FAILED

    def test_a_pass_beside_a_part_that_nothing_shows_alive_is_none(self) -> None:
        quiet = replace(record(Outcome.PASSED), called=("resolve", "the target"))
        elsewhere = TestRecord(test="test_other", claims=("ACT-001",), alive=("the target",))

        decided = self.decide(quiet, elsewhere)

        assert decided.outcome is Outcome.UNDECIDED
        assert "that it works at all: resolve;" in decided.reason
        assert self.decide(quiet, elsewhere, replace(elsewhere, alive=("resolve",))).outcome is Outcome.PASSED

    def test_what_failed_beside_a_silent_part_has_failed(self) -> None:
        assert self.decide(replace(record(Outcome.FAILED), called=("resolve",))).outcome is Outcome.FAILED

    def test_without_any_test_it_is_undecided(self) -> None:
        assert self.decide().outcome is Outcome.UNDECIDED

    def test_its_reason_names_each_cause_of_its_outcome_once(self) -> None:
        checks = [
            check(Outcome.UNTESTABLE, reason="no clock"),
            check(Outcome.UNTESTABLE, reason="no webhook"),
            check(Outcome.UNTESTABLE, reason="no clock"),
            check(Outcome.PASSED, reason="not this"),
        ]

        decided = self.decide(TestRecord(test="test_one", claims=(ID,), checks=tuple(checks)))

        assert decided.reason == "no clock; no webhook"

    @settings(deadline=None)
    @given(st.lists(RECORDS, max_size=4))
    def test_it_passes_only_if_every_claiming_test_decided_it(self, records: list[TestRecord]) -> None:
        decided = self.decide(*records)
        claiming = [one for one in records if ID in one.claims]

        if decided.outcome is Outcome.PASSED:
            assert claiming
            for one in claiming:
                assert one.blame is None
                assert any(made.requirement == ID for made in one.checks)
                assert all(
                    made.outcome not in {Outcome.FAILED, Outcome.UNDECIDED, Outcome.UNTESTABLE}
                    for made in one.checks
                    if made.requirement == ID
                )


class TestDeciding:
    @pytest.mark.parametrize("outcome", Outcome)
    @pytest.mark.parametrize("level", ["MUST", "SHOULD", "MAY", "INFO"])
    def test_only_a_must_that_applies_counts(self, outcome: Outcome, level: Level) -> None:
        applies = outcome not in {Outcome.EXCLUDED, Outcome.NOT_APPLICABLE}

        assert result(outcome, level).decides is (level == "MUST" and applies)


class TestConcluding:
    @pytest.mark.parametrize(
        ("outcome", "verdict", "code"),
        [
            (Outcome.PASSED, Verdict.CONFORMANT, ExitCode.CONFORMANT),
            (Outcome.WAIVED, Verdict.CONFORMANT, ExitCode.CONFORMANT),
            (Outcome.NOT_APPLICABLE, Verdict.CONFORMANT, ExitCode.CONFORMANT),
            (Outcome.EXCLUDED, Verdict.CONFORMANT, ExitCode.CONFORMANT),
            (Outcome.FAILED, Verdict.NOT_CONFORMANT, ExitCode.FAILED),
            (Outcome.UNDECIDED, Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
            (Outcome.UNTESTABLE, Verdict.INCOMPLETE, ExitCode.INCOMPLETE),
        ],
    )
    def test_one_must_beside_a_pass_decides(self, outcome: Outcome, verdict: Verdict, code: int) -> None:
        concluded = conclude([result(Outcome.PASSED), result(outcome)], [record(Outcome.PASSED)])

        assert (concluded.verdict, concluded.exit_code) == (verdict, code)

    @pytest.mark.parametrize("outcome", Outcome)
    @pytest.mark.parametrize("level", ["SHOULD", "MAY", "INFO"])
    def test_other_levels_never_spoil_the_verdict(self, outcome: Outcome, level: Level) -> None:
        concluded = conclude([result(Outcome.PASSED), result(outcome, level)], [record(Outcome.PASSED)])

        assert (concluded.verdict, concluded.exit_code) == (Verdict.CONFORMANT, ExitCode.CONFORMANT)

    def test_known_failures_out_of_date_shut_the_gate_without_blaming_the_target(self) -> None:
        concluded = conclude([result(Outcome.PASSED)], [record(Outcome.PASSED)], stale=True)

        assert concluded.exit_code == ExitCode.FAILED
        assert concluded.verdict is Verdict.INCOMPLETE

    def test_what_is_waived_shuts_no_gate(self) -> None:
        concluded = conclude([result(Outcome.PASSED), result(Outcome.WAIVED)], [record(Outcome.PASSED)])

        assert concluded.exit_code == ExitCode.CONFORMANT
        assert concluded.verdict is Verdict.CONFORMANT

    @pytest.mark.parametrize(
        "outcomes", [[], [Outcome.EXCLUDED], [Outcome.NOT_APPLICABLE], [Outcome.WAIVED, Outcome.EXCLUDED]]
    )
    def test_a_run_that_measured_nothing_is_never_conformant(self, outcomes: list[Outcome]) -> None:
        results = [result(outcome) for outcome in outcomes]

        assert conclude(results).exit_code == ExitCode.NOTHING_SELECTED
        assert conclude(results, [record()]).exit_code == ExitCode.INCOMPLETE
        assert conclude(results).verdict is Verdict.INCOMPLETE

    @pytest.mark.parametrize(
        ("blame", "code"),
        [
            (Blame.SUITE, ExitCode.SUITE_FAULT),
            (Blame.ENVIRONMENT, ExitCode.ENVIRONMENT),
            (Blame.CONFIGURATION, ExitCode.USAGE),
            (Blame.TARGET, ExitCode.CONFORMANT),
        ],
    )
    def test_a_blame_other_than_the_targets_decides_the_exit_code(self, blame: Blame, code: int) -> None:
        assert conclude([result(Outcome.PASSED)], [record(Outcome.PASSED, blame=blame)]).exit_code == code

    @pytest.mark.parametrize(
        ("first", "second"),
        list(itertools.combinations(BY_WEIGHT, 2)),
    )
    def test_when_several_codes_apply_the_weightiest_wins(self, first: int, second: int) -> None:
        assert ExitCode.worst([second, first]) == ExitCode.worst([first, second]) == first

    def test_without_any_code_a_run_conforms(self) -> None:
        assert ExitCode.worst([]) == ExitCode.CONFORMANT

    def test_faults_outside_of_tests_count(self) -> None:
        concluded = conclude([result(Outcome.PASSED)], faults=[ExitCode.ENVIRONMENT])

        assert (concluded.verdict, concluded.exit_code) == (Verdict.INCOMPLETE, ExitCode.ENVIRONMENT)

    def test_an_interrupted_run_says_so(self) -> None:
        concluded = conclude([result(Outcome.PASSED)], interrupted=True)

        assert (concluded.verdict, concluded.exit_code) == (Verdict.INCOMPLETE, ExitCode.INTERRUPTED)

    def test_a_failure_is_found_even_in_a_run_that_broke_off(self) -> None:
        concluded = conclude([result(Outcome.FAILED)], [record(blame=Blame.SUITE)], interrupted=True)

        assert concluded.verdict is Verdict.NOT_CONFORMANT
        assert concluded.exit_code == ExitCode.INTERRUPTED

    def test_every_outcome_is_counted(self) -> None:
        counts = conclude([result(Outcome.PASSED), result(Outcome.PASSED), result(Outcome.FAILED, "MAY")]).counts

        assert counts == {outcome.value: 0 for outcome in Outcome} | {"passed": 2, "failed": 1}

    @settings(deadline=None)
    @given(st.lists(RESULTS, max_size=6), st.lists(RECORDS, max_size=3), st.booleans())
    def test_verdict_and_exit_code_agree(
        self, results: list[RequirementResult], records: list[TestRecord], interrupted: bool
    ) -> None:
        concluded = conclude(results, records, interrupted=interrupted)
        deciding = {one.outcome for one in results if one.decides}

        assert (concluded.verdict is Verdict.CONFORMANT) == (concluded.exit_code == ExitCode.CONFORMANT)
        assert (concluded.verdict is Verdict.NOT_CONFORMANT) == (Outcome.FAILED in deciding)
        assert sum(concluded.counts.values()) == len(results)
        if concluded.verdict is Verdict.CONFORMANT:
            assert deciding <= {Outcome.PASSED, Outcome.WAIVED}
            assert any(one.outcome in {Outcome.PASSED, Outcome.FAILED} for one in results)
            assert not interrupted
