"""Finds known values in a text, however they are spelled: percent-encoded, HTML-escaped, JSON-escaped, also nested.

The text is read at several levels, each one layer of escapes below the other, and every level is searched for all
values at once. The search looks only at every k-th position: the last 2k-1 characters of a value that occurs in the
text cover one such position whole, so an index of the value's last k pieces of length k finds it. Its cost grows with
the length of the text, not with the number of values: tokens begin alike, but each has an end of its own.

A blank and a plus sign count as the same character: forms write one for the other, and receivers that decode a token
wrongly show it with blanks.
"""

import html
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from urllib.parse import unquote, unquote_plus

SHORTEST = 4
"""Characters a value must have to be learned; shorter ones stand in every text by chance."""

SPELLINGS = ("percent-encoded", "percent-encoded twice", "with blanks for plus signs", "decoded", "escaped")
"""What `Occurrence.spelling` may say; empty when the value stands as it is."""

_LAYERS = 3
_LONGEST_PIECE = 16
_HEX = "[0-9A-Fa-f]"
_ESCAPE = re.compile(
    rf"%(?:[0-7]{_HEX}|[CDcd]{_HEX}%[89ABab]{_HEX}|[Ee]{_HEX}(?:%[89ABab]{_HEX}){{2}}|[Ff][0-7](?:%[89ABab]{_HEX}){{3}})"
    rf"|&(?:#[0-9]{{1,7}}|#[Xx]{_HEX}{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});"
    rf"|\\(?:u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}|u{_HEX}{{4}}|x{_HEX}{{2}}|[\"'\\/bfnrt])"
)
_BACKSLASHED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where a value stands in a text (`text[start:end]`), which value it is, and how it is spelled there."""

    start: int
    end: int
    value: str
    kind: str
    spelling: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A value as it is searched for (`wanted`), and where in it an indexed piece lies."""

    offset: int
    wanted: str
    value: str
    kind: str


class _Layer:
    """A text one layer of escapes below another one, and where each unescaped part came from."""

    __slots__ = ("_above", "_parts", "text")

    def __init__(
        self, text: str, above: "_Layer | None" = None, parts: Sequence[tuple[int, int, int, int]] = ()
    ) -> None:
        """Keep the text; `parts` are start and end in it, start and end in the text above, in order."""
        self.text = text
        self._above = above
        self._parts = parts

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where `text[start:end]` stands in the topmost text."""
        if self._above is None:
            return start, end
        return self._above.origin(self._from(start), self._from(end - 1, last=True))

    def _from(self, position: int, *, last: bool = False) -> int:
        """Return where the character at `position` begins in the text above, or where it ends if it is the `last`."""
        index = bisect_right(self._parts, position, key=itemgetter(0)) - 1
        if index < 0:
            return position + last
        _, end, from_start, from_end = self._parts[index]
        if position < end:
            return from_end if last else from_start
        return from_end + position - end + last

    def below(self) -> "_Layer | None":
        """Take one layer of escapes off, or return None if there is none."""
        if not _has_escapes(self.text):
            return None
        texts: list[str] = []
        parts: list[tuple[int, int, int, int]] = []
        taken = length = 0
        for found in _ESCAPE.finditer(self.text):
            plain = _unescaped(found.group())
            if plain == found.group():
                continue
            texts += [self.text[taken : found.start()], plain]
            start = length + found.start() - taken
            length = start + len(plain)
            parts.append((start, length, found.start(), found.end()))
            taken = found.end()
        return _Layer("".join([*texts, self.text[taken:]]), self, parts) if parts else None


class LearnedValues:
    """A growing set of values, each with a kind. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[int, dict[str, tuple[_Piece, ...]]] = {}
        self._indexed: dict[str, tuple[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, value: str, kind: str) -> int:
        """Learn a value; one that is known keeps its first kind, one that is too short is passed over.

        Returns:
            How many characters a text has at the least that holds the value in some spelling.
        """
        spellings = dict.fromkeys(_same_length(layer.text) for layer in _layers(value))
        with self._lock:
            for wanted in spellings:
                if len(wanted) >= SHORTEST and wanted not in self._indexed:
                    self._index(wanted, value, kind)
                    self._indexed[wanted] = value, kind
        return min(map(len, spellings))

    def kind_of(self, value: str) -> str | None:
        """Return the kind of a learned value, spelled as it was learned; None for any other text."""
        known, kind = self._indexed.get(_same_length(value), ("", ""))
        return kind if known == value else None

    def _index(self, wanted: str, value: str, kind: str) -> None:
        size = _LONGEST_PIECE
        while 2 * size - 1 > len(wanted):
            size //= 2
        pieces = self._pieces.setdefault(size, {})
        for offset in range(len(wanted) - 2 * size + 1, len(wanted) - size + 1):
            text = wanted[offset : offset + size]
            # A new tuple instead of a longer list: another thread may be searching.
            pieces[text] = (*pieces.get(text, ()), _Piece(offset, wanted, value, kind))

    def occurrences(self, text: str) -> list[Occurrence]:
        """Return every place where a value stands, in no order; places may overlap."""
        if not self._pieces or len(text) < SHORTEST:
            return []
        found: dict[tuple[int, int], Occurrence] = {}
        for layer in _layers(text):
            for start, end, piece in self._search(_same_length(layer.text)):
                where = layer.origin(start, end)
                if where not in found:
                    spelling = _spelling(text[where[0] : where[1]], piece.value)
                    found[where] = Occurrence(*where, piece.value, piece.kind, spelling)
        return list(found.values())

    def _search(self, text: str) -> Iterator[tuple[int, int, _Piece]]:
        for size, pieces in list(self._pieces.items()):
            cut = [text[position : position + size] for position in range(0, len(text) - size + 1, size)]
            if pieces.keys().isdisjoint(cut):
                continue
            for number, part in enumerate(cut):
                for piece in pieces.get(part, ()):
                    start = number * size - piece.offset
                    if start >= 0 and text.startswith(piece.wanted, start):
                        yield start, start + len(piece.wanted), piece


def _same_length(text: str) -> str:
    return text.replace(" ", "+")


def _has_escapes(text: str) -> bool:
    return "%" in text or "&" in text or "\\" in text


def _layers(text: str) -> Iterator[_Layer]:
    """Yield the text, then what it reads as with one, two, three layers of escapes taken off."""
    layer: _Layer | None = _Layer(text)
    for _ in range(_LAYERS + 1):
        if layer is None:
            return
        yield layer
        layer = layer.below()


def _unescaped(escape: str) -> str:
    if escape[0] == "%":
        return unquote(escape)
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[1] not in "ux":
        return _BACKSLASHED.get(escape[1], escape[1])
    units = [int(unit, 16) for unit in re.split(r"\\[ux]", escape)[1:]]
    return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "surrogatepass")


def _spelling(found: str, value: str) -> str:
    if found == value:
        return ""
    if value in {unquote(found), unquote_plus(found)}:
        return "percent-encoded"
    if unquote(unquote(found)) == value:
        return "percent-encoded twice"
    if _same_length(found) == _same_length(value):
        return "with blanks for plus signs"
    if found == unquote(value):
        return "decoded"
    return "escaped"
