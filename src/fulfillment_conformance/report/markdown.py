"""`summary.md`: what a job summary or a comment on a pull request shows."""

import re
from urllib.parse import quote

from fulfillment_conformance.outcome import Verdict
from fulfillment_conformance.report import advice, sources
from fulfillment_conformance.report.plain import one_line
from fulfillment_conformance.report.results import ReportedRequirement, RunResults
from fulfillment_conformance.report.wording import (
    KINDS,
    conclusion,
    counted,
    duration,
    target_name,
    theme_title,
    verdict_words,
)

MOST_ROWS = 50
"""Requirements that one table lists; job summaries and comments have a limit."""

_SIGNS = {Verdict.CONFORMANT: "✅", Verdict.NOT_CONFORMANT: "❌", Verdict.INCOMPLETE: "⚠️"}
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$@:&]")


def render(results: RunResults) -> str:
    """Return the results as Markdown."""
    sign = "☑️" if results.of_kind("waived") and results.verdict is Verdict.CONFORMANT else _SIGNS[results.verdict]
    parts = [
        f"## {sign} {verdict_words(results).capitalize()}: SaaS Fulfillment API v2, {results.role}",
        f"{plain(conclusion(results))}",
    ]
    if results.reason:
        parts.append(f"The run ended early: {plain(results.reason)}")
    parts.append(_counts(results))
    for test in results.faults[:MOST_ROWS]:
        blame = test.blame.value if test.blame else ""
        parts.append(f"- broke off, fault of the {blame}: {plain(test.test)}: {plain(test.reason)}")
    parts += [f"- known failure out of date: {plain(entry.complaint)}" for entry in results.stale]
    parts += _findings("Failures", results.of_kind("failed"), results)
    open_ = [one for one in results.of_kind("undecided", "untestable") if one.required]
    parts += _findings("Binding, and not decided", open_, results)
    parts += _findings("Known failures", results.of_kind("waived"), results)
    parts += _findings("Warnings", results.of_kind("warning"), results)
    facts = [
        f"target {plain(target_name(results))}",
        f"profile {results.profile}",
        f"set {plain(results.set)}" if results.set else "all requirements of the role",
        f"seed {results.seed}",
        f"{results.suite['name']} {results.suite['version']}",
        f"{results.started:%Y-%m-%d %H:%M} UTC, {duration(results.seconds)}",
        f"exit code {results.exit_code}",
    ]
    parts.append(" · ".join(facts))
    return "\n\n".join(parts) + "\n"


def plain(text: str, limit: int = 300) -> str:
    """Return a text that a target may have written so that Markdown and HTML leave it alone, on one line."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", one_line(text, limit))


def _target(link: str) -> str:
    """Return an address so that nothing in it ends the angle brackets around it, or the table's cell."""
    return quote(link, safe="%/:=&?~#+!$,;'@()*[]")


def _code(text: str) -> str:
    """Return a text as code, with a fence that nothing in it closes."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {one_line(text, 1000)} {fence}" if len(fence) > 1 else f"`{one_line(text, 1000)}`"


def _counts(results: RunResults) -> str:
    kinds = [kind for kind in KINDS if results.of_kind(kind)]
    if not kinds:
        return "No requirement was judged."
    heads = " | ".join(KINDS[kind] for kind in kinds)
    numbers = " | ".join(str(len(results.of_kind(kind))) for kind in kinds)
    return f"| {heads} |\n|{'---:|' * len(kinds)}\n| {numbers} |"


def _findings(title: str, found: list[ReportedRequirement], results: RunResults) -> list[str]:
    if not found:
        return []
    rows = [_row(one, results) for one in found[:MOST_ROWS]]
    table = "\n".join(["| Requirement | Expected | Came | What to change |", "|---|---|---|---|", *rows])
    parts = [f"### {title} ({len(found)})", table]
    if len(found) > MOST_ROWS:
        parts.append(f"… and {counted(len(found) - MOST_ROWS, 'more requirement')}; report.html has them all.")
    parts.append(f"Judge them again: {_code(advice.command_line(results, *(one.id for one in found[:5])))}")
    return parts


def _row(one: ReportedRequirement, results: RunResults) -> str:
    checks = one.findings
    first = checks[0] if checks else None
    pages = [address for address in map(sources.address, one.source) if address]
    name = f"[{one.id}]({pages[0]})" if pages else one.id
    what = f"**{name}** {one.level}, {plain(theme_title(one.theme))}<br>{plain(one.statement)}"
    expected = plain(first.expected) if first else ""
    came = plain(first.actual or first.reason) if first else plain(one.result.reason)
    change = (
        plain(advice.what_to_change(first, results)) if first and one.kind in {"failed", "warning", "waived"} else ""
    )
    if known := results.waivers.get(one.id):
        what += f"<br>Known, until {known.until}: {plain(known.why)} [{plain(known.link)}](<{_target(known.link)}>)"
    return f"| {what} | {expected} | {came} | {change or plain(advice.whose_fault(one, results))} |"
