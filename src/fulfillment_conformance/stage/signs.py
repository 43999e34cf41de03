"""What shows that a publisher works: it asks Microsoft about what it was told, or shows something else than before.

A service that takes every notification and opens every page, and does nothing because of it, gives none of these signs.
"""

import json
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from jsonpointer import JsonPointer, JsonPointerException

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import Life
from fulfillment_conformance.stage.microsoft import kind_of
from fulfillment_conformance.stage.publisher import Service

LANDING_PAGE: Final = "the landing page"
WEBHOOK: Final = "the webhook"
ACCOUNT: Final = "the account that is shown"


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that began at a moment: a notification, a call or a look about some ids, or anything else."""

    at: datetime
    what: Literal["notified", "called", "looked", "disturbed"]
    ids: frozenset[str] = frozenset()
    shown: str = ""


class PublisherSigns:
    """Observes what reaches a publisher and what it calls, and says which of its parts have shown that they work.

    Args:
        service: where its parts are.
        life: is told of every part that is called.
    """

    def __init__(self, service: Service, life: Life) -> None:
        self._landing_page = _place(service.landing_page)
        self._webhook = _place(service.webhook)
        self._state = service.state
        self._account = _pattern(service.state.get) if service.state is not None else None
        self._life = life
        self._lock = threading.Lock()
        self._events: list[_Event] = []
        self._shown: set[str] = set()
        self._alive: set[str] = set()

    def __call__(self, exchange: Exchange) -> None:
        """Take in a finished exchange."""
        with self._lock:
            if exchange.sender == "publisher" and exchange.receiver == "marketplace":
                self._calls(exchange)
            elif exchange.receiver == "publisher":
                self._is_called(exchange)

    def alive(self) -> frozenset[str]:
        """Name the parts that have shown that they work."""
        with self._lock:
            if len(self._shown) > 1:
                self._alive.add(ACCOUNT)
            if WEBHOOK not in self._alive and _reacts(sorted(self._events, key=attrgetter("at"))):
                self._alive.add(WEBHOOK)
            return frozenset(self._alive)

    def _calls(self, exchange: Exchange) -> None:
        kind, subscription = kind_of(exchange)
        if kind == "resolve" and exchange.status == 200:
            self._alive.add(LANDING_PAGE)
        named = {subscription, *unquote(urlsplit(exchange.url).path).split("/")[-1:]}
        self._note(exchange, "called", named)

    def _is_called(self, exchange: Exchange) -> None:
        place = _place(exchange.url)
        if place == self._webhook:
            self._life.called(WEBHOOK)
            self._note(exchange, "notified", _ids(exchange.request_body))
            return
        looked = self._account.fullmatch(exchange.url) if self._account and exchange.method == "GET" else None
        if looked is not None:
            self._life.called(ACCOUNT)
            shown = self._reading(exchange)
            self._shown.add(shown)
            self._note(exchange, "looked", {unquote(looked[1])}, shown)
            return
        if place == self._landing_page:
            self._life.called(LANDING_PAGE)
        self._note(exchange, "disturbed", ())

    def _note(
        self, exchange: Exchange, what: Literal["notified", "called", "looked", "disturbed"], ids: Any, shown: str = ""
    ) -> None:
        if WEBHOOK not in self._alive:
            self._events.append(_Event(exchange.at, what, frozenset(each.lower() for each in ids if each), shown))

    def _reading(self, exchange: Exchange) -> str:
        assert self._state is not None
        pointers = (self._state.status, self._state.plan, self._state.seats)
        return repr([_at(exchange, pointer) for pointer in pointers])


def _reacts(events: list[_Event]) -> bool:
    """Whether the publisher asked about what it was notified of, or showed it, with nothing else to make it do so."""
    notified: set[str] = set()
    before: dict[frozenset[str], str] = {}
    for event in events:
        match event.what:
            case "disturbed":
                notified.clear()
                before.clear()
            case "notified":
                notified |= event.ids
            case "called":
                if notified & event.ids:
                    return True
            case "looked":
                if event.ids & notified and before.get(event.ids, event.shown) != event.shown:
                    return True
                before[event.ids] = event.shown
    return False


def _pattern(route: str) -> re.Pattern[str]:
    """Return what matches the address of any account, with the subscription's id as its group."""
    before, _, after = route.partition("{subscription_id}")
    return re.compile(rf".*{re.escape(before)}([^/?]+){re.escape(after)}")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _ids(body: bytes) -> list[str]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = [payload.get("id"), payload.get("subscriptionId")] if isinstance(payload, dict) else []
    return [each for each in found if isinstance(each, str)]


def _at(exchange: Exchange, pointer: str | None) -> Any:
    if pointer is None or exchange.status != 200:
        return ABSENT
    try:
        return JsonPointer(pointer).resolve(json.loads(exchange.response_body))
    except (ValueError, JsonPointerException, RecursionError):
        return ABSENT
