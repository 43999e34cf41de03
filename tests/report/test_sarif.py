import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import runs
from tests.report.conftest import Run
from tests.report.schemas import SARIF

from fulfillment_conformance.outcome import ExitCode, Level, Outcome
from fulfillment_conformance.report import sarif
from fulfillment_conformance.report.results import RunResults


def log(results: RunResults) -> dict[str, Any]:
    """Return the only run of the log, once the log keeps to the format."""
    document = json.loads(sarif.render(results).encode("utf-8", "backslashreplace"))
    SARIF.validate(document)
    [run] = document["runs"]
    assert isinstance(run, dict)
    return run


def result(run: dict[str, Any], requirement_id: str) -> dict[str, Any]:
    [found] = [one for one in run["results"] if one["ruleId"] == requirement_id]
    assert isinstance(found, dict)
    return found


def test_it_keeps_to_the_format(any_run: Run) -> None:
    log(any_run[0])


@settings(deadline=None)
@given(text=st.text())
def test_any_text_keeps_to_the_format(text: str) -> None:
    tests = [runs.record(text, ["A-1"], runs.check("A-1", Outcome.FAILED, expected=text, actual=text, reason=text))]
    row = runs.row("A-1", tests, statement=text, theme=text, source=text, observable=text)

    log(runs.run([row], tests, reason=text, target={"file": text}))


def test_rules_are_requirements(mixed: Run) -> None:
    run = log(mixed[0])
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == [one.id for one in mixed[0].requirements]
    [rule] = [rule for rule in rules if rule["id"] == "WHK-018"]
    assert rule["shortDescription"]["text"] == "A notification whose token no marketplace key verifies is refused."
    assert rule["helpUri"].endswith("/marketplace-offers/pc-saas-fulfillment-webhook")
    assert rule["properties"]["tags"] == ["MUST", "webhook"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]


@pytest.mark.parametrize(
    ("level", "severity"), [("MUST", "error"), ("SHOULD", "warning"), ("MAY", "note"), ("INFO", "note")]
)
def test_the_level_follows_the_requirement(level: Level, severity: str) -> None:
    run = log(runs.run([runs.settled(runs.row("A-1", (), statement="x", level=level), Outcome.FAILED, "no")], ()))

    assert run["tool"]["driver"]["rules"][0]["defaultConfiguration"] == {"level": severity}
    assert [one["level"] for one in run["results"]] == [severity]


def test_results_are_failures_and_say_what_to_change(mixed: Run) -> None:
    run = log(mixed[0])

    assert [one["ruleId"] for one in run["results"]] == ["WHK-018", "WHK-019", "LCY-013", "WHK-040"]
    assert result(run, "WHK-018")["message"]["text"] == (
        "A notification whose token no marketplace key verifies is refused: failed.\n"
        "Expected POST /webhook refused with 4xx; came 200. What to change: Let the publisher refuse POST /webhook "
        "with 4xx, and go on accepting the same request without the fault. It answers 200 now.\n"
        "Judge it again: fulfillment-conformance run --target publisher.yaml --output reports/again --only WHK-018 "
        "--profile documented --seed 1"
    )


def test_a_result_stands_at_the_target_file_and_names_its_tests(mixed: Run) -> None:
    found = result(log(mixed[0]), "WHK-018")

    assert found["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "publisher.yaml"},
        "region": {"startLine": 1},
    }
    assert found["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "publisher/webhook/WHK-018"
    assert found["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "publisher/test_webhook_authentication.py",
        "uriBaseId": "SUITES",
    }
    assert found["partialFingerprints"] == {"requirement/v1": "publisher/WHK-018"}


def test_a_known_failure_is_suppressed_not_hidden(mixed: Run) -> None:
    found = result(log(mixed[0]), "WHK-040")

    assert found["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "Fixed in version 4. (until 2026-12-31, https://tracker.contoso.example/WHK-040)",
        }
    ]
    assert "Known failure: Fixed in version 4." in found["message"]["text"]


def test_what_was_not_decided_is_a_notification(mixed: Run) -> None:
    [invocation] = log(mixed[0])["invocations"]
    told = {one["associatedRule"]["id"]: one for one in invocation["toolExecutionNotifications"]}

    assert told.keys() == {"WHK-030", "LCY-020"}
    assert told["LCY-020"]["level"] == "warning"
    assert told["LCY-020"]["message"]["text"] == "LCY-020: untestable: capability 'clock' is missing"


def test_what_went_wrong_with_the_run_is_an_error(mixed: Run) -> None:
    [invocation] = log(runs.broken_run()[0])["invocations"]
    errors = [one["message"]["text"] for one in invocation["toolExecutionNotifications"] if one["level"] == "error"]

    assert invocation["executionSuccessful"] is False
    assert errors[0] == "publisher/test_a.py::test_one: suite: KeyError: 'planId'"
    assert log(mixed[0])["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("code", "successful"),
    [(ExitCode.INTERRUPTED, False), (ExitCode.USAGE, False), (ExitCode.ENVIRONMENT, False)],
)
def test_a_run_that_measured_nothing_was_no_success(code: int, successful: bool) -> None:
    [invocation] = log(runs.run((), (), faults=[code]))["invocations"]

    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (code, successful)


def test_nothing_that_a_target_sent_reads_as_placeholder_or_link() -> None:
    tests = [runs.record("t", ["A-1"], runs.check("A-1", Outcome.FAILED, expected="{0}", actual="[here](http://x)"))]
    [found] = log(runs.run([runs.row("A-1", tests, statement="x")], tests))["results"]

    assert "Expected {{0}}; came [here] (http://x)." in found["message"]["text"]
