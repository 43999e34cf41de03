"""Tests of Microsoft's side of a publisher's run: what reaches it, what it sends, and its bad days."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.backend.receiver import Reaction, Receiver
from fulfillment_conformance.emulator import Settings
from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.emulator.identity.settings import User
from fulfillment_conformance.emulator.offers import BENEFICIARY
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.marketplace import Action, Caller, Operation, Purchase
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import serve
from fulfillment_conformance.stage import microsoft as module
from fulfillment_conformance.stage.microsoft import Announcement, Microsoft, about, kind_of

API = "/api/saas/subscriptions"


@dataclass
class World:
    """Microsoft, where it is served, and a publisher's webhook."""

    microsoft: Microsoft
    http: HttpClient
    url: str
    webhook: str
    receiver: Receiver
    redactor: Redactor
    observed: list[Exchange]

    def bought(self, plan: str = "silver") -> str:
        order = Purchase(offer_id="contoso-crm", plan_id=plan, beneficiary=BENEFICIARY)
        subscription, _ = self.microsoft.perform(lambda market: market.purchase(order))
        return subscription.id

    def active(self) -> str:
        subscription_id = self.bought()
        identity = self.microsoft.emulator.settings.identity
        caller = Caller("contoso", identity.tenant_id, identity.client_id)
        self.microsoft.perform(lambda market: market.activate(caller, subscription_id))
        return subscription_id

    def changed(self) -> tuple[str, Operation, Announcement]:
        subscription_id = self.active()
        operation = self.microsoft.perform(lambda market: market.customer_changes_plan(subscription_id, "gold"))
        announcement = self.microsoft.announcement(operation)
        assert announcement is not None
        return subscription_id, operation, announcement

    def heard(self, subscription_id: str, count: int) -> list[Notification]:
        """Return what the webhook has heard about a subscription, once it is so much."""
        assert self.receiver.wait(lambda: len(self.receiver.calls(subscription_id)) == count, 10.0)
        return self.receiver.calls(subscription_id)

    def get(self, path: str) -> Answer:
        headers = {"authorization": f"Bearer {self.microsoft.emulator.identity.access_token()}"}
        return Answer(self.http.send("GET", f"{self.url}{path}", headers=headers))

    def get_subscription(self, subscription_id: str) -> int | None:
        return self.get(f"{API}/{subscription_id}?api-version=2018-08-31").status_code


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    redactor, observed, receiver = Redactor(), list[Exchange](), Receiver()
    microsoft = Microsoft(Settings(seed=3), observer=observed.append, redactor=redactor)
    with serve(microsoft.emulator.app) as api, serve(receiver) as site, HttpClient() as http:
        microsoft.addresses(webhook=f"{site.url}/webhook", landing_page=f"{site.url}/signup")
        yield World(microsoft, http, api.url, f"{site.url}/webhook", receiver, redactor, observed)
    microsoft.close()


@pytest.fixture
def world(served: World) -> World:
    served.observed.clear()
    return served


def exchange(
    method: str = "GET",
    path: str = f"{API}/s1",
    *,
    sender: Party = "publisher",
    receiver: Party = "marketplace",
    status: int | None = 200,
) -> Exchange:
    return Exchange(sender=sender, receiver=receiver, method=method, url=f"http://m{path}", status=status)


def alone() -> Microsoft:
    return Microsoft(Settings(), observer=lambda _: None, redactor=Redactor())


# --- what reaches it ---


def test_everything_that_arrives_is_recorded_and_kept_from_a_mark_on(world: World) -> None:
    mark = world.microsoft.mark
    first, second = exchange(), exchange("POST")
    world.microsoft.notice(first)
    assert world.microsoft.mark == mark + 1
    world.microsoft.notice(second)

    assert world.microsoft.since(mark) == [first, second]
    assert world.microsoft.since(mark + 1) == [second]
    assert world.observed == [first, second]


def test_a_call_over_the_network_arrives(world: World) -> None:
    mark, subscription_id = world.microsoft.mark, world.bought()

    assert world.get_subscription(subscription_id) == 200
    arrived = world.microsoft.wait(lambda: world.microsoft.called("get_subscription", since=mark) or None, seconds=10.0)
    [call] = arrived or []
    assert (call.sender, call.status) == ("publisher", 200)


def test_what_has_arrived_already_is_not_waited_for(world: World) -> None:
    looks = iter(["here", "there"])

    assert world.microsoft.wait(lambda: next(looks), seconds=0.0) == "here"
    assert next(looks) == "there"


def test_what_does_not_come_is_waited_for_so_long(world: World) -> None:
    asked: list[float] = []

    def arrived() -> None:
        asked.append(time.monotonic())

    assert world.microsoft.wait(arrived, seconds=0.0) is None
    assert len(asked) == 1
    began = time.monotonic()
    assert world.microsoft.wait(arrived, seconds=0.05) is None
    assert asked[-1] - began >= 0.05


def test_an_arrival_wakes_whoever_waits() -> None:
    microsoft = alone()
    news = exchange()
    asked = threading.Event()

    def arrived() -> Exchange | None:
        asked.set()
        return next(iter(microsoft.since(0)), None)

    def arrive() -> None:
        asked.wait(10)
        microsoft.notice(news)

    threading.Thread(target=arrive).start()

    assert microsoft.wait(arrived, seconds=30.0) is news


def test_what_goes_on_is_waited_for_until_it_rests_or_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALM_SECONDS", 0.02)
    microsoft = alone()
    counts = iter([0, 1, 2, 2, 2, 2])
    last = [0]

    def count() -> int:
        last[0] = next(counts, last[0])
        return last[0]

    microsoft.calms_down(count, beyond=5)
    assert last == [2]
    looks: list[int] = []

    def growing() -> int:
        looks.append(1)
        return len(looks)

    microsoft.calms_down(growing, beyond=3)
    assert len(looks) == 4


def test_calls_are_told_apart_by_kind_subscription_and_time() -> None:
    microsoft = alone()
    calls = [
        exchange("GET", f"{API}/s1?api-version=1"),
        exchange("PATCH", f"{API}/s1/operations/o"),
        exchange("GET", f"{API}/s2"),
        exchange("GET", f"{API}/s1", sender="suite"),
        exchange("POST", f"{API}/s1/activate"),
        exchange("GET", f"{API}/s1"),
    ]
    for call in calls:
        microsoft.notice(call)

    assert microsoft.called("get_subscription") == [calls[0], calls[2], calls[5]]
    assert microsoft.called("get_subscription", of="s1") == [calls[0], calls[5]]
    assert microsoft.called("get_subscription", of="s1", since=1) == [calls[5]]
    assert microsoft.called("settle_operation") == [calls[1]]
    assert microsoft.called("activate", of="s1") == [calls[4]]
    assert microsoft.called("activate", of="s2") == []


def test_requests_for_tokens_of_the_publishers_own_are_told_from_sign_ins() -> None:
    microsoft = alone()
    grants = ["client_credentials", "authorization_code", "refresh_token", ""]
    calls = [exchange("POST", "/t1/oauth2/v2.0/token", receiver="identity") for _ in grants]
    for call, grant in zip(calls, grants, strict=True):
        call.request_body = f"grant_type={grant}".encode() if grant else b""
        microsoft.notice(call)

    assert microsoft.access_token_requests() == [calls[0], calls[3]]
    assert microsoft.access_token_requests(since=1) == [calls[3]]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", f"{API}/a%20b", ("get_subscription", "a b")),
        ("POST", f"{API}/resolve", ("resolve", "")),
        ("PUT", f"{API}/s1", ("", "")),
        ("POST", "/tenant/oauth2/v2.0/token", ("token", "")),
    ],
)
def test_a_call_has_a_kind(method: str, path: str, kind: tuple[str, str]) -> None:
    assert kind_of(exchange(method, path)) == kind


def test_calls_about_a_subscription_are_those_of_the_marketplace() -> None:
    calls = [exchange(), exchange(path=f"{API}/s2"), exchange(receiver="identity"), exchange(path=f"{API}/s1/activate")]

    assert about(calls, "s1") == [calls[0], calls[3]]


def test_what_a_proxy_has_refused_is_told() -> None:
    microsoft = alone()
    for status in (200, 403, None):
        refused = exchange("CONNECT", ":443", receiver="elsewhere", status=status)
        refused.purpose, refused.error = "not Microsoft's", None if status else "SSLError: bad"
        microsoft.notice(refused)
    microsoft.notice(exchange(status=500))

    assert microsoft.refused_tunnels() == [
        "CONNECT http://m:443 by its proxy: 403, not Microsoft's",
        "CONNECT http://m:443 by its proxy: SSLError: bad",
    ]
    assert microsoft.refused_tunnels(since=2) == ["CONNECT http://m:443 by its proxy: SSLError: bad"]


# --- bad days ---


def test_calls_are_disturbed_as_long_as_the_block_runs(world: World) -> None:
    one, other = world.bought(), world.bought()
    with world.microsoft.disturbed(Answers(503), call="get_subscription", of=one) as planned:
        assert [world.get_subscription(each) for each in (one, other, one)] == [503, 200, 503]
        assert planned.met == 2
    assert world.get_subscription(one) == 200
    with world.microsoft.disturbed(Answers(503), call="*", times=1):
        assert [world.get_subscription(each) for each in (other, one)] == [503, 200]
    with world.microsoft.disturbed(Answers(503), call="get_subscription", bearing="Bearer other"):
        assert world.get_subscription(one) == 200


def test_the_day_is_good_again_whatever_happened(world: World) -> None:
    one = world.bought()
    with suppress(LookupError), world.microsoft.disturbed(Answers(503), call="*"):
        raise LookupError

    assert world.get_subscription(one) == 200


def test_rules_are_others_as_long_as_the_block_runs(world: World) -> None:
    before = world.microsoft.emulator.market.rules
    with suppress(LookupError), world.microsoft.deciding_otherwise(page_size=1):
        assert world.microsoft.perform(lambda market: market.rules.page_size) == 1
        raise LookupError

    assert world.microsoft.emulator.market.rules is before


def test_access_tokens_live_differently_as_long_as_the_block_runs(world: World) -> None:
    identity = world.microsoft.emulator.identity
    before = identity.access_token_lifetime
    with suppress(LookupError), world.microsoft.issuing_tokens_for(timedelta(seconds=90)):
        assert identity.access_token_lifetime == timedelta(seconds=90)
        raise LookupError

    assert identity.access_token_lifetime == before


def test_another_user_exists_as_long_as_the_block_runs(world: World) -> None:
    directory = world.microsoft.emulator.identity.directory
    before = directory.users
    guest = before[0]
    assert isinstance(guest, User)
    with suppress(LookupError), world.microsoft.knowing(guest):
        assert directory.users == (*before, guest)
        raise LookupError

    assert directory.users == before


def test_another_signing_key_is_published_as_long_as_the_block_runs(world: World) -> None:
    tenant = world.microsoft.emulator.settings.identity.tenant_id

    def keys() -> dict[str, Any]:
        listed: list[dict[str, Any]] = world.get(f"/{tenant}/discovery/v2.0/keys")["keys"].value
        return {key["kid"]: key for key in listed}

    before = keys()
    with world.microsoft.another_signing_key() as signed:
        during, token = keys(), signed()
        kid = jwt.get_unverified_header(token)["kid"]
        assert set(during) - set(before) == {kid}
        assert set(before) < set(during)
        assert during[kid].get("issuer") == next(iter(before.values())).get("issuer")
        jwt.decode(token, jwt.PyJWK(during[kid]), algorithms=["RS256"], options={"verify_aud": False})
        assert token not in world.redactor.text(token)
    assert keys() == before
    with world.microsoft.another_signing_key() as signed:
        assert jwt.get_unverified_header(signed())["kid"] not in during


# --- what happens at the marketplace ---


def test_commands_run_on_the_core_and_show_what_has_become_of_things(world: World) -> None:
    subscription_id, operation, _ = world.changed()

    assert world.microsoft.subscription(subscription_id).status.value == "Subscribed"
    assert world.microsoft.operation(operation).status.value == "InProgress"
    with pytest.raises(ZeroDivisionError):
        world.microsoft.perform(lambda _: 1 // 0)


def test_the_marketplaces_time_passes_when_it_is_told_to(world: World) -> None:
    before = world.microsoft.emulator.now()
    world.microsoft.advance(timedelta(hours=2))

    assert timedelta(hours=2) <= world.microsoft.emulator.now() - before < timedelta(hours=2, minutes=1)


def test_the_addresses_of_the_publisher_are_told(world: World) -> None:
    emulator = world.microsoft.emulator

    assert emulator.courier.url == world.webhook
    assert emulator.landing_page_url == world.webhook.replace("/webhook", "/signup")


# --- notifications ---


def test_notifications_wait_until_they_are_sent(world: World) -> None:
    subscription_id, operation, announcement = world.changed()
    assert world.receiver.calls(subscription_id) == []
    assert [each.operation.id for each in world.microsoft.announcements(subscription_id)] == [operation.id]
    assert announcement.operation.action is Action.CHANGE_PLAN
    assert not world.microsoft.was_taken(operation.id)

    answer = world.microsoft.send(announcement)

    assert answer.status_code == 200
    assert world.microsoft.was_taken(operation.id)
    assert world.microsoft.announcements(subscription_id) == []
    assert world.microsoft.announcement(operation) is None
    [call] = world.heard(subscription_id, 1)
    assert (call.operation_id, call.exchange.method) == (operation.id, "POST")
    assert dict(call.exchange.request_headers)["authorization"].startswith("Bearer ey")


def test_a_notification_that_is_not_taken_is_known_as_such(world: World) -> None:
    subscription_id, operation, announcement = world.changed()
    world.receiver.reacts(subscription_id, Reaction(status=503))

    assert world.microsoft.send(announcement).status_code == 503
    assert not world.microsoft.was_taken(operation.id)
    assert world.microsoft.operation(operation).status.value == "InProgress"


def test_a_refusal_that_is_heard_rejects_a_change(world: World) -> None:
    subscription_id, operation, announcement = world.changed()
    world.receiver.reacts(subscription_id, Reaction(status=400))
    world.microsoft.send(announcement, heard=False)
    assert world.microsoft.operation(operation).status.value == "InProgress"
    assert not world.microsoft.was_taken(operation.id)
    world.microsoft.send(announcement)

    assert world.microsoft.operation(operation).status.value == "Failed"


def test_what_is_not_genuine_is_sent_as_it_is_given(world: World) -> None:
    subscription_id, _, announcement = world.changed()
    payload = world.microsoft.payload(announcement)
    assert (payload["subscriptionId"], payload["action"]) == (subscription_id, "ChangePlan")

    world.microsoft.send(announcement, token="forged-t0ken", heard=False)
    world.microsoft.send(announcement, token=None, payload=payload | {"planId": "free"}, heard=False)
    world.microsoft.send(announcement, authorization=["Basic a", "Basic b"], heard=False)
    world.microsoft.send(
        announcement, headers={"x-extra": "1"}, method="PUT", url=f"{world.webhook}/other?x=1", heard=False
    )

    calls = [call.exchange for call in world.heard(subscription_id, 4)]
    given = [[value for name, value in call.request_headers if name == "authorization"] for call in calls]
    assert given[:3] == [["Bearer forged-t0ken"], [], ["Basic a", "Basic b"]]
    assert b'"free"' in calls[1].request_body
    assert (calls[3].method, calls[3].url) == ("PUT", f"{world.webhook}/other?x=1")
    assert dict(calls[3].request_headers)["x-extra"] == "1"
    assert "forged-t0ken" not in world.redactor.text("forged-t0ken")


def test_what_is_secret_is_hidden(world: World) -> None:
    world.microsoft.hide("very-s3cret", "token")

    assert "very-s3cret" not in world.redactor.text("it is very-s3cret")
