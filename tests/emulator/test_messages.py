from typing import Any

import pytest
from starlette.types import Message

from fulfillment_conformance.emulator.messages import (
    BODY_LIMIT,
    Reply,
    Request,
    error_reply,
    origin_of,
    read_body,
    read_object,
    request_of,
)
from fulfillment_conformance.marketplace import Refused

pytestmark = pytest.mark.anyio


def scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/api/x",
        "query_string": b"a=1&b=&a=2&c=%2B",
        "headers": [(b"host", b"market.example"), (b"x-ms-requestid", b"r-1")],
        **changes,
    }


def test_a_request_is_read_from_its_scope() -> None:
    request = request_of(scope())

    assert (request.method, request.origin, request.path) == ("GET", "https://market.example", "/api/x")
    assert request.headers["x-ms-requestid"] == "r-1"
    assert request.query == {"a": ["1", "2"], "b": [""], "c": ["+"]}


def test_a_query_parameter_has_one_value_or_none() -> None:
    request = request_of(scope())

    assert (request.parameter("c"), request.parameter("b"), request.parameter("z")) == ("+", "", None)
    with pytest.raises(Refused, match="2 times"):
        request.parameter("a")


@pytest.mark.parametrize(
    ("changes", "origin"),
    [
        ({"headers": [(b"host", b"127.0.0.1:8080")], "scheme": "http"}, "http://127.0.0.1:8080"),
        ({"headers": [], "server": ("10.0.0.1", 81)}, "https://10.0.0.1:81"),
        ({"headers": [], "server": ("sock", None)}, "https://sock"),
        ({"headers": []}, "https://localhost"),
        ({"root_path": "/market"}, "https://market.example/market"),
    ],
)
def test_the_origin_is_where_the_request_was_sent(changes: dict[str, Any], origin: str) -> None:
    assert origin_of(scope(**changes)) == origin


def test_a_document_is_sent_as_json_with_its_length() -> None:
    headers, body = Reply(200, {"name": "Zoë"}, {"x-a": "b"}).encode()

    assert body == '{"name": "Zoë"}'.encode()
    assert dict(headers) == {
        b"content-type": b"application/json; charset=utf-8",
        b"x-a": b"b",
        b"content-length": str(len(body)).encode(),
    }


def test_bytes_are_sent_as_they_are_and_none_not_at_all() -> None:
    assert Reply(200, b"<p>", {"content-type": "text/html"}).encode()[1] == b"<p>"
    assert Reply(202).encode() == ([(b"content-length", b"0")], b"")
    assert Reply(204).encode() == ([], b"")


def test_an_error_has_microsofts_shape_and_401_names_the_scheme() -> None:
    assert error_reply(400, "Code", "words").document == {"error": {"code": "Code", "message": "words"}}
    assert error_reply(401, "Code", "words").headers == {"www-authenticate": "Bearer"}


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[1", b"nul", b'{"a": NaN}', b"[" * 100_000, b'{"a":1}x'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="not valid JSON") as refused:
        read_object(body)
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"3"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="no object"):
        read_object(body)


def test_an_object_may_begin_with_a_byte_order_mark() -> None:
    assert read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


async def test_a_body_is_read_to_its_end_but_not_beyond_the_limit() -> None:
    def sent(*chunks: bytes) -> Any:
        messages = iter(
            {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
            for index, chunk in enumerate(chunks)
        )

        async def receive() -> Message:
            return next(messages)

        return receive

    assert await read_body(sent(b"a", b"", b"b")) == b"ab"
    assert len(await read_body(sent(b"x" * BODY_LIMIT))) == BODY_LIMIT
    with pytest.raises(Refused, match="larger than") as refused:
        await read_body(sent(b"x" * BODY_LIMIT, b"y", b"never read"))
    assert refused.value.status == 413


def test_two_requests_share_no_trace() -> None:
    first, second = (Request(method="GET", origin="", path="/", query={}, headers={}) for _ in range(2))
    first.trace["x-ms-requestid"] = "1"

    assert second.trace == {}
