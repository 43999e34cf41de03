"""Tests of reading what a publisher's calls say, without ever raising."""

import json
from typing import Any

import jwt
import pytest

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.stage.calls import (
    answered,
    bearer,
    brief,
    briefly,
    claims,
    document,
    error_code,
    form,
    query,
    refused_for_its_values,
    sent,
    tells,
)

SUBSCRIPTIONS = "https://market.example/api/saas/subscriptions"


def call(url: str = SUBSCRIPTIONS, *, status: int | None = 200, body: bytes = b"", **headers: str) -> Exchange:
    return Exchange(
        sender="publisher",
        receiver="marketplace",
        method="PATCH",
        url=url,
        status=status,
        error=None if status else "ReadTimeout",
        request_body=body,
        response_body=body,
        request_headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()),
    )


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"planId": "gold"}', {"planId": "gold"}),
        (b" null ", None),
        (b"", ABSENT),
        (b" \n", ABSENT),
        (b"{", ABSENT),
        (b"\xff", ABSENT),
        (b"[" * 100_000, ABSENT),
    ],
)
def test_json_is_read_or_absent(body: bytes, read: Any) -> None:
    assert document(call(body=body)) == read
    assert answered(call(body=body)) == read


def test_the_query_has_all_values_and_the_form_the_last_ones() -> None:
    asked = call(f"{SUBSCRIPTIONS}?a=1&a=2&b=&c=%2B", body=b"a=1&a=2&b=&c=%2B&d=\xff")

    assert query(asked) == {"a": ["1", "2"], "b": [""], "c": ["+"]}
    assert form(asked) == {"a": "2", "b": "", "c": "+", "d": "�"}


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("abc", ""),
        ("Bearer", ""),
        ("", ""),
    ],
)
def test_the_bearer_token_of_a_call(value: str, token: str) -> None:
    assert bearer(call(Authorization=value)) == token


def test_a_header_that_is_missing_is_none() -> None:
    assert sent(call(X_One="1"), "x-one") == "1"
    assert sent(call(), "x-one") is None
    assert bearer(call()) == ""


def test_claims_are_read_without_looking_at_the_signature() -> None:
    assert claims(jwt.encode({"aud": "me"}, "k" * 32)) == {"aud": "me"}
    assert [claims(token) for token in ("", "a.b.c", "no token", "é.é.é")] == [{}] * 4


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        (f"{SUBSCRIPTIONS}/s1/operations/o?x=1", 200, "PATCH /s1/operations/o -> 200"),
        (SUBSCRIPTIONS, 409, "PATCH / -> 409"),
        (f"{SUBSCRIPTIONS}/s1", None, "PATCH /s1 -> ReadTimeout"),
        ("https://login.example/t/oauth2/token", 400, "PATCH /t/oauth2/token -> 400"),
    ],
)
def test_a_call_is_named_in_a_few_words(url: str, status: int | None, words: str) -> None:
    assert brief(call(url, status=status)) == words


def test_a_refused_call_is_named_with_the_code_of_its_error() -> None:
    refused = call(status=400, body=b'{"error": {"code": "PlanMismatch"}}')

    assert brief(refused) == "PATCH / -> 400 PlanMismatch"
    assert error_code(call(status=200, body=refused.response_body)) == ""
    for body in (b"[]", b'{"error": "no"}', b'{"error": {"code": 7}}', b"<html>"):
        assert error_code(call(status=500, body=body)) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://isv.example/?t=a%2Bb%2Fc%3D", True),
        ("https://isv.example/?t=a%252Bb%252Fc%253D", True),
        ("https://isv.example/a+b/c=", True),
        ("a b/c=", True),
        ("https://isv.example/?csrf_token=1", False),
    ],
)
def test_a_purchase_token_is_found_in_whatever_encoding_of_addresses(text: str, found: bool) -> None:
    assert tells(text, "a+b/c=") is found


def test_several_calls_are_named_and_none_said() -> None:
    assert briefly([call(), call(status=404)], otherwise="nothing") == "PATCH / -> 200; PATCH / -> 404"
    assert briefly([], otherwise="nothing") == "nothing"


@pytest.mark.parametrize(
    ("status", "code", "refused"),
    [
        (400, "QuantityMismatch", True),
        (400, "PlanMismatch", True),
        (400, "BadRequest", False),
        (409, "PlanMismatch", False),
        (400, None, False),
    ],
)
def test_activate_may_be_refused_for_the_values_that_it_names(status: int, code: str | None, refused: bool) -> None:
    error = {"error": {"code": code, "message": "The body names 1 seats."}} if code else {"error": "no object"}
    told = refused_for_its_values(call(status=status, body=json.dumps(error).encode()))

    assert told.startswith("The body names 1 seats. The live service was seen not to look") == refused
    assert bool(told) == refused
    assert refused_for_its_values(call(status=400, body=b"[]")) == ""
