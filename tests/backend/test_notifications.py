import json
from typing import Any

import pytest

from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.exchange import Exchange

URL = "http://127.0.0.1:9/webhook"


def notification(body: Any, **headers: str) -> Notification:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Notification(
        Exchange(
            sender="marketplace",
            receiver="suite",
            method="POST",
            url=URL,
            request_headers=tuple(headers.items()),
            request_body=content,
        )
    )


def test_fields_are_read_with_their_names_and_evidence() -> None:
    read = notification({"action": "Renew", "id": "7", "subscription": {"planId": "silver"}})

    assert (read["action"].name, read["action"].value) == ("notification.action", "Renew")
    assert read.subscription["planId"].name == "notification.subscription.planId"
    assert read["action"].exchange is read.exchange
    assert (read.action, read.operation_id) == ("Renew", "7")
    assert repr(read) == f"<Notification Renew <Exchange  marketplace to suite: POST {URL} -> no answer>>"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"null", b"[]", b"5", b"NaN", b"[" * 100_000])
def test_whatever_cannot_be_read_is_absent(body: bytes) -> None:
    read = notification(body)

    assert (read.action, read.operation_id, read.subscription_id) == (None, None, None)
    assert read["anything"]["below"].absent


def test_the_subscription_is_also_found_inside() -> None:
    assert notification({"subscription": {"id": "inside"}}).subscription_id == "inside"
    assert notification({"subscriptionId": "on top", "subscription": {"id": "inside"}}).subscription_id == "on top"
    assert notification({"subscriptionId": 5}).subscription_id is None


def test_headers_are_read_without_case() -> None:
    read = notification({}, Authorization="Bearer x")

    assert read.header("authorization").value == "Bearer x"
    assert read.header("x-none").absent
