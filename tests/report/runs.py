"""Synthetic runs for the tests of the reports: passed, failing, mixed, hostile, large."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from fulfillment_conformance.evidence import redacted
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.known_failures import KnownFailure, settle
from fulfillment_conformance.outcome import (
    Blame,
    CheckResult,
    Level,
    Outcome,
    TestRecord,
    conclude,
    decide_requirement,
)
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.report.results import ReportedRequirement, RunResults

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "5d7a1f0c-9be2-4f0e-8d57-2f1f1c6f3a11"
WEBHOOK_PAGE = "pc-saas-fulfillment-webhook § authentication (page date 08/24/2022, payloads refreshed Feb 2023)"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`&amp;\u202etxt.exe\x00\x1b[31m]]>"
"""A text that a target might send to take over a report."""


def exchange(
    number: int,
    sender: Party,
    receiver: Party,
    request: str,
    status: int | None,
    *,
    body: Any = None,
    answer: Any = None,
    error: str | None = None,
    seconds: float = 0.012,
) -> dict[str, Any]:
    """Return a recorded exchange; `request` is method and path."""
    method, _, path = request.partition(" ")
    base = {"publisher": "http://127.0.0.1:5000", "control": "http://127.0.0.1:8080"}.get(
        receiver, "http://127.0.0.1:8080/api" if receiver == "marketplace" else "http://127.0.0.1:8080"
    )
    return redacted(
        Exchange(
            number=str(number),
            sender=sender,
            receiver=receiver,
            method=method,
            url=base + path,
            request_headers=(
                ("host", "127.0.0.1"),
                ("authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
                ("content-type", "application/json"),
            ),
            request_body=b"" if body is None else json.dumps(body).encode(),
            status=status,
            response_headers=(("content-type", "application/json"), ("x-ms-requestid", f"request-{number}")),
            response_body=b"" if answer is None else json.dumps(answer).encode(),
            error=error,
            seconds=seconds,
            at=START + timedelta(seconds=number),
        ),
        Redactor(key=b"0123456789abcdef"),
        test="",
    )


def check(
    requirement: str, outcome: Outcome = Outcome.PASSED, *, exchanges: Sequence[int] = (), **texts: Any
) -> CheckResult:
    """Return a check that rests on exchanges given by their numbers."""
    return CheckResult(
        requirement=requirement, outcome=outcome, exchanges=tuple(str(number) for number in exchanges), **texts
    )


def record(
    name: str, claims: Sequence[str], *checks: CheckResult, exchanges: Sequence[int] = (), **others: Any
) -> TestRecord:
    """Return what a test contributed."""
    return TestRecord(
        test=name,
        claims=tuple(claims),
        checks=checks,
        exchanges=tuple(str(number) for number in exchanges),
        seconds=others.pop("seconds", 0.25),
        **others,
    )


def row(
    requirement_id: str,
    records: Sequence[TestRecord],
    *,
    statement: str,
    level: Level = "MUST",
    theme: str = "webhook",
    source: str = WEBHOOK_PAGE,
    party: str = "publisher",
    observable: str = "Send the notification and look at the answer, at the state and at the calls that follow.",
) -> ReportedRequirement:
    """Return a judged requirement."""
    return ReportedRequirement(
        result=decide_requirement(requirement_id, level=level, party=party, records=records),
        theme=theme,
        statement=statement,
        source=(source,),
        observable=observable,
    )


def settled(one: ReportedRequirement, outcome: Outcome, reason: str) -> ReportedRequirement:
    """Return a requirement with an outcome that no check gave it."""
    return replace(one, result=replace(one.result, outcome=outcome, reason=reason))


def run(
    requirements: Sequence[ReportedRequirement],
    tests: Sequence[TestRecord],
    *,
    known: Sequence[KnownFailure] = (),
    **others: Any,
) -> RunResults:
    """Return the results of a run with these requirements and tests, judged as the suite judges."""
    faults = others.pop("faults", ())
    judged, entries = settle(known, [one.result for one in requirements], on=START.date())
    concluded = conclude(
        judged,
        tests,
        interrupted=others.get("interrupted", False),
        faults=faults,
        stale=any(entry.stale for entry in entries),
    )
    values: dict[str, Any] = {
        "role": "publisher",
        "set": None,
        "profile": "documented",
        "seed": 1,
        "target": {
            "role": "publisher",
            "file": "publisher.yaml",
            "landing_page": "http://127.0.0.1:5000/signup",
            "webhook": "http://127.0.0.1:5000/webhook",
        },
        "environment": {"python": "3.11.7", "platform": "Linux 6.1", "pytest": "9.1.1", "hypothesis": "6.170.15"},
        "verdict": concluded.verdict,
        "exit_code": concluded.exit_code,
        "counts": concluded.counts,
        "known_failures": entries,
        "requirements": tuple(replace(one, result=result) for one, result in zip(requirements, judged, strict=True)),
        "tests": tuple(tests),
        "started": START,
        "finished": START + timedelta(seconds=42, milliseconds=250),
    }
    return RunResults(**(values | others))


def passed_run() -> tuple[RunResults, list[dict[str, Any]]]:
    """Return a run in which everything passed."""
    recorded = [
        exchange(1, "marketplace", "publisher", "POST /webhook", 200, body={"action": "Suspend"}),
        exchange(2, "publisher", "marketplace", f"GET /saas/subscriptions/{SUBSCRIPTION}", 200, answer={"id": "1"}),
    ]
    tests = [
        record(
            "publisher/test_suspend.py::test_a_suspension_is_taken_in",
            ["WHK-003", "WHK-004"],
            check("WHK-003", exchanges=[1], expected="POST /webhook accepted (2xx)", actual="200"),
            check("WHK-004", exchanges=[1, 2], expected="status 'Suspended'", actual="'Suspended'"),
            exchanges=[1, 2],
            title="A suspension is taken in and shown.",
        )
    ]
    rows = [
        row("WHK-003", tests, statement="The publisher implements a webhook that keeps its view consistent."),
        row("WHK-004", tests, statement="The publisher answers a notification with 200.", level="SHOULD"),
    ]
    return run(rows, tests), recorded


def mixed_run() -> tuple[RunResults, list[dict[str, Any]]]:
    """Return a run with every kind of outcome, as a publisher with a few faults gives it."""
    change = {
        "id": OPERATION,
        "activityId": OPERATION,
        "subscriptionId": SUBSCRIPTION,
        "publisherId": "contoso",
        "offerId": "contoso-crm",
        "planId": "gold",
        "action": "ChangePlan",
        "status": "InProgress",
        "operationRequestSource": "Azure",
        "subscription": {"id": SUBSCRIPTION, "planId": "silver", "saasSubscriptionStatus": "Subscribed",
                         "beneficiary": {"emailId": "buyer@contoso.example"}},
    }  # fmt: skip
    operation = f"/saas/subscriptions/{SUBSCRIPTION}/operations/{OPERATION}?api-version=2018-08-31"
    recorded = [
        exchange(1, "buyer", "publisher", "GET /signup?token=abc%2Bdef", 200),
        exchange(2, "publisher", "identity", "POST /8d1f3a52/oauth2/v2.0/token", 200, answer={"access_token": "x"}),
        exchange(3, "publisher", "marketplace", "POST /saas/subscriptions/resolve?api-version=2018-08-31", 200),
        exchange(4, "stranger", "publisher", "POST /webhook", 200, body=change, answer={"status": "ok"}),
        exchange(5, "publisher", "marketplace", f"PATCH {operation}", 200, body={"status": "Success"}),
        exchange(6, "marketplace", "publisher", "POST /webhook", 200, body=change),
        exchange(7, "publisher", "marketplace", f"GET {operation}", 200, answer={"status": "InProgress"}),
        exchange(8, "marketplace", "publisher", "POST /webhook", 500, body=change, answer={"error": "boom"}),
        exchange(9, "marketplace", "publisher", "POST /webhook", None, error="ReadTimeout: no answer in 10 s",
                 seconds=10.0, body=change),
        *(exchange(number, "suite", "publisher", f"GET /accounts/{SUBSCRIPTION}", 200, seconds=0.004)
          for number in range(10, 16)),
        exchange(16, "suite", "publisher", f"GET /accounts/{SUBSCRIPTION}", 200, answer={"status": "Subscribed"}),
    ]  # fmt: skip
    forged = "publisher/test_webhook_authentication.py::test_a_notification_signed_by_a_stranger_changes_nothing"
    tests = [
        record(
            forged,
            ["WHK-018", "WHK-019"],
            check(
                "WHK-018",
                Outcome.FAILED,
                exchanges=[4, 6],
                expected="POST /webhook refused with 4xx",
                actual="200",
            ),
            check(
                "WHK-019",
                Outcome.FAILED,
                exchanges=[4, 5],
                expected="no effect: no change of state and no call that acts on it",
                actual="PATCH of operation 5d7a… with Success; plan silver became gold",
                notes=("the publisher trusted the payload",),
            ),
            exchanges=[1, 2, 3, 4, 5, 6, 7],
            title="A notification whose signature no marketplace key verifies is refused.",
        ),
        record(
            "publisher/test_suspend.py::test_data_is_kept_while_suspended",
            ["LCY-012", "LCY-013"],
            check("LCY-012", exchanges=[16], expected="account shown", actual="account shown"),
            check(
                "LCY-013",
                Outcome.FAILED,
                exchanges=[16],
                expected="status 'Suspended'",
                actual="'Subscribed'",
            ),
            exchanges=[8, *range(10, 17)],
            title="Data is kept while a subscription is suspended.",
        ),
        record(
            "publisher/test_webhook.py::test_an_answer_comes_in_time",
            ["WHK-030"],
            check(
                "WHK-030",
                Outcome.UNDECIDED,
                exchanges=[9],
                expected="POST /webhook answered 200",
                actual="no answer: ReadTimeout: no answer in 10 s",
                reason="the twin, the same request without the fault, was not accepted either",
            ),
            exchanges=[9],
            title="An answer comes in time.",
        ),
        record(
            "publisher/test_landing_page.py::test_the_landing_page_resolves_the_token",
            ["LND-001", "LND-002"],
            check("LND-001", exchanges=[1, 3], expected="resolve called with the token", actual="called"),
            check(
                "LND-002",
                exchanges=[3],
                expected="POST /saas/subscriptions/resolve answered 200",
                actual="202",
                notes=("accepted reading: 202 has been seen",),
            ),
            exchanges=[1, 2, 3],
            title="The landing page resolves the token.",
        ),
        record(
            "publisher/test_seats.py::test_seats_are_changed",
            ["CHQ-001"],
            check("CHQ-001", Outcome.NOT_APPLICABLE, reason="the target file claims per_seat: false"),
        ),
        record(
            "publisher/test_webhook.py::test_a_retry_is_recognised",
            ["WHK-040"],
            check(
                "WHK-040",
                Outcome.FAILED,
                exchanges=[8],
                expected="POST /webhook answered 200",
                actual="500: boom",
            ),
            exchanges=[8],
            title="A retry is recognised.",
        ),
        record(
            "publisher/test_clock.py::test_a_month_passes",
            ["LCY-020"],
            check("LCY-020", Outcome.UNTESTABLE, reason="capability 'clock' is missing"),
        ),
    ]
    rows = [
        row("LND-001", tests, theme="landing-page",
            source="azure-ad-transactable-saas-landing-page § resolve (page date 01/27/2022)",
            statement="The landing page sends the purchase token to Resolve before it shows anything of the purchase."),
        row("LND-002", tests, theme="landing-page", statement="Resolve is called over the back end.", level="SHOULD"),
        row("WHK-018", tests, statement="A notification whose token no marketplace key verifies is refused."),
        row("WHK-019", tests, statement="A notification that is refused changes neither state nor marketplace."),
        row("WHK-030", tests, statement="The webhook answers within the time that the marketplace waits."),
        row("LCY-012", tests, theme="lifecycle", statement="The customer's data is kept while suspended."),
        row("LCY-013", tests, theme="lifecycle", level="SHOULD",
            statement="The publisher shows a suspended subscription as suspended."),
        row("LCY-020", tests, theme="lifecycle", statement="Data is kept for the thirty days of grace."),
        row("CHQ-001", tests, theme="change-quantity", statement="A change of seats is taken in."),
        settled(row("POL-001", (), theme="policies", level="MUST", statement="The offer's listing names support.",
                    source="certification-policies § 1000"), Outcome.EXCLUDED, "manual: read the listing"),
        settled(row("V1-001", (), theme="version-1", level="MUST", statement="Version 1 of the API is gone.",
                    source="cpp-saas-fulfillment-api-v1 (withdrawn)"), Outcome.EXCLUDED,
                "judged on the live service only"),
        row("WHK-040", tests, statement="Retries are recognised as such."),
    ]  # fmt: skip
    return run(rows, tests, untested=("WHK-050", "WHK-051"), known=(known("WHK-040"), known("WHK-041"))), recorded


def known(requirement_id: str, *, why: str = "Fixed in version 4.", until: date = date(2026, 12, 31)) -> KnownFailure:
    """Return a known failure, as its file has it."""
    link = f"https://tracker.contoso.example/{requirement_id}"
    return KnownFailure(id=requirement_id, why=why, link=link, until=until, place="known.yaml:2")


def broken_run() -> tuple[RunResults, list[dict[str, Any]]]:
    """Return a run that the suite and the environment broke."""
    tests = [
        record("publisher/test_a.py::test_one", ["WHK-001"], blame=Blame.SUITE, reason="KeyError: 'planId'"),
        record("publisher/test_a.py::test_two", ["WHK-002"], blame=Blame.ENVIRONMENT, reason="connection refused"),
    ]
    rows = [row(name, tests, statement=f"Statement of {name}.") for name in ("WHK-001", "WHK-002")]
    return run(rows, tests, reason="the target was never reached"), []


def hostile_run() -> tuple[RunResults, list[dict[str, Any]]]:
    """Return a run in which every text that a target, or a test, can influence is hostile."""
    recorded = [
        exchange(1, "marketplace", "publisher", f"POST /{HOSTILE}", 500, body={HOSTILE: HOSTILE}, answer=HOSTILE),
        exchange(2, "suite", "publisher", f"GET /{HOSTILE}", None, error=HOSTILE),
    ]
    recorded[0]["request"]["headers"].append([HOSTILE, HOSTILE])
    tests = [
        record(
            f"publisher/test_x.py::test_x[{HOSTILE}]",
            ["WHK-001", "WHK-002"],
            check("WHK-001", Outcome.FAILED, exchanges=[1, 2], expected=HOSTILE, actual=HOSTILE, notes=(HOSTILE,)),
            check("WHK-002", Outcome.FAILED, exchanges=[2], expected=f"POST /{HOSTILE} answered 200", actual=HOSTILE),
            exchanges=[1, 2],
            title=HOSTILE,
            blame=Blame.SUITE,
            reason=HOSTILE,
        )
    ]
    rows = [
        row("WHK-001", tests, statement=HOSTILE, theme=HOSTILE, source=HOSTILE, observable=HOSTILE),
        row("WHK-002", tests, statement=HOSTILE, theme=HOSTILE, source=HOSTILE, level="MAY"),
        settled(row("WHK-003", (), statement=HOSTILE), Outcome.UNTESTABLE, HOSTILE),
        settled(row("WHK-004", (), statement=HOSTILE), Outcome.EXCLUDED, f"manual {HOSTILE}"),
    ]
    target = {"role": "publisher", "file": HOSTILE, "name": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}}
    return run(rows, tests, target=target, environment={HOSTILE: HOSTILE}, reason=HOSTILE), recorded


def large_run(
    requirements: int = 600, exchanges: int = 5_000, *, failing: int = 60
) -> tuple[RunResults, list[dict[str, Any]]]:
    """Return a run with this many requirements, a test for each, and exchanges spread evenly over the tests."""
    themes = ["webhook", "landing-page", "change-plan", "change-quantity", "lifecycle", "headers", "resolve", "get"]
    levels: tuple[Level, ...] = ("MUST", "MUST", "SHOULD", "MAY")
    each = exchanges // requirements
    recorded, tests, names = [], [], []
    payload = {"id": OPERATION, "subscription": {"id": SUBSCRIPTION, "name": "Contoso " * 30}}
    for index in range(requirements):
        name = f"{themes[index * len(themes) // requirements][:3].upper()}-{index:03}"
        names.append(name)
        first = index * each + 1
        numbers = list(range(first, first + each)) if index < requirements - 1 else list(range(first, exchanges + 1))
        for number in numbers:
            sides: tuple[Party, Party] = (
                ("marketplace", "publisher") if number % 2 == 0 else ("publisher", "marketplace")
            )
            request = f"POST /webhook/{number}" if number % 2 == 0 else f"GET /saas/subscriptions/{SUBSCRIPTION}"
            recorded.append(exchange(number, *sides, request, 200, body=payload, answer=payload))
        fails = index * failing // requirements != (index + 1) * failing // requirements
        tests.append(
            record(
                f"publisher/test_{themes[index * len(themes) // requirements]}.py::test_number_{index}",
                [name],
                check(
                    name,
                    Outcome.FAILED if fails else Outcome.PASSED,
                    exchanges=numbers[:2],
                    expected="POST /webhook answered 200",
                    actual="500: something went wrong in the service" if fails else "200",
                ),
                exchanges=numbers,
                title=f"Situation {index} is dealt with as the page says.",
            )
        )
    rows = [
        row(
            name,
            [test],
            statement=f"In situation {index} the publisher answers as the page says, and keeps what it was told. " * 2,
            theme=themes[index * len(themes) // requirements],
            level=levels[index % len(levels)],
        )
        for index, (name, test) in enumerate(zip(names, tests, strict=True))
    ]
    return run(rows, tests), recorded


def write(folder: Path, results: RunResults, recorded: Sequence[dict[str, Any]]) -> None:
    """Leave in a folder what a run leaves there before the reports are derived."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in recorded]
    (folder / "exchanges.jsonl").write_bytes("".join(lines).encode("utf-8", "backslashreplace"))
    results.write(folder)
