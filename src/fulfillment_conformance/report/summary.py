"""The end of a run on a terminal or in a log: verdict, failures and what to do about them, where the reports are."""

import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from fulfillment_conformance.outcome import Verdict
from fulfillment_conformance.report import advice
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import DERIVED, RESULTS, Kind, RunResults
from fulfillment_conformance.report.wording import (
    KINDS,
    conclusion,
    counted,
    duration,
    target_name,
    verdict_words,
    why_it_ended_so,
)

MOST_FINDINGS = 20
"""Failures that are told in full, and reasons that are told at all."""

_STYLES: Mapping[str, str] = {
    "failed": "bold red",
    "warning": "yellow",
    "undecided": "magenta",
    "untestable": "blue",
    "passed": "green",
    "waived": "yellow",
}
_VERDICT_STYLES = {
    Verdict.CONFORMANT: "bold white on green",
    Verdict.NOT_CONFORMANT: "bold white on red",
    Verdict.INCOMPLETE: "bold white on magenta",
}


def summary(results: RunResults, folder: Path | None) -> list[Text]:
    """Return what is shown at the end: verdict, counts, failures and what to do, where the reports are."""
    parts: list[Text] = [
        Text(),
        verdict_line(results),
        counts_line(Counter(one.kind for one in results.requirements)),
    ]
    if results.reason:
        parts.append(Text.assemble(("ended early: ", "bold"), visible(results.reason.strip())))
    for test in results.faults[:MOST_FINDINGS]:
        blame = test.blame.value if test.blame else ""
        parts += [Text(), Text.assemble((f"BROKE OFF {one_line(test.test)}", "bold red"), f"  fault of the {blame}")]
        parts.append(Text(textwrap.indent(visible(test.reason), "  ")))
    parts += _failures(results)
    parts += _not_decided(results)
    parts += _known_failures(results)
    parts.append(Text())
    warnings = len(results.of_kind("warning"))
    if warnings:
        parts.append(Text(f"{counted(warnings, 'warning')}: recommended or optional requirements that are not kept"))
    if results.untested:
        parts.append(Text(f"{counted(len(results.untested), 'requirement')} of the role without a test"))
    ended = f"exit code {results.exit_code}: {why_it_ended_so(results)}"
    parts.append(Text(f"{one_line(target_name(results))}, {duration(results.seconds)}, {ended}"))
    if folder is not None:
        files = [name for name in (RESULTS, *DERIVED) if (folder / name).is_file()]
        first = "report.html" if "report.html" in files else RESULTS
        others = ", ".join(name for name in files if name != first)
        parts.append(Text.assemble((str(folder / first), "bold"), f"  and {others}" if others else ""))
    return parts


def verdict_line(results: RunResults) -> Text:
    """Return the verdict and what it rests on."""
    word = f" {verdict_words(results).upper()} "
    style = (
        "bold black on yellow"
        if results.of_kind("waived") and results.verdict is Verdict.CONFORMANT
        else _VERDICT_STYLES[results.verdict]
    )
    return Text.assemble((word, style), " ", conclusion(results))


def _failures(results: RunResults) -> list[Text]:
    parts: list[Text] = []
    failed = results.of_kind("failed")
    for one in failed[:MOST_FINDINGS]:
        heading = (f"{KINDS[one.kind].upper()} {one.id}", _STYLES[one.kind])
        parts += [Text(), Text.assemble(heading, f"  {one_line(one.statement, 300)}")]
        for check in one.findings[:2]:
            parts += [_row("expected", check.expected), _row("came", check.actual)] if check.expected else []
            parts += [_row("because", check.reason)] if check.reason else []
            parts += [_row("note", note) for note in check.notes]
            parts.append(_row("change", advice.what_to_change(check, results)))
        parts += [_row("source", source) for source in one.source[:2]]
        parts.append(_row("again", advice.command_line(results, one.id)))
    if len(failed) > MOST_FINDINGS:
        parts += [Text(), Text(f"… and {len(failed) - MOST_FINDINGS:,} more failed; the report has them all")]
    return parts


def _not_decided(results: RunResults) -> list[Text]:
    """Return the binding requirements that were not decided, by reason: many tend to share one."""
    reasons: dict[tuple[Kind, str], list[str]] = {}
    for one in results.of_kind("undecided", "untestable"):
        if one.required:
            why = one.result.reason or advice.whose_fault(one, results)
            reasons.setdefault((one.kind, one_line(why, 600)), []).append(one.id)
    parts: list[Text] = []
    for (kind, why), ids in list(reasons.items())[:MOST_FINDINGS]:
        heading = (f"{KINDS[kind].upper()} {ids[0] if len(ids) == 1 else len(ids)}", _STYLES[kind])
        parts += [Text(), Text.assemble(heading, f"  {why}")]
        parts += [_row("", ", ".join(ids))] if len(ids) > 1 else []
    if len(reasons) > MOST_FINDINGS:
        parts += [Text(), Text(f"… and {len(reasons) - MOST_FINDINGS:,} more reasons; the report has them all")]
    return parts


def _known_failures(results: RunResults) -> list[Text]:
    parts: list[Text] = []
    for one in results.of_kind("waived"):
        heading = (f"{KINDS[one.kind].upper()} {one.id}", _STYLES[one.kind])
        parts += [Text(), Text.assemble(heading, f"  {one_line(one.statement, 300)}"), _row("why", one.result.reason)]
        for check in one.findings[:1]:
            parts += [_row("expected", check.expected), _row("came", check.actual)] if check.expected else []
    if results.stale:
        parts += [Text(), Text("KNOWN FAILURES OUT OF DATE", "bold red")]
        parts += [_row("", entry.complaint) for entry in results.stale]
    return parts


def _row(name: str, text: str) -> Text:
    return Text.assemble((f"  {name:<9}", "dim"), one_line(text, 600))


def counts_line(counts: Mapping[Kind, int]) -> Text:
    """Return how many requirements, or checks, have which kind of outcome."""
    parts = [(f"{counts[kind]} {word}", _STYLES.get(kind, "dim")) for kind, word in KINDS.items() if counts.get(kind)]
    return Text(", ").join(Text(*part) for part in parts) if parts else Text("nothing decided", "dim")
