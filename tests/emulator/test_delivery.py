import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.emulator.conftest import Receiver, until

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator.delivery import BODY_LIMIT, Courier, Notification
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.marketplace import Action, Delivery, Operation, OperationStatus, Source
from fulfillment_conformance.serving import serve

pytestmark = pytest.mark.anyio

AT = datetime(2026, 1, 31, tzinfo=UTC)


def delivery(name: str, subscription_id: str = "s-1") -> Delivery:
    operation = Operation(
        id=name,
        activity_id="a",
        subscription_id=subscription_id,
        publisher_id="p",
        offer_id="o",
        plan_id="silver",
        quantity=None,
        action=Action.SUSPEND,
        status=OperationStatus.SUCCEEDED,
        source=Source.AZURE,
        created=AT,
    )
    return Delivery(id=f"{name}/1", operation=operation, subscription=None, attempt=1, sent_at=AT)


class Post:
    """A courier with an outbox to fill, and a book of what it reported."""

    def __init__(self, **settings: Any) -> None:
        self.outbox: list[Delivery] = []
        self.answers: list[tuple[str, int | None]] = []
        self.seen: list[Exchange] = []
        self.courier = Courier(
            take=self.take,
            answered=lambda delivery, status: self.answers.append((delivery.operation.id, status)),
            compose=lambda delivery: Notification({"id": delivery.operation.id}, {"content-type": "application/json"}),
            clock=lambda: AT,
            observer=self.seen.append,
            **settings,
        )

    def take(self) -> list[Delivery]:
        taken, self.outbox = self.outbox, []
        return taken

    async def aclose(self) -> None:
        await self.courier.close()


@pytest.fixture
async def post(anyio_backend: str, receiver: Receiver) -> AsyncIterator[Post]:
    async with aclosing(Post(url=receiver.url, timeout=1.0)) as post:
        yield post


async def test_a_notification_is_posted_with_exactly_its_headers_and_body(post: Post, receiver: Receiver) -> None:
    post.outbox = [delivery("o-1")]
    await post.courier.settle()
    ((method, path, headers, body),) = receiver.requests

    assert (method, path, body) == ("POST", "/webhook", b'{"id": "o-1"}')
    assert set(headers) == {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
    assert post.answers == [("o-1", 200)]


async def test_every_attempt_is_kept_and_observed(post: Post, receiver: Receiver) -> None:
    receiver.answer, receiver.says, receiver.headers = 503, b"later", [(b"X-Why", b"busy")]
    post.outbox = [delivery("o-1")]
    await post.courier.settle()
    (attempt,) = post.courier.attempts
    exchange = attempt.exchange

    assert post.seen == [exchange]
    assert (exchange.sender, exchange.receiver, exchange.url) == ("marketplace", "publisher", receiver.url)
    assert (exchange.status, exchange.response_body, exchange.error) == (503, b"later", None)
    assert header(exchange.response_headers, "x-why") == "busy"
    assert header(exchange.request_headers, "content-type") == "application/json"
    assert exchange.virtual_at == AT
    assert exchange.seconds > 0


async def test_redirects_are_answers_and_never_followed(post: Post, receiver: Receiver) -> None:
    receiver.answer, receiver.headers = 307, [(b"location", receiver.url.encode())]
    post.outbox = [delivery("o-1")]
    await post.courier.settle()

    assert post.answers == [("o-1", 307)]
    assert len(receiver.requests) == 1


async def test_cookies_are_not_kept(post: Post, receiver: Receiver) -> None:
    receiver.headers = [(b"set-cookie", b"session=1")]
    post.outbox = [delivery("o-1"), delivery("o-2")]
    await post.courier.settle()

    assert not [headers for _, _, headers, _ in receiver.requests if "cookie" in headers]


async def test_an_answer_that_does_not_come_is_none(post: Post, receiver: Receiver) -> None:
    async def hang(_: dict[str, Any]) -> int:
        await asyncio.sleep(5)
        return 200

    receiver.answer = hang
    post.courier._timeout = 0.05
    post.outbox = [delivery("o-1")]
    await post.courier.settle()

    assert post.answers == [("o-1", None)]
    assert post.seen[0].error == "no complete answer within 0.05 s"


@pytest.mark.parametrize(
    ("url", "error"), [("http://127.0.0.1:9/", "ConnectError"), ("http://no-such-host.invalid/", "ConnectError")]
)
async def test_a_refused_connection_is_none(url: str, error: str) -> None:
    async with aclosing(Post(url=url)) as post:
        post.outbox = [delivery("o-1")]
        await post.courier.settle()

    assert post.answers == [("o-1", None)]
    assert str(post.seen[0].error).startswith(error)


async def test_without_an_address_nothing_is_sent_and_the_attempt_fails(post: Post, receiver: Receiver) -> None:
    post.courier.url = None
    post.outbox = [delivery("o-1")]
    await post.courier.settle()

    assert (receiver.requests, post.seen, post.answers) == ([], [], [("o-1", None)])
    assert "no webhook address" in str(post.courier.attempts[0].exchange.error)
    with pytest.raises(UsageProblem, match="no webhook address"):
        await post.courier.send(delivery("o-1"), Notification({}))


async def test_of_a_long_answer_only_the_beginning_is_kept(post: Post, receiver: Receiver) -> None:
    receiver.says = b"x" * (BODY_LIMIT * 3)
    post.outbox = [delivery("o-1")]
    await post.courier.settle()

    assert post.seen[0].response_body == b"x" * BODY_LIMIT
    assert post.answers == [("o-1", 200)]


async def test_notifications_of_one_subscription_go_in_order_others_beside_them(post: Post, receiver: Receiver) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def slow_first(payload: dict[str, Any]) -> int:
        if payload["id"] == "first":
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(release.wait(), loop))
        return 200

    receiver.answer = slow_first
    post.outbox = [delivery("first"), delivery("second"), delivery("other", "s-2")]
    post.courier.dispatch()
    await until(lambda: ("other", 200) in post.answers)
    held_back = [payload["id"] for payload in receiver.payloads]
    release.set()
    await post.courier.settle()

    assert sorted(held_back) == ["first", "other"]
    assert post.answers == [("other", 200), ("first", 200), ("second", 200)]


async def test_a_crowd_is_delivered_a_few_at_a_time_and_none_waits_in_vain(post: Post, receiver: Receiver) -> None:
    at_once: list[int] = []
    busy = 0

    async def slow(_: dict[str, Any]) -> int:
        nonlocal busy
        busy += 1
        at_once.append(busy)
        await asyncio.sleep(0.3)
        busy -= 1
        return 200

    receiver.answer = slow
    post.courier._room = asyncio.Semaphore(4)
    post.outbox = [delivery(f"o-{number}", f"s-{number}") for number in range(16)]
    post.courier.dispatch()
    await post.courier.settle()

    assert {status for _, status in post.answers} == {200}, "what waits longer than the time-out is sent all the same"
    assert max(at_once) == 4


async def test_every_attempt_has_a_connection_of_its_own(post: Post, receiver: Receiver) -> None:
    post.outbox = [delivery("o-1"), delivery("o-2")]
    await post.courier.settle()

    assert [headers["connection"] for _, _, headers, _ in receiver.requests] == ["close", "close"]


async def test_settling_takes_up_what_arises_meanwhile(post: Post, receiver: Receiver) -> None:
    async def one_more(payload: dict[str, Any]) -> int:
        if payload["id"] == "o-1":
            post.outbox.append(delivery("o-2"))
        return 200

    receiver.answer = one_more
    post.outbox = [delivery("o-1")]
    await post.courier.settle()

    assert post.answers == [("o-1", 200), ("o-2", 200)]


async def test_held_deliveries_wait_for_somebody(post: Post, receiver: Receiver) -> None:
    post.courier.hold = True
    post.outbox = [delivery("o-1")]
    post.courier.dispatch()
    await post.courier.settle()

    assert [held.operation.id for held in post.courier.held] == ["o-1"]
    assert (receiver.requests, post.answers) == ([], [])


async def test_anything_can_be_sent_and_only_the_sender_hears_the_answer(post: Post, receiver: Receiver) -> None:
    receiver.answer = 418
    forged = Notification(b"<xml>", {"x-odd": "żółw"}, authorization=["Bearer a", "Bearer b"])
    exchange = await post.courier.send(delivery("o-1"), forged, url=f"{receiver.url}/other", method="PUT")
    ((method, path, headers, body),) = receiver.requests

    assert (method, path, body) == ("PUT", "/webhook/other", b"<xml>")
    assert headers["x-odd"].encode("latin-1").decode() == "żółw"
    assert [value for name, value in exchange.request_headers if name == "authorization"] == ["Bearer a", "Bearer b"]
    assert exchange.status == 418
    assert post.answers == []


def test_the_headers_of_a_notification_are_sent_once_or_as_often_as_forged() -> None:
    headers = {"a": "1", "Authorization": "Bearer x"}

    assert Notification({}, headers).header_list == (("a", "1"), ("Authorization", "Bearer x"))
    assert Notification({}, headers, authorization=[]).header_list == (("a", "1"),)


async def test_clearing_drops_what_is_under_way(post: Post, receiver: Receiver) -> None:
    async def hang(_: dict[str, Any]) -> int:
        await asyncio.sleep(5)
        return 200

    receiver.answer = hang
    post.outbox = [delivery("o-1"), delivery("o-2")]
    post.courier.dispatch()
    await until(lambda: receiver.requests)
    await post.courier.clear()
    await post.courier.settle()

    assert (post.answers, post.courier.attempts) == ([], [])


async def test_a_receivers_certificate_is_checked(receiver: Receiver) -> None:
    authority = CertificateAuthority()
    with serve(receiver, tls=authority.server_context("localhost", "127.0.0.1")) as serving:
        for trust, status in ((None, None), (authority.client_context(), 200)):
            async with aclosing(Post(url=serving.url, trust=trust)) as post:
                post.outbox = [delivery("o-1")]
                await post.courier.settle()
            assert post.answers == [("o-1", status)]
