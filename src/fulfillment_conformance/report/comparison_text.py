"""A comparison of two runs for people: as tables on a terminal, and as Markdown for a comment on a pull request."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fulfillment_conformance.report.comparison import COLUMNS, Comparison, Section, told_of
from fulfillment_conformance.report.markdown import plain
from fulfillment_conformance.report.plain import one_line

MOST_ROWS = 50
"""Changes of one kind that are shown; the JSON has them all."""
_LONGEST_CELL = 300


def terminal(comparison: Comparison) -> RenderableType:
    """Return what is shown on a terminal."""
    parts: list[RenderableType] = [
        Text(f"old  {told_of(comparison.old)}"),
        Text(f"new  {told_of(comparison.new)}"),
        *(Text(f"differs  {one_line(difference)}", "yellow") for difference in comparison.differences),
    ]
    for section in comparison.sections:
        heading = Text(f"{section.title} ({len(section.rows):,})", "bold red" if section.worse else "bold")
        parts += [Text(), heading, Padding(_table(section), (0, 0, 0, 2))]
        if more := _more(section):
            parts.append(Text(f"  {more}", "dim"))
    parts += [Text(), Text(comparison.conclusion, "bold red" if comparison.worse else "bold green")]
    return Group(*parts)


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    first, *others = COLUMNS[section.name]
    table.add_column(first, header_style="dim", overflow="fold")
    for name in others:
        table.add_column(name, header_style="dim", overflow="fold")
    for row in section.rows[:MOST_ROWS]:
        table.add_row(*(Text(one_line(cell, _LONGEST_CELL)) for cell in row))
    return table


def markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    sign = "❌" if comparison.worse else "✅"
    parts = [
        f"## {sign} SaaS Fulfillment API v2, {comparison.new.role}: compared with the run before",
        plain(comparison.conclusion),
        f"| | |\n|---|---|\n| before | {plain(told_of(comparison.old))} |\n| now | {plain(told_of(comparison.new))} |",
    ]
    if comparison.differences:
        parts.append("\n".join(f"- differs: {plain(difference)}" for difference in comparison.differences))
    for section in comparison.sections:
        columns = COLUMNS[section.name]
        lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(plain(cell, _LONGEST_CELL) for cell in row)} |" for row in section.rows[:MOST_ROWS]]
        parts += [f"### {section.title} ({len(section.rows)})", "\n".join(lines)]
        if more := _more(section):
            parts.append(more)
    return "\n\n".join(parts) + "\n"


def _more(section: Section) -> str:
    left = len(section.rows) - MOST_ROWS
    return f"… and {left:,} more; --json has them all" if left > 0 else ""
