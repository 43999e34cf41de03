"""Answers of the other side, read without ever raising.

A missing field, an HTML login page or a 204 is the target's doing, not an error of the suite: whatever cannot be read
is `ABSENT`. Every value that is read remembers the exchange it came from, so that a check can name its evidence.
"""

import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, final

from fulfillment_conformance.exchange import Exchange, header


@final
class Absent:
    """What a value that is not there reads as; there is one instance, `ABSENT`."""

    _only: "Absent | None" = None

    def __new__(cls) -> "Absent":
        """Return the one instance."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()

DEEPEST: Final = 64
"""Levels of a JSON text that are read; whoever nests deeper only wants to see whether somebody falls in."""


Place = tuple[str | int, ...]
"""Where in an exchange a value stands.

`("status",)`, `("header", name)`, or `("body", key, index, ...)` of the answer; of the request, the first word begins
with `request `.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value read from an answer: what it is called, what it is, the exchange that showed it, and where in it.

    `place` is None for a value that is not in the exchange as it is, but was made of what is there.
    """

    name: str
    value: Any
    exchange: Exchange = field(repr=False)
    place: Place | None = field(default=None, repr=False)

    @property
    def absent(self) -> bool:
        """Whether there was nothing to read."""
        return self.value is ABSENT

    @property
    def key(self) -> Hashable:
        """The value as something to look up and to be found by: an array or an object, which cannot be, as its text."""
        return json.dumps(self.value) if isinstance(self.value, list | dict) else self.value

    def __getitem__(self, key: str | int) -> "Reading":
        """Return the part below `key`, absent where this value has none."""
        value: Any = ABSENT
        if isinstance(key, str) and isinstance(self.value, dict):
            value = self.value.get(key, ABSENT)
        elif isinstance(key, int) and isinstance(self.value, list) and -len(self.value) <= key < len(self.value):
            value = self.value[key]
        name = f"{self.name}[{key}]" if isinstance(key, int) else f"{self.name}.{key}"
        return Reading(name, value, self.exchange, None if self.place is None else (*self.place, key))

    def __iter__(self) -> Iterator["Reading"]:
        """Iterate over the elements of an array; anything else has none."""
        return (self[index] for index in range(len(self)))

    def __len__(self) -> int:
        """Return the number of elements of an array; anything else has none."""
        return len(self.value) if isinstance(self.value, list) else 0

    def __bool__(self) -> bool:
        return not self.absent

    def __str__(self) -> str:
        return f"{self.name} {self.value!r}"


def value_of(thing: Any) -> Any:
    """Return the bare value of a reading, and anything else as it is."""
    return thing.value if isinstance(thing, Reading) else thing


def read_json(text: bytes | str) -> Any:
    """Return the value of a JSON text: `ABSENT` where it is empty, no JSON, or nested deeper than `DEEPEST`."""
    try:
        value = json.loads(text, parse_constant=_refuse) if text.strip() else ABSENT
    except (ValueError, RecursionError):
        return ABSENT
    return value if _is_shallow(value) else ABSENT


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
        if not level:
            return True
    return False


class Answer:
    """One answer of a target. `status_code` is None when no answer came (`error` says why)."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @property
    def status_code(self) -> int | None:
        """The HTTP status, or None."""
        return self.exchange.status

    @property
    def error(self) -> str | None:
        """What happened instead of an answer, or None."""
        return self.exchange.error

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return self.status_code is not None and 400 <= self.status_code < 500

    @property
    def is_server_error(self) -> bool:
        """Whether the status is 5xx."""
        return self.status_code is not None and self.status_code >= 500

    @property
    def content(self) -> bytes:
        """The body, empty where no whole answer came."""
        return self.exchange.response_body if self.exchange.status is not None else b""

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")

    @cached_property
    def body(self) -> Reading:
        """The JSON body, absent when there is none or it is not JSON that can be dealt with."""
        return Reading("body", read_json(self.content), self.exchange, ("body",))

    def __getitem__(self, key: str | int) -> Reading:
        """Return a field of the JSON body, named without the `body.` in front."""
        reading = self.body[key]
        return Reading(str(key), reading.value, self.exchange, reading.place)

    def header(self, name: str) -> Reading:
        """Return a response header (first value)."""
        value = header(self.exchange.response_headers, name) if self.exchange.status is not None else None
        return Reading(f"header {name}", ABSENT if value is None else value, self.exchange, ("header", name))

    @property
    def status_line(self) -> Reading:
        """The status code as a reading."""
        return Reading("status", ABSENT if self.status_code is None else self.status_code, self.exchange, ("status",))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.exchange!r}>"


class SubscriptionAnswer(Answer):
    """An answer whose body is, or should be, a subscription object."""

    @property
    def status(self) -> Reading:
        """`saasSubscriptionStatus`."""
        return self["saasSubscriptionStatus"]

    @property
    def plan(self) -> Reading:
        """`planId`."""
        return self["planId"]

    @property
    def quantity(self) -> Reading:
        """`quantity`: seats, absent or empty on flat plans."""
        return self["quantity"]


class OperationAnswer(Answer):
    """An answer whose body is, or should be, an operation object."""

    @property
    def status(self) -> Reading:
        """`status` of the operation: NotStarted, InProgress, Succeeded, Failed or Conflict."""
        return self["status"]
