import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Blame, ExitCode, Level, Outcome
from fulfillment_conformance.report import junit

# What CI servers read: the attributes and children that each element may have, and must have.
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors", "disabled"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "failure": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "property": {"name", "value"},
}
LEVELS: list[Level] = ["MUST", "SHOULD", "MAY", "INFO"]


def parsed(results: Any, recorded: Any = ()) -> ET.Element:
    return ET.fromstring(junit.render(results, recorded))


def case(root: ET.Element, begins: str) -> ET.Element:
    return next(one for one in root.iter("testcase") if (one.get("name") or "").startswith(begins))


def is_red(root: ET.Element) -> bool:
    """Whether a CI server that reads the file fails the build."""
    return any(one.find(tag) is not None for one in root.iter("testcase") for tag in ("failure", "error"))


class TestSchema:
    def test_elements_and_attributes_are_those_that_servers_know(self, any_run: Run) -> None:
        for element in parsed(*any_run).iter():
            attributes, children = ALLOWED[element.tag]
            assert set(element.keys()) <= attributes
            assert {child.tag for child in element} <= children
            assert REQUIRED.get(element.tag, set()) <= set(element.keys())

    def test_numbers_agree_with_what_is_there(self, any_run: Run) -> None:
        root = parsed(*any_run)
        for suite in root:
            cases = suite.findall("testcase")
            assert int(suite.get("tests", "")) == len(cases)
            for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(suite.get(attribute, "")) == sum(one.find(tag) is not None for one in cases)
            total = sum(float(one.get("time", "")) for one in cases)
            assert float(suite.get("time", "")) == pytest.approx(total, abs=0.002)
        for attribute in ("tests", "failures", "errors"):
            assert int(root.get(attribute, "")) == sum(int(suite.get(attribute, "")) for suite in root)

    def test_times_and_timestamp_are_plain(self, mixed: Run) -> None:
        for element in parsed(*mixed).iter():
            if "time" in element.keys():  # noqa: SIM118 - an element is not a mapping
                assert re.fullmatch(r"\d+\.\d{3}", element.get("time", ""))
        assert parsed(*mixed)[0].get("timestamp") == "2026-11-22T09:30:00"

    def test_a_hostile_text_stays_a_text(self) -> None:
        text = junit.render(*runs.hostile_run())

        assert "<script" not in text
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
        ET.fromstring(text)

    @settings(deadline=None)
    @given(text=st.text())
    def test_any_text_makes_well_formed_xml(self, text: str) -> None:
        tests = [runs.record("t", ["A-1"], runs.check("A-1", Outcome.FAILED, expected=text, actual=text, reason=text))]
        results = runs.run([runs.row("A-1", tests, statement=text, theme=text, source=text)], tests, reason=text)

        ET.fromstring(junit.render(results, []).encode("utf-8", "backslashreplace"))


class TestCases:
    def test_there_is_one_for_each_requirement(self, mixed: Run) -> None:
        results, recorded = mixed
        suite = parsed(results, recorded)[0]

        assert [one.get("name") for one in suite.findall("testcase")] == [
            f"{one.id} {one.statement}" for one in results.requirements
        ]
        assert suite.get("name") == "publisher"
        assert case(suite, "WHK-018").get("classname") == "publisher.webhook"

    def test_a_failure_tells_everything(self, mixed: Run) -> None:
        failure = case(parsed(*mixed), "WHK-018").find("failure")

        assert failure is not None
        assert failure.get("type") == "MUST"
        assert failure.get("message") == "expected POST /webhook refused with 4xx; came 200"
        for part in (
            "whose fault: the publisher under test",
            "what to change: Let the publisher refuse POST /webhook",
            "exchange 4: stranger to publisher, POST /webhook, 200",
            "source: pc-saas-fulfillment-webhook § authentication",
            "<https://learn.microsoft.com/en-us/partner-center/marketplace-offers/pc-saas-fulfillment-webhook>",
            "repeat the request: curl -i -X POST",
            "judge it again: fulfillment-conformance run --target publisher.yaml",
        ):
            assert part in (failure.text or "")

    @pytest.mark.parametrize(
        ("level", "outcome", "tag", "kind"),
        [
            ("MUST", Outcome.PASSED, None, None),
            ("MUST", Outcome.FAILED, "failure", "MUST"),
            ("SHOULD", Outcome.FAILED, "skipped", "warning"),
            ("MAY", Outcome.FAILED, "skipped", "warning"),
            ("INFO", Outcome.FAILED, "skipped", "warning"),
            ("MUST", Outcome.UNDECIDED, "error", "undecided"),
            ("MUST", Outcome.UNTESTABLE, "error", "untestable"),
            ("SHOULD", Outcome.UNDECIDED, "skipped", "undecided"),
            ("SHOULD", Outcome.UNTESTABLE, "skipped", "untestable"),
            ("MUST", Outcome.WAIVED, "skipped", "waived"),
            ("MUST", Outcome.EXCLUDED, "skipped", "excluded"),
            ("MUST", Outcome.NOT_APPLICABLE, "skipped", "not-applicable"),
        ],
    )
    def test_each_outcome_has_its_element(
        self, level: Level, outcome: Outcome, tag: str | None, kind: str | None
    ) -> None:
        one = runs.settled(runs.row("WHK-001", (), statement="x", level=level), outcome, "the reason")
        element = case(parsed(runs.run([one], ())), "WHK-001")

        assert [child.tag for child in element if child.tag != "system-out"] == ([tag] if tag else [])
        if tag:
            found = element.find(tag)
            assert found is not None
            assert found.get("type") == kind
            assert "the reason" in (found.get("message") or "")

    def test_a_warning_says_so_and_keeps_its_details(self, mixed: Run) -> None:
        warned = case(parsed(*mixed), "LCY-013")
        skipped = warned.find("skipped")

        assert skipped is not None
        assert skipped.get("message") == "warning (SHOULD): expected status 'Suspended'; came 'Subscribed'"
        assert "whose fault: the publisher under test" in (warned.findtext("system-out") or "")

    def test_a_test_counts_once_in_the_times(self, mixed: Run) -> None:
        results, recorded = mixed
        total = sum(test.seconds for test in results.tests)

        assert float(parsed(results, recorded)[0].get("time", "")) == pytest.approx(total, abs=0.01)


class TestRunSuite:
    def test_tests_that_broke_off_are_errors(self) -> None:
        suite = parsed(*runs.broken_run())[1]

        assert suite.get("name") == "run"
        types = [error.get("type") for error in suite.iter("error")]
        assert types == ["suite", "environment", "exit code 3"]

    def test_there_is_nothing_when_requirements_explain_the_exit_code(self, mixed: Run) -> None:
        assert parsed(*mixed)[1].findall("testcase") == []
        assert parsed(*runs.passed_run())[1].findall("testcase") == []

    @pytest.mark.parametrize("code", [ExitCode.USAGE, ExitCode.INTERRUPTED, ExitCode.NOTHING_SELECTED])
    def test_an_exit_code_of_the_run_is_an_error_of_the_run(self, code: int) -> None:
        results = runs.run((), (), faults=[code], reason="because")
        [error] = parsed(results).iter("error")

        assert error.get("type") == f"exit code {code}"
        assert error.get("message") == "because"


OUTCOMES = st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(Outcome)), max_size=6)


@settings(deadline=None)
@given(
    outcomes=OUTCOMES,
    blames=st.lists(st.sampled_from([None, *Blame]), max_size=3),
    interrupted=st.booleans(),
    faults=st.lists(st.sampled_from([ExitCode.SUITE_FAULT, ExitCode.ENVIRONMENT, ExitCode.USAGE]), max_size=1),
)
def test_a_server_turns_red_exactly_when_the_exit_code_is_not_0(
    outcomes: list[tuple[Level, Outcome]], blames: list[Blame | None], interrupted: bool, faults: list[int]
) -> None:
    rows = [
        runs.settled(runs.row(f"WHK-{number:03}", (), statement="x", level=level), outcome, "")
        for number, (level, outcome) in enumerate(outcomes)
    ]
    tests = [runs.record(f"test_{number}", [], blame=blame) for number, blame in enumerate(blames)]
    results = runs.run(rows, tests, interrupted=interrupted, faults=faults)

    assert is_red(parsed(results)) == (results.exit_code != ExitCode.CONFORMANT)


def test_known_failures_that_are_out_of_date_are_errors_of_the_run() -> None:
    results, recorded = runs.passed_run()
    stale = runs.run(results.requirements, results.tests, known=[runs.known("WHK-003")])
    [error] = parsed(stale, recorded).iter("error")

    assert error.get("type") == "stale known failure"
    assert error.get("message") == "known.yaml:2: WHK-003 passes now; remove the entry"


def test_a_known_failure_is_told_with_reason_link_and_details(mixed: Run) -> None:
    known = case(parsed(*mixed), "WHK-040")
    skipped = known.find("skipped")

    assert skipped is not None
    assert skipped.get("type") == "waived"
    assert skipped.get("message") == (
        "known failure (MUST): Fixed in version 4. (until 2026-12-31, https://tracker.contoso.example/WHK-040); "
        "expected POST /webhook answered 200; came 500: boom"
    )
    assert "exchange 8: marketplace to publisher, POST /webhook, 500" in (known.findtext("system-out") or "")
