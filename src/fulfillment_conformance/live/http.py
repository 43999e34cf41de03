"""The one way out to the live service: whatever is sent there passes the guard, and is counted, paced and undoable.

Every other part of the suite uses it like any `HttpClient`. What may not be sent raises, before anything is sent, and
makes the requirement untestable by the name of what is missing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Protocol

from fulfillment_conformance.answers import Answer, Reading
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange, Party, header
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.live.guard import Forbidden, Guard, Passage
from fulfillment_conformance.live.ledger import Change, Ledger

RESENT: Final = 3
"""How often a request is sent again that the service put off."""
LONGEST_WAIT: Final = 300.0
"""Seconds that a run waits because the service asks for it; it ends when more are asked for."""
PATIENCE_UNTOLD: Final = 5.0
"""Seconds to wait after 429 without Retry-After."""
_GLANCE = 1.0
_API_VERSION = "2018-08-31"
_UNDECIDED = frozenset({408, 429})
"""Client errors that do not say whether a change was taken in."""


class Halted(MissingCapability):
    """The kill switch is on: nothing is sent, not even to put something back."""

    def __init__(self, switch: Path) -> None:
        super().__init__(
            "permission", f": the kill switch {switch} exists, so nothing is sent; remove it, and run restore first"
        )


class Tokens(Protocol):
    """The publisher's own access token."""

    def __call__(self) -> str:
        """Return one that is good."""
        ...

    def is_own(self, authorization: str | None) -> bool:
        """Whether the value of an Authorization header is the present one."""
        ...

    def renew(self) -> str | None:
        """Return a new one because the present one was refused; None when it is too soon for yet another."""
        ...

    def accepted(self) -> None:
        """Note that the present one was taken."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What the service last showed of a subscription; text, empty where it showed nothing."""

    status: str
    offer: str
    plan: str
    quantity: str

    def value(self, field: str) -> str:
        """Return `planId` or `quantity`."""
        return self.plan if field == "planId" else self.quantity


class LiveHttp(HttpClient):
    """An `HttpClient` that asks the guard first.

    Attributes:
        tokens: the publisher's own access token, once there is one; renewed and sent again once after a 401.
        shown: id in lower case -> what the service last showed of a subscription.
    """

    def __init__(
        self,
        guard: Guard,
        ledger: Ledger,
        *,
        kill_switch: Path,
        wait: Callable[[float], object] = time.sleep,
        **settings: Any,
    ) -> None:
        """Send what `guard` lets pass, as far as `ledger` allows; `settings` are those of an `HttpClient`."""
        super().__init__(**settings)
        self.guard = guard
        self.ledger = ledger
        self.tokens: Tokens | None = None
        self.shown: dict[str, Shown] = {}
        self._kill_switch = kill_switch
        self._wait = wait
        self._changing = threading.RLock()
        self._undoing = threading.local()

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Let this thread's changes be those of the undo plan, and no others, while the block runs."""
        before = self._is_undoing
        self._undoing.now = True
        try:
            yield
        finally:
            self._undoing.now = before

    @property
    def _is_undoing(self) -> bool:
        return getattr(self._undoing, "now", False)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content: bytes = b"",
        sender: Party = "suite",
        receiver: Party = "marketplace",
        purpose: str = "",
        timeout: float | None = None,
        observed: bool = True,
    ) -> Exchange:
        """Make one exchange, as `HttpClient.send` does, if it is allowed.

        Raises:
            Forbidden: the target file does not allow it.
            BudgetSpent: the requests of these 24 hours are used up.
            Halted: the kill switch is on.
            EnvironmentUnavailable: the service asks for more patience than a run has.
        """
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        passage = self.guard.judge(method, url, given, content)

        sent = False

        def once(used: list[tuple[str, str]]) -> Exchange:
            nonlocal sent
            self._take()
            sent = True
            return HttpClient.send(
                self,
                method,
                url,
                headers=used,
                content=content,
                sender=sender,
                receiver=receiver,
                purpose=purpose,
                timeout=timeout,
                observed=observed,
            )

        if not passage.alters:
            return self._noted(passage, self._patiently(once, given, passage))
        with self._changing:
            changes = self._written_down(passage)
            try:
                exchange = self._patiently(once, given, passage)
            except (MissingCapability, EnvironmentUnavailable):
                if not sent:
                    for change in changes:
                        self.ledger.note(change, state="refused")
                raise
            self._came_of(changes, exchange)
            return exchange

    def place_of(self, host: str, port: int) -> tuple[str, int]:
        """See `HttpClient.place_of`; a connection counts as a request, and only hosts that may be asked have a place.

        Raises:
            Forbidden: another host than those of the API and the identity provider.
            BudgetSpent: the requests of these 24 hours are used up.
            Halted: the kill switch is on.
        """
        if not self.guard.knows(host):
            raise Forbidden("read", f": {host} is neither the API's host nor the identity provider's")
        self._take()
        return super().place_of(host, port)

    # --- one request ---

    def about_to_repeat(self) -> None:
        """Count a request that goes out a second time as another one.

        Raises:
            BudgetSpent: the requests of these 24 hours are used up.
            Halted: the kill switch is on.
            EnvironmentUnavailable: the service asks for more patience than a run has.
        """
        self._take()

    def _take(self) -> None:
        self._look_at_the_switch()
        left = self.ledger.take(undoing=self._is_undoing)
        if left > LONGEST_WAIT:
            raise EnvironmentUnavailable(
                f"the live service asked for patience: nothing may be sent to it for another {left:.0f} seconds; "
                "come back later"
            )
        while left > 0:
            self._wait(min(left, _GLANCE))
            left -= _GLANCE
            self._look_at_the_switch()

    def _look_at_the_switch(self) -> None:
        if self._kill_switch.exists():
            raise Halted(self._kill_switch)

    def _patiently(
        self, once: Callable[[list[tuple[str, str]]], Exchange], given: list[tuple[str, str]], passage: Passage
    ) -> Exchange:
        """Send, and send again what the service put off, and once what was refused for the token's sake."""
        for _ in range(RESENT):
            exchange = once(given)
            if exchange.status == 429 or (exchange.status == 503 and not passage.alters and _asked(exchange)):
                self.ledger.hold_off(_asked(exchange) or PATIENCE_UNTOLD)
            elif exchange.status == 401 and (renewed := self._renewed(given)) is not None:
                given = renewed
            else:
                break
        else:
            exchange = once(given)
        if exchange.status is not None and exchange.status < 400 and self._is_own(given) and self.tokens is not None:
            self.tokens.accepted()
        return exchange

    def _is_own(self, given: list[tuple[str, str]]) -> bool:
        return self.tokens is not None and self.tokens.is_own(header(given, "authorization"))

    def _renewed(self, given: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
        if self.tokens is None or not self._is_own(given):
            return None  # a token that a test wants to be refused
        token = self.tokens.renew()
        if token is None:
            return None
        return [(name, f"Bearer {token}" if name.lower() == "authorization" else value) for name, value in given]

    # --- what changes something ---

    def _written_down(self, passage: Passage) -> list[Change]:
        """Look at the subscription as it is, and write down what is about to change."""
        subscription = passage.subscription_id
        assert subscription is not None
        if passage.kind == "settle":
            return []
        if self._is_undoing:
            planned = {
                (each.field, each.before) for each in self.ledger.open_changes() if each.subscription == subscription
            }
            if passage.kind != "change" or not set(_texts(passage.wanted).items()) <= planned:
                raise Forbidden("change-plan", f": undoing {subscription} only puts back what the ledger names")
            return []
        shown = self.look(subscription)
        listed = self.guard.allowance.subscriptions[subscription].offer
        if shown.offer != listed:
            raise Forbidden(
                "read",
                f": subscription {subscription} is of offer {shown.offer!r}, and the target file lists it under "
                f"{listed!r}; correct its entry before anything is changed",
            )
        changes = []
        for field, wanted in _texts(passage.wanted).items():
            before = shown.value(field)
            if not before:
                raise Forbidden(
                    "change-plan" if field == "planId" else "change-quantity",
                    f": the present {field} of subscription {subscription} does not show, so it could not be put back",
                )
            changes.append(self.ledger.begin(subscription, field, before=before, wanted=wanted))
        self.shown.pop(subscription, None)
        return changes

    def look(self, subscription: str) -> Shown:
        """Get a subscription as it is now.

        Raises:
            EnvironmentUnavailable: it does not show.
        """
        token = "" if self.tokens is None else self.tokens()
        exchange = self.send(
            "GET",
            f"{self.guard.allowance.base_url}/saas/subscriptions/{subscription}?api-version={_API_VERSION}",
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            purpose="look before a change",
        )
        shown = self.shown.get(subscription)
        if exchange.status != 200 or shown is None:
            raise EnvironmentUnavailable(
                f"subscription {subscription} was to be looked at before a change, and Get Subscription answered "
                f"{exchange.status or exchange.error}; nothing was changed"
            )
        return shown

    def _came_of(self, changes: list[Change], exchange: Exchange) -> None:
        status = exchange.status
        location = header(exchange.response_headers, "operation-location")
        operation = location.partition("?")[0].rstrip("/").rpartition("/")[2] if location else None
        for change in changes:
            if status is not None and 400 <= status < 500 and status not in _UNDECIDED:
                self.ledger.note(change, state="refused")
            elif operation:
                self.ledger.note(change, operation=operation)

    # --- what was shown ---

    def _noted(self, passage: Passage, exchange: Exchange) -> Exchange:
        if exchange.status == 200 and exchange.method in {"GET", "POST"}:
            answer = Answer(exchange)
            found = [answer.body, answer["subscription"], *answer["subscriptions"]]
            for each in found:
                subscription = _text(each["id"]).lower()
                if subscription and _text(each["saasSubscriptionStatus"]):
                    self.shown[subscription] = _shown(each)
        elif passage.kind == "read" and exchange.status in {401, 403, 404}:
            self.shown.pop(passage.subscription_id or "", None)
        return exchange


def _shown(entry: Reading) -> Shown:
    return Shown(
        status=_text(entry["saasSubscriptionStatus"]).strip(),
        offer=_text(entry["offerId"]).strip(),
        plan=_text(entry["planId"]).strip(),
        quantity=_text(entry["quantity"]).strip(),
    )


def _text(reading: Reading) -> str:
    value = reading.value
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _texts(wanted: Mapping[str, Any]) -> dict[str, str]:
    return {field: "" if value is None else str(value) for field, value in wanted.items()}


def _asked(exchange: Exchange) -> float:
    """Return the seconds that Retry-After asks for, 0 when it does not stand there or makes no sense."""
    said = header(exchange.response_headers, "retry-after")
    if said is None:
        return 0.0
    if said.strip().isdecimal():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)
