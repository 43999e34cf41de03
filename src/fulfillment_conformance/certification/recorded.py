"""The exchanges of a run as a whole: that they are all there, each once, of this run, and of its tests."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

from fulfillment_conformance.exchange import Party
from fulfillment_conformance.life import LAST_CHANCE
from fulfillment_conformance.report.results import RunResults

SLACK = timedelta(seconds=2)
"""How far a clock may be set while a run goes on."""

APART = frozenset({"", "preflight", LAST_CHANCE})
"""What exchanges outside of any test are booked on."""

_KEYS = {"run", "number", "test", "sender", "receiver", "at", "seconds", "request", "response", "error"}
_TEXTS = ("run", "number", "test", "sender", "receiver", "at")
_PARTIES = frozenset(get_args(Party))
_NUMBER = re.compile(r"((?:gw\d+-)?)([1-9]\d*)")
_NAMED = 3


def read(content: bytes) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the exchanges by number, in the file's order, and what is wrong with the file, a sentence each."""
    found: dict[str, dict[str, Any]] = {}
    said: list[str] = []
    lines = content.split(b"\n")
    if lines.pop():
        said.append("it is cut off: its last line does not end")
    twice: list[str] = []
    broken: list[str] = []
    for place, line in enumerate(lines, 1):
        exchange = _parsed(line)
        if exchange is None:
            broken.append(str(place))
        elif exchange["number"] in found:
            twice.append(exchange["number"])
        else:
            found[exchange["number"]] = exchange
    said += several(broken, "is not a recorded exchange", "line")
    said += several(twice, "stands in it more than once", "exchange")
    return found, said


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        exchange = json.loads(line)
        whole = exchange.keys() >= _KEYS and all(_is_message(exchange[part]) for part in ("request", "response"))
        typed = all(isinstance(exchange[name], str) for name in _TEXTS) and isinstance(exchange["seconds"], int | float)
        typed = typed and {exchange["sender"], exchange["receiver"]} <= _PARTIES
        datetime.fromisoformat(exchange["at"])
        if not (whole and typed) or exchange["request"] is None or not _NUMBER.fullmatch(exchange["number"]):
            return None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    return dict(exchange)


def _is_message(message: Any) -> bool:
    """Whether a request or an answer has the parts that are looked at, in their types; no answer is one, too."""
    if message is None:
        return True
    first = isinstance(message["method"], str) if "method" in message else isinstance(message["status"], int)
    pairs = all(len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in message["headers"])
    return first and pairs and isinstance(message["body"], str) and isinstance(message.get("url", ""), str)


def complaints(exchanges: Mapping[str, Mapping[str, Any]], results: RunResults) -> Iterator[str]:
    """Say what tells that these are not the exchanges of this run, or not all of them."""
    if not results.run.startswith(f"{results.seed}-"):
        yield f"the run is called {results.run!r}, which is no run of seed {results.seed}"
    foreign = [number for number, one in exchanges.items() if one["run"] != results.run]
    yield from several(foreign, f"is of another run than {results.run!r}", "exchange")
    earliest, latest = results.started - SLACK, results.finished + SLACK
    outside = [number for number, one in exchanges.items() if not _between(one["at"], earliest, latest)]
    window = f"{results.started:%Y-%m-%d %H:%M:%S} to {results.finished:%H:%M:%S} UTC"
    yield from several(outside, f"was recorded at a time outside of the run, {window}", "exchange")
    yield from _gaps(exchanges)
    yield from _order(exchanges)
    yield from _tests(exchanges, results)


def _between(at: str, earliest: datetime, latest: datetime) -> bool:
    when = datetime.fromisoformat(at)
    return when.tzinfo is not None and earliest <= when <= latest


def _gaps(exchanges: Iterable[str]) -> Iterator[str]:
    """Numbers are given without gaps, by each worker its own."""
    counted: dict[str, list[int]] = {}
    for number in exchanges:
        found = _NUMBER.fullmatch(number)
        assert found is not None, "looked at while reading"
        counted.setdefault(found[1], []).append(int(found[2]))
    for prefix, numbers in counted.items():
        missing = [f"{prefix}{each}" for each in sorted(set(range(1, max(numbers) + 1)) - set(numbers))[: _NAMED + 1]]
        yield from several(missing, f"is missing; the numbers go up to {prefix}{max(numbers)}", "exchange")


def _order(exchanges: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One process writes them by number; those of several workers are joined by time."""
    several_workers = any("-" in number for number in exchanges)
    for (before, one), (after, other) in pairwise(exchanges.items()):
        wrong = one["at"] > other["at"] if several_workers else int(before) > int(after)
        if wrong:
            yield f"exchange {after} stands behind {before}, which came later"
            return


def _tests(exchanges: Mapping[str, Mapping[str, Any]], results: RunResults) -> Iterator[str]:
    names = {record.test for record in results.tests}
    stray = [number for number, one in exchanges.items() if one["test"] not in names | APART]
    yield from several(stray, "belongs to a test that results.json does not have", "exchange")
    for record in results.tests:
        lost = [number for number in record.exchanges if number not in exchanges]
        yield from several(lost, f"belongs to {record.test} and is not recorded", "exchange")
        moved = [
            number for number in record.exchanges if number in exchanges and exchanges[number]["test"] != record.test
        ]
        yield from several(moved, f"is said to belong to {record.test}, and says itself that it does not", "exchange")


def several(names: list[str], said: str, kind: str) -> list[str]:
    """Return one sentence about several things that have the same fault, or none about none."""
    if not names:
        return []
    if len(names) == 1:
        return [f"{kind} {names[0]} {said}"]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{kind}s {', '.join(names[:_NAMED])}{more}: each {said}"]
