"""One notification as a marketplace sent it, read without ever raising."""

import json
from functools import cached_property
from typing import Any

from fulfillment_conformance.answers import ABSENT, Reading
from fulfillment_conformance.exchange import Exchange, header


class Notification:
    """One attempt to tell the publisher of an event, as it was sent; read without ever raising, like an `Answer`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @cached_property
    def body(self) -> Reading:
        """The JSON payload, absent when it is no JSON."""
        try:
            value: Any = json.loads(self.exchange.request_body)
        except (ValueError, RecursionError):
            value = ABSENT
        return Reading("notification", value, self.exchange, ("request body",))

    def __getitem__(self, key: str) -> Reading:
        """Return a field of the payload."""
        return self.body[key]

    @property
    def action(self) -> str | None:
        """The event's name."""
        return _text(self["action"])

    @property
    def operation_id(self) -> str | None:
        """The operation's id, the payload's `id`."""
        return _text(self["id"])

    @property
    def subscription_id(self) -> str | None:
        """The id of the subscription that it is about."""
        return _text(self["subscriptionId"]) or _text(self["subscription"]["id"])

    @property
    def subscription(self) -> Reading:
        """The nested subscription object."""
        return self["subscription"]

    def header(self, name: str) -> Reading:
        """Return a request header (first value)."""
        value = header(self.exchange.request_headers, name)
        place = ("request header", name)
        return Reading(f"notification header {name}", ABSENT if value is None else value, self.exchange, place)

    def __repr__(self) -> str:
        return f"<Notification {self.action} {self.exchange!r}>"


def _text(reading: Reading) -> str | None:
    return reading.value if isinstance(reading.value, str) else None
