"""What a check was decided from, as data, and the decisions as pure functions of it.

The suite decides with these functions while it runs; whoever has the recorded exchanges can find every value again and
decide with the same functions once more. In `results.json` a check carries

    "basis": {"kind": "equals", "of": [{"name": "planId", "exchange": "7", "at": ["body", "planId"], "value": "gold"},
                                       {"value": "gold"}]}

`of` are the values that were looked at. `at` says where in the exchange one stands (`Place`); a value without it was
computed. One without `value` was absent, or, with `"long": true`, is not repeated here. `terms` are what the kind needs
besides. Kind `seen` is a condition that the test wrote in its own words: its values can be found again, the condition
cannot be decided again.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Literal, Protocol, Self

from fulfillment_conformance.answers import ABSENT, Place, Reading, read_json
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.outcome import Outcome

Kind = Literal[
    "equals",
    "one-of",
    "pattern",
    "type",
    "text",
    "status",
    "accepted",
    "taken",
    "refused",
    "turned-away",
    "no-effect",
    "unchanged",
    "seen",
]
IN_OWN_WORDS: Collection[Kind] = ("seen", "no-effect", "unchanged")
"""Kinds whose checks say what was expected and what came in words that the basis does not determine."""

OF_STATUSES: Collection[Kind] = ("status", "accepted", "taken", "refused", "turned-away")
"""Kinds that are about nothing but the statuses of exchanges."""

ACTING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods of calls that act on a subscription."""

STATUS: Place = ("status",)
LONGEST_KEPT = 65_536
"""Characters; a longer value is not repeated beside the exchange that has it."""
LONGEST_SEEN = 500
"""Characters; what a condition in a test's own words has looked at is not repeated beyond this length."""

_TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    NoneType: "null",
}
_CLASSES = {name: kind for kind, name in _TYPES.items()}


class AcceptedReading(Protocol):
    """A reading of a catalogue row that passes; the catalogue's `Reading`."""

    @property
    def reading(self) -> str:
        """What is accepted."""

    @property
    def source(self) -> str:
        """Where the reading comes from."""

    @property
    def profile(self) -> str:
        """`documented`, or `observed` for what passes under that profile alone."""

    @property
    def statuses(self) -> Sequence[int]:
        """The HTTP statuses that it is about."""


class HasExchange(Protocol):
    """Whatever was read from an exchange: an answer, a reading, a notification."""

    @property
    def exchange(self) -> Exchange:
        """Where it was read."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that was looked at; `exchange` and `place` are empty where it was computed."""

    value: Any
    name: str = ""
    exchange: str = ""
    place: Place = ()
    long: bool = False

    @classmethod
    def of(cls, thing: Any) -> Self:
        """Return a reading, or a bare value, as an operand."""
        if isinstance(thing, Reading):
            return cls(thing.value, thing.name, thing.exchange.number, thing.place or ())
        return cls(thing)

    @classmethod
    def status(cls, exchange: Exchange) -> Self:
        """Return the status of an exchange as an operand."""
        return cls(ABSENT if exchange.status is None else exchange.status, "status", exchange.number, STATUS)

    @property
    def key(self) -> str:
        """The name of the innermost field or header, by which secrets are known; empty where there is none."""
        return next((part for part in reversed(self.place) if isinstance(part, str)), "")

    def to_json(self, redact: Callable[[Any, str], Any], key: str = "") -> dict[str, Any]:
        """Return the operand as JSON data without secrets; `key` tells what a computed value is compared with.

        Raises:
            TypeError: JSON cannot hold the value.
        """
        data: dict[str, Any] = {"name": self.name} if self.name else {}
        data |= {"exchange": self.exchange} if self.exchange else {}
        data |= {"at": list(self.place)} if self.place else {}
        if self.long:
            data["long"] = True
        elif not _is_short(self.value):
            raise TypeError(f"{type(self.value).__name__} is too long, or is not JSON")
        elif self.value is not ABSENT:
            data["value"] = redact(plain(self.value), self.key or key)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            data.get("value", ABSENT),
            data.get("name", ""),
            data.get("exchange", ""),
            tuple(data.get("at", ())),
            data.get("long", False),
        )


@dataclass(frozen=True, slots=True)
class Basis:
    """The values that a check looked at, and the kind of decision that it made of them.

    | kind | of | terms |
    |---|---|---|
    | `equals` | the value, what it has to be | |
    | `one-of` | the value, everything that it may be | |
    | `pattern` | the value | `pattern`, which a string has to match as a whole; `meaning` |
    | `type` | the value | `types`, names of JSON types; `meaning` |
    | `text` | the value | |
    | `status` | a status | `expected`, statuses |
    | `accepted`, `taken` | a status | |
    | `refused` | a status, the twin's status | `expected`, statuses; empty for any 4xx |
    | `turned-away` | a status, the twin's status | |
    | `unchanged` | what the publisher showed, before and after alternately | |
    | `no-effect` | the same | `subscription`, its id; `calls`, numbers of the calls that acted on it in between |
    | `seen` | whatever the condition rests on | |
    """

    kind: Kind
    of: tuple[Operand, ...]
    terms: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, redact: Callable[[Any, str], Any]) -> dict[str, Any]:
        """Return the basis as JSON data; `redact` gets each value and the name of the field that it stands in.

        What was compared with a value that JSON cannot hold, or one that is very long, can only be found again, not
        decided again: `seen`.
        """
        key = next((operand.key for operand in self.of if operand.key), "")
        try:
            data: dict[str, Any] = {"kind": self.kind, "of": [operand.to_json(redact, key) for operand in self.of]}
        except TypeError:
            found = (replace(operand, long=not _is_short(operand.value)) for operand in self.of if operand.place)
            return {"kind": "seen", "of": [operand.to_json(redact) for operand in found]}
        return data | ({"terms": dict(self.terms)} if self.terms else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(data["kind"], tuple(Operand.from_json(each) for each in data["of"]), data.get("terms", {}))


def seen(rests_on: Iterable[HasExchange | Exchange]) -> Basis:
    """Return what a condition in a test's own words rests on."""
    operands: dict[tuple[str, Place], Operand] = {}
    for thing in rests_on:
        operand = Operand.status(thing if isinstance(thing, Exchange) else thing.exchange)
        if isinstance(thing, Reading) and thing.place:
            operand = Operand.of(thing)
            if not _is_short(thing.value, LONGEST_SEEN):
                operand = replace(operand, long=True)
        operands[operand.exchange, operand.place] = operand
    return Basis("seen", tuple(operands.values()))


def comparison(kind: Kind, *things: Any, **terms: Any) -> Basis:
    """Return the basis of a decision about these readings and values."""
    return Basis(kind, tuple(map(Operand.of, things)), terms)


def of_status(kind: Kind, *exchanges: Exchange, **terms: Any) -> Basis:
    """Return the basis of a decision about the statuses of these exchanges."""
    return Basis(kind, tuple(map(Operand.status, exchanges)), terms)


def names_of(kinds: Iterable[type]) -> list[str]:
    """Return the JSON types that Python's classes stand for."""
    return [_TYPES[kind] for kind in kinds]


def decide(
    basis: Basis, *, readings: Iterable[AcceptedReading] = (), profile: str = "documented"
) -> tuple[Outcome, tuple[str, ...]] | None:
    """Decide again; `readings` are those that the requirement's row accepts. None where only the test could (`seen`).

    Returns:
        The outcome, and notes that say which accepted reading it rests on.
    """
    values = [operand.value for operand in basis.of]
    match basis.kind:
        case "seen":
            return None
        case "equals":
            return _outcome(same(values[0], values[1])), ()
        case "one-of":
            return _outcome(any(same(values[0], option) for option in values[1:])), ()
        case "pattern":
            return _outcome(is_whole_match(values[0], basis.terms["pattern"])), ()
        case "type":
            return _outcome(is_a(values[0], *(_CLASSES[name] for name in basis.terms["types"]))), ()
        case "text":
            return _outcome(is_text(values[0])), ()
        case "status":
            return judge_status(values[0], basis.terms["expected"], readings, profile)
        case "accepted" | "taken":
            return _outcome(within(values[0], 200, 299)), ()
        case "refused":
            return _refused(values[0], values[1], basis.terms["expected"], readings, profile)
        case "turned-away":
            if not within(values[0], 200, 299) and not within(values[1], 200, 299):
                return Outcome.UNDECIDED, ()
            return _outcome(within(values[0], 400, 10_000)), ()
        case "no-effect" | "unchanged":
            still = all(map(same, values[::2], values[1::2]))
            return _outcome(still and not basis.terms.get("calls")), ()


def _refused(
    status: Any, twin: Any, expected: Collection[int], readings: Iterable[AcceptedReading], profile: str
) -> tuple[Outcome, tuple[str, ...]]:
    rows = list(readings)
    reading = reading_for(status, rows)
    taken = within(status, 200, 299) and (reading is None or (reading[1] and profile != "observed"))
    if not taken and not within(twin, 200, 299):
        return Outcome.UNDECIDED, ()
    if expected:
        return judge_status(status, expected, rows, profile)
    return _outcome(within(status, 400, 499)), ()


def judge_status(
    status: Any, expected: Collection[int], readings: Iterable[AcceptedReading], profile: str
) -> tuple[Outcome, tuple[str, ...]]:
    """Judge a status by the expected ones, and by those that the row accepts as another reading."""
    if status in expected:
        return Outcome.PASSED, ()
    reading = reading_for(status, readings)
    if reading is None:
        return Outcome.FAILED, ()
    text, only_observed = reading
    return as_observed(text, profile) if only_observed else (Outcome.PASSED, (f"accepted reading: {text}",))


def as_observed(reading: str, profile: str) -> tuple[Outcome, tuple[str, ...]]:
    """Judge what is only observed: it passes under that profile, and is a deviation from the pages under the other."""
    if profile == "observed":
        return Outcome.PASSED, (f"observed: {reading}",)
    return Outcome.FAILED, (f"deviates from the pages; the live service has been seen to do so: {reading}",)


def reading_for(status: Any, readings: Iterable[AcceptedReading]) -> tuple[str, bool] | None:
    """Return the reading that is about a status, in words, and whether it was only observed."""
    for reading in readings:
        if status is not ABSENT and status in reading.statuses:
            return f"{reading.reading} ({reading.source})", reading.profile == "observed"
    return None


def same(left: Any, right: Any) -> bool:
    """Compare as JSON does, at every depth: to Python alone `[1]` equals `[true]`."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def difference(left: Any, right: Any) -> tuple[str, Any, Any]:
    """Return where two JSON values differ, and what each has there: the smallest part with all of it."""
    if same(left, right):
        return "", left, right
    if isinstance(left, dict) and isinstance(right, dict):
        names = [
            name
            for name in {**left, **right}
            if name not in left or name not in right or not same(left[name], right[name])
        ]
        if len(names) == 1 and names[0] in left and names[0] in right:
            place, *values = difference(left[names[0]], right[names[0]])
            return f".{names[0]}{place}", *values
        left, right = ({name: side[name] for name in names if name in side} for side in (left, right))
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        places = [index for index, pair in enumerate(zip(left, right, strict=True)) if not same(*pair)]
        if len(places) == 1:
            place, *values = difference(left[places[0]], right[places[0]])
            return f"[{places[0]}]{place}", *values
    return "", left, right


def is_a(value: Any, *kinds: type) -> bool:
    """Whether a value has one of the JSON types given (`bool` never counts as `int`)."""
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def is_text(value: Any) -> bool:
    """Whether a value is a string with something in it."""
    return isinstance(value, str) and bool(value.strip())


def is_whole_match(value: Any, pattern: str) -> bool:
    """Whether a value is a string of the given syntax as a whole."""
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def within(status: Any, least: int, most: int) -> bool:
    """Whether there is a status, and it lies between two, both included."""
    return isinstance(status, int) and least <= status <= most


def told(basis: Basis, request_of: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Say in words what was expected and, where a value tells it all, what came; both empty for `IN_OWN_WORDS`.

    `request_of` returns method and URL of an exchange by its number.
    """
    if basis.kind in IN_OWN_WORDS:
        return "", ""
    first, *others = basis.of
    name, actual = first.name or "the value", shown(first.value)
    match basis.kind:
        case "equals":
            [right] = others
            like = f", as {right.name} of {request_of(right.exchange)[0]} showed" if right.exchange else ""
            place, came, expected = difference(first.value, right.value)
            return f"{name}{place} {shown(expected)}{like}", shown(came)
        case "one-of":
            return f"{name} one of {', '.join(shown(option.value) for option in others)}", actual
        case "pattern" | "type":
            return f"{name} {basis.terms['meaning']}", actual
        case "text":
            return f"{name} a string that is not empty", actual
    method, url = request_of(first.exchange)
    request = f"{method} {re.sub(r'^[a-zA-Z]+://[^/]+', '', url)}"
    statuses = " or ".join(map(str, basis.terms.get("expected", ())))
    match basis.kind:
        case "status":
            return f"{request} answered {statuses}", ""
        case "accepted":
            return f"{request} accepted (2xx)", ""
        case "taken":
            return f"{request} answered 200", ""
        case "refused":
            return f"{request} refused with {statuses or '4xx'}", ""
        case _:
            return f"{request} refused with 401, or another 4xx", ""


def shown(value: Any, limit: int = 300) -> str:
    """Return a value as messages show it, cut at `limit` characters."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(value: Any) -> Any:
    """Return a value as JSON holds it.

    Raises:
        TypeError: JSON cannot hold it.
    """
    if value is ABSENT or value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(each) for key, each in value.items()}
    raise TypeError(f"{type(value).__name__} is not JSON")


def _is_short(value: Any, longest: int = LONGEST_KEPT) -> bool:
    if isinstance(value, str | list | tuple | dict) and len(repr(value)) > longest:
        return False
    try:
        plain(value)
    except TypeError:
        return False
    return True


class NotRecorded(Exception):  # noqa: N818 - says what is so
    """A value that an exchange had is not in its record: the body was cut, or is told by length and digest only."""


def find(recorded: Mapping[str, Any], place: Place) -> Any:
    """Return the value at a place of an exchange, as `exchanges.jsonl` holds it; `ABSENT` where there is none.

    Raises:
        NotRecorded: it was not kept.
    """
    part, *path = place
    side = recorded["request" if str(part).startswith("request ") else "response"]
    if side is None:
        return ABSENT
    match str(part).removeprefix("request "):
        case "status":
            return side["status"]
        case "header":
            found = header(((name, value) for name, value in side["headers"]), str(path[0]))
            if found is None and "headersCutAt" in side:
                raise NotRecorded
            return ABSENT if found is None else found
        case _:
            return _below(_body(side), path)


def is_kept(message: Mapping[str, Any]) -> bool:
    """Whether the record has the whole body of a request or an answer."""
    return "bodyCutAt" not in message and not re.match(r"\[\d+ bytes that are not UTF-8 text", message["body"])


def _body(side: Mapping[str, Any]) -> Any:
    if not is_kept(side):
        raise NotRecorded
    return read_json(side["body"])


def _below(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        if isinstance(key, str) and isinstance(value, dict):
            value = value.get(key, ABSENT)
        elif isinstance(key, int) and isinstance(value, list) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return ABSENT
    return value


def _outcome(condition: bool) -> Outcome:
    return Outcome.PASSED if condition else Outcome.FAILED
