"""Read YAML files so that whatever is wrong with them can be named by file, line and key, as a compiler does.

    target.yaml:7: publisher.webhok: unknown key; did you mean 'webhook'? allowed: landing_page, webhook, ...

A file holds one document, a mapping, in a plain dialect: UTF-8, no tabs, no aliases, no tags, no key twice; `true`,
`false`, `null` and decimal numbers mean themselves and everything else is text (so `no`, `12:30` and `2026-11-22` are
text, as in YAML 1.2). What the keys may be is the business of `filemodel`.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fulfillment_conformance.errors import UsageProblem

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys and list indices from the top, as in ("publisher", "onboarding", 0, "submit")."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 60
_NOT_PRINTABLE = re.compile("[^\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_E_MAIL = re.compile(r"[^\s@'\"<>/:]+@[^\s@'\"<>/:]+\.[A-Za-z]+")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]{1,2})?|[0-9]+[eE][-+]?[0-9]{1,2})")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "put a value that contains ': ' in quotes; check the indentation",
    "found character that cannot start any token": "put a value that begins with a special character in quotes",
    "did not find expected ',' or '}'": "inside { } put ${NAME} and other values with special characters in quotes",
    "did not find expected ',' or ']'": "inside [ ] put ${NAME} and other values with special characters in quotes",
    "did not find expected key": "check the indentation: keys of one mapping begin in the same column",
    "could not find expected ':'": "check that every key is followed by a colon and a space",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint. `line` counts from 1 and is None when the file as a whole is meant; `key` is dotted, or empty."""

    file: str
    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.text) if part)


class YamlProblem(UsageProblem):
    """Base of what can be wrong with files; the message has one line per problem, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
        super().__init__("\n".join(map(str, self.problems)))


class UnreadableFile(YamlProblem):
    """The file is missing, is a folder, is empty, may not be read, or is not UTF-8 text."""


class MalformedYaml(YamlProblem):
    """The text is not YAML, not one document, or not a mapping at the top."""


class InvalidContent(YamlProblem):
    """The document was read but says something that is not allowed."""


@dataclass(frozen=True)
class Document:
    """A parsed file.

    `data` is made of dict, list, str, int, float, bool and None. `keys` and `values` hold the line and column, both
    from 1, of each key and each value. `problems`, with the paths they concern, are those that did not hinder parsing.
    `secrets` are values that no message may show.
    """

    file: Path
    data: dict[str, Any]
    keys: Mapping[KeyPath, tuple[int, int]]
    values: Mapping[KeyPath, tuple[int, int]]
    problems: tuple[tuple[KeyPath, Problem], ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, of a list entry, or of the nearest thing above it that exists."""
        for length in range(len(path), 0, -1):
            place = self.keys.get(path[:length]) or self.values.get(path[:length])
            if place is not None:
                return place[0]
        return self.values[()][0]

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Return a complaint about the key or list entry at `path`."""
        return Problem(str(self.file), self.line(path), dotted(path), text)


def read(file: Path) -> Document:
    """Parse a file whose top level is a mapping.

    Raises:
        UnreadableFile: there is no text to parse.
        MalformedYaml: the text cannot be parsed.
    """
    return parse(_text(file), file)


def parse(text: str, file: Path) -> Document:
    """Parse `text` as if it stood in `file`.

    Raises:
        UnreadableFile: the text holds nothing.
        MalformedYaml: the text cannot be parsed.
    """
    name = str(file)
    _refuse_unprintable(text, name)
    composer = _Composer(name)
    try:
        top = composer.document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "syntax error"
        hint = next((f"; {hint}" for start, hint in _SYNTAX_HINTS.items() if reason.startswith(start)), "")
        problem = Problem(name, mark.line + 1 if mark else None, "", f"not valid YAML: {reason}{hint}")
        raise MalformedYaml([problem]) from None
    if top is None:
        raise UnreadableFile([Problem(name, None, "", "is empty; expected a mapping (key: value)")])
    if not isinstance(top, dict):
        said = f"expected a mapping (key: value) at the top, got {given(top)}"
        raise MalformedYaml([Problem(name, composer.values[()][0], "", said)])
    return Document(file, top, composer.keys, composer.values, tuple(composer.problems))


def dotted(path: KeyPath) -> str:
    """Return a path as text: `publisher.onboarding[0].submit`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def given(value: Any, secrets: Iterable[str] = ()) -> str:
    """Describe a value for a message, without e-mail addresses, passwords, queries and the secrets named."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            if any(secret in value for secret in secrets):
                return "a value that is not shown"
            shown = re.sub(r"(://)[^/@\s]*@", r"\1...@", re.sub(r"\?[^\s#]*", "?...", value))
            shown = _E_MAIL.sub("...@...", shown)
            return f"'{shown if len(shown) <= 60 else shown[:57] + '...'}'"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean '...'?`, or nothing when no known word is near."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[found[0]]}'?" if found else ""


def _text(file: Path) -> str:
    name = str(file)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        beside = sorted(found.name for end in ("*.yaml", "*.yml") for found in file.parent.glob(end))
        hint = nearest(file.name, beside) or (f"; that folder holds {', '.join(beside[:5])}" if beside else "")
        raise UnreadableFile([Problem(name, None, "", f"no such file{hint or '; check the path'}")]) from None
    except (OSError, ValueError) as error:
        said = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        if file.is_dir():
            inside = ", ".join(sorted(found.name for found in file.glob("*.yaml"))[:5])
            said = f"is a folder, not a file; {f'name one of {inside}' if inside else 'it holds no .yaml file'}"
        raise UnreadableFile([Problem(name, None, "", said)]) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        raise UnreadableFile([Problem(name, line, "", said)]) from None


def _refuse_unprintable(text: str, name: str) -> None:
    found = _NOT_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        what = f"the character U+{ord(found[0]):04X}; remove it"
        if found[0] == "\t":
            what = "a tab; indent and separate with spaces"
        raise MalformedYaml([Problem(name, line, "", f"column {column} holds {what}")])


class _Composer:
    """Builds plain data out of parser events, because only events carry the line of an alias."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[KeyPath, tuple[int, int]] = {}
        self.values: dict[KeyPath, tuple[int, int]] = {}
        self.problems: list[tuple[KeyPath, Problem]] = []

    def document(self, events: Iterator[Any]) -> Any:
        top: Any = None
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise self._broken(event, (), "a second document begins here; keep one document in a file")
                seen = True
                top = self._value(next(events), events, ())
        return top

    def _value(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        self.values[path] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, path, f"the alias *{event.anchor} is not allowed; write the value out")
            return None
        if event.tag is not None:
            self._complain(event, path, f"the tag {event.tag} is not allowed; remove it")
        if isinstance(event, yaml.ScalarEvent):
            return _plain(event.value) if event.implicit[0] else event.value
        if len(path) >= _DEEPEST:
            raise self._broken(event, (), f"nested deeper than {_DEEPEST} levels")
        return (self._sequence if isinstance(event, yaml.SequenceStartEvent) else self._mapping)(events, path)

    def _sequence(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._broken(event, path, "a key must be plain text")
            key = str(event.value)
            here = (*path, key)
            if here in self.keys:
                self._complain(event, here, f"key given twice, first on line {self.keys[here][0]}; remove one of them")
                # The second value is parsed aside for its own problems; the first stays the one that is validated.
                aside = _Composer(self.file)
                aside._value(next(events), events, here)
                self.problems += aside.problems
            else:
                self.keys[here] = _place(event)
                items[key] = self._value(next(events), events, here)
        return items

    def _complain(self, event: Any, path: KeyPath, text: str) -> None:
        self.problems.append((path, Problem(self.file, _place(event)[0], dotted(path), text)))

    def _broken(self, event: Any, path: KeyPath, text: str) -> MalformedYaml:
        return MalformedYaml([Problem(self.file, _place(event)[0], dotted(path), text)])


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
