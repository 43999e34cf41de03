import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from fulfillment_conformance.emulator.faults import FaultPlan
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.stage import flood
from fulfillment_conformance.stage.flood import FLOODS, Flood


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "MOST_CALLS", 5)
    monkeypatch.setattr(flood, "FEWER_CALLS", 2)


@pytest.fixture
def faults() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
def calls(faults: FaultPlan) -> Flood:
    return Flood(faults)


def call() -> Exchange:
    return Exchange(sender="publisher", receiver="marketplace", method="GET", url="http://x/api/saas/subscriptions")


def status_of(app: ASGIApp) -> int:
    """Return what a call for the list is answered with."""
    answered: list[Message] = []
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/saas/subscriptions", "headers": []}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # a coroutine
    status: int = answered[0]["status"]
    return status


async def _honest(_scope: object, _receive: object, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_as_many_calls_as_a_test_may_need_are_dealt_with(calls: Flood, faults: FaultPlan) -> None:
    assert [calls.takes(call()) for _ in range(4)] == [True] * 4
    assert status_of(faults.around(_honest)) == 200
    assert calls.ends() is None


def test_more_are_answered_429_and_told_as_one(calls: Flood, faults: FaultPlan) -> None:
    made = [call() for _ in range(8)]

    assert [calls.takes(each) for each in made] == [True] * 5 + [False] * 3
    assert status_of(faults.around(_honest)) == 429
    last = calls.ends()
    assert last is made[-1]
    assert last.purpose == "the last of 3 calls beyond the first 5 of this test; they are not recorded one by one"


def test_the_next_test_begins_anew(calls: Flood, faults: FaultPlan) -> None:
    for _ in range(8):
        calls.takes(call())
    calls.ends()

    assert status_of(faults.around(_honest)) == 200
    assert calls.takes(call())
    assert calls.ends() is None


def test_a_publisher_that_never_stops_has_fewer(calls: Flood) -> None:
    for _ in range(FLOODS):
        while calls.takes(call()):
            pass
        calls.ends()

    assert [calls.takes(call()) for _ in range(4)] == [True, True, False, False]
    last = calls.ends()
    assert last is not None
    assert last.purpose.startswith("the last of 2 calls beyond the first 2 of")
