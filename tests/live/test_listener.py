import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.live.account import APPLICATION, FLAT, TENANT, Account

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.emulator.identity import IdentityProvider
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.evidence import Recorder
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.live import listener as module
from fulfillment_conformance.live.listener import BODY_LIMIT, SILENCE, Answers, Caught, Listener, line
from fulfillment_conformance.live.notification_tokens import Checked, NotificationTokens
from fulfillment_conformance.openapi_file import at, target
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import Serving, serve, shared_portal

TOKEN = "T25seS1mb3ItdGVzdHM/K2NhbmFyeStwdXJjaGFzZS90b2tlbj09"


def event(action: str = "Suspend", /, **changes: Any) -> dict[str, Any]:
    """A notification as the live service sends it."""
    contract = Contract.load()
    content = contract.document["webhooks"][action]["post"]["requestBody"]["content"]["application/json"]
    [example, *_] = content["examples"].values()
    example = at(contract.document, target(example["$ref"])) if "$ref" in example else example
    return {**example["value"], **changes}


@dataclass
class Post:
    """A listener that is being served, and what it has caught and kept."""

    serving: Serving
    listener: Listener
    identity: IdentityProvider
    http: HttpClient
    folder: Path
    caught: list[Caught] = field(default_factory=list)

    def bearer(self, version: Any = 2, **claims: Any) -> str:
        return f"Bearer {self.identity.webhook_token(version, **claims)}"

    def notify(self, body: bytes | dict[str, Any], authorization: str | None = None, **more: Any) -> int | None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | ({"authorization": authorization} if authorization else {})
        status = self.http.send("POST", f"{self.serving.url}/webhook", headers=headers, content=content, **more).status
        self.settled()
        return status

    def settled(self) -> None:
        """Wait until nothing is being looked at: what came is noted after it was answered."""
        deadline = time.monotonic() + 5
        while self.listener._open and time.monotonic() < deadline:
            time.sleep(0.002)

    @property
    def kept(self) -> str:
        return (self.folder / "exchanges.jsonl").read_text(encoding="utf-8")


@pytest.fixture
def post(acc: Account, tmp_path: Path) -> Iterator[Post]:
    """A listener that trusts the stand-in's identity provider."""
    redactor = Redactor()
    caught: list[Caught] = []
    with Recorder(tmp_path / "exchanges.jsonl", redactor) as recorder, acc.service() as service, HttpClient() as http:
        tokens = NotificationTokens(
            service.http, service.tokens.application.authority, tenant_id=TENANT, client_id=APPLICATION
        )
        listener = Listener(
            check=tokens.check,
            contract=Contract.load(),
            observer=recorder,
            learn=redactor.learn,
            caught=caught.append,
            body_seconds=0.3,
            silence_seconds=0.2,
        )
        with serve(listener) as serving:
            yield Post(serving, listener, acc.emulator.identity, http, tmp_path, caught)


# --- the landing page ---


def test_a_purchase_token_is_shown_to_its_browser_and_stored_nowhere(post: Post) -> None:
    page = post.http.send("GET", f"{post.serving.url}/landing?token={TOKEN.replace('/', '%2F').replace('=', '%3D')}")

    post.settled()
    assert page.status == 200
    assert TOKEN.encode() in page.response_body
    headers = dict(page.response_headers)
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert [caught.kind for caught in post.caught] == ["visit"]
    assert TOKEN not in post.kept
    assert TOKEN.replace("/", "%2F") not in post.kept
    assert "landing page with a purchase token" in post.kept


def test_a_token_is_text_to_the_page(post: Post) -> None:
    page = post.http.send("GET", f"{post.serving.url}/landing?token=%3Cscript%3Ealert(1)%3C/script%3E")

    assert b"<script>" not in page.response_body
    assert b"&lt;script&gt;" in page.response_body


def test_a_visit_without_a_token_is_told_how_to_come_by_one(post: Post) -> None:
    assert b"Configure account now" in post.http.send("GET", f"{post.serving.url}/landing").response_body
    assert post.http.send("HEAD", f"{post.serving.url}/landing?token={TOKEN}").status == 200
    assert post.caught == []


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/landing", 405, "GET, HEAD"),
        ("GET", "/webhook", 405, "POST"),
        ("GET", "/", 404, None),
        ("POST", "/webhook/..", 404, None),
    ],
)
def test_nothing_else_is_served(post: Post, method: str, path: str, status: int, allow: str | None) -> None:
    answer = post.http.send(method, f"{post.serving.url}{path}")

    assert (answer.status, dict(answer.response_headers).get("allow")) == (status, allow)


# --- the webhook ---


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Suspend", "Reinstate", "Renew", "Unsubscribe"])
def test_a_genuine_notification_is_caught(post: Post, action: str, version: int) -> None:
    body = event(action)

    assert post.notify(body, post.bearer(version)) == 200
    [caught] = post.caught
    assert (caught.action, caught.token_version) == (action, f"{version}.0")
    assert (caught.operation_id, caught.subscription_id) == (body["id"], body["subscriptionId"])
    assert caught.violations == ()
    assert json.loads(line(caught))["answered"] == 200
    assert "eyJ" not in post.kept


FORGERIES = {
    "no token": None,
    "no JWT": "Bearer garbage",
    "another scheme": "Basic eDp5",
    "another audience": {"aud": FLAT},
    "another tenant": {"tid": FLAT},
    "another issuer": {"iss": "https://sts.windows.net/evil/"},
    "the issuer of the other version": {"iss": f"https://sts.windows.net/{TENANT}/"},
    "no version": {"ver": None},
    "a version that does not exist": {"ver": "3.0"},
    "another caller": {"azp": APPLICATION},
    "expired": {"exp": 1_000_000},
    "not yet valid": {"nbf": 4_000_000_000},
    "exp as text": {"exp": "4000000000"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused_and_catches_nothing(post: Post, forgery: str) -> None:
    said = FORGERIES[forgery]

    assert post.notify(event(), post.bearer(**said) if isinstance(said, dict) else said) == 401
    assert post.caught == []
    assert post.notify(event(), post.bearer()) == 200


def test_a_signature_of_a_stranger_is_refused(post: Post) -> None:
    header, claims, _ = post.bearer().split(".")
    other = post.bearer(uti="another").split(".")[2]

    assert post.notify(event(), f"{header}.{claims}.{other}") == 401
    assert "the signature is not that of key" in post.kept


def test_changed_keys_are_read_again_but_not_for_every_stranger(post: Post, acc: Account) -> None:
    assert post.notify(event(), post.bearer()) == 200
    read = sum("discovery" in each.url for each in acc.arrived)
    post.identity.rotate_keys(keep_previous=False)
    for _ in range(5):
        assert post.notify(event(), post.bearer()) == 401
    assert sum("discovery" in each.url for each in acc.arrived) == read


def test_keys_that_changed_a_minute_ago_are_known(acc: Account) -> None:
    now = [time.time()]
    identity = acc.emulator.identity
    with acc.service() as service:
        tokens = NotificationTokens(
            service.http,
            service.tokens.application.authority,
            tenant_id=TENANT,
            client_id=APPLICATION,
            clock=lambda: now[0],
        )
        assert tokens.check(f"Bearer {identity.webhook_token(1)}") == Checked("1.0", ())
        identity.rotate_keys(keep_previous=False)
        assert tokens.check(f"Bearer {identity.webhook_token(2)}").faults
        now[0] += 61
        assert tokens.check(f"Bearer {identity.webhook_token(2)}") == Checked("2.0", ())
        identity.out_of_order.add("keys")
        now[0] += 61
        assert tokens.check(f"Bearer {identity.webhook_token(1)}") == Checked("1.0", ())


def test_without_keys_nothing_is_taken_for_genuine(post: Post) -> None:
    post.identity.out_of_order.add("metadata")

    assert post.notify(event(), post.bearer()) == 503
    assert post.caught == []
    post.identity.out_of_order.clear()
    assert post.notify(event(), post.bearer()) == 200


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (event("Suspend", subscriptionId=7), "/subscriptionId"),
        (event("Suspend", action="Explode"), "/action"),
        (b"[]", "payload is no JSON object"),
        (b"{not json", "payload is no JSON object"),
    ],
)
def test_a_payload_that_is_not_as_described_is_caught_with_what_is_wrong(
    post: Post, body: bytes | dict[str, Any], violation: str
) -> None:
    assert post.notify(body, post.bearer()) == 200
    assert post.caught[0].violations[0].startswith(violation)


def test_it_answers_as_it_is_asked_to(post: Post) -> None:
    post.listener.answers = Answers(202, {"ChangePlan": 400, "Suspend": SILENCE})

    assert post.notify(event("Renew"), post.bearer()) == 202
    assert post.notify(event("ChangePlan"), post.bearer()) == 400
    assert post.notify(event("Suspend"), post.bearer()) is None
    assert [caught.answered for caught in post.caught] == [202, 400, None]
    assert post.notify(event("Suspend"), "Bearer garbage") == 401


def test_silence_ends_when_its_sender_hangs_up(post: Post) -> None:
    post.listener.answers = Answers(SILENCE)

    assert post.notify(event(), post.bearer(), timeout=0.1) is None
    assert post.caught[0].answered is None


# --- garbage, floods, slow clients ---


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | st.just(b"[" * 50_000),
    authorization=st.none()
    | st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80).map(str.strip),
    path=st.sampled_from(["/webhook", "/landing?token=", "/landing?token=%ff%fe&token=", "/landing?%", "/webhook?x"]),
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "BREW"]),
)
def test_garbage_is_answered_and_never_with_a_server_error(
    post: Post, body: bytes, authorization: str | None, path: str, method: str
) -> None:
    headers = [] if authorization is None else [("authorization", authorization)]
    answer = post.http.send(method, f"{post.serving.url}{path}", headers=headers, content=body)

    assert answer.status is not None
    assert answer.status < 500
    assert all(caught.kind == "visit" for caught in post.caught)


def test_garbage_with_a_genuine_token_is_caught_and_no_server_error(post: Post) -> None:
    for body in (b"", b"null", b"\xff\xfe", b"[" * 100_000, b'{"action": {}}', b'{"action": "\\ud800"}', b"1e999"):
        assert post.notify(body, post.bearer()) == 200
    assert len(post.caught) == 7


def test_a_large_body_is_not_read_to_its_end(post: Post) -> None:
    assert post.notify(b"x" * (BODY_LIMIT + 1), post.bearer()) == 413
    assert len(post.kept) < 10_000


def raw(post: Post) -> socket.socket:
    connection = socket.create_connection((post.serving.host, post.serving.port), timeout=5)
    connection.settimeout(5)
    return connection


def test_slow_clients_are_given_up_and_hold_nobody_up(post: Post) -> None:
    head = b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
    slow = [raw(post) for _ in range(20)]
    half_a_head = [raw(post) for _ in range(20)]
    for connection in slow:
        connection.sendall(head)
    for connection in half_a_head:
        connection.sendall(b"POST /webhook HTTP/1.1\r\nho")

    assert post.notify(event(), post.bearer()) == 200
    assert [connection.recv(20).startswith(b"HTTP/1.1 408") for connection in slow] == [True] * 20
    for connection in (*slow, *half_a_head):
        connection.close()
    assert post.notify(event(), post.bearer()) == 200


def test_senders_who_hang_up_leave_nothing_behind(post: Post) -> None:
    for _ in range(30):
        connection = raw(post)
        connection.sendall(b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        connection.close()

    assert post.notify(event(), post.bearer()) == 200
    post.settled()
    assert post.listener._open == 0


def test_a_flood_is_counted_and_not_kept(post: Post) -> None:
    with ThreadPoolExecutor(8) as senders:
        statuses = list(senders.map(lambda _: post.notify(b"{}", "Bearer garbage"), range(300)))

    assert set(statuses) <= {401, 503}
    assert post.kept.count("\n") <= module.STRANGERS_A_MINUTE
    assert post.listener.passed_over >= 300 - module.STRANGERS_A_MINUTE
    assert post.notify(event(), post.bearer()) == 200
    assert post.caught


def test_more_at_once_than_it_can_look_at_are_asked_to_come_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    release = threading.Event()

    def check(_authorization: str | None) -> Checked:
        release.wait(5)
        return Checked("", ("no",))

    post.listener._check = check
    with ThreadPoolExecutor(2) as senders:
        waiting = [senders.submit(post.notify, b"{}") for _ in range(2)]
        deadline = time.monotonic() + 5
        while post.listener._open < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        refused = post.http.send("POST", f"{post.serving.url}/webhook", content=b"{}")
        release.set()
        assert [each.result() for each in waiting] == [401, 401]

    assert refused.status == 503
    assert dict(refused.response_headers)["retry-after"] == "5"


def test_what_hinders_the_check_is_no_fault_of_the_sender(post: Post) -> None:
    def check(_authorization: str | None) -> Checked:
        raise EnvironmentUnavailable("no keys")

    post.listener._check = check
    assert post.notify(event(), post.bearer()) == 503


def test_its_lifespan_begins_and_ends(post: Post) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def live() -> None:
        await asyncio.wait_for(post.listener({"type": "lifespan"}, receive, send), 5)

    shared_portal().call(live)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
