import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from fulfillment_conformance.answers import ABSENT, Answer, Reading
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.basis import (
    LONGEST_KEPT,
    LONGEST_SEEN,
    Basis,
    NotRecorded,
    Operand,
    comparison,
    decide,
    difference,
    find,
    names_of,
    of_status,
    seen,
    told,
)
from fulfillment_conformance.evidence import BODY_LIMIT, MOST_HEADERS, redacted
from fulfillment_conformance.exchange import Exchange, HeaderList
from fulfillment_conformance.outcome import Outcome
from fulfillment_conformance.redaction import Redactor

PASSED, FAILED, UNDECIDED = Outcome.PASSED, Outcome.FAILED, Outcome.UNDECIDED


class Accepted:
    def __init__(self, *statuses: int, profile: str = "documented") -> None:
        self.reading, self.source, self.profile, self.statuses = "another way", "a page", profile, statuses


def exchange(
    status: int | None = 200,
    body: object = None,
    number: str = "7",
    headers: HeaderList = (("Operation-Location", "http://x/1"),),
) -> Exchange:
    return Exchange(
        sender="suite",
        receiver="marketplace",
        method="GET",
        url="http://127.0.0.1:1/api/saas/subscriptions/7?api-version=2018-08-31",
        status=status,
        response_headers=headers,
        response_body=b"" if body is None else json.dumps(body).encode(),
        request_headers=(("X-Here", "yes"),),
        request_body=b'{"action": "Renew", "subscription": {"id": "s"}}',
        number=number,
    )


def recorded(one: Exchange) -> dict[str, Any]:
    return redacted(one, Redactor())


def written(basis: Basis) -> dict[str, Any]:
    """Return a basis as it comes back from a file."""
    data: dict[str, Any] = json.loads(json.dumps(basis.to_json(Redactor().data)))
    return data


SHOWN = {"planId": "gold", "seats": 5, "plans": [{"planId": "silver"}], "nothing": None}


class TestPlaces:
    @pytest.mark.parametrize(
        ("read", "value"),
        [
            (lambda answer: answer["planId"], "gold"),
            (lambda answer: answer["plans"][0]["planId"], "silver"),
            (lambda answer: answer["plans"][-1]["planId"], "silver"),
            (lambda answer: answer["plans"][1], ABSENT),
            (lambda answer: answer["nothing"], None),
            (lambda answer: answer["nothing"]["below"], ABSENT),
            (lambda answer: answer.body["seats"], 5),
            (lambda answer: answer.header("operation-location"), "http://x/1"),
            (lambda answer: answer.header("nowhere"), ABSENT),
            (lambda answer: answer.status_line, 200),
            (lambda answer: Notification(answer.exchange)["subscription"]["id"], "s"),
            (lambda answer: Notification(answer.exchange).header("x-here"), "yes"),
        ],
    )
    def test_every_value_that_is_read_is_found_again_in_the_record(self, read: Any, value: Any) -> None:
        reading = read(Answer(exchange(body=SHOWN)))

        assert reading.value == value
        assert reading.place is not None
        assert find(recorded(reading.exchange), reading.place) == value

    @pytest.mark.parametrize("body", ["no JSON", "", "NaN", '{"a": NaN}'])
    def test_what_is_no_json_has_no_fields(self, body: str) -> None:
        one = exchange()
        one.response_body = body.encode()

        assert find(recorded(one), ("body", "a")) is ABSENT

    def test_no_answer_has_nothing(self) -> None:
        assert find(recorded(exchange(status=None)), ("status",)) is ABSENT

    def test_a_header_that_is_not_among_those_kept_is_not_recorded(self) -> None:
        one = recorded(exchange(headers=(*((f"x-{number}", "") for number in range(MOST_HEADERS)), ("x-last", ""))))

        assert find(one, ("header", "x-0")) == ""
        with pytest.raises(NotRecorded):
            find(one, ("header", "x-last"))

    @pytest.mark.parametrize("body", [b'"' + b"x" * BODY_LIMIT + b'"', b"\xff\xfe"])
    def test_what_was_not_kept_is_told_apart_from_what_is_not_there(self, body: bytes) -> None:
        one = exchange()
        one.response_body = body

        with pytest.raises(NotRecorded):
            find(recorded(one), ("body", "planId"))


def plan(value: Any = "gold", number: str = "7") -> Reading:
    return Answer(exchange(body={} if value is ABSENT else {"planId": value}, number=number))["planId"]


class TestDecisions:
    @pytest.mark.parametrize(
        ("basis", "outcome"),
        [
            (comparison("equals", plan(), "gold"), PASSED),
            (comparison("equals", plan(), plan("silver")), FAILED),
            (comparison("equals", plan(1), True), FAILED),
            (comparison("equals", plan(ABSENT), ABSENT), PASSED),
            (comparison("equals", plan(ABSENT), None), FAILED),
            (comparison("equals", ["a"], ("a",)), PASSED),
            (comparison("one-of", plan(), "silver", "gold"), PASSED),
            (comparison("one-of", plan(ABSENT), ABSENT, ""), PASSED),
            (comparison("one-of", plan(), "silver"), FAILED),
            (comparison("pattern", plan("P1M"), pattern=r"P\d+M", meaning="a duration"), PASSED),
            (comparison("pattern", plan("xP1M"), pattern=r"P\d+M", meaning="a duration"), FAILED),
            (comparison("type", plan(1), types=names_of([int, type(None)]), meaning="a number"), PASSED),
            (comparison("type", plan(None), types=names_of([int, type(None)]), meaning="a number"), PASSED),
            (comparison("type", plan(True), types=names_of([int]), meaning="a number"), FAILED),
            (comparison("text", plan(" ")), FAILED),
            (comparison("text", plan()), PASSED),
            (comparison("unchanged", plan(), "gold", 1, 1, 5, 5), PASSED),
            (comparison("unchanged", plan(), "gold", 1, 1, 5, 6), FAILED),
            (comparison("unchanged", plan(), "silver", 1, 1, 5, 5), FAILED),
            (comparison("no-effect", plan(), "gold", calls=[]), PASSED),
            (comparison("no-effect", plan(), "gold", calls=["8"]), FAILED),
            (of_status("status", exchange(404), expected=[403, 404]), PASSED),
            (of_status("status", exchange(None), expected=[404]), FAILED),
            (of_status("accepted", exchange(204)), PASSED),
            (of_status("taken", exchange(302)), FAILED),
            (of_status("refused", exchange(404), exchange(200), expected=[]), PASSED),
            (of_status("refused", exchange(404), exchange(200), expected=[400]), FAILED),
            (of_status("refused", exchange(404), exchange(404), expected=[]), UNDECIDED),
            (of_status("refused", exchange(200), exchange(404), expected=[]), FAILED),
            (of_status("turned-away", exchange(503), exchange(200)), PASSED),
            (of_status("turned-away", exchange(None), exchange(200)), FAILED),
            (of_status("turned-away", exchange(401), exchange(500)), UNDECIDED),
        ],
    )
    def test_a_decision_comes_out_the_same_from_the_file(self, basis: Basis, outcome: Outcome) -> None:
        assert decide(basis) == (outcome, ())
        assert decide(Basis.from_json(written(basis))) == (outcome, ())

    @pytest.mark.parametrize("kind", ["status", "refused"])
    def test_other_readings_of_the_row_pass_with_a_note(self, kind: Any) -> None:
        basis = of_status(kind, exchange(409), exchange(200), expected=[400])

        assert decide(basis, readings=[Accepted(409)]) == (PASSED, ("accepted reading: another way (a page)",))
        only_observed = [Accepted(409, profile="observed")]
        assert decide(basis, readings=only_observed, profile="observed") == (
            PASSED,
            ("observed: another way (a page)",),
        )
        found = decide(basis, readings=only_observed)
        assert found is not None
        assert found[0] is FAILED

    def test_what_is_only_observed_excuses_no_acceptance_under_the_pages(self) -> None:
        basis = of_status("refused", exchange(200), exchange(409), expected=[400])
        only_observed = [Accepted(200, profile="observed")]

        documented = decide(basis, readings=only_observed)
        assert documented is not None
        assert documented[0] is FAILED
        assert decide(basis, readings=only_observed, profile="observed") == (UNDECIDED, ())

    def test_a_condition_of_a_test_cannot_be_decided_again(self) -> None:
        assert decide(seen([plan()])) is None


class TestSeen:
    def test_it_holds_what_stands_in_exchanges_once_each(self) -> None:
        answer = Answer(exchange(202, number="9"))

        assert written(seen([plan(), plan(), answer, answer.exchange, Notification(answer.exchange)]))["of"] == [
            {"name": "planId", "exchange": "7", "at": ["body", "planId"], "value": "gold"},
            {"name": "status", "exchange": "9", "at": ["status"], "value": 202},
        ]

    def test_a_value_that_was_made_of_others_counts_by_its_exchange(self) -> None:
        made = Reading("the publisher's status", "Subscribed", exchange())

        assert written(seen([made]))["of"] == [{"name": "status", "exchange": "7", "at": ["status"], "value": 200}]

    def test_long_values_are_not_repeated(self) -> None:
        [operand] = written(seen([plan("x" * (LONGEST_SEEN + 1))]))["of"]

        assert operand == {"name": "planId", "exchange": "7", "at": ["body", "planId"], "long": True}
        assert Operand.from_json(operand).long

    @pytest.mark.parametrize("value", [datetime(2026, 1, 1, tzinfo=UTC), {1: 2}, float("nan"), {"a"}])
    def test_a_comparison_with_what_json_cannot_hold_is_only_seen(self, value: object) -> None:
        assert written(comparison("equals", plan(), value)) == {
            "kind": "seen",
            "of": [{"name": "planId", "exchange": "7", "at": ["body", "planId"], "value": "gold"}],
        }

    def test_a_comparison_with_a_very_long_value_is_only_seen(self) -> None:
        text = "x" * (LONGEST_KEPT + 1)
        reading = Answer(exchange(body={"name": text}))["name"]

        assert written(comparison("equals", reading, text)) == {
            "kind": "seen",
            "of": [{"name": "name", "exchange": "7", "at": ["body", "name"], "long": True}],
        }


class TestSecrets:
    def test_values_are_hidden_by_the_field_that_they_stand_in_or_are_compared_with(self) -> None:
        answer = Answer(exchange(body={"emailId": "buyer@contoso.example", "puid": "1003"}))
        redactor = Redactor()
        for field in ("emailId", "puid"):
            told = json.dumps(comparison("equals", answer[field], answer[field].value).to_json(redactor.data))

            assert "buyer" not in told
            assert "1003" not in told

    def test_a_placeholder_is_the_one_of_the_exchange(self) -> None:
        redactor = Redactor()
        answer = Answer(exchange(body={"emailId": "buyer@contoso.example"}))
        [left, right] = comparison("equals", answer["emailId"], "buyer@contoso.example").to_json(redactor.data)["of"]

        assert left["value"] == right["value"] == find(redacted(answer.exchange, redactor), ("body", "emailId"))


class TestWords:
    @pytest.mark.parametrize(
        ("basis", "words"),
        [
            (comparison("equals", plan(), plan("silver", "8")), ("planId 'silver', as planId of GET showed", "'gold'")),
            (comparison("equals", ["gold"], ("gold",)), ("the value ['gold']", "['gold']")),
            (comparison("one-of", plan(), ABSENT, "x"), ("planId one of absent, 'x'", "'gold'")),
            (comparison("text", plan(ABSENT)), ("planId a string that is not empty", "absent")),
            (comparison("type", plan(), types=["integer"], meaning="a number"), ("planId a number", "'gold'")),
            (of_status("status", exchange(), expected=[200, 202]), ("GET /a?b answered 200 or 202", "")),
            (of_status("accepted", exchange()), ("GET /a?b accepted (2xx)", "")),
            (of_status("taken", exchange()), ("GET /a?b answered 200", "")),
            (of_status("refused", exchange(), exchange(), expected=[]), ("GET /a?b refused with 4xx", "")),
            (of_status("turned-away", exchange(), exchange()), ("GET /a?b refused with 401, or another 4xx", "")),
            (seen([plan()]), ("", "")),
        ],
    )
    def test_they_are_the_same_from_the_file(self, basis: Basis, words: tuple[str, str]) -> None:
        def request_of(number: str) -> tuple[str, str]:
            return "GET", "http://127.0.0.1:1/a?b"

        assert told(basis, request_of) == words
        data: Mapping[str, Any] = written(basis)
        assert told(Basis.from_json(data), request_of) == words


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, (".b", 2, 3)),
        ({"a": [{"id": 1, "at": "x"}]}, {"a": [{"id": 1, "at": "y"}]}, (".a[0].at", "x", "y")),
        ({"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 3, "c": 3}, ("", {"a": 1, "b": 2}, {"a": 2, "b": 3})),
        ({"a": 1}, {"a": 1, "b": None}, ("", {}, {"b": None})),
        ([1, 2], [1], ("", [1, 2], [1])),
        ([1, 2], [3, 4], ("", [1, 2], [3, 4])),
        ({"a": 1}, {"a": 1}, ("", {"a": 1}, {"a": 1})),
        ("x", "y", ("", "x", "y")),
    ],
)
def test_of_two_values_only_what_differs_is_shown(left: Any, right: Any, found: tuple[str, Any, Any]) -> None:
    assert difference(left, right) == found
