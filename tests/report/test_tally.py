from dataclasses import dataclass

import pytest
from tests.report import runs

from fulfillment_conformance.outcome import CheckResult, Level, Outcome, TestRecord
from fulfillment_conformance.report.tally import Tally, short_name, theme_of


@dataclass(frozen=True)
class Row:
    level: Level
    statement: str


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


TESTS = ["suites/publisher/test_change_plan.py::test_a", "suites/publisher/test_change_plan.py::test_b[x/y]"]


def tally(clock: Clock | None = None) -> Tally:
    return Tally({"CHP-001": Row("SHOULD", "A plan is changed.")}, clock or Clock())


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("suites/publisher/test_x.py::test_y", "test_x.py::test_y"),
        ("publisher\\test_x.py::test_y[a/b]", "test_x.py::test_y[a/b]"),
        ("test_x.py::test_y@the-one-target", "test_x.py::test_y"),
        ("test_x.py", "test_x.py"),
        ("", ""),
    ],
)
def test_names_begin_at_the_file(nodeid: str, name: str) -> None:
    assert short_name(nodeid) == name


def test_a_file_is_a_theme() -> None:
    assert theme_of("suites/publisher/test_landing_page.py::test_y") == "landing-page"


def test_tests_and_outcomes_are_counted() -> None:
    seen = tally()
    seen.collected(TESTS)
    seen.collected(TESTS)
    assert (seen.total, seen.done) == (2, 0)

    ended = seen.take(
        runs.record(
            "publisher/test_change_plan.py::test_a",
            ["CHP-001", "CHP-002"],
            runs.check("CHP-001", Outcome.FAILED),
            runs.check("CHP-002", Outcome.FAILED),
            runs.check("CHP-003"),
        )
    )
    assert ended is None
    assert (seen.total, seen.done) == (2, 1)
    assert seen.counts() == {"warning": 1, "failed": 1, "passed": 1}

    ended = seen.take(
        runs.record("publisher/test_change_plan.py::test_b[x/y]", ["CHP-003"], runs.check("CHP-003", Outcome.FAILED))
    )
    assert ended == "change-plan"
    assert seen.counts() == {"warning": 1, "failed": 2}
    assert seen.theme("change-plan") == ({"warning": 1, "failed": 2}, 0.5)


def test_a_requirement_fails_for_the_first_time_once() -> None:
    seen = tally()
    failures = [runs.check(name, Outcome.FAILED) for name in ("CHP-001", "CHP-002", "CHP-002", "CHP-003")]
    record = runs.record("test_x.py::test_y", [], *failures, runs.check("CHP-004"))

    assert [check.requirement for check in seen.first_failures(record)] == ["CHP-002", "CHP-003"]
    assert seen.first_failures(record) == []


def test_a_test_that_nobody_announced_is_counted() -> None:
    seen = tally()

    assert seen.take(runs.record("publisher/test_x.py::test_y", ["X-1"], runs.check("X-1"))) is None
    assert (seen.total, seen.done) == (1, 1)


def test_a_theme_ends_once() -> None:
    seen = tally()
    seen.collected(TESTS[:1])
    record = runs.record("publisher/test_change_plan.py::test_a", ["CHP-001"])

    assert seen.take(record) == "change-plan"
    assert seen.take(record) is None


def test_the_rest_is_estimated_from_what_is_done() -> None:
    clock = Clock()
    seen = tally(clock)
    assert seen.remaining is None
    seen.collected(f"test_x.py::test_{number}" for number in range(10))
    clock.now += 4
    assert seen.remaining is None
    seen.take(runs.record("test_x.py::test_0", []))

    assert seen.elapsed == 4
    assert seen.remaining == 36


def test_requirements_are_looked_up() -> None:
    seen = tally()
    seen.collected(TESTS, {TESTS[0]: ["CHP-001"]})
    seen.running = "test_change_plan.py::test_a"

    assert seen.running_claims == ["CHP-001"]
    assert seen.statement("CHP-001") == "A plan is changed."
    assert seen.level("CHP-001") == "SHOULD"
    assert seen.statement("CHP-002") == ""
    assert seen.level("CHP-002") == "MUST"


def test_known_failures_are_counted_as_such() -> None:
    seen = Tally({"CHP-001": Row("MUST", "A plan is changed.")}, Clock(), ["CHP-001"])
    failed = CheckResult(requirement="CHP-001", outcome=Outcome.FAILED)
    record = TestRecord(test=TESTS[0], claims=("CHP-001",), checks=(failed,))
    seen.take(record)

    assert seen.counts() == {"waived": 1}
    assert seen.waives("CHP-001")
    assert not seen.waives("CHP-002")
    assert seen.first_failures(record) == [failed], "shown as it happens all the same"
