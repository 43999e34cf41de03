import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive

from fulfillment_conformance.asgi import header_list, lifespan, url_of, whole_body


def receiving(*messages: Message) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


def test_the_lifespan_ends_with_the_shutdown() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(lifespan(receiving({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}), send))

    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([{"body": b"all", "more_body": False}], b"all"),
        ([{"body": b"one ", "more_body": True}, {"more_body": True}, {"body": b"two"}], b"one two"),
        ([{}], b""),
    ],
)
def test_a_body_comes_in_parts(messages: Iterable[dict[str, Any]], body: bytes) -> None:
    assert asyncio.run(whole_body(receiving(*({"type": "http.request", **each} for each in messages)))) == body


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"raw_path": b"/a%2Fb", "query_string": b"token=x%2B"}, "https://crm.example:8443/a%2Fb?token=x%2B"),
        ({"raw_path": b"/", "query_string": b""}, "https://crm.example:8443/"),
        ({"path": "/a/b", "query_string": b""}, "https://crm.example:8443/a/b"),
        ({"raw_path": b"/", "query_string": b"", "headers": []}, "https://localhost/"),
    ],
)
def test_an_address_stands_as_it_was_written(scope: dict[str, Any], url: str) -> None:
    assert url_of({"scheme": "https", "headers": [(b"host", b"crm.example:8443")], **scope}) == url


def test_headers_keep_order_and_repeats() -> None:
    assert header_list([(b"b", b"1"), (b"a", b"\xe9"), (b"b", b"2")]) == (("b", "1"), ("a", "é"), ("b", "2"))
