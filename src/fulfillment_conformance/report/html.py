"""`report.html`: one self-contained file, opened from disk without a network.

Everything in it that came from a target is escaped, and its hidden characters are made visible; a content security
policy allows the page's own style and script, by their hashes, and nothing else. The page works without the script,
which only adds search, sorting, and exchanges that open over the page.

Exchanges that failures and open questions rest on are shown in full, within limits; of all others there is one line.
"""

import http
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from fulfillment_conformance.known_failures import State
from fulfillment_conformance.outcome import CheckResult, Outcome, TestRecord, Verdict
from fulfillment_conformance.report import advice, pages, sequence, sources
from fulfillment_conformance.report.plain import clip, one_line, short_ids, short_path, visible
from fulfillment_conformance.report.results import LEVELS, Kind, ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import (
    KINDS,
    MEANINGS,
    conclusion,
    counted,
    duration,
    target_name,
    theme_title,
    verdict_words,
)

_SHOWN_BODY = 4_000
_SHOWN_HEADER = 600
_SHOWN_TEXT = 1_500
_SHOWN_CHECKS = 5
_SHOWN_REFERENCES = 8
_LONGEST_COMMAND = 8_000
# Characters of the page that each kind of evidence may take, so that a run in which everything fails can be opened.
_EXCHANGES_SIZE, _DIAGRAMS_SIZE, _COMMANDS_SIZE = 1_200_000, 600_000, 400_000
_OPEN_CARDS = 3
_SIGNS = {
    Verdict.CONFORMANT: "M4.5 12.5l5 5 10-11",
    Verdict.NOT_CONFORMANT: "M6 6l12 12M18 6L6 18",
    Verdict.INCOMPLETE: "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.2-1.5 2.3M12 18.4v.1",
}


def render(results: RunResults, exchanges: Iterable[Mapping[str, Any]]) -> str:
    """Return the report of a run as an HTML document.

    Args:
        results: what the run found.
        exchanges: the recorded exchanges, as `evidence.read_exchanges` gives them.
    """
    page = _Page(results, {exchange["number"]: exchange for exchange in exchanges})
    return pages.render(
        "report.html.j2",
        styles=("report.css",),
        script="report.js",
        **page.content(),
        results=results,
        kinds=KINDS,
        meanings=MEANINGS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """An exchange in one line, and where it is shown in full (None if nowhere)."""

    number: str
    who: str = ""
    what: str = "(not recorded)"
    came: str = ""
    took: str = ""
    purpose: str = ""
    address: str | None = None

    def __str__(self) -> str:
        purpose = f"  ({self.purpose})" if self.purpose else ""
        return f"{self.number:>5}  {self.who:<26}  {self.what}  {self.came}  {self.took}{purpose}"


@dataclass(slots=True, kw_only=True)
class _Scenario:
    """The diagram of one test; `shown_at` is the card that has it already."""

    title: str
    diagram: Markup = field(default_factory=Markup)
    shown_at: str | None = None


class _Budget:
    """Room in the page for one kind of evidence."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def allows(self, size: int) -> bool:
        """Take the room that a piece needs; False, now and from now on, when there is not enough."""
        self._left -= size
        return self._left >= 0


class _Page:
    """Turns results and exchanges into what the template prints."""

    def __init__(self, results: RunResults, exchanges: Mapping[str, Mapping[str, Any]]) -> None:
        self._results = results
        self._exchanges = exchanges
        self._tests = {test.test: test for test in results.tests}
        self._failures = results.of_kind("failed")
        open_ = [one for one in results.of_kind("undecided", "untestable") if one.required]
        self._open = [one for one in open_ if one.result.checks]
        self._not_run = [one for one in open_ if not one.result.checks]
        self._warnings = results.of_kind("warning")
        self._waived = results.of_kind("waived")
        cards = (*self._failures, *self._open, *self._waived, *self._warnings)
        self._cards = {one.id for one in cards}
        self._important = {number for one in cards for check in one.findings for number in check.exchanges}
        self._shown, self._not_shown = self._choose_exchanges()
        self._addresses = {number: f"#{_anchor(number)}" for number in self._shown}
        self._drawn: dict[str, str] = {}
        self._diagrams, self._commands = _Budget(_DIAGRAMS_SIZE), _Budget(_COMMANDS_SIZE)

    def content(self) -> dict[str, Any]:
        """Return what the template prints, except for what never changes."""
        results = self._results
        themes = self._themes()
        failures = [self._card(one, number < _OPEN_CARDS) for number, one in enumerate(self._failures)]
        open_ = [self._card(one, not failures and number < _OPEN_CARDS) for number, one in enumerate(self._open)]
        waived = [self._card(one, False) for one in self._waived]
        warnings = [self._card(one, False) for one in self._warnings]
        by_hand = [one for one in results.of_kind("excluded") if one.result.reason.lower().startswith("manual")]
        not_judged = self._not_judged({one.id for one in by_hand})
        sections = [
            ("faults", "Broke off", len(results.faults) or None),
            ("stale", "Out of date", len(results.stale) or None),
            ("failures", "Failures", len(failures)),
            ("open", "Not decided", len(open_) + len(self._not_run) or None),
            ("known", "Known failures", len(waived) or None),
            ("warnings", "Warnings", len(warnings) or None),
            ("themes", "Themes", len(themes)),
            ("requirements", "Requirements", len(results.requirements)),
            ("by-hand", "By hand", len(by_hand) or None),
            ("not-judged", "Not judged", sum(group["number"] for group in not_judged) or None),
            ("exchanges", "Exchanges", len(self._shown) or None),
            ("tests", "Tests", len(results.tests) or None),
        ]
        return {
            "verdict": verdict_words(results).capitalize(),
            "sentence": conclusion(results),
            "sign": _SIGNS[results.verdict],
            "target": target_name(results),
            "overall": _parts(Counter(one.kind for one in results.requirements)),
            "tiles": self._tiles(),
            "facts": self._facts(),
            "sections": [
                {"anchor": anchor, "title": title, "number": number}
                for anchor, title, number in [*sections, ("run", "The run", 0)]
                if number is not None
            ],
            "faults": [
                {"test": test.test, "blame": test.blame.capitalize() if test.blame else "", "reason": test.reason}
                for test in results.faults
            ],
            "failures": failures,
            "open": open_,
            "not_run": [{"id": one.id, "statement": one.statement} for one in self._not_run],
            "stale": [entry.complaint for entry in results.stale],
            "waived": waived,
            "unused": [entry for entry in results.known_failures if entry.state in {State.OPEN, State.NOT_JUDGED}],
            "warnings": warnings,
            "themes": themes,
            "rows": self._rows(),
            "filters": self._filters(),
            "by_hand": [{"id": one.id, "statement": one.statement, "reason": one.result.reason} for one in by_hand],
            "not_judged": not_judged,
            "levels": LEVELS,
            "level_counts": [
                (KINDS.get(outcome.value, outcome.value), [results.levels[level][outcome.value] for level in LEVELS])
                for outcome in Outcome
                if results.counts.get(outcome.value)
            ],
            "target_facts": [(name, _flat(value)) for name, value in results.target.items()],
            "command": advice.command_line(results),
            "shown": [_in_full(self._exchanges[number], self._head(number)) for number in self._shown],
            "not_shown": self._not_shown,
            "recorded": len(self._exchanges),
            "tests": [self._test(test) for test in results.tests],
        }

    def _choose_exchanges(self) -> tuple[list[str], int]:
        """Return the numbers of the exchanges to show in full, in order, and how many had to be left out."""
        wanted = [number for number in self._exchanges if number in self._important]
        room = _Budget(_EXCHANGES_SIZE)
        chosen = [number for number in wanted if room.allows(_shown_size(self._exchanges[number]))]
        return chosen, len(wanted) - len(chosen)

    def _tiles(self) -> list[tuple[Kind, int]]:
        numbers = Counter(one.kind for one in self._results.requirements)
        always: tuple[Kind, ...] = ("failed", "undecided", "untestable", "warning", "passed")
        others: tuple[Kind, ...] = ("waived", "not-applicable", "excluded")
        return [(kind, numbers[kind]) for kind in (*always, *(kind for kind in others if numbers[kind]))]

    def _facts(self) -> list[tuple[str, str]]:
        results = self._results
        return [
            ("Role", results.role),
            ("Profile", results.profile),
            ("Requirement set", results.set or "all of the role"),
            ("Suite", f"{results.suite['name']} {results.suite['version']}"),
            ("Started", f"{results.started:%Y-%m-%d %H:%M:%S} UTC"),
            ("Took", duration(results.seconds)),
            ("Seed", str(results.seed)),
            ("Exit code", str(results.exit_code)),
        ]

    def _card(self, one: ReportedRequirement, opened: bool) -> dict[str, Any]:
        checks = one.findings
        first = checks[0] if checks else None
        headline = KINDS[one.kind]
        if first is not None and first.actual:
            headline = one_line(f"came: {first.actual}", 110)
        elif one.result.reason:
            headline = one_line(one.result.reason, 110)
        return {
            "id": one.id,
            "level": one.level,
            "kind": one.kind,
            "theme_title": theme_title(one.theme),
            "statement": one.statement,
            "headline": headline,
            "open": opened,
            "checks": [self._check(check) for check in checks[:_SHOWN_CHECKS]],
            "more_checks": max(0, len(checks) - _SHOWN_CHECKS),
            "fault": advice.whose_fault(one, self._results),
            "known": self._results.waivers.get(one.id),
            "source": _sources(one),
            "observable": one.observable,
            "scenarios": self._scenarios(one, checks),
            "command": advice.command_line(self._results, one.id),
            "curl": self._request_to_repeat(checks),
        }

    def _request_to_repeat(self, checks: Sequence[CheckResult]) -> str | None:
        command = advice.request_to_repeat(checks, self._exchanges, self._results.role)
        if command is None or len(command) > _LONGEST_COMMAND or not self._commands.allows(_size(command)):
            return None
        return command

    def _check(self, check: CheckResult) -> dict[str, Any]:
        failed = check.outcome is Outcome.FAILED
        return {
            "expected": clip(check.expected, _SHOWN_TEXT),
            "actual": clip(check.actual, _SHOWN_TEXT),
            "reason": clip(check.reason, _SHOWN_TEXT),
            "notes": [clip(note, _SHOWN_TEXT) for note in check.notes],
            "change": clip(advice.what_to_change(check, self._results), _SHOWN_TEXT) if failed else "",
            "exchanges": [self._head(number) for number in check.exchanges[:_SHOWN_REFERENCES]],
            "more_exchanges": max(0, len(check.exchanges) - _SHOWN_REFERENCES),
        }

    def _scenarios(self, one: ReportedRequirement, checks: Sequence[CheckResult]) -> list[_Scenario]:
        """Return a diagram for each test that made one of the checks, each test drawn once in the page."""
        scenarios = []
        for test in self._tests_of(one, checks)[:2]:
            title = test.title or test.test
            if test.test in self._drawn:
                scenarios.append(_Scenario(title=title, shown_at=self._drawn[test.test]))
                continue
            numbers = dict.fromkeys([*test.exchanges, *(number for check in checks for number in check.exchanges)])
            diagram = sequence.draw(
                (self._exchanges[number] for number in numbers if number in self._exchanges),
                title=f"Exchanges of the test: {title}",
                important={number for check in checks for number in check.exchanges},
                addresses=self._addresses,
            )
            if self._diagrams.allows(len(diagram)):
                self._drawn[test.test] = one.id
                scenarios.append(_Scenario(title=title, diagram=diagram))
        return scenarios

    def _tests_of(self, one: ReportedRequirement, checks: Sequence[CheckResult]) -> list[TestRecord]:
        claiming = [self._tests[name] for name in one.result.tests if name in self._tests]
        numbers = {number for check in checks for number in check.exchanges}
        return [test for test in claiming if not numbers.isdisjoint(test.exchanges)] or claiming

    def _head(self, number: str) -> _Head:
        exchange = self._exchanges.get(number)
        if exchange is None:
            return _Head(number=number)
        request, response = exchange["request"], exchange["response"]
        return _Head(
            number=number,
            who=f"{exchange['sender']} → {exchange['receiver']}",
            what=one_line(f"{request['method']} {short_path(request['url'])}", 110),
            came=str(response["status"]) if response else one_line(exchange["error"] or "no answer", 60),
            took=duration(exchange["seconds"]),
            purpose=one_line(short_ids(exchange["purpose"]), 80),
            address=self._addresses.get(number),
        )

    def _themes(self) -> list[dict[str, Any]]:
        themes: dict[str, Counter[Kind]] = {}
        for one in self._results.requirements:
            themes.setdefault(one.theme, Counter())[one.kind] += 1
        return [
            {
                "name": name,
                "title": theme_title(name),
                "parts": _parts(numbers),
                "label": ", ".join(f"{numbers[kind]} {word}" for kind, word in KINDS.items() if numbers[kind]),
                "failed": numbers["failed"],
                "passed": numbers["passed"],
                "all": numbers.total(),
            }
            for name, numbers in themes.items()
        ]

    def _rows(self) -> list[dict[str, Any]]:
        kinds, themes = list(KINDS), list(dict.fromkeys(one.theme for one in self._results.requirements))
        return [
            {
                "id": one.id,
                "level": one.level,
                "kind": one.kind,
                "theme": one.theme,
                "theme_title": theme_title(one.theme),
                "statement": one.statement,
                "has_card": one.id in self._cards,
                "reason": clip(one.result.reason, 400),
                "lines": [] if one.id in self._cards else [_told(check) for check in one.checks[:8]],
                "source": _sources(one),
                "level_rank": LEVELS.index(one.level),
                "theme_rank": themes.index(one.theme),
                "kind_rank": kinds.index(one.kind),
            }
            for one in self._results.requirements
        ]

    def _filters(self) -> list[tuple[str, list[tuple[str, str]]]]:
        present = {one.kind for one in self._results.requirements}
        levels = {one.level for one in self._results.requirements}
        themes = dict.fromkeys(one.theme for one in self._results.requirements)
        return [
            ("outcome", [(kind, word) for kind, word in KINDS.items() if kind in present]),
            ("level", [(level, level) for level in LEVELS if level in levels]),
            ("theme", [(theme, theme_title(theme)) for theme in themes]),
        ]

    def _not_judged(self, by_hand: set[str]) -> list[dict[str, Any]]:
        groups: dict[tuple[Kind, str, str], list[str]] = {}
        for one in self._results.of_kind("untestable", "not-applicable", "excluded"):
            if one.id not in by_hand:
                reason = one.result.reason or "no reason given"
                groups.setdefault((one.kind, KINDS[one.kind], reason), []).append(one.id)
        if self._results.untested:
            groups["excluded", "not tested", "no test decides it yet"] = list(self._results.untested)
        return [
            {
                "kind": kind,
                "word": word,
                "reason": clip(reason, _SHOWN_TEXT),
                "ids": ", ".join(ids),
                "number": len(ids),
                "size": counted(len(ids), "requirement"),
            }
            for (kind, word, reason), ids in groups.items()
        ]

    def _test(self, test: TestRecord) -> dict[str, Any]:
        return {
            "name": test.test,
            "title": test.title or test.test,
            "claims": ", ".join(test.claims),
            "seconds": duration(test.seconds),
            "reason": clip(test.reason, _SHOWN_TEXT),
            "log": "\n".join(str(self._head(number)) for number in test.exchanges),
        }


def _sources(one: ReportedRequirement) -> list[dict[str, str | None]]:
    return [{"text": source, "address": sources.address(source)} for source in one.source]


def _told(check: CheckResult) -> str:
    parts = [check.outcome.value]
    if check.expected:
        parts.append(f"expected {check.expected}; came {check.actual}")
    parts += [check.reason] if check.reason else []
    parts += [f"note: {note}" for note in check.notes]
    return one_line(": ".join(parts[:2]) + "".join(f" ({part})" for part in parts[2:]), 320)


def _parts(numbers: Mapping[Kind, int]) -> list[dict[str, Any]]:
    """Return the parts of a bar of 1,000 units; what is there at all can be seen."""
    total = sum(numbers.values())
    parts: list[dict[str, Any]] = []
    taken = 0.0
    for kind in KINDS:
        if number := numbers.get(kind, 0):
            width = max(6.0, 1000 * number / total)
            parts.append({"kind": kind, "x": round(taken, 1), "width": round(width, 1)})
            taken += width
    return parts


def _anchor(number: str) -> str:
    return f"exchange-{number}"


def _shown_size(exchange: Mapping[str, Any]) -> int:
    shown = [exchange["request"]["url"]]
    for message in (exchange["request"], exchange["response"]):
        if message is not None:
            shown += [
                message["body"][:_SHOWN_BODY],
                *(part[:_SHOWN_HEADER] for line in message["headers"] for part in line),
            ]
    return 600 + _size("\n".join(shown))


def _size(text: str) -> int:
    """Return how many characters a text takes in the page."""
    return len(escape(visible(text)))


def _in_full(exchange: Mapping[str, Any], head: _Head) -> dict[str, Any]:
    request, response = exchange["request"], exchange["response"]
    meta = [f"{exchange['sender']} to {exchange['receiver']}", f"at {exchange['at']}", duration(exchange["seconds"])]
    if exchange.get("virtualAt"):
        meta.append(f"marketplace clock {exchange['virtualAt']}")
    if exchange.get("purpose"):
        meta.append(exchange["purpose"])
    return {
        "head": head,
        "anchor": _anchor(exchange["number"]),
        "meta": " · ".join(meta),
        "start": f"{request['method']} {clip(request['url'], 2 * _SHOWN_HEADER)}",
        "request": _message(request),
        "response": None if response is None else _message(response),
        "status_line": "" if response is None else _status(response["status"]),
        "error": exchange["error"],
    }


def _status(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    body = _readable(message["body"])
    cut = ""
    if len(body) > _SHOWN_BODY:
        cut = f"the first {_SHOWN_BODY:,} of {len(body):,} characters"
    if "bodySize" in message:
        cut = f"the beginning of {message['bodySize']:,} bytes"
    return {
        "headers": [(name, clip(value, _SHOWN_HEADER)) for name, value in message["headers"]],
        "body": clip(body, _SHOWN_BODY),
        "cut": cut,
    }


def _readable(body: str) -> str:
    """Return a JSON body with line breaks, any other as it is."""
    if body[:1] not in {"{", "["}:
        return body
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
