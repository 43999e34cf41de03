import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import runs

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.outcome import Level, Outcome
from fulfillment_conformance.report.comparison import (
    FEWEST_REPLIES,
    SLOWER_SECONDS,
    TITLES,
    Comparison,
    Name,
    compare,
    told_of,
)
from fulfillment_conformance.report.reply_times import ReplyTimes
from fulfillment_conformance.report.results import RunResults

ID = "WHK-001"
OUTCOMES = st.sampled_from([None, *Outcome])


def judged(outcomes: Mapping[str, Outcome | None], *, level: Level = "MUST", **others: Any) -> RunResults:
    """Return a run in which a test of its own gives each requirement its outcome; None is not judged."""
    tests, rows = [], []
    for name, outcome in outcomes.items():
        if outcome is None:
            continue
        check = runs.check(name, outcome)
        if outcome is Outcome.FAILED:
            check = replace(check, expected="POST /webhook answered 200", actual="500")
        tests.append(runs.record(f"test_{name}", [name], check))
        row = runs.row(name, tests, statement=f"Statement of {name}.", level=level)
        rows.append(runs.settled(row, outcome, "the reason"))
    return runs.run(rows, tests, **others)


def one(before: Outcome | None, after: Outcome | None, level: Level = "MUST") -> Comparison:
    return compare(judged({ID: before}, level=level), judged({ID: after}, level=level))


def found(comparison: Comparison) -> dict[Name, list[str]]:
    """Return kind of change -> the requirements, tests or operations that it concerns."""
    return {
        section.name: [str(item.get("id") or item.get("test") or item.get("operation")) for item in section.items]
        for section in comparison.sections
    }


@pytest.mark.parametrize(
    ("before", "after", "name", "worse"),
    [
        (Outcome.PASSED, Outcome.FAILED, "failures", True),
        (Outcome.UNDECIDED, Outcome.FAILED, "failures", True),
        (Outcome.NOT_APPLICABLE, Outcome.FAILED, "failures", True),
        (Outcome.WAIVED, Outcome.FAILED, "failures", True),
        (Outcome.PASSED, Outcome.UNDECIDED, "stopped", True),
        (Outcome.PASSED, Outcome.UNTESTABLE, "stopped", True),
        (Outcome.PASSED, Outcome.NOT_APPLICABLE, "stopped", True),
        (Outcome.PASSED, Outcome.EXCLUDED, "stopped", True),
        (Outcome.PASSED, None, "stopped", True),
        (Outcome.FAILED, Outcome.UNDECIDED, "stopped", True),
        (Outcome.FAILED, None, "stopped", True),
        (Outcome.WAIVED, Outcome.UNTESTABLE, "stopped", True),
        (Outcome.PASSED, Outcome.WAIVED, "waived", False),
        (Outcome.FAILED, Outcome.WAIVED, "waived", False),
        (Outcome.FAILED, Outcome.PASSED, "fixed", False),
        (Outcome.WAIVED, Outcome.PASSED, "fixed", False),
        (Outcome.UNDECIDED, Outcome.PASSED, "decided", False),
        (Outcome.UNTESTABLE, Outcome.PASSED, "decided", False),
        (None, Outcome.PASSED, "added", False),
        (None, Outcome.FAILED, "added", False),
        (Outcome.UNDECIDED, Outcome.UNTESTABLE, None, False),
        (None, Outcome.UNDECIDED, None, False),
        (Outcome.UNDECIDED, None, None, False),
        *((same, same, None, False) for same in Outcome),
    ],
)
def test_each_change_is_of_one_kind(before: Outcome | None, after: Outcome | None, name: str, worse: bool) -> None:
    comparison = one(before, after)

    assert [section.name for section in comparison.sections] == ([name] if name else [])
    assert (comparison.worse, comparison.exit_code) == (worse, int(worse))


@pytest.mark.parametrize("level", ["SHOULD", "MAY", "INFO"])
def test_what_does_not_bind_can_get_worse_too(level: Level) -> None:
    assert found(one(Outcome.PASSED, Outcome.FAILED, level)) == {"failures": [ID]}
    assert one(Outcome.PASSED, None, level).worse


def test_a_failure_whose_level_was_raised_is_no_new_one() -> None:
    comparison = compare(judged({ID: Outcome.FAILED}, level="SHOULD"), judged({ID: Outcome.FAILED}))

    assert comparison.sections == []
    assert comparison.differences == [f"of another level now: 1 requirement, {ID}"]


def test_a_new_failure_tells_what_came() -> None:
    [section] = one(Outcome.PASSED, Outcome.FAILED).sections

    assert section.rows == [
        (
            "WHK-001 (MUST)",
            "passed",
            "failed",
            "Statement of WHK-001. expected POST /webhook answered 200; came 500",
        )
    ]


def test_what_is_not_judged_any_more_says_why() -> None:
    old = judged({ID: Outcome.PASSED})
    untested = compare(old, judged({}, untested=(ID,)))
    in_a_set = compare(old, judged({}, set="2026.1"))

    assert untested.sections[0].rows[0][3] == "Statement of WHK-001. No test decides it any more."
    assert in_a_set.sections[0].rows[0][3] == "Statement of WHK-001. It is not part of set 2026.1."
    assert one(Outcome.PASSED, None).sections[0].rows[0][2] == "not judged"


class TestTests:
    """Tests of requirements that stay decided: half of the evidence may go unseen."""

    @staticmethod
    def run(*names: str, **others: Any) -> RunResults:
        tests = [runs.record(name, [ID], runs.check(ID)) for name in names]
        return runs.run([runs.row(ID, tests, statement="x")], tests, **others)

    def test_one_that_is_removed_is_noticed(self) -> None:
        comparison = compare(self.run("test_one", "test_two"), self.run("test_one"))

        assert found(comparison) == {"stopped_tests": ["test_two"]}
        assert comparison.worse

    def test_another_version_of_the_suite_may_have_other_tests(self) -> None:
        newer = {"name": "fulfillment-conformance", "version": "9.9.9"}
        comparison = compare(self.run("test_one"), self.run("test_two", suite=newer))

        assert found(comparison) == {"stopped_tests": ["test_one"], "added_tests": ["test_two"]}
        assert not comparison.worse
        assert any(told.startswith("suite: fulfillment-conformance") for told in comparison.differences)

    def test_one_whose_requirement_is_not_decided_any_more_is_told_once(self) -> None:
        comparison = compare(self.run("test_one"), judged({}))

        assert found(comparison) == {"stopped": [ID]}


class TestReplyTimes:
    @staticmethod
    def run(median: float, count: int = 10, *, p95: float = 0.0) -> RunResults:
        times = ReplyTimes(operation="POST /webhook", count=count, median=median, p95=p95, slowest=p95)
        return judged({ID: Outcome.PASSED}, reply_times=(times,))

    @pytest.mark.parametrize(
        ("before", "after", "count", "slower"),
        [
            (0.125, 0.25, 10, True),
            (0.125, 0.24, 10, False),
            (0.01, 0.09, 10, False),
            (1.0, 1.9, 10, False),
            (0.125, 0.25, 9, False),
            (0.25, 0.125, 10, False),
        ],
    )
    def test_only_what_networks_do_not_do_by_themselves_is_slower(
        self, before: float, after: float, count: int, slower: bool
    ) -> None:
        comparison = compare(self.run(before), self.run(after, count))

        assert found(comparison) == ({"slower": ["POST /webhook"]} if slower else {})
        assert comparison.worse == slower

    def test_what_the_old_run_saw_now_and_then_is_not_slower(self) -> None:
        assert found(compare(self.run(0.1, p95=0.5), self.run(0.5))) == {}
        assert found(compare(self.run(0.1, p95=0.4), self.run(0.5))) == {"slower": ["POST /webhook"]}

    def test_both_medians_are_told(self) -> None:
        [section] = compare(self.run(0.1), self.run(0.5)).sections

        assert section.rows == [("POST /webhook", "100 ms", "500 ms", "10 and 10")]


def test_in_what_else_the_runs_differ_is_told() -> None:
    old = judged({ID: Outcome.PASSED, "WHK-002": Outcome.PASSED})
    new = replace(
        judged({ID: Outcome.PASSED, "WHK-003": Outcome.PASSED}, profile="observed", seed=7),
        target={"role": "publisher", "webhook": "http://127.0.0.1:9/hook", "claims": ["x"]},
        interrupted=True,
        reason="interrupted",
    )

    assert compare(old, new).differences == [
        "profile: documented, now observed",
        "seed: 1, now 7",
        "target, file: publisher.yaml, now nothing",
        "target, landing_page: http://127.0.0.1:5000/signup, now nothing",
        "target, webhook: http://127.0.0.1:5000/webhook, now http://127.0.0.1:9/hook",
        "target, claims: nothing, now x",
        "not in the new run: 1 requirement, WHK-002",
        "not in the old run: 1 requirement, WHK-003",
        "the new run was interrupted: interrupted",
    ]


def test_runs_of_different_roles_cannot_be_compared() -> None:
    with pytest.raises(UsageProblem, match="the old run judged a publisher and the new one a marketplace"):
        compare(judged({}), judged({}, role="marketplace"))


def test_the_conclusion_counts() -> None:
    both = compare(
        judged({ID: Outcome.PASSED, "WHK-002": Outcome.PASSED}), judged({ID: Outcome.FAILED, "WHK-002": None})
    )

    assert both.conclusion == ("Something got worse: new failures: 1; requirements that are not decided any more: 1.")
    assert one(Outcome.FAILED, Outcome.PASSED).conclusion == "Nothing got worse; 1 requirement got better."
    assert one(Outcome.PASSED, Outcome.PASSED).conclusion == "Nothing got worse."


def test_a_verdict_with_known_failures_is_told_as_such() -> None:
    run = judged({ID: Outcome.PASSED, "WHK-002": Outcome.WAIVED})

    assert told_of(run).startswith("conformant, with 1 known failure, http://127.0.0.1:5000/webhook, ")


@settings(deadline=None)
@given(before=st.lists(OUTCOMES, min_size=4, max_size=4), after=st.lists(OUTCOMES, min_size=4, max_size=4))
def test_json_has_every_kind_and_a_run_is_never_worse_than_itself(
    before: list[Outcome | None], after: list[Outcome | None]
) -> None:
    ids = [f"WHK-{number:03}" for number in range(4)]
    old, new = judged(dict(zip(ids, before, strict=True))), judged(dict(zip(ids, after, strict=True)))
    data = json.loads(json.dumps(compare(old, new).to_json()))

    assert data.keys() >= TITLES.keys() | {"worse", "exit_code", "old", "new", "differences"}
    assert data["worse"] == bool(data["failures"] or data["stopped"] or data["stopped_tests"])
    assert compare(old, old).sections == []
    assert compare(new, new).differences == []


def test_every_kind_of_change_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")

    for name, title in TITLES.items():
        assert f"`{name}`" in text
        assert title in text or title == "New tests"
    assert f"at least {FEWEST_REPLIES} replies" in text
    assert f"at least {SLOWER_SECONDS * 1000:.0f} ms longer" in text
