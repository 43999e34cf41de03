"""What shows that an operation of a marketplace works: it told something that only a working service knows.

Read off the exchanges as they come. An echo, a stub with the documentation's examples, or a service that takes every
write and keeps nothing gives none of these signs. Where nothing was bought or shown, as with a publisher that has no
customers yet, a list of nothing is one.
"""

import json
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.described import is_about_seats
from fulfillment_conformance.drivers.base import OfferInfo
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.life import Life

NOTIFICATIONS: Final = "notifications"
"""The part that speaks of its own accord; it counts as called when a test listens for it."""

_OUTCOMES: Final = {"Succeeded", "Failed"}
_OPERATION_STATUSES: Final = {"NotStarted", "InProgress", "Conflict", *_OUTCOMES}
_STATUSES: Final = {"PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"}
_PATHS: Final = (
    ("POST", r"/resolve", "resolve"),
    ("GET", r"/?", "list subscriptions"),
    ("POST", r"/(?P<id>[^/]+)/activate", "activate"),
    ("GET", r"/(?P<id>[^/]+)/listAvailablePlans", "list available plans"),
    ("GET", r"/(?P<id>[^/]+)/operations", "list operations"),
    ("GET", r"/(?P<id>[^/]+)/operations/(?P<operation>[^/]+)", "get operation"),
    ("PATCH", r"/(?P<id>[^/]+)/operations/(?P<operation>[^/]+)", "update operation"),
    ("GET", r"/(?P<id>[^/]+)", "get subscription"),
    ("PATCH", r"/(?P<id>[^/]+)", "change"),
    ("DELETE", r"/(?P<id>[^/]+)", "cancel"),
)
_ROUTES: Final = tuple((method, re.compile(path), part) for method, path, part in _PATHS)
_LOCATED: Final = re.compile(rf"/operations/({GUID.pattern})")


class MarketplaceSigns:
    """Observes the calls of one API, and says which of its operations have shown that they work.

    Args:
        base_url: where the API is; exchanges with anything else are passed over.
        life: is told of every operation that is called.
        keeps_operations: whether outstanding operations are listed; a service of which that is not expected shows by
            the right shape of an empty list that it is there.
    """

    def __init__(self, base_url: str, life: Life, *, keeps_operations: bool = True) -> None:
        self._prefix = urlsplit(base_url).path.rstrip("/") + "/saas/subscriptions"
        self._base_url = base_url
        self._life = life
        self._keeps_operations = keeps_operations
        self._lock = threading.Lock()
        self._lists_nothing = False
        self._bought: set[str] = set()
        self._statuses: dict[str, set[str]] = defaultdict(set)
        self._plans: set[str] = set()
        self._told: dict[str, set[str]] = defaultdict(set)
        self._done: dict[tuple[str, str], str] = {}
        self._operations: dict[str, str] = {}
        self._alive: set[str] = set()

    def bought(self, subscription_id: str, offer: OfferInfo) -> None:
        """Learn of a purchase, and of the plans that it can have."""
        with self._lock:
            self._bought.add(subscription_id.lower())
            self._plans.update(plan.plan_id for plan in offer.plans)

    def __call__(self, exchange: Exchange) -> None:
        """Take in a finished exchange."""
        if exchange.sender == "marketplace":
            about = Notification(exchange).subscription_id
            with self._lock:
                if about is not None and about.lower() in self._known():
                    self._alive.add(NOTIFICATIONS)
            return
        if exchange.receiver != "marketplace" or not exchange.url.startswith(self._base_url):
            return
        part, subscription, operation = _called(exchange, self._prefix)
        if part is None:
            return
        self._life.called(part)
        if exchange.status is not None and 200 <= exchange.status < 300:
            with self._lock:
                self._take(part, subscription, operation, exchange)

    def alive(self) -> frozenset[str]:
        """Name the operations that have shown that they work."""
        with self._lock:
            known = self._known()
            found = set(self._alive)
            if self._lists_nothing and not known:
                found.add("list subscriptions")
            found.update(part for part in ("resolve", "list subscriptions") if self._told[part] & known)
            if self._told["list available plans"] & self._plans:
                found.add("list available plans")
            if self._told["list operations"] & self._operations.keys():
                found.add("list operations")
            found.update(part for (part, what), wanted in self._done.items() if self._has_come(what, wanted))
            # What a sandbox tells of its own accord is no sign of an API that says nothing.
            return frozenset() if found == {NOTIFICATIONS} else frozenset(found)

    def _may_be(self, subscription: str) -> bool:
        """Whether it is good for a sign: where purchases are made, one that anybody may have made up is not."""
        return not self._bought or subscription in self._bought

    def _known(self) -> set[str]:
        return self._bought | self._statuses.keys()

    def _take(self, part: str, subscription: str, operation: str, exchange: Exchange) -> None:
        body = _document(exchange.response_body)
        fields = body if isinstance(body, dict) else {}
        shown = str(fields.get("id", "")).lower()
        match part:
            case "resolve":
                self._told[part].add(shown)
            case "list subscriptions":
                self._told[part].update(_ids(fields.get("subscriptions")))
                self._lists_nothing |= isinstance(fields.get("subscriptions"), list)
            case "get subscription" if (
                shown == subscription
                and self._may_be(subscription)
                and _word(fields, "saasSubscriptionStatus") in _STATUSES
            ):
                self._statuses[subscription].add(fields["saasSubscriptionStatus"])
                if isinstance(fields.get("planId"), str):
                    self._plans.add(fields["planId"])
                    self._alive.add(part)
            case "list available plans":
                plans = fields.get("plans")
                listed = plans if isinstance(plans, list) else []
                self._told[part].update(str(plan.get("planId")) for plan in listed if isinstance(plan, dict))
            case "list operations":
                listed = fields.get("operations", body)
                self._told[part].update(_ids(listed))
                if isinstance(listed, list) and not self._keeps_operations:
                    self._alive.add(part)
            case "get operation" if shown == operation and _word(fields, "status") in _OPERATION_STATUSES:
                self._operations[operation] = fields["status"]
                self._alive.add(part)
            case "activate":
                self._done[part, subscription] = "Subscribed"
            case "update operation":
                self._done[part, operation] = "an outcome"
            case "change plan" | "change quantity" | "cancel":
                location = _LOCATED.search(header(exchange.response_headers, "operation-location") or "")
                if location is not None:
                    self._done[part, location[1].lower()] = "an operation"
                if part == "cancel":
                    self._done[part, subscription] = "Unsubscribed"

    def _has_come(self, what: str, wanted: str) -> bool:
        if wanted == "an operation":
            return what in self._operations
        if wanted == "an outcome":
            return self._operations.get(what) in _OUTCOMES
        return wanted in self._statuses.get(what, ())


def _called(exchange: Exchange, prefix: str) -> tuple[str | None, str, str]:
    path = urlsplit(exchange.url).path
    if not path.startswith(prefix):
        return None, "", ""
    rest = path.removeprefix(prefix)
    for method, pattern, name in _ROUTES:
        found = pattern.fullmatch(rest) if exchange.method == method else None
        if found is not None:
            groups = found.groupdict()
            part = name
            if name == "change":
                part = "change quantity" if is_about_seats(exchange) else "change plan"
            return part, unquote(groups.get("id", "")).lower(), unquote(groups.get("operation", "")).lower()
    return None, "", ""


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _word(fields: Mapping[str, Any], name: str) -> str:
    word = fields.get(name)
    return word if isinstance(word, str) else ""


def _ids(listed: Any) -> set[str]:
    entries = listed if isinstance(listed, list) else []
    return {str(entry["id"]).lower() for entry in entries if isinstance(entry, dict) and "id" in entry}
