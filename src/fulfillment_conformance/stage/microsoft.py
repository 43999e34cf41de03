"""Microsoft's side of a publisher's run: the emulator on the network, and everything that reaches it in view."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.faults import Fault, Planned, Rewrites, call_of
from fulfillment_conformance.emulator.identity.keys import SPARE_KEYS, pooled_key
from fulfillment_conformance.emulator.identity.settings import User
from fulfillment_conformance.exchange import Exchange, Observer
from fulfillment_conformance.marketplace import Delivery, Marketplace, Operation, Rules, Subscription
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import Portal, shared_portal
from fulfillment_conformance.stage.calls import form
from fulfillment_conformance.stage.flood import Flood
from fulfillment_conformance.waits import Waits

T = TypeVar("T")

CALM_SECONDS = 0.5
"""How long nothing more must have happened before something counts as over."""

SIGN_IN = frozenset({"authorization_code", "refresh_token"})
"""Grants by which buyers sign in."""

SHORTEST_ANSWER = 2.0
"""Seconds that a webhook gets which has left `MISSES` notifications without an answer, if it was to get more."""

MISSES = 3

GENUINE = "genuine"
"""In place of a token: the marketplace's own."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A notification that the marketplace wants to send and that the suite holds in its hand."""

    delivery: Delivery

    @property
    def operation(self) -> Operation:
        """The operation that is announced, as it was when the notification was due."""
        return self.delivery.operation


class Microsoft:
    """The emulator, driven from the test's thread; notifications wait until the suite sends them."""

    def __init__(self, settings: Settings, *, observer: Observer, redactor: Redactor) -> None:
        self._observer = observer
        self._redactor = redactor
        self._seen: list[Exchange] = []
        self._kinds: list[tuple[str, str]] = []
        self._news = threading.Condition()
        self._taken: dict[str, bool] = {}
        self._spare_keys = map(pooled_key, itertools.count(SPARE_KEYS))
        self._portal: Portal = shared_portal()
        self._answers = Waits(
            settings.webhook_timeout, shortest=min(settings.webhook_timeout, SHORTEST_ANSWER), misses=MISSES
        )
        self.emulator = Emulator(settings, observer=self.notice)
        self.emulator.hold_deliveries = True
        self._flood = Flood(self.emulator.faults)

    # --- what reaches the emulator ---

    def notice(self, exchange: Exchange) -> None:
        """Take in an exchange: record it, and wake whoever waits for something to arrive."""
        is_call = exchange.sender == "publisher"
        if is_call and not self._flood.takes(exchange):
            return
        kind = kind_of(exchange) if is_call else ("", "")
        self._observer(exchange)
        with self._news:
            self._seen.append(exchange)
            self._kinds.append(kind)
            self._news.notify_all()

    @contextmanager
    def during_test(self) -> Iterator[None]:
        """Count the publisher's calls of one test by themselves: see `Flood`."""
        try:
            yield
        finally:
            last = self._portal.call(self._end_flood)
            if last is not None:
                self._observer(last)

    async def _end_flood(self) -> Exchange | None:
        return self._flood.ends()

    @property
    def mark(self) -> int:
        """A point in the stream of exchanges, for `since`."""
        with self._news:
            return len(self._seen)

    def since(self, mark: int) -> list[Exchange]:
        """Return everything that arrived since a mark."""
        with self._news:
            return self._seen[mark:]

    def wait(self, arrived: Callable[[], T | None], *, seconds: float) -> T | None:
        """Return what `arrived` returns as soon as it returns something; asked again after each arrival.

        None after `seconds` of real time. This is how a reply time of the publisher is measured.
        """
        deadline = time.monotonic() + seconds
        while True:
            seen = self.mark
            # Asked without the lock: `arrived` may call the emulator, whose loop needs the lock to report an arrival.
            found = arrived()
            left = deadline - time.monotonic()
            if found is not None or left <= 0:
                return found
            with self._news:
                self._news.wait_for(lambda: len(self._seen) > seen, left)  # noqa: B023 - called before `seen` changes

    def calms_down(self, count: Callable[[], int], *, beyond: int) -> None:
        """Wait until what is counted has stopped happening, or has happened more often than is of interest."""

        def grown(since: int) -> int | None:
            return self.wait(lambda: now if (now := count()) > since else None, seconds=CALM_SECONDS)

        seen: int | None = count()
        while seen is not None and seen <= beyond:
            seen = grown(seen)

    def called(self, kind: str, *, since: int = 0, of: str | None = None) -> list[Exchange]:
        """Return the publisher's calls of a kind, named as `emulator.faults.call_of` does; `of` is a subscription."""
        with self._news:
            seen = list(zip(self._seen[since:], self._kinds[since:], strict=True))
        return [call for call, (name, subscription_id) in seen if name == kind and of in {None, subscription_id}]

    def access_token_requests(self, *, since: int = 0) -> list[Exchange]:
        """Return the publisher's requests for tokens of its own; sign-ins of buyers are left out."""
        return [call for call in self.called("token", since=since) if form(call).get("grant_type") not in SIGN_IN]

    def refused_tunnels(self, *, since: int = 0) -> list[str]:
        """Say what the proxy has refused, and which TLS handshakes failed, where Microsoft's addresses are played."""
        return [
            f"{call.method} {call.url} by its proxy: {call.error or f'{call.status}, {call.purpose}'}"
            for call in self.since(since)
            if call.receiver == "elsewhere" and call.status != 200
        ]

    # --- bad days ---

    @contextmanager
    def disturbed(
        self,
        fault: Fault,
        *,
        call: str,
        of: str | None = None,
        times: int | None = None,
        bearing: str | None = None,
    ) -> Iterator[Planned]:
        """Let something happen to the next calls of a kind for as long as the block runs.

        Args:
            fault: what happens.
            call: the kind of call, or `*`.
            of: only to calls about this subscription.
            times: only to the next so many.
            bearing: only to calls with this value of the Authorization header.
        """

        async def begin() -> Planned:
            return self.emulator.faults.add(fault, call=call, subscription_id=of, times=times, bearing=bearing)

        async def end() -> None:
            self.emulator.faults.remove(planned)

        planned = self._portal.call(begin)
        try:
            yield planned
        finally:
            self._portal.call(end)

    @contextmanager
    def deciding_otherwise(self, **rules: Any) -> Iterator[None]:
        """Let some rules of the marketplace be others while the block runs; named as in `marketplace.Rules`."""

        def change(market: Marketplace) -> Rules:
            before, market.rules = market.rules, replace(market.rules, **rules)
            return before

        def restore(market: Marketplace) -> None:
            market.rules = before

        before = self.perform(change)
        try:
            yield
        finally:
            self.perform(restore)

    @contextmanager
    def issuing_tokens_for(self, lifetime: timedelta) -> Iterator[None]:
        """Let the token endpoint issue access tokens of another lifetime while the block runs."""
        identity = self.emulator.identity
        before, identity.access_token_lifetime = identity.access_token_lifetime, lifetime
        try:
            yield
        finally:
            identity.access_token_lifetime = before

    @contextmanager
    def another_signing_key(self) -> Iterator[Callable[[], str]]:
        """Publish another key beside the present ones while the block runs; gives a maker of tokens signed with it.

        A genuine notification of that time may carry such a token. Afterwards all is signed as before, so that a
        receiver that fetches keys only so often is not cut off from what follows.
        """
        identity = self.emulator.identity
        key = next(self._spare_keys)

        def also(answer: Any) -> Any:
            return {"keys": [key.jwk | {"issuer": answer["keys"][0].get("issuer")}, *answer["keys"]]}

        def signed() -> str:
            claims = identity.webhook_claims(self.emulator.settings.webhook_token_version)
            token = identity.sign({}, claims, key=key)
            self.hide(token, "token")
            return token

        with self.disturbed(Rewrites(also, "another key published"), call="keys"):
            yield signed

    @contextmanager
    def knowing(self, user: User) -> Iterator[None]:
        """Let another user exist at Entra while the block runs."""
        directory = self.emulator.identity.directory
        before, directory.users = directory.users, (*directory.users, user)
        try:
            yield
        finally:
            directory.users = before

    def hide(self, text: str, kind: str) -> None:
        """Hide something secret in everything that is written."""
        self._redactor.learn(text, kind)

    # --- what happens at the marketplace ---

    def perform(self, command: Callable[[Marketplace], T]) -> T:
        """Run a command on the core, on the loop that serves it."""

        async def run() -> T:
            return self.emulator.perform(lambda: command(self.emulator.market))

        return self._portal.call(run)

    def subscription(self, subscription_id: str) -> Subscription:
        """Return a subscription as the marketplace has it."""
        return self.perform(lambda market: market.find(subscription_id).subscription)

    def operation(self, operation: Operation) -> Operation:
        """Return what has become of an operation."""

        def find(market: Marketplace) -> Operation:
            return market.find_operation(market.find(operation.subscription_id), operation.id)

        return self.perform(find)

    def advance(self, span: timedelta) -> None:
        """Let the marketplace's time pass."""

        async def run() -> None:
            await self.emulator.advance(span)

        self._portal.call(run)

    # --- notifications ---

    def announcements(self, subscription_id: str) -> list[Announcement]:
        """Return the notifications about a subscription that wait to be sent, oldest first."""

        async def held() -> list[Delivery]:
            self.emulator.clock.catch_up()
            await asyncio.sleep(0)
            return [item for item in self.emulator.held if item.operation.subscription_id == subscription_id]

        return [Announcement(delivery) for delivery in self._portal.call(held)]

    def announcement(self, operation: Operation) -> Announcement | None:
        """Return the waiting notification of an operation, if there is one."""
        waiting = self.announcements(operation.subscription_id)
        return next((each for each in waiting if each.operation.id == operation.id), None)

    def payload(self, announcement: Announcement) -> dict[str, Any]:
        """Return the genuine payload, to be changed by whoever wants to."""

        async def compose() -> Any:
            return self.emulator.notification(announcement.delivery).payload

        payload: dict[str, Any] = self._portal.call(compose)
        return payload

    def send(
        self,
        announcement: Announcement,
        *,
        token: str | None = GENUINE,
        authorization: Sequence[str] | None = None,
        payload: dict[str, Any] | bytes | None = None,
        headers: dict[str, str | None] | None = None,
        heard: bool = True,
        method: str = "POST",
        url: str | None = None,
    ) -> Answer:
        """Send a notification, genuine in everything that is not given, and return the publisher's answer.

        `heard` says whether the marketplace takes the answer for the publisher's; a forged call's it does not. What
        was not accepted before is thereby sent again, as the marketplace would in a minute.
        """
        if token not in {None, GENUINE}:
            self._redactor.learn(str(token), "token")

        async def send() -> Exchange:
            return await self.emulator.send(
                await self._attempt(announcement) if heard else announcement.delivery,
                token=token,
                authorization=authorization,
                payload=payload,
                headers=headers,
                heard=heard,
                method=method,
                url=url,
                timeout=limit,
            )

        limit = self._answers.limit
        answer = Answer(self._portal.call(send))
        if answer.status_code is not None or answer.exchange.seconds >= limit:
            self._answers.note(came=answer.status_code is not None, after=answer.exchange.seconds)
        if heard:
            self._taken[announcement.operation.id] = answer.is_success
            self._discard(announcement)
        return answer

    def was_taken(self, operation_id: str) -> bool:
        """Whether the publisher answered the last genuine notification of an operation with 2xx."""
        return self._taken.get(operation_id, False)

    def was_refused(self, operation_id: str) -> bool:
        """Whether the publisher answered the last genuine notification of an operation, and not with 2xx."""
        return not self._taken.get(operation_id, True)

    async def _attempt(self, announcement: Announcement) -> Delivery:
        """Return what is to be sent of an announcement: the attempt that awaits an answer. On the emulator's loop."""
        operation_id = announcement.operation.id
        self.emulator.perform(lambda: self.emulator.market.send_again(operation_id))
        await asyncio.sleep(0)
        waiting = [delivery for delivery in self.emulator.held if delivery.operation.id == operation_id]
        return waiting[-1] if waiting else announcement.delivery

    def _discard(self, announcement: Announcement) -> None:
        async def discard() -> None:
            held = self.emulator.held
            held[:] = [delivery for delivery in held if delivery.operation.id != announcement.operation.id]

        self._portal.call(discard)

    def addresses(self, *, webhook: str, landing_page: str) -> None:
        """Say where the publisher is."""

        async def tell() -> None:
            self.emulator.courier.url = webhook
            self.emulator.landing_page_url = landing_page

        self._portal.call(tell)

    def close(self) -> None:
        """Stop timers and connections."""
        self._portal.call(self.emulator.close)


def kind_of(exchange: Exchange) -> tuple[str, str]:
    """Return the kind of a call that reached the emulator, and the subscription it is about; see `faults.call_of`."""
    return call_of(exchange.method, unquote(urlsplit(exchange.url).path))


def about(exchanges: Sequence[Exchange], subscription_id: str) -> list[Exchange]:
    """Return the Fulfillment API calls about one subscription, its id in capitals or not."""
    path = f"/subscriptions/{subscription_id.lower()}"
    return [exchange for exchange in exchanges if exchange.receiver == "marketplace" and path in exchange.url.lower()]
