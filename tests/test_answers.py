import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment_conformance.answers import (
    ABSENT,
    DEEPEST,
    Answer,
    OperationAnswer,
    Reading,
    SubscriptionAnswer,
    read_json,
    value_of,
)
from fulfillment_conformance.exchange import Exchange


def exchange(body: bytes = b"", status: int | None = 200, **changes: Any) -> Exchange:
    return Exchange(
        sender="suite",
        receiver="marketplace",
        method="GET",
        url="http://127.0.0.1/api/saas/subscriptions/1?token=canary",
        status=status,
        response_body=body,
        **changes,
    )


def answer(data: Any) -> Answer:
    return Answer(exchange(json.dumps(data).encode()))


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b' {"a": 1}', {"a": 1}),
        ("[]", []),
        (b" ", ABSENT),
        (b"NaN", ABSENT),
        (b"\xff", ABSENT),
        (b"9" * 5000, ABSENT),
        (nested(DEEPEST + 1), ABSENT),
        (nested(100_000), ABSENT),
        (b'{"a":' * 900 + b"1" + b"}" * 900, ABSENT),
    ],
)
def test_what_is_no_json_that_can_be_dealt_with_is_absent(text: bytes | str, value: Any) -> None:
    assert read_json(text) == value


def test_json_may_be_nested_as_deep_as_anybody_needs() -> None:
    assert read_json(nested(DEEPEST)) is not ABSENT


class TestAbsent:
    def test_there_is_one(self) -> None:
        assert type(ABSENT)() is ABSENT
        assert copy.deepcopy(ABSENT) is ABSENT

    def test_it_is_falsy_and_says_what_it_is(self) -> None:
        assert not ABSENT
        assert repr(ABSENT) == "absent"


class TestReading:
    def test_parts_are_named_by_their_path(self) -> None:
        reading = answer({"subscriptions": [{"term": {"termUnit": "P1M"}}]})["subscriptions"][0]["term"]["termUnit"]

        assert reading.name == "subscriptions[0].term.termUnit"
        assert reading.value == "P1M"
        assert str(reading) == "subscriptions[0].term.termUnit 'P1M'"

    @pytest.mark.parametrize("data", [{"a": 1}, [1, 2], "text", 3, None, True, 1.5])
    @pytest.mark.parametrize("key", ["b", 7, -7])
    def test_what_is_not_there_is_absent(self, data: Any, key: str | int) -> None:
        reading = answer(data).body[key][key]["deeper"][0]

        assert reading.value is ABSENT
        assert reading.absent
        assert not reading

    @pytest.mark.parametrize("value", [0, "", False, None, [], {}])
    def test_a_value_that_is_there_is_not_absent_however_empty(self, value: Any) -> None:
        reading = answer({"a": value})["a"]

        assert not reading.absent
        assert reading

    def test_every_reading_remembers_its_exchange(self) -> None:
        one = answer({"a": [{"b": 1}]})

        assert one["a"][0]["b"].exchange is one.exchange
        assert one["x"]["y"].exchange is one.exchange
        assert one.header("x").exchange is one.exchange

    def test_arrays_are_iterated(self) -> None:
        items = list(answer([{"id": "a"}, {"id": "b"}]).body)

        assert [item["id"].value for item in items] == ["a", "b"]
        assert [item.name for item in items] == ["body[0]", "body[1]"]
        assert answer([1, 2]).body[-1].value == 2

    @pytest.mark.parametrize("data", [{"a": 1}, "text", 3, None])
    def test_anything_else_has_no_elements(self, data: Any) -> None:
        assert list(answer(data).body) == []
        assert len(answer(data).body) == 0

    def test_value_of_takes_both(self) -> None:
        assert value_of(answer({"a": 1})["a"]) == 1
        assert value_of("plain") == "plain"

    def test_printing_it_prints_no_exchange(self) -> None:
        assert repr(Reading("a", 1, exchange())) == "Reading(name='a', value=1)"

    @pytest.mark.parametrize("value", ["a", 1, None, ["a"], {"a": ["b"]}])
    def test_whatever_was_read_can_be_looked_up(self, value: Any) -> None:
        reading = answer({"it": value})["it"]

        known = {answer({"other": other})["other"].key for other in (value, "b")}

        assert {reading.key} < known


class TestAnswer:
    @pytest.mark.parametrize(
        ("status", "kinds"),
        [
            (None, (False, False, False)),
            (100, (False, False, False)),
            (200, (True, False, False)),
            (299, (True, False, False)),
            (302, (False, False, False)),
            (400, (False, True, False)),
            (499, (False, True, False)),
            (500, (False, False, True)),
            (599, (False, False, True)),
        ],
    )
    def test_its_status_has_a_kind(self, status: int | None, kinds: tuple[bool, bool, bool]) -> None:
        one = Answer(exchange(status=status))

        assert (one.is_success, one.is_client_error, one.is_server_error) == kinds
        assert one.status_code == status
        assert one.status_line.value == (ABSENT if status is None else status)

    def test_an_answer_that_did_not_come_whole_has_nothing_to_read(self) -> None:
        cut = Answer(exchange(b'{"id": "1"}', None, began=200, response_headers=(("a", "b"),), error="ReadError"))

        assert (cut.status_code, cut.text, cut.content) == (None, "", b"")
        assert (cut["id"].value, cut.header("a").value) == (ABSENT, ABSENT)

    def test_no_answer_has_an_error(self) -> None:
        one = Answer(exchange(status=None, error="ReadTimeout: 10 s"))

        assert one.error == "ReadTimeout: 10 s"
        assert one.body.absent

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" \r\n",
            b"<html>Sign in</html>",
            b"{broken",
            b'{"a": NaN}',
            b"Infinity",
            b"\xff\xfe\xfd",
            b"[" * 100_000,
            b"9" * 100_000,
            b'{"a": 1} trailing',
        ],
        ids=lambda body: str(body[:12]),
    )
    def test_a_body_that_is_not_json_is_absent(self, body: bytes) -> None:
        one = Answer(exchange(body))

        assert one.body.value is ABSENT
        assert one["id"].value is ABSENT
        assert isinstance(one.text, str)

    @settings(deadline=None)
    @given(body=st.binary(max_size=60))
    def test_reading_never_raises(self, body: bytes) -> None:
        one = SubscriptionAnswer(exchange(body))

        assert isinstance(one.text, str)
        assert [one.status.name, one.plan.name, one.quantity.name] == ["saasSubscriptionStatus", "planId", "quantity"]
        assert list(one.body["items"]) == []

    def test_headers_are_read_without_case(self) -> None:
        one = Answer(exchange(response_headers=(("Retry-After", "5"), ("retry-after", "9"))))

        assert one.header("RETRY-AFTER").value == "5"
        assert one.header("x").absent
        assert one.header("x").name == "header x"

    def test_printing_it_prints_no_query(self) -> None:
        assert "canary" not in repr(answer({"token": "canary"}))
        assert repr(Answer(exchange())).startswith("<Answer <Exchange")


def test_subscriptions_and_operations_name_their_fields() -> None:
    subscription = SubscriptionAnswer(
        exchange(b'{"saasSubscriptionStatus": "Subscribed", "planId": "gold", "quantity": 3}')
    )
    operation = OperationAnswer(exchange(b'{"status": "InProgress"}'))

    assert (subscription.status.value, subscription.plan.value, subscription.quantity.value) == (
        "Subscribed",
        "gold",
        3,
    )
    assert operation.status.value == "InProgress"
