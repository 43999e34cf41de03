"""The end of a run on a terminal or in a log: verdict, failures and what to do about them, where the reports are."""

import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from fulfillment_conformance.outcome import CheckResult, Outcome, Verdict
from fulfillment_conformance.report import advice
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import DERIVED, RESULTS, Kind, ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import (
    EXIT_CODES,
    KINDS,
    VERDICTS,
    conclusion,
    counted,
    duration,
    target_name,
)

MOST_FINDINGS = 20
"""Requirements of one kind that are told in full."""

_STYLES: Mapping[str, str] = {
    "failed": "bold red",
    "warning": "yellow",
    "undecided": "magenta",
    "untestable": "blue",
    "passed": "green",
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
    parts += _findings(results.of_kind("failed"), "failed", results)
    open_ = [one for one in results.of_kind("undecided", "untestable") if one.required]
    parts += _findings(open_, "not decided", results)
    parts.append(Text())
    warnings = len(results.of_kind("warning"))
    if warnings:
        parts.append(Text(f"{counted(warnings, 'warning')}: recommended or optional requirements that are not kept"))
    if results.untested:
        parts.append(Text(f"{counted(len(results.untested), 'requirement')} of the role without a test"))
    why = EXIT_CODES.get(results.exit_code, "unknown")
    parts.append(
        Text(f"{one_line(target_name(results))}, {duration(results.seconds)}, exit code {results.exit_code}: {why}")
    )
    if folder is not None:
        files = [name for name in (RESULTS, *DERIVED) if (folder / name).is_file()]
        first = "report.html" if "report.html" in files else RESULTS
        others = ", ".join(name for name in files if name != first)
        parts.append(Text.assemble((str(folder / first), "bold"), f"  and {others}" if others else ""))
    return parts


def verdict_line(results: RunResults) -> Text:
    """Return the verdict and what it rests on."""
    word = f" {VERDICTS[results.verdict].upper()} "
    return Text.assemble((word, _VERDICT_STYLES[results.verdict]), " ", conclusion(results))


def _findings(found: list[ReportedRequirement], word: str, results: RunResults) -> list[Text]:
    parts: list[Text] = []
    for one in found[:MOST_FINDINGS]:
        style = _STYLES.get(one.kind, "")
        parts += [
            Text(),
            Text.assemble((f"{KINDS[one.kind].upper()} {one.id}", style), f"  {one_line(one.statement, 300)}"),
        ]
        checks = one.checks_that(one.outcome)
        if not checks:
            parts.append(_row("because", one.result.reason or advice.whose_fault(one, results)))
        for check in checks[:2]:
            parts += _check_rows(check, one, results)
        parts += [_row("source", source) for source in one.source[:2]]
        parts.append(_row("again", advice.command_line(results, one.id)))
    if len(found) > MOST_FINDINGS:
        parts += [Text(), Text(f"… and {len(found) - MOST_FINDINGS:,} more {word}; the report has them all")]
    return parts


def _check_rows(check: CheckResult, one: ReportedRequirement, results: RunResults) -> list[Text]:
    rows = [_row("expected", check.expected), _row("came", check.actual)] if check.expected else []
    if check.reason:
        rows.append(_row("because", check.reason))
    rows += [_row("note", note) for note in check.notes]
    if check.outcome is Outcome.FAILED:
        rows.append(_row("change", advice.what_to_change(check, results)))
    elif not check.reason:
        rows.append(_row("fault", advice.whose_fault(one, results)))
    return rows


def _row(name: str, text: str) -> Text:
    return Text.assemble((f"  {name:<9}", "dim"), one_line(text, 600))


def counts_line(counts: Mapping[Kind, int]) -> Text:
    """Return how many requirements, or checks, have which kind of outcome."""
    parts = [(f"{counts[kind]} {word}", _STYLES.get(kind, "dim")) for kind, word in KINDS.items() if counts.get(kind)]
    return Text(", ").join(Text(*part) for part in parts) if parts else Text("nothing decided", "dim")
