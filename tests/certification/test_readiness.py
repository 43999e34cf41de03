from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.certification import forgery

from fulfillment_conformance.certification.installation import installed
from fulfillment_conformance.certification.readiness import EXEMPTING, complaints, reasons_in, unfounded
from fulfillment_conformance.outcome import CheckResult, Outcome, Verdict
from fulfillment_conformance.report import read
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.target import Claims

SEATS = "publisher/test_change_quantity.py::test_seats"
REFUSED = "claims.refuses_changes: the publisher says that it refuses all changes"


@pytest.fixture
def results(run_folder: Path) -> RunResults:
    return read(run_folder)


def outcome(results: RunResults, name: str, outcome: Outcome) -> RunResults:
    """Return the results with another outcome of one requirement."""
    return replace(
        results,
        requirements=tuple(
            replace(one, result=replace(one.result, outcome=outcome, reason="so it is")) if one.id == name else one
            for one in results.requirements
        ),
    )


def test_a_run_that_did_all_that_is_required_is_ready(results: RunResults) -> None:
    assert complaints(results, forgery.installation()) == []


@pytest.mark.parametrize("state", [Outcome.UNDECIDED, Outcome.UNTESTABLE, Outcome.FAILED, Outcome.EXCLUDED])
def test_what_is_required_has_to_be_decided(state: Outcome, results: RunResults) -> None:
    found = complaints(outcome(results, "GET-001", state), forgery.installation())

    assert found == [f"GET-001 is required and {state}: so it is"]


@pytest.mark.parametrize("state", [Outcome.UNDECIDED, Outcome.UNTESTABLE, Outcome.FAILED, Outcome.NOT_APPLICABLE])
def test_what_is_reported_only_has_to_be_judged(state: Outcome, results: RunResults) -> None:
    assert complaints(outcome(results, "GET-026", state), forgery.installation()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"interrupted": True}, "the run ended early: interrupted"),
        ({"reason": "no more time"}, "the run ended early: no more time"),
        ({"verdict": Verdict.INCOMPLETE, "exit_code": 7}, "the verdict is incomplete, exit code 7"),
        ({"untested": ("RES-001",)}, "no test decides RES-001"),
        ({"exit_code": 3}, "the verdict is conformant, exit code 3"),
        ({"set": None}, "it judged the set None, which is none of small"),
        ({"requirements": ()}, "ACT-019 is required by the set small and was not judged"),
        ({"requirements": ()}, "GET-026 is to be reported by the set small and was not judged"),
        ({"tests": ()}, "the test marketplace/test_get_subscription.py::test_shown did not run"),
    ],
)
def test_anything_less_is_told(changes: dict[str, Any], said: str, results: RunResults) -> None:
    assert said in complaints(replace(results, **changes), forgery.installation())


def test_what_was_waived_is_no_certificate(results: RunResults) -> None:
    found = complaints(outcome(results, "GET-001", Outcome.WAIVED), forgery.installation())

    assert found[0] == "known failures have no place in a certificate: GET-001"


def test_nothing_else_is_judged(results: RunResults) -> None:
    surplus = replace(results.requirements[0], result=replace(results.requirements[0].result, id="RES-001"))
    found = complaints(replace(results, requirements=(*results.requirements, surplus)), forgery.installation())

    assert found == ["RES-001: judged, but not in the set small"]


def left_out(reason: str, test: str = SEATS, **claims: Any) -> str:
    check = CheckResult(requirement="EVT-020", outcome=Outcome.NOT_APPLICABLE, reason=reason)
    return unfounded(check, test, {**Claims().model_dump(mode="json"), **claims}, installed())


@pytest.mark.parametrize(
    ("reason", "test"),
    [
        (REFUSED, "publisher/test_payload_tolerance.py::test_payload"),
        (REFUSED, SEATS),
        ("the publisher uses the endpoint of version 2.0", "publisher/test_access_token.py::test_token"),
        (
            "claims.per_seat: the publisher says that it sells no plans priced per seat",
            "publisher/test_change_quantity.py::x",
        ),
        ("publisher.self_service.cancel: the target file says of no way to do it", "publisher/test_own_changes.py::x"),
    ],
    ids=["written out", "by name", "with a value in it", "by the stage", "by the stage, with a value in it"],
)
def test_a_reason_that_a_test_gives_is_one(reason: str, test: str) -> None:
    assert left_out(reason, test, refuses_changes=True, per_seat=False) == ""


def test_another_reason_is_none() -> None:
    assert left_out("we do not want to") == (
        "is left out because 'we do not want to', which no test in publisher/test_change_quantity.py ever says"
    )
    assert "which no test in" in left_out(REFUSED, "publisher/test_nowhere.py::x")


def test_a_reason_has_to_fit_the_claims() -> None:
    assert left_out(REFUSED, refuses_changes=False) == (
        "is left out because of claims.refuses_changes, but the target claims False"
    )
    check = CheckResult(requirement="EVT-020", outcome=Outcome.NOT_APPLICABLE, reason=REFUSED)
    assert unfounded(check, SEATS, {}, installed()) == (
        "is left out because of claims.refuses_changes, which the target does not have"
    )


def test_every_claim_that_leaves_something_out_is_known() -> None:
    said = "\n".join(reason for source in installed().sources.values() for reason in reasons_in(source))
    named = {claim for claim in Claims.model_fields if rf"claims\.{claim}:" in said}

    assert EXEMPTING.keys() <= Claims.model_fields.keys()
    assert named <= EXEMPTING.keys() | {"refuses_reinstatement"}
    assert named
