"""Several targets on one page: requirements down, targets across, what each of them does with each requirement."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.report import pages
from fulfillment_conformance.report.details import message
from fulfillment_conformance.report.plain import clip
from fulfillment_conformance.report.results import LEVELS, Kind, ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import KINDS, MEANINGS, target_name, theme_title, verdict_words

_SHOWN_TEXT = 400
_NOT_JUDGED = "not-judged"
# What a reader looks for first comes first when a column is sorted.
_RANKS: Mapping[str, int] = {kind: rank for rank, kind in enumerate((*KINDS, _NOT_JUDGED))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A run, and where its own report is, relative to the page; None if there is none."""

    label: str
    results: RunResults
    report: str | None = None


def columns_of(runs: Sequence[tuple[Path, RunResults]], page: Path) -> list[Column]:
    """Return a column for each run, in the order given.

    Args:
        runs: where each run is, a folder or a file in it, and what it found.
        page: the file that the page will be in.

    Raises:
        UsageProblem: not all of them judged the same role.
    """
    roles = {results.role: path for path, results in runs}
    if len(roles) > 1:
        (one, here), (other, there) = list(roles.items())[:2]
        raise UsageProblem(
            f"{here} judged a {one} and {there} a {other}, which share no requirement; make a page for each role"
        )
    names = Counter(target_name(results) for _, results in runs)
    columns = []
    for path, results in runs:
        folder = path if path.is_dir() else path.parent
        name = target_name(results)
        columns.append(
            Column(
                label=name if names[name] == 1 else f"{name} ({folder})",
                results=results,
                report=_relative(folder / "report.html", page),
            )
        )
    return columns


def _relative(report: Path, page: Path) -> str | None:
    if not report.is_file():
        return None
    try:
        way = os.path.relpath(report.resolve(), page.resolve().parent)
    except ValueError:  # on another drive
        return report.resolve().as_uri()
    return quote(Path(way).as_posix())


def render(columns: Sequence[Column]) -> str:
    """Return the page as an HTML document."""
    themes = dict.fromkeys(one.theme for column in columns for one in column.results.requirements)
    return pages.render(
        "matrix.html.j2",
        styles=("report.css", "matrix.css"),
        script="report.js",
        role=columns[0].results.role,
        columns=[_head(index, column) for index, column in enumerate(columns)],
        rows=_rows(columns, list(themes)),
        filters=_filters(columns, themes),
        kinds={**KINDS, _NOT_JUDGED: "—"},
        meanings={**MEANINGS, _NOT_JUDGED: "not part of that run, or no test decides it"},
        suites=", ".join(dict.fromkeys(_suite(column.results) for column in columns)),
    )


def _suite(results: RunResults) -> str:
    return f"{results.suite['name']} {results.suite['version']}"


def _head(index: int, column: Column) -> Mapping[str, Any]:
    results = column.results
    numbers = Counter(one.kind for one in results.requirements)
    return {
        "index": index,
        "label": column.label,
        "report": column.report,
        "verdict": verdict_words(results),
        "verdict_class": results.verdict.value,
        "counts": [(kind, numbers[kind]) for kind in KINDS if numbers[kind]],
        "facts": f"profile {results.profile}, {_suite(results)}, {results.started:%Y-%m-%d}",
    }


def _rows(columns: Sequence[Column], themes: Sequence[str]) -> list[Mapping[str, Any]]:
    found = [{one.id: one for one in column.results.requirements} for column in columns]
    by_id = {name: one for requirements in reversed(found) for name, one in requirements.items()}
    # The order of the catalogue, of which every run has a part.
    order = sorted(by_id, key=lambda name: (themes.index(by_id[name].theme), name))
    rows: list[Mapping[str, Any]] = []
    for name in order:
        one = by_id[name]
        cells = [_cell(requirements.get(name), column) for requirements, column in zip(found, columns, strict=True)]
        kinds = list(dict.fromkeys(cell["kind"] for cell in cells))
        rows.append(
            {
                "id": name,
                "level": one.level,
                "level_rank": LEVELS.index(one.level),
                "theme": one.theme,
                "theme_title": theme_title(one.theme),
                "theme_rank": themes.index(one.theme),
                "statement": one.statement,
                "kinds": " ".join(kinds),
                "agreement": "same" if len(kinds) == 1 else "different",
                "cells": cells,
            }
        )
    return rows


def _cell(one: ReportedRequirement | None, column: Column) -> Mapping[str, Any]:
    kind: Kind | str = one.kind if one else _NOT_JUDGED
    told = one is not None and one.kind != "passed"
    shown = {"failed", "warning", "undecided", "untestable", "waived"}
    return {
        "kind": kind,
        "rank": _RANKS[kind],
        "told": clip(message(one), _SHOWN_TEXT) if one is not None and told else "",
        "report": f"{column.report}#{one.id}" if one is not None and column.report and kind in shown else None,
    }


def _filters(columns: Sequence[Column], themes: Mapping[str, None]) -> list[tuple[str, list[tuple[str, str]]]]:
    kinds = {one.kind for column in columns for one in column.results.requirements}
    levels = {one.level for column in columns for one in column.results.requirements}
    return [
        ("outcome", [(kind, word) for kind, word in KINDS.items() if kind in kinds]),
        ("agreement", [("different", "targets differ"), ("same", "all alike")]),
        ("level", [(level, level) for level in LEVELS if level in levels]),
        ("theme", [(theme, theme_title(theme)) for theme in themes]),
    ]
