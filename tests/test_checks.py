import re
from collections.abc import Sequence
from typing import Any

import pytest

from fulfillment_conformance.answers import ABSENT, Answer, Reading
from fulfillment_conformance.basis import difference
from fulfillment_conformance.catalogue import Catalogue, Requirement
from fulfillment_conformance.checks import (
    LONGEST_TEXT,
    MOST_NOTES,
    Check,
    Checks,
    UnclaimedRequirement,
    UnwrittenReading,
)
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import CheckResult, Outcome
from fulfillment_conformance.redaction import Redactor

SECRET = "canary-8f2e-secret"
FAILED, PASSED, UNDECIDED = Outcome.FAILED, Outcome.PASSED, Outcome.UNDECIDED


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def plain(catalogue: Catalogue) -> Requirement:
    """A row without other readings."""
    return next(row for row in catalogue.values() if not row.accepted and not row.excluded)


@pytest.fixture
def checks(catalogue: Catalogue, plain: Requirement) -> Checks:
    return Checks([plain.id], catalogue, redactor=Redactor([SECRET]))


@pytest.fixture
def check(checks: Checks, plain: Requirement) -> Check:
    return checks(plain.id)


def answer(status: int | None = 200, body: str = "", *, number: str = "1", **changes: Any) -> Answer:
    return Answer(
        Exchange(
            sender="suite",
            receiver="marketplace",
            method="GET",
            url="http://127.0.0.1:1/api/saas/subscriptions/7?api-version=2018-08-31",
            status=status,
            response_body=body.encode(),
            number=number,
            **changes,
        )
    )


def last(checks: Checks) -> CheckResult:
    return checks.results[-1]


def row_with(catalogue: Catalogue, profile: str) -> tuple[Requirement, int, str]:
    """Return a row that accepts another status, under a profile, with the status and the words."""
    for row in catalogue.values():
        for reading in row.accepted:
            if reading.profile == profile and reading.statuses and not row.excluded:
                return row, reading.statuses[0], reading.reading
    raise AssertionError(f"no row accepts a status under {profile}")


class TestChecks:
    def test_an_id_that_the_test_does_not_claim_is_refused(self, checks: Checks, plain: Requirement) -> None:
        with pytest.raises(UnclaimedRequirement, match=rf"check\('ACT-999'\): the test claims {plain.id}; add the id"):
            checks("ACT-999")

        assert not checks.results

    def test_each_returns_one_check_per_id_in_order(self, catalogue: Catalogue) -> None:
        ids = ("RES-002", "ACT-001")

        several = Checks(ids, catalogue, redactor=Redactor([])).each("ACT-001", "RES-002")

        assert [check.requirement.id for check in several] == ["ACT-001", "RES-002"]

    def test_failures_are_the_failed_checks_alone(self, checks: Checks, check: Check) -> None:
        check.that(True, expected="a", actual="a")
        check.that(False, expected="a", actual="b")
        check.undecided("nothing to see")

        assert [failure.actual for failure in checks.failures] == ["b"]
        assert [result.outcome for result in checks.results] == [PASSED, FAILED, UNDECIDED]

    def test_nothing_that_is_recorded_keeps_a_secret(self, checks: Checks, check: Check) -> None:
        check.that(False, expected=f"e {SECRET}", actual=f"a {SECRET}", notes=[f"n {SECRET}"])
        check.undecided(f"r {SECRET}")
        check.untestable(f"u {SECRET}")

        assert SECRET not in repr(checks.results)
        assert [result.outcome for result in checks.results] == [FAILED, UNDECIDED, Outcome.UNTESTABLE]

    def test_what_a_target_makes_long_is_cut(self, checks: Checks, check: Check) -> None:
        check.that(False, expected="short", actual="x" * 1_000_000, notes=map(str, range(2 * MOST_NOTES)))

        assert last(checks).actual == f"{'x' * LONGEST_TEXT}… (1,000,000 characters)"
        assert last(checks).notes[-2:] == (str(MOST_NOTES - 1), f"and {MOST_NOTES} more notes")

    def test_evidence_is_named_once_each_and_in_order(self, checks: Checks, check: Check) -> None:
        first, second = answer(number="4"), answer(number="2", body='{"id": 1}')

        check.that(True, expected="", actual="", rests_on=[first, second["id"], first.exchange])

        assert last(checks).exchanges == ("4", "2")


class TestThat:
    @pytest.mark.parametrize(("condition", "outcome"), [(True, PASSED), (False, FAILED)])
    def test_a_condition_decides(self, checks: Checks, check: Check, condition: bool, outcome: Outcome) -> None:
        assert check.that(condition, expected="black", actual=7, notes=["seen"]) is condition
        assert (last(checks).outcome, last(checks).expected, last(checks).actual) == (outcome, "black", "7")
        assert last(checks).notes == ("seen",)
        assert last(checks).requirement == check.requirement.id

    def test_what_was_only_observed_passes_under_its_profile_alone(self, catalogue: Catalogue) -> None:
        row, _, words = row_with(catalogue, "observed")
        outcomes = {}
        for profile in ("documented", "observed"):
            checks = Checks([row.id], catalogue, profile=profile, redactor=Redactor([]))
            checks(row.id).that(False, expected="as documented", actual="otherwise", observed=words)
            outcomes[profile] = last(checks)

        assert outcomes["documented"].outcome is FAILED
        assert outcomes["documented"].notes[0].startswith("deviates from the pages; the live service has been seen")
        assert outcomes["observed"].outcome is PASSED
        assert outcomes["observed"].notes[0].startswith(f"observed: {words}"[:40])

    def test_a_condition_that_holds_needs_no_other_reading(self, checks: Checks, check: Check) -> None:
        assert check.that(True, expected="a", actual="a", observed="words that no row holds")
        assert last(checks).notes == ()

    def test_a_reading_that_the_row_does_not_list_is_the_suites_own_fault(self, check: Check) -> None:
        with pytest.raises(UnwrittenReading, match=rf"{check.requirement.id} lists no observed reading with 'nowhere'"):
            check.that(False, expected="a", actual="b", observed="nowhere")

    def test_a_reading_that_is_accepted_always_is_not_one_that_was_observed(self, catalogue: Catalogue) -> None:
        row, _, words = row_with(catalogue, "documented")

        with pytest.raises(UnwrittenReading):
            Checks([row.id], catalogue, redactor=Redactor([]))(row.id).that(
                False, expected="a", actual="b", observed=words
            )


class TestValues:
    @pytest.mark.parametrize(
        ("actual", "expected", "same"),
        [
            (1, 1, True),
            ("a", "a", True),
            (None, None, True),
            ({"a": [1]}, {"a": [1]}, True),
            (1, 2, False),
            (1, "1", False),
            (1, True, False),
            (0, False, False),
            (True, True, True),
            (None, ABSENT, False),
            ("a", "A", False),
            ([1], [True], False),
            ({"seats": 0}, {"seats": False}, False),
            ([1, 2], [1], False),
            ({"a": 1}, {"a": 1, "b": 2}, False),
        ],
    )
    def test_values_are_compared_with_their_types(
        self, checks: Checks, check: Check, actual: Any, expected: Any, same: bool
    ) -> None:
        assert check.equals(actual, expected) is same
        assert last(checks).outcome is (PASSED if same else FAILED)
        assert last(checks).actual == repr(difference(actual, expected)[1])

    def test_two_readings_are_compared_by_value_and_both_are_evidence(self, checks: Checks, check: Check) -> None:
        left, right = answer(body='{"planId": "gold"}', number="1"), answer(body='{"id": "silver"}', number="2")

        assert not check.equals(left["planId"], right["id"])
        assert last(checks).expected == "planId 'silver', as id of GET showed"
        assert last(checks).actual == "'gold'"
        assert last(checks).exchanges == ("1", "2")

    def test_a_long_value_is_shown_in_part(self, checks: Checks, check: Check) -> None:
        check.equals("x" * 1000, "y")

        assert last(checks).actual == "'" + "x" * 298 + "…"

    @pytest.mark.parametrize(
        ("actual", "allowed", "passes"),
        [
            ("a", ["a", "b"], True),
            ("A", ["a"], False),
            (1, [True], False),
            (True, [True], True),
            (ABSENT, ["a"], False),
        ],
    )
    def test_one_of_some(self, checks: Checks, check: Check, actual: Any, allowed: Sequence[Any], passes: bool) -> None:
        assert check.is_one_of(actual, allowed) is passes
        assert last(checks).expected == f"the value one of {', '.join(map(repr, allowed))}"

    @pytest.mark.parametrize(
        ("actual", "passes"),
        [("ab1", True), ("ab1 ", False), (" ab1", False), ("ab", False), (1, False), (ABSENT, False)],
    )
    def test_a_pattern_matches_the_whole(self, check: Check, actual: Any, passes: bool) -> None:
        assert check.matches(actual, re.compile(r"[a-z]+\d"), meaning="letters and a digit") is passes

    @pytest.mark.parametrize(
        ("actual", "passes"),
        [
            ("11111111-2222-3333-4444-555555555555", True),
            ("ABCDEF12-2222-3333-4444-abcdefABCDEF", True),
            ("{11111111-2222-3333-4444-555555555555}", False),
            ("11111111222233334444555555555555", False),
            ("g1111111-2222-3333-4444-555555555555", False),
            ("11111111-2222-3333-4444-5555555555555", False),
            (None, False),
        ],
    )
    def test_guids(self, check: Check, actual: Any, passes: bool) -> None:
        assert check.is_guid(actual) is passes

    @pytest.mark.parametrize(
        ("actual", "kinds", "passes"),
        [
            (1, (int,), True),
            (True, (int,), False),
            (True, (bool,), True),
            (True, (int, bool), True),
            (1, (bool,), False),
            ("1", (int, str), True),
            (None, (str,), False),
            ({}, (dict,), True),
        ],
    )
    def test_types(self, check: Check, actual: Any, kinds: tuple[type, ...], passes: bool) -> None:
        assert check.is_a(actual, *kinds, meaning="of its type") is passes

    @pytest.mark.parametrize(
        ("actual", "passes"), [("a", True), ("", False), (" \t", False), (1, False), (ABSENT, False)]
    )
    def test_text_is_a_string_with_something_in_it(self, check: Check, actual: Any, passes: bool) -> None:
        assert check.is_text(actual) is passes

    def test_the_reading_is_named_in_what_was_expected(self, checks: Checks, check: Check) -> None:
        quantity = answer(body='{"quantity": "5"}')["quantity"]

        check.is_a(quantity, int, meaning="a number")
        check.is_text(quantity)
        check.is_guid(quantity)

        assert [result.expected for result in checks.results] == [
            "quantity a number",
            "quantity a string that is not empty",
            "quantity a GUID",
        ]


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "expected", "outcome"),
        [(200, (200,), PASSED), (204, (200, 204), PASSED), (201, (200,), FAILED), (None, (200,), FAILED)],
    )
    def test_the_expected_status(
        self, checks: Checks, check: Check, status: int | None, expected: tuple[int, ...], outcome: Outcome
    ) -> None:
        check.status(answer(status, error=None if status else "ConnectError: refused"), *expected)

        assert last(checks).outcome is outcome
        wanted = " or ".join(map(str, expected))
        assert last(checks).expected == f"GET /api/saas/subscriptions/7?api-version=2018-08-31 answered {wanted}"
        assert last(checks).actual == (str(status) if status else "no answer: ConnectError: refused")
        assert last(checks).exchanges == ("1",)

    def test_an_error_body_is_shown_a_success_body_is_not(self, checks: Checks, check: Check) -> None:
        check.status(answer(400, "  what is wrong  " + "." * 500), 200)
        check.status(answer(200, "fine"), 400)

        assert checks.results[0].actual.startswith("400: what is wrong  ...")
        assert len(checks.results[0].actual) == len("400: ") + 200
        assert checks.results[1].actual == "200"

    def test_a_reading_that_the_row_accepts_passes_with_a_note(self, catalogue: Catalogue) -> None:
        row, status, words = row_with(catalogue, "documented")
        checks = Checks([row.id], catalogue, redactor=Redactor([]))

        assert checks(row.id).status(answer(status), 599)
        assert last(checks).outcome is PASSED
        assert last(checks).notes[0].startswith(f"accepted reading: {words}")

    @pytest.mark.parametrize(("profile", "outcome"), [("documented", FAILED), ("observed", PASSED)])
    def test_a_reading_that_was_only_observed_needs_its_profile(
        self, catalogue: Catalogue, profile: str, outcome: Outcome
    ) -> None:
        row, status, _ = row_with(catalogue, "observed")
        checks = Checks([row.id], catalogue, profile=profile, redactor=Redactor([]))

        assert checks(row.id).status(answer(status), 599) is (outcome is PASSED)
        assert last(checks).outcome is outcome
        assert last(checks).notes

    @pytest.mark.parametrize(
        ("status", "passes"), [(199, False), (200, True), (299, True), (300, False), (400, False), (None, False)]
    )
    def test_2xx_accepts(self, check: Check, status: int | None, passes: bool) -> None:
        assert check.accepted(answer(status)) is passes

    @pytest.mark.parametrize(
        ("status", "passes", "noted"), [(200, True, False), (202, True, True), (204, True, True), (500, False, False)]
    )
    def test_a_notification_is_taken_by_200_and_by_another_2xx_with_a_note(
        self, checks: Checks, check: Check, status: int, passes: bool, noted: bool
    ) -> None:
        assert check.taken(answer(status)) is passes
        assert bool(last(checks).notes) is noted


class TestRefused:
    @pytest.mark.parametrize(
        ("status", "twin", "outcome"),
        [
            (400, 200, PASSED),
            (404, 202, PASSED),
            (499, 200, PASSED),
            (399, 200, FAILED),
            (500, 200, FAILED),
            (200, 200, FAILED),
            (None, 200, FAILED),
            (200, 500, FAILED),
            (400, 400, UNDECIDED),
            (400, None, UNDECIDED),
            (500, 500, UNDECIDED),
            (400, 302, UNDECIDED),
        ],
    )
    def test_a_refusal_counts_beside_a_twin_that_was_accepted(
        self, checks: Checks, check: Check, status: int | None, twin: int | None, outcome: Outcome
    ) -> None:
        passed = check.refused(answer(status, number="1"), while_twin=answer(twin, number="2"))

        assert last(checks).outcome is outcome
        assert passed is (outcome is PASSED)
        assert last(checks).exchanges == ("1", "2")
        assert ("the twin" in last(checks).reason) is (outcome is UNDECIDED)
        assert last(checks).expected.endswith("refused with 4xx")

    @pytest.mark.parametrize(
        ("status", "wanted", "outcome"),
        [(403, 403, PASSED), (404, 403, FAILED), (404, (403, 404), PASSED), (400, (403, 404), FAILED)],
    )
    def test_the_status_of_a_refusal_counts_where_the_pages_name_one(
        self, checks: Checks, check: Check, status: int, wanted: Any, outcome: Outcome
    ) -> None:
        check.refused(answer(status), with_status=wanted, while_twin=answer(200))

        assert last(checks).outcome is outcome

    def test_an_acceptance_that_the_row_reads_as_a_refusal_needs_its_twin_as_well(self, catalogue: Catalogue) -> None:
        found = [
            (row, status, reading.profile)
            for row in catalogue.values()
            for reading in row.accepted
            for status in reading.statuses
            if 200 <= status < 300
        ]
        row, status, profile = found[0]
        checks = Checks([row.id], catalogue, profile=profile, redactor=Redactor([]))

        checks(row.id).refused(answer(status), with_status=404, while_twin=answer(500))
        checks(row.id).refused(answer(status), with_status=404, while_twin=answer(200))

        assert [result.outcome for result in checks.results] == [UNDECIDED, PASSED]


class TestTurnedAway:
    @pytest.mark.parametrize(
        ("status", "twin", "outcome", "noted"),
        [
            (401, 200, PASSED, False),
            (403, 200, PASSED, True),
            (400, 202, PASSED, True),
            (500, 200, PASSED, True),
            (200, 200, FAILED, False),
            (302, 200, FAILED, False),
            (None, 200, FAILED, False),
            (200, 500, FAILED, False),
            (401, 401, UNDECIDED, False),
            (500, 500, UNDECIDED, False),
            (None, None, UNDECIDED, False),
        ],
    )
    def test_a_stranger_is_turned_away_while_the_genuine_call_is_taken(
        self, checks: Checks, check: Check, status: int | None, twin: int | None, outcome: Outcome, noted: bool
    ) -> None:
        passed = check.turned_away(answer(status, number="1"), while_twin=answer(twin, number="2"))

        assert last(checks).outcome is outcome
        assert passed is (outcome is PASSED)
        assert bool(last(checks).notes) is noted
        assert last(checks).exchanges == ("1", "2")


class Seen:
    """Effects as a publisher showed them."""

    subscription = "s"

    def __init__(
        self, differences: Sequence[str] = (), calls: Sequence[str] = (), shown: Sequence[Reading] = ()
    ) -> None:
        self.differences = differences
        self.shown = shown
        self.calls = [answer(number=str(number)).exchange for number, _ in enumerate(calls)]
        self._told = calls

    def changes(self) -> Sequence[str]:
        return [*self.differences, *self._told]

    def evidence(self) -> Sequence[Exchange]:
        return [answer(number="9").exchange]


class TestEffects:
    @pytest.mark.parametrize(
        ("effects", "none_at_all", "same_state"),
        [
            (Seen(), True, True),
            (Seen(differences=["status changed"]), False, False),
            (Seen(calls=["PATCH Success"]), False, True),
        ],
    )
    def test_calls_are_effects_and_only_differences_are_changes_of_state(
        self, checks: Checks, check: Check, effects: Seen, none_at_all: bool, same_state: bool
    ) -> None:
        assert check.no_effect(effects) is none_at_all
        assert check.no_change_of_state(effects) is same_state
        assert [result.exchanges for result in checks.results] == [("9",), ("9",)]
        if not none_at_all:
            assert checks.results[0].actual == effects.changes()[0]

    def test_access_is_what_the_publisher_shows_and_only_where_it_shows_nothing_how_it_acts(self, check: Check) -> None:
        reading = answer(number="7")["status"]

        assert check.no_change_of_access(Seen(calls=["PATCH Success"], shown=[reading]))
        assert not check.no_change_of_access(Seen(differences=["status changed"], shown=[reading]))
        assert not check.no_change_of_access(Seen(calls=["PATCH Success"]))


class TestWithoutDecision:
    def test_each_outcome_keeps_its_reason(self, checks: Checks, check: Check) -> None:
        check.untestable("no clock")
        check.undecided("the answer does not tell", rests_on=[answer(number="3")])
        check.not_applicable("sells no seats")

        assert [(result.outcome, result.reason, result.exchanges) for result in checks.results] == [
            (Outcome.UNTESTABLE, "no clock", ()),
            (UNDECIDED, "the answer does not tell", ("3",)),
            (Outcome.NOT_APPLICABLE, "sells no seats", ()),
        ]
