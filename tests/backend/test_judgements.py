"""Tests of judgements that tests of several themes share."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.answers import ABSENT, Answer, Reading, SubscriptionAnswer
from fulfillment_conformance.backend.client import AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.backend.judgements import (
    BAD_CREDENTIALS,
    SLACK,
    UNUSABLE_TOKENS,
    has_status,
    is_dated,
    keeps_to,
    nothing_has_begun,
    number_of_seats,
    operation_is_located,
    value_is,
)
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.checks import Check, Checks
from fulfillment_conformance.contract import Contract, Violation
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import CheckResult, Outcome
from fulfillment_conformance.redaction import Redactor

SUBSCRIPTION = "7a1d5c02-4b8e-4f61-8a2c-6d9e1b4f7a20"
OPERATION = "0E6c2f11-93aa-4d0b-9c55-1f2e3d4c5b6a"
PLACE = f"/api/saas/subscriptions/{SUBSCRIPTION}/operations/{OPERATION}"
LOCATION = f"https://market.example{PLACE}?api-version=2018-08-31"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


Judge = Callable[..., list[CheckResult]]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def judge(catalogue: Catalogue) -> Judge:
    """Return what a judgement in the name of a requirement has recorded."""

    def judge(
        judgement: Callable[[Check], Any], row: str = "GET-011", profile: str = "documented"
    ) -> list[CheckResult]:
        checks = Checks([row], catalogue, profile=profile, redactor=Redactor())
        judgement(checks(row))
        return checks.results

    return judge


def exchange(status: int = 200) -> Exchange:
    return Exchange(sender="suite", receiver="marketplace", method="GET", url="https://m/", status=status, number="4")


def shown(value: Any, name: str = "planId") -> Reading:
    return Reading(name, value, exchange())


def passed(results: list[CheckResult]) -> bool:
    [result] = results
    return result.outcome is Outcome.PASSED


def test_a_credential_for_another_publisher_is_bad_and_yet_usable() -> None:
    assert set(BAD_CREDENTIALS) - set(UNUSABLE_TOKENS) == {"foreign-publisher"}
    assert UNUSABLE_TOKENS == ("missing", "malformed", "expired", "wrong-signature")
    assert timedelta(minutes=10) == SLACK


# --- Operation-Location ---


def located(
    judge: Judge, location: str, *, status: int = 202, found: int = 200
) -> tuple[list[CheckResult], list[Exchange]]:
    script = Scripted(lambda sent: reply(sent, found))
    headers = (("Operation-Location", location),) if location else ()
    accepted = AcceptedAnswer(exchange(status))
    accepted.exchange.response_headers = headers
    client = FulfillmentClient("https://market.example/api", http=script.http, access_token=lambda: "t")
    results = judge(lambda check: operation_is_located(check, client, SUBSCRIPTION, accepted), "CHP-002")
    return results, script.sent


@pytest.mark.parametrize(
    "location",
    [
        LOCATION,
        LOCATION.replace("https", "http"),
        LOCATION.replace(SUBSCRIPTION, SUBSCRIPTION.upper()),
        LOCATION + "&x=1",
        LOCATION.replace("market.example/api", "elsewhere.example:8443"),
    ],
)
def test_an_operation_is_read_where_the_answer_says_that_it_is(judge: Judge, location: str) -> None:
    results, sent = located(judge, location)

    assert [result.outcome for result in results] == [Outcome.PASSED, Outcome.PASSED]
    assert [each.url for each in sent] == [location]


def test_an_operation_that_is_not_found_at_its_location_fails(judge: Judge) -> None:
    results, _ = located(judge, LOCATION, found=404)

    assert [result.outcome for result in results] == [Outcome.PASSED, Outcome.FAILED]


@pytest.mark.parametrize(
    "location",
    [
        "",
        PLACE + "?api-version=2018-08-31",
        LOCATION.replace("https", "ftp"),
        f"https://{PLACE}?api-version=2018-08-31",
        LOCATION.partition("?")[0],
        LOCATION.replace("2018-08-31", "2017-01-01"),
        LOCATION + "&api-version=2017-01-01",
        LOCATION.replace(SUBSCRIPTION, OPERATION),
        LOCATION.replace(OPERATION, "latest"),
        LOCATION.replace("?", "/more?"),
        LOCATION.replace("subscriptions", "subscribers"),
    ],
)
def test_a_location_that_leads_elsewhere_fails_and_is_not_followed(judge: Judge, location: str) -> None:
    results, sent = located(judge, location)

    [result] = results
    assert result.outcome is Outcome.FAILED
    assert result.actual == f"202 with Operation-Location: {location or 'absent'}"
    assert f"/saas/subscriptions/{SUBSCRIPTION}/operations/<guid>?api-version=2018-08-31" in result.expected
    assert result.exchanges == ("4",)
    assert sent == []


def test_only_an_accepted_call_has_a_location(judge: Judge) -> None:
    results, sent = located(judge, LOCATION, status=200)

    assert [result.outcome for result in results] == [Outcome.FAILED]
    assert sent == []


# --- values ---


@pytest.mark.parametrize(
    ("value", "wanted", "right"),
    [
        ("gold", "gold", True),
        ("Gold", "gold", False),
        (ABSENT, "gold", False),
        (5, 5, True),
        ("5", 5, True),
        ("5", "5", True),
        (5, "5", False),
        (True, 1, False),
        (6, 5, False),
        (None, None, True),
        (ABSENT, None, False),
    ],
)
def test_a_plan_is_itself_and_seats_are_a_number_however_written(
    judge: Judge, value: Any, wanted: Any, right: bool
) -> None:
    results = judge(lambda check: value_is(check, shown(value), wanted))

    assert passed(results) == right
    assert results[0].expected == f"planId {wanted!r}"
    assert results[0].actual == str(value)
    assert results[0].exchanges == ("4",)


@pytest.mark.parametrize(
    ("value", "seats"),
    [
        (0, 0),
        (12, 12),
        (-3, -3),
        ("12", 12),
        (" 12", 12),
        ("007", 7),
        ("123456789", 123_456_789),
        ("1234567890", None),
        ("  12", None),
        ("12 ", None),
        ("-3", None),
        ("1.0", None),
        ("", None),
        (True, None),
        (False, None),
        (1.0, None),
        (None, None),
        ([1], None),
        (ABSENT, None),
    ],
)
def test_seats_are_a_whole_number_or_the_text_of_one(value: Any, seats: int | None) -> None:
    assert number_of_seats(value) == seats
    assert type(number_of_seats(value)) is type(seats)


# --- the description ---


def violation(*rows: str) -> Violation:
    return Violation("/planId", "is missing", "/schema", requirements=rows)


@pytest.mark.parametrize(
    ("value", "violations", "right", "actual"),
    [
        ("gold", [], True, "as described"),
        (None, [], True, "as described"),
        ("gold", [violation("GET-012"), violation()], True, "as described"),
        ("gold", [violation("GET-012", "GET-011")], False, "body /planId: is missing (GET-012, GET-011)"),
        (ABSENT, [], False, "absent"),
        (ABSENT, [violation("GET-011")], False, "body /planId: is missing (GET-011)"),
    ],
)
def test_only_what_is_said_in_the_name_of_the_requirement_counts(
    judge: Judge, value: Any, violations: list[Violation], right: bool, actual: str
) -> None:
    results = judge(lambda check: keeps_to(check, violations, shown(value)))

    assert passed(results) == right
    assert results[0].actual == actual
    assert results[0].expected == "planId as openapi/fulfillment-v2.yaml describes it"


def test_several_breaches_are_all_named(judge: Judge) -> None:
    results = judge(lambda check: keeps_to(check, [violation("GET-011")] * 2, shown("gold")))

    assert results[0].actual == "body /planId: is missing (GET-011); body /planId: is missing (GET-011)"


# --- times ---


def dated(judge: Judge, value: Any, *zones: str, profile: str = "documented") -> list[CheckResult]:
    observed = {"": "no zone"}
    return judge(
        lambda check: is_dated(check, shown(value, "timeStamp"), NOON, zones=zones, observed=observed),
        "EVT-008",
        profile,
    )


@pytest.mark.parametrize(
    ("value", "zones", "right"),
    [
        ("2026-03-01T12:00:00Z", ("Z",), True),
        ("2026-03-01T12:00:00.1234567Z", ("Z", ""), True),
        (" 2026-03-01T12:00:00Z ", ("Z",), True),
        ("2026-03-01T12:10:00Z", ("Z",), True),
        ("2026-03-01T11:50:00Z", ("Z",), True),
        ("2026-03-01T12:10:01Z", ("Z",), False),
        ("2026-03-01T11:49:59Z", ("Z",), False),
        ("2026-03-01T12:00:00", ("",), True),
        ("2026-03-01T12:00:00", ("Z",), False),
        ("2026-03-01T12:00:00Z", ("",), False),
        ("2026-03-01T13:00:00+01:00", ("+01:00",), True),
        ("2026-03-01T13:00:00+01:00", ("Z", ""), False),
        ("2026-03-01T12:00:00+01:00", ("+01:00",), False),
        ("2026-03-01", ("Z", ""), False),
        ("at noon", ("Z", ""), False),
        (ABSENT, ("Z", ""), False),
    ],
)
def test_a_time_is_near_and_its_zone_written_as_the_row_allows(
    judge: Judge, value: Any, zones: tuple[str, ...], right: bool
) -> None:
    assert passed(dated(judge, value, *zones)) == right


def test_what_is_expected_of_a_time_is_said(judge: Judge) -> None:
    [result] = dated(judge, "never", "Z", "")

    assert result.expected == ("timeStamp an ISO date-time near 2026-03-01T12:00:00+00:00, zone written as Z or none")
    assert (result.actual, result.exchanges) == ("never", ("4",))


@pytest.mark.parametrize(
    ("value", "profile", "right"),
    [
        ("2026-03-01T12:00:00", "observed", True),
        ("2026-03-01T12:00:00", "documented", False),
        ("2026-03-01T15:00:00", "observed", False),
        ("2026-03-01T13:00:00+01:00", "observed", False),
    ],
)
def test_a_zone_that_was_only_observed_passes_where_observations_count(
    judge: Judge, value: str, profile: str, right: bool
) -> None:
    assert passed(dated(judge, value, "Z", profile=profile)) == right


def test_no_zone_needs_to_have_been_observed(judge: Judge) -> None:
    results = judge(
        lambda check: is_dated(check, shown("2026-03-01T12:00:00+00:00"), NOON, zones=["Z"]), "OPG-016", "observed"
    )

    assert not passed(results)


@pytest.mark.parametrize(
    ("now", "waiting", "right"),
    [
        ({"planId": "team", "quantity": 10}, [], True),
        ({"planId": "team", "quantity": 11}, [], False),
        ({"planId": "business", "quantity": 10}, [], False),
        ({"planId": "team", "quantity": 10}, [{"id": OPERATION}], False),
    ],
)
def test_what_was_refused_has_begun_nothing(
    judge: Judge, now: dict[str, Any], waiting: list[dict[str, str]], right: bool
) -> None:
    script = Scripted(lambda sent: reply(sent, 200, {"operations": waiting} if sent.url.count("operations") else now))
    client = FulfillmentClient("https://m", http=script.http, access_token=lambda: "t")
    before = SubscriptionAnswer(exchange())
    reply(before.exchange, 200, {"planId": "team", "quantity": 10})
    results = judge(lambda check: nothing_has_begun(check, client, SUBSCRIPTION, before, Answer(exchange(403))))

    assert passed(results) == right
    assert judge(lambda check: nothing_has_begun(check, client, SUBSCRIPTION, before, Answer(exchange(202)))) == []


@pytest.mark.parametrize(
    ("profile", "word", "right"),
    [("documented", "Succeeded", True), ("documented", "InProgress", False), ("observed", "Success", True)],
)
def test_the_status_of_a_notification_is_the_one_of_its_event(
    judge: Judge, profile: str, word: str, right: bool
) -> None:
    sent = exchange()
    sent.request_body = json.dumps({"action": "Suspend", "status": word}).encode()
    contract = Contract.load(profile="observed" if profile == "observed" else "documented")
    results = judge(lambda check: has_status(check, contract, Notification(sent), "Succeeded"))

    assert passed(results) == right
