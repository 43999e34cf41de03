import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from fulfillment_conformance.backend import receiver
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.backend.receiver import BODY_LIMIT, Reaction, Receiver
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.serving import serve

ONE = "0e5a1c7e-3f64-4a1f-9c57-6f1f7f0f0a01"
OTHER = "0e5a1c7e-3f64-4a1f-9c57-6f1f7f0f0a02"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Sandbox:
    """A receiver that is being served, and somebody who calls it."""

    def __init__(self) -> None:
        self.observed: list[Exchange] = []
        self.receiver = Receiver(observer=self.observed.append, clock=lambda: NOW)
        self._serving = serve(self.receiver)
        self._client = httpx2.Client(trust_env=False)
        self.url = f"{self._serving.url}/webhook"

    def post(self, subscription_id: str, action: str = "Suspend") -> httpx2.Response:
        return self._client.post(self.url, json={"subscriptionId": subscription_id, "action": action})

    def send(self, method: str, content: bytes) -> httpx2.Response:
        return self._client.request(method, f"{self.url}?a=b", content=content, headers={"x-odd": "1"})

    def calls(self, subscription_id: str, count: int) -> list[Notification]:
        """Return the calls once there are so many."""
        assert self.receiver.wait(lambda: len(self.receiver.calls(subscription_id)) >= count, 5)
        return self.receiver.calls(subscription_id)

    def close(self) -> None:
        self._client.close()
        self._serving.stop()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def test_who_has_an_answer_finds_the_call_counted(sandbox: Sandbox) -> None:
    counted: list[int] = []
    events: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps({"subscriptionId": ONE}).encode()}]

    async def receive() -> dict[str, Any]:
        return events.pop()

    async def send(message: Any) -> None:
        counted.append(len(sandbox.receiver.calls(ONE)))

    scope = {"type": "http", "method": "POST", "path": "/webhook", "query_string": b"", "headers": []}
    scope |= {"scheme": "http", "server": ("127.0.0.1", 80), "raw_path": b"/webhook"}
    asyncio.run(sandbox.receiver(scope, receive, send))

    assert counted == [1, 1]
    assert [exchange.status for exchange in sandbox.observed] == [200]


def test_a_call_is_recorded_as_it_came(sandbox: Sandbox) -> None:
    answer = sandbox.post(ONE, "ChangePlan")
    (call,) = sandbox.calls(ONE, 1)
    exchange = call.exchange

    assert (answer.status_code, answer.content) == (200, b"")
    assert (call.action, call.subscription_id, call.operation_id) == ("ChangePlan", ONE, None)
    assert (exchange.sender, exchange.receiver, exchange.method, exchange.url) == (
        "marketplace",
        "suite",
        "POST",
        sandbox.url,
    )
    assert call.header("Content-Type").value == "application/json"
    assert (exchange.status, exchange.error, exchange.virtual_at) == (200, None, NOW)
    assert exchange.purpose == "notification ChangePlan"
    assert sandbox.observed == [exchange]


def test_calls_are_told_apart_by_subscription_whatever_the_case(sandbox: Sandbox) -> None:
    sandbox.post(ONE)
    sandbox.post(OTHER, "Renew")
    sandbox.post(ONE.upper(), "Reinstate")

    assert [call.action for call in sandbox.calls(ONE, 2)] == ["Suspend", "Reinstate"]
    assert [call.action for call in sandbox.calls(OTHER, 1)] == ["Renew"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'{"subscriptionId": 5}', b"\xff\xfe", b'"text"'])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_whatever_it_is_sent_is_taken_in(sandbox: Sandbox, method: str, content: bytes) -> None:
    assert sandbox.send(method, content).status_code == 200

    (call,) = sandbox.calls("", 1)
    assert (call.exchange.method, call.exchange.request_body) == (method, content)
    assert call.exchange.url.endswith("/webhook?a=b")
    assert call.header("x-odd").value == "1"
    assert call.header("x-missing").absent
    assert (call.action, call.subscription_id) == (None, None)


def test_a_large_body_is_kept_in_part(sandbox: Sandbox) -> None:
    assert sandbox.send("POST", b"x" * (BODY_LIMIT + 10)).status_code == 200

    assert len(sandbox.calls("", 1)[0].exchange.request_body) == BODY_LIMIT


def test_reactions_come_in_order_and_the_last_one_stays(sandbox: Sandbox) -> None:
    sandbox.receiver.reacts(ONE, Reaction(status=503), Reaction(status=400))

    assert [sandbox.post(ONE).status_code for _ in range(3)] == [503, 400, 400]
    assert sandbox.post(OTHER).status_code == 200
    assert [call.exchange.status for call in sandbox.calls(ONE, 3)] == [503, 400, 400]


def test_a_reaction_to_an_action_is_for_that_action_alone(sandbox: Sandbox) -> None:
    sandbox.receiver.reacts(ONE, Reaction(status=503), Reaction(), action="Suspend")
    calls = [sandbox.post(ONE, action=action) for action in ("Renew", "Suspend", "Renew", "Suspend")]

    assert [call.status_code for call in calls] == [200, 503, 200, 200]


def test_what_is_usual_can_be_changed(sandbox: Sandbox) -> None:
    sandbox.receiver.usual = Reaction(status=418)
    sandbox.receiver.reacts(OTHER, Reaction())

    assert (sandbox.post(ONE).status_code, sandbox.post(OTHER).status_code) == (418, 200)


def test_the_answer_can_be_late(sandbox: Sandbox) -> None:
    sandbox.receiver.reacts(ONE, Reaction(delay=0.1))
    started = time.monotonic()

    assert sandbox.post(ONE).status_code == 200
    assert time.monotonic() - started >= 0.1
    assert sandbox.calls(ONE, 1)[0].exchange.seconds >= 0.1


def test_the_connection_can_be_dropped(sandbox: Sandbox) -> None:
    sandbox.receiver.reacts(ONE, Reaction(status=None), Reaction())

    with pytest.raises(httpx2.TransportError):
        sandbox.post(ONE)
    assert sandbox.post(ONE).status_code == 200

    dropped, answered = sandbox.calls(ONE, 2)
    assert (dropped.exchange.status, dropped.exchange.error) == (None, "the suite dropped the connection")
    assert answered.exchange.status == 200


def test_something_can_happen_while_the_call_is_open(sandbox: Sandbox) -> None:
    threads: list[str] = []

    def call_somebody_else(notification: Notification) -> None:
        threads.append(threading.current_thread().name)
        assert notification.action == "Suspend"
        assert sandbox.receiver.calls(ONE) == []
        assert sandbox.post(OTHER).status_code == 200  # served meanwhile by the same loop

    sandbox.receiver.reacts(ONE, Reaction(meanwhile=call_somebody_else))

    assert sandbox.post(ONE).status_code == 200
    assert len(sandbox.calls(ONE, 1)) == len(sandbox.calls(OTHER, 1)) == len(threads) == 1
    assert threads[0] != threading.current_thread().name


def test_what_goes_wrong_meanwhile_is_raised_where_calls_are_read(sandbox: Sandbox) -> None:
    def fail(_: Notification) -> None:
        raise LookupError("no such thing")

    sandbox.receiver.reacts(ONE, Reaction(meanwhile=fail))

    assert sandbox.post(ONE).status_code == 500
    with pytest.raises(LookupError, match="no such thing"):
        sandbox.calls(ONE, 1)
    assert len(sandbox.calls(ONE, 1)) == 1


def test_waiting_ends_with_the_call_that_meets_the_condition(sandbox: Sandbox) -> None:
    poster = threading.Thread(target=lambda: [sandbox.post(ONE), sandbox.post(ONE)])
    poster.start()

    met = sandbox.receiver.wait(lambda: len(sandbox.receiver.calls(ONE)) == 2, seconds=5)
    poster.join()

    assert met


def test_waiting_ends_when_time_runs_out(sandbox: Sandbox) -> None:
    started = time.monotonic()

    assert not sandbox.receiver.wait(lambda: False, seconds=0.05)
    assert 0.05 <= time.monotonic() - started < 2


def test_a_condition_that_is_met_already_is_not_waited_for(sandbox: Sandbox) -> None:
    assert sandbox.receiver.wait(lambda: True, seconds=0)


@pytest.mark.parametrize("bound", ["MOST_CALLS", "MOST_BYTES"])
def test_calls_without_end_are_refused_and_told_of_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    size = len(sandbox.post(ONE).request.content)
    monkeypatch.setattr(receiver, bound, 3 if bound == "MOST_CALLS" else 3 * size)

    answers = [sandbox.post(ONE).status_code for _ in range(5)]

    assert answers == [200, 200, 429, 429, 429]
    assert len(sandbox.receiver.calls(ONE)) == 3
    assert [each.status for each in sandbox.observed] == [200, 200, 200, 429]
    assert f"4 calls with {4 * size} bytes" in sandbox.observed[-1].purpose
