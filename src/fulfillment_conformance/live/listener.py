"""A small landing page and webhook that catch what the live service sends, behind the user's own tunnel or host.

The landing page shows a purchase token to the browser that brought it, and to nobody else. The webhook checks whoever
calls, answers genuine notifications as it was asked to, and keeps everything as evidence, redacted. It stands in the
open: requests are bounded in number, size and time, and what is no genuine notification costs little and is kept short.
"""

import asyncio
import contextlib
import html
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from fulfillment_conformance.asgi import header_list, lifespan, url_of
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.contract import Contract
from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.exchange import Exchange, Observer, header
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.live.notification_tokens import Checked
from fulfillment_conformance.serving import DropConnection

BODY_LIMIT: Final = 256 * 1024
"""Bytes of a notification; Microsoft's have two or three thousand."""
BODY_SECONDS: Final = 10.0
"""How long a request may take to arrive."""
AT_ONCE: Final = 64
"""Requests that are looked at at the same time; more are asked to come again."""
SILENCE_SECONDS: Final = 60.0
"""How long a call is left without an answer, unless its sender hangs up before."""
KEPT_OF_STRANGERS: Final = 1024
"""Bytes of the body that are kept of a request that is no genuine notification."""
STRANGERS_A_MINUTE: Final = 60
"""How many such requests are kept as evidence a minute; the others are counted."""
TOKEN_LIMIT: Final = 4096

Silence = Literal["silence"]
SILENCE: Final[Silence] = "silence"


Check = Callable[[str | None], Checked]
"""Checks the value of an Authorization header; may block."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What genuine notifications are answered with: a status, or silence; `by_action` for single events."""

    usual: int | Silence = 200
    by_action: Mapping[str, int | Silence] = field(default_factory=dict)

    def to(self, action: str | None) -> int | Silence:
        """Return the answer to an event."""
        return self.by_action.get(action or "", self.usual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Something that came: a visit with a purchase token, or a genuine notification.

    `violations` are the places where a payload does not fit the description of its event. Nothing here is secret.
    """

    kind: Literal["visit", "notification"]
    at: datetime
    action: str = ""
    operation_id: str = ""
    subscription_id: str = ""
    token_version: str = ""
    violations: tuple[str, ...] = ()
    answered: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as a line of `notifications.jsonl`."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "action": self.action,
            "operationId": self.operation_id,
            "subscriptionId": self.subscription_id,
            "tokenVersion": self.token_version,
            "violations": list(self.violations),
            "answered": self.answered,
        }


class Listener:
    """An ASGI application.

    Args:
        check: checks the token of a notification; called on a thread of its own.
        contract: the description that payloads are compared with.
        observer: hears of every request that is kept; redacts what it writes.
        learn: is told of each purchase token before anything is written.
        caught: is told of visits and genuine notifications, on the event loop.
        answers: what genuine notifications are answered with; may be replaced at any time.
        landing_page: its path.
        webhook: its path.
        body_seconds, silence_seconds: instead of `BODY_SECONDS` and `SILENCE_SECONDS`.

    Attributes:
        passed_over: requests that were not kept, because there were too many.
    """

    def __init__(
        self,
        *,
        check: Check,
        contract: Contract,
        observer: Observer,
        learn: Callable[[str, str], None],
        caught: Callable[[Caught], None] = lambda _caught: None,
        answers: Answers | None = None,
        landing_page: str = "/landing",
        webhook: str = "/webhook",
        body_seconds: float = BODY_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.answers = answers or Answers()
        self.passed_over = 0
        self._check = check
        self._contract = contract
        self._observer = observer
        self._learn = learn
        self._caught = caught
        self._landing_page = landing_page
        self._webhook = webhook
        self._body_seconds = body_seconds
        self._silence_seconds = silence_seconds
        self._open = 0
        self._strangers: deque[float] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if self._open >= AT_ONCE:
            self.passed_over += 1
            await _answer(send, 503, headers=[(b"retry-after", b"5"), (b"connection", b"close")])
            return
        self._open += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._open -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            sender="stranger",
            receiver="suite",
            method=scope["method"],
            url=url_of(scope),
            request_headers=header_list(scope["headers"]),
            purpose="call",
        )
        started = time.monotonic()
        try:
            if scope["path"] == self._landing_page and scope["method"] in {"GET", "HEAD"}:
                await self._visit(scope, exchange, send)
            elif scope["path"] == self._webhook and scope["method"] == "POST":
                await self._notification(exchange, receive, send)
            else:
                known = {self._landing_page: b"GET, HEAD", self._webhook: b"POST"}.get(scope["path"])
                await self._refuse(exchange, send, 404 if known is None else 405, allow=known)
        finally:
            exchange.seconds = time.monotonic() - started
            self._keep(exchange)

    # --- the landing page ---

    async def _visit(self, scope: Scope, exchange: Exchange, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20) if scope["query_string"] else {}
        token = next(iter(query.get("token", [])), "")[:TOKEN_LIMIT]
        exchange.sender, exchange.purpose = "buyer", "landing page"
        at = datetime.now(UTC).replace(microsecond=0)
        if token:
            self._learn(token, "purchase-token")
            exchange.purpose = "landing page with a purchase token"
        if token and scope["method"] == "GET":
            self._caught(Caught(kind="visit", at=at))
        page = _page(token, at).encode()
        await _answer(send, 200, b"" if scope["method"] == "HEAD" else page, headers=_PAGE_HEADERS)
        exchange.status = 200

    # --- the webhook ---

    async def _notification(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._body_seconds):
                body, whole = await _body(receive)
        except TimeoutError:
            exchange.error = f"its body did not arrive within {self._body_seconds:g} s"
            await self._refuse(exchange, send, 408)
            return
        except _HungUp:
            exchange.error = "its sender hung up"
            return
        exchange.request_body = body
        if not whole:
            exchange.error = f"its body is larger than {BODY_LIMIT} bytes"
            await self._refuse(exchange, send, 413)
            return
        try:
            checked = await asyncio.to_thread(self._check, header(exchange.request_headers, "authorization"))
        except (ConformanceError, Interruption) as hindered:
            exchange.error = str(hindered)
            await self._refuse(exchange, send, 503)
            return
        if checked.faults:
            exchange.error = "; ".join(checked.faults)
            await self._refuse(exchange, send, 401)
            return
        await self._genuine(Notification(exchange), checked, receive, send)

    async def _genuine(self, notification: Notification, checked: Checked, receive: Receive, send: Send) -> None:
        exchange, action = notification.exchange, notification.action
        exchange.sender, exchange.purpose = "marketplace", f"notification {action}"
        if isinstance(notification.body.value, dict):
            found = self._contract.webhook_violations(action, notification.body.value)
            violations = tuple(f"{each.pointer or 'payload'} {each.message}" for each in found)
        else:
            violations = ("payload is no JSON object",)
        answer = self.answers.to(action)
        # Before it is answered: whoever ends the program right after an answer has not lost what came.
        self._caught(
            Caught(
                kind="notification",
                at=exchange.at,
                action=action or "",
                operation_id=notification.operation_id or "",
                subscription_id=notification.subscription_id or "",
                token_version=checked.version,
                violations=violations,
                answered=None if answer == SILENCE else answer,
            )
        )
        if answer != SILENCE:
            exchange.status = answer
            await _answer(send, answer)
            return
        exchange.error = "left without an answer, as asked"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._silence_seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        raise DropConnection

    # --- everything else ---

    async def _refuse(self, exchange: Exchange, send: Send, status: int, *, allow: bytes | None = None) -> None:
        headers = [(b"connection", b"close")]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if allow is not None:
            headers.append((b"allow", allow))
        await _answer(send, status, headers=headers)
        exchange.status = status

    def _keep(self, exchange: Exchange) -> None:
        """Hand an exchange to the observer; of strangers' only so many a minute, and of each only the beginning."""
        if exchange.sender == "stranger":
            now = time.monotonic()
            while self._strangers and now - self._strangers[0] > 60:
                self._strangers.popleft()
            if len(self._strangers) >= STRANGERS_A_MINUTE:
                self.passed_over += 1
                return
            self._strangers.append(now)
            exchange.request_body = exchange.request_body[:KEPT_OF_STRANGERS]
            exchange.request_headers = exchange.request_headers[:40]
        self._observer(exchange)


_PAGE_HEADERS: Final = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"x-content-type-options", b"nosniff"),
]


def _page(token: str, at: datetime) -> str:
    """Return the page: with a token, what to do with it; without one, how to come by it."""
    if token:
        shown = html.escape(token)
        section = html.escape(
            f'- {{token: "${{PURCHASE_TOKEN}}", obtained: {at:%Y-%m-%dT%H:%M:%SZ}, subscription: ...}}'
        )
        said = (
            "<h1>A purchase token has arrived</h1>"
            "<p>Put it into the environment variable <code>PURCHASE_TOKEN</code> of whoever runs the suite:</p>"
            f"<textarea readonly rows='8' cols='80'>{shown}</textarea>"
            f"<p>and below <code>live.purchase_tokens</code> of the target file: <code>{section}</code></p>"
            "<p>It is good for 24 hours. It is shown to this browser only, and stored nowhere.</p>"
        )
    else:
        said = (
            "<h1>This is a landing page for tests</h1>"
            "<p>It was opened without a purchase token. Choose <em>Configure account now</em> or "
            "<em>Manage account</em> of a subscription in the Azure portal.</p>"
        )
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Landing page</title><body>{said}</body></html>"


class _HungUp(Exception):  # noqa: N818 - what happened
    """The sender has gone before its request was complete."""


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """Return the body, or its beginning, and whether it is whole."""
    body, more = b"", True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUp
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT:
            return body[:KEPT_OF_STRANGERS], False
    return body, True


async def _answer(send: Send, status: int, body: bytes = b"", *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def line(caught: Caught) -> str:
    """Return a line of `notifications.jsonl`."""
    return json.dumps(caught.document(), ensure_ascii=False)
