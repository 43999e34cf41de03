"""Draws recorded exchanges as a sequence diagram: an SVG without script or style of its own.

Colours come from the style sheet of the page, by class. An arrow whose exchange the page shows in full is a link to it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from fulfillment_conformance.report.plain import clip, one_line, short_path
from fulfillment_conformance.report.wording import duration

PARTICIPANTS: Mapping[str, str] = {
    "buyer": "Buyer",
    "publisher": "Publisher",
    "marketplace": "Marketplace",
    "identity": "Identity provider",
    "elsewhere": "Elsewhere",
    "stranger": "Stranger",
    "control": "Sandbox control",
    "suite": "Suite",
}
"""Who takes part in an exchange -> what the diagram calls them, from left to right."""

MOST_ARROWS = 40
"""Exchanges that one diagram shows; of more, those are left out that no check rests on."""

_CHARACTER = 6.4
_NARROWEST, _WIDEST, _PAGE = 150, 330, 1060
_MARGIN, _GUTTER, _OVERHANG = 14, 44, 36
_HEAD, _ROW = 46, 52


@dataclass(frozen=True, slots=True)
class _Arrow:
    """One or several equal exchanges in a row."""

    exchanges: Sequence[Mapping[str, Any]]
    important: bool

    @property
    def first(self) -> Mapping[str, Any]:
        return self.exchanges[0]

    @property
    def request(self) -> str:
        request = self.first["request"]
        times = f"{len(self.exchanges)} × " if len(self.exchanges) > 1 else ""
        path = short_path(request["url"]).replace("/api/saas/subscriptions", "/subscriptions", 1)
        return one_line(f"{times}{request['method']} {path}", 120)

    @property
    def answer(self) -> str:
        if self.first["response"] is None:
            return one_line(f"no answer: {self.first['error'] or 'unknown'}", 48)
        return f"{self.first['response']['status']} · {duration(self.first['seconds'])}"

    @property
    def numbers(self) -> str:
        first, last = self.first["number"], self.exchanges[-1]["number"]
        return first if len(self.exchanges) == 1 else f"{first}–{last}"


def draw(
    exchanges: Iterable[Mapping[str, Any]],
    *,
    title: str,
    important: Collection[str] = (),
    addresses: Mapping[str, str] | None = None,
) -> Markup:
    """Return a diagram of exchanges in the order given, empty if there are none.

    Args:
        exchanges: exchanges as `exchanges.jsonl` has them.
        title: what the diagram shows, for those who cannot see it.
        important: numbers of the exchanges that a check rests on.
        addresses: number -> where an exchange is shown in full.
    """
    arrows, left_out = _arrows(list(exchanges), important)
    if not arrows:
        return Markup()
    present = {arrow.first[side] for arrow in arrows for side in ("sender", "receiver")}
    names = [name for name in PARTICIPANTS if name in present] + sorted(present - PARTICIPANTS.keys())
    spacing = _spacing(arrows, names)
    xs = {name: _GUTTER + spacing / 2 + index * spacing for index, name in enumerate(names)}
    width = _GUTTER + spacing * len(names) + _MARGIN
    height = _HEAD + _ROW * len(arrows) + 12 + (22 if left_out else 0)
    parts = [
        Markup('<svg class="seq" viewBox="0 0 {0:.0f} {1}" width="{0:.0f}" height="{1}" role="group" aria-label="{2}">')
        .format(width, height, one_line(title)),
        *(_participant(name, xs[name], height - (22 if left_out else 0)) for name in names),
        *(_drawn(arrow, xs, _HEAD + _ROW * index, width, addresses or {}) for index, arrow in enumerate(arrows)),
    ]  # fmt: skip
    if left_out:
        note = f"{left_out:,} more exchanges are not drawn; no check rests on them"
        parts.append(Markup('<text class="note" x="{}" y="{}">{}</text>').format(_GUTTER, height - 8, note))
    return Markup().join([*parts, Markup("</svg>")])


def _arrows(exchanges: list[Mapping[str, Any]], important: Collection[str]) -> tuple[list[_Arrow], int]:
    """Put equal exchanges in a row together, and leave out what is too much."""

    def looks(exchange: Mapping[str, Any]) -> tuple[object, ...]:
        # What a check rests on stays apart from what looks the same, so that it can be opened.
        apart = exchange["number"] if exchange["number"] in important else None
        request, response = exchange["request"], exchange["response"]
        status = response["status"] if response else exchange["error"]
        return apart, exchange["sender"], exchange["receiver"], request["method"], request["url"], status

    arrows = [
        _Arrow(together, together[0]["number"] in important)
        for together in (list(group) for _, group in groupby(exchanges, key=looks))
    ]
    room = max(0, MOST_ARROWS - sum(arrow.important for arrow in arrows))
    kept: list[_Arrow] = []
    left_out = 0
    for arrow in arrows:
        if arrow.important or room > 0:
            room -= not arrow.important
            kept.append(arrow)
        else:
            left_out += len(arrow.exchanges)
    return kept, left_out


def _spacing(arrows: Sequence[_Arrow], names: Sequence[str]) -> float:
    """Return the distance between two lifelines that gives labels the room they need and still fits a page."""
    place = {name: index for index, name in enumerate(names)}
    needed = [len(PARTICIPANTS.get(name, name)) * 7.5 + 40 for name in names]
    for arrow in arrows:
        span = abs(place[arrow.first["sender"]] - place[arrow.first["receiver"]]) or 1
        needed.append((max(len(arrow.request), len(arrow.answer)) * _CHARACTER - _OVERHANG) / span)
    widest = min(_WIDEST, (_PAGE - _GUTTER - _MARGIN) / len(names))
    return max(_NARROWEST, min(widest, max(needed)))


def _participant(name: str, x: float, bottom: float) -> Markup:
    label = PARTICIPANTS.get(name, name)
    half = len(label) * 3.9 + 14
    return Markup(
        '<line class="life" x1="{x:.0f}" x2="{x:.0f}" y1="34" y2="{bottom:.0f}"/>'
        '<rect class="who" x="{left:.0f}" y="6" width="{wide:.0f}" height="28" rx="6"/>'
        '<text class="name" x="{x:.0f}" y="25">{label}</text>'
    ).format(x=x, bottom=bottom, left=x - half, wide=2 * half, label=label)


def _drawn(arrow: _Arrow, xs: Mapping[str, float], top: float, width: float, addresses: Mapping[str, str]) -> Markup:
    exchange = arrow.first
    start, end = xs[exchange["sender"]], xs[exchange["receiver"]]
    failed = exchange["response"] is None
    if start == end:
        middle, lines = start + 60, _loop(start, top)
    else:
        middle, lines = (start + end) / 2, _there_and_back(start, end, top, answered=not failed)
    kind = "arrow important" if arrow.important else "arrow"
    room = int((max(abs(end - start), _NARROWEST) + 2 * _OVERHANG) / _CHARACTER)
    inner = Markup(
        '<rect class="band" x="2" y="{top:.0f}" width="{wide:.0f}" height="{row}" rx="6"/>'
        '<text class="number" x="10" y="{label:.0f}">{numbers}</text>{lines}'
        '<text class="request" x="{middle:.0f}" y="{label:.0f}">{request}</text>'
        '<text class="{status}" x="{middle:.0f}" y="{answer_at:.0f}">{answer}</text>'
    ).format(
        top=top + 1,
        wide=width - 4,
        row=_ROW - 3,
        label=top + 17,
        numbers=one_line(arrow.numbers, 12),
        lines=lines,
        middle=middle,
        request=clip(arrow.request, room),
        status=f"status s{exchange['response']['status'] // 100}" if not failed else "status none",
        answer_at=top + 46,
        answer=clip(arrow.answer, room),
    )
    sender, receiver = (PARTICIPANTS.get(exchange[side], exchange[side]) for side in ("sender", "receiver"))
    told = f"Exchange {arrow.numbers}: {sender} to {receiver}, {arrow.request}, {arrow.answer}"
    where = addresses.get(exchange["number"])
    if where is None:
        return Markup('<g class="{}"><title>{}</title>{}</g>').format(kind, told, inner)
    return Markup('<a class="{}" href="{}"><title>{}: open it</title>{}</a>').format(kind, where, told, inner)


def _there_and_back(start: float, end: float, top: float, *, answered: bool) -> Markup:
    forward = 1 if end > start else -1
    lines = _line("line", start, end - forward * 2, top + 23, forward)
    if not answered:
        middle = (start + end) / 2
        cross = f"M{middle - 4:.0f} {top + 30:.0f}l8 8m0 -8l-8 8"
        return lines + Markup('<path class="cross" d="{}"/>').format(cross)
    return lines + _line("line back", end, start + forward * 2, top + 33, -forward)


def _line(kind: str, start: float, end: float, y: float, forward: int) -> Markup:
    head = f"M{end - forward * 7:.0f} {y - 4:.0f}L{end:.0f} {y:.0f}L{end - forward * 7:.0f} {y + 4:.0f}"
    return Markup('<path class="{}" d="M{:.0f} {:.0f}H{:.0f}"/><path class="head" d="{}"/>').format(
        kind, start, y, end, head
    )


def _loop(x: float, top: float) -> Markup:
    path = f"M{x:.0f} {top + 21:.0f}h26v14h-24"
    head = f"M{x + 9:.0f} {top + 31:.0f}L{x + 2:.0f} {top + 35:.0f}L{x + 9:.0f} {top + 39:.0f}"
    return Markup('<path class="line" d="{}"/><path class="head" d="{}"/>').format(escape(path), escape(head))
