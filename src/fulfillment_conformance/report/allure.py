"""Tells Allure what a test is about, through allure-pytest's own plugin; does nothing when that is not active.

Epic is the role, feature the theme, severity comes from the level, and the pages that the requirements come from are
links. The exchanges of the test are attached as HTTP text, redacted already.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import allure
from allure_commons import plugin_manager
from allure_commons.types import AttachmentType, LinkType, Severity

from fulfillment_conformance.known_failures import KnownFailure
from fulfillment_conformance.outcome import CheckResult, Level, Outcome, TestRecord
from fulfillment_conformance.report import sources
from fulfillment_conformance.report.files import write_text
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import LEVELS, Described, RunResults
from fulfillment_conformance.report.wording import theme_title, verdict_words, why_it_ended_so

# What is called here has no types of its own.
_dynamic: Any = allure.dynamic

SEVERITIES: Mapping[Level, Severity] = {
    "MUST": Severity.CRITICAL,
    "SHOULD": Severity.NORMAL,
    "MAY": Severity.MINOR,
    "INFO": Severity.TRIVIAL,
}

CATEGORIES: Sequence[Mapping[str, Any]] = (
    {"name": "The target breaks a binding requirement", "matchedStatuses": ["failed"]},
    {"name": "Known failures", "matchedStatuses": ["skipped"], "messageRegex": ".*known failure .*"},
    {"name": "Undecided, untestable or not applicable", "matchedStatuses": ["skipped"]},
    {"name": "The suite or the environment broke off", "matchedStatuses": ["broken"]},
)
"""How Allure groups tests that did not pass, in the form of `categories.json`."""


class Claimed(Described, Protocol):
    """What is needed of a requirement that a test decides; the rows of the catalogue have it."""

    @property
    def id(self) -> str:
        """The requirement's id."""

    @property
    def party(self) -> str:
        """Whom it binds."""

    @property
    def level(self) -> Level:
        """How binding it is."""


def is_active() -> bool:
    """Tell whether somebody listens: allure-pytest with `--alluredir`."""
    return bool(plugin_manager.hook.add_label.get_hookimpls())


def report_test(
    claims: Sequence[Claimed],
    record: TestRecord,
    exchanges: Iterable[Mapping[str, Any]] = (),
    *,
    known: Mapping[str, KnownFailure] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> None:
    """Tell Allure about the test that ends; to be called once, when its teardown is reported.

    Args:
        claims: the requirements that it decides.
        record: what it found.
        exchanges: its exchanges, redacted, as `exchanges.jsonl` has them.
        known: id -> known failure, of those that have not expired.
        parameters: what distinguishes this run of the test from others, such as the profile.
    """
    if not is_active():
        return
    if record.title:
        _dynamic.title(visible(record.title))
    failed = {check.requirement for check in record.checks if check.outcome is Outcome.FAILED}
    waived = [entry for name, entry in (known or {}).items() if name in failed]
    _dynamic.description(_description(claims, record.title, waived))
    for entry in waived:
        _dynamic.label("known-failure", entry.id)
        _dynamic.link(entry.link, link_type=LinkType.ISSUE, name=f"{entry.id}: known failure until {entry.until}")
    if claims:
        _label(claims)
    for name, value in (parameters or {}).items():
        _dynamic.parameter(name, value)
    if record.checks:
        checks = "\n\n".join(_check(check) for check in record.checks)
        allure.attach(checks, name="Checks", attachment_type=AttachmentType.TEXT)
    for exchange in exchanges:
        allure.attach(http_text(exchange), name=_name(exchange), attachment_type=AttachmentType.TEXT)


def _label(claims: Sequence[Claimed]) -> None:
    binding = min(claims, key=lambda claim: LEVELS.index(claim.level))
    _dynamic.epic(*dict.fromkeys(claim.party.capitalize() for claim in claims))
    _dynamic.feature(*dict.fromkeys(theme_title(claim.theme) for claim in claims))
    _dynamic.story(*(f"{claim.id} {claim.statement}" for claim in claims))
    _dynamic.severity(SEVERITIES[binding.level])
    _dynamic.label("requirement", *(claim.id for claim in claims))
    pages: dict[str, dict[str, None]] = {}
    for claim in claims:
        for page in filter(None, map(sources.address, claim.source)):
            pages.setdefault(page, {})[claim.id] = None
    for page, ids in pages.items():
        # Allure keeps one link per address.
        _dynamic.link(page, link_type=LinkType.LINK, name=f"{', '.join(ids)}: {page.rpartition('/')[2]}")


def write_files(results: RunResults, folder: Path) -> None:
    """Write `environment.properties` and `categories.json` into an Allure results folder, if it exists.

    Raises:
        OSError: they cannot be written.
    """
    if not folder.is_dir():
        return
    facts = {
        "Suite": f"{results.suite['name']} {results.suite['version']}",
        "Role": results.role,
        "Profile": results.profile,
        "Set": results.set or "all",
        "Seed": str(results.seed),
        "Verdict": verdict_words(results),
        "Exit.code": f"{results.exit_code}: {why_it_ended_so(results)}",
        **results.environment,
    }
    lines = [f"{_property(name, key=True)}={_property(value)}\n" for name, value in facts.items()]
    write_text(folder / "environment.properties", "".join(lines))
    write_text(folder / "categories.json", json.dumps(list(CATEGORIES), indent=1) + "\n")


def http_text(exchange: Mapping[str, Any]) -> str:
    """Return a recorded exchange as HTTP text: request, then answer."""
    request, response = exchange["request"], exchange["response"]
    lines = [f"{request['method']} {request['url']}", *_message(request), ""]
    if response is None:
        lines.append(f"no answer: {exchange['error']}")
    else:
        lines += [str(response["status"]), *_message(response)]
    return visible("\n".join(lines))


def _message(message: Mapping[str, Any]) -> list[str]:
    return [*(f"{name}: {value}" for name, value in message["headers"]), "", message["body"]]


def _description(claims: Sequence[Claimed], title: str, waived: Sequence[KnownFailure]) -> str:
    lines = [visible(title), ""] if title else []
    for entry in waived:
        lines += [f"Known failure **{entry.id}**: {visible(entry.reason)}", ""]
    for claim in claims:
        lines += [f"**{claim.id}** ({claim.level}): {claim.statement}", "", *(f"- {text}" for text in claim.source), ""]
    return "\n".join(lines)


def _check(check: CheckResult) -> str:
    parts = [f"{check.requirement}: {check.outcome.value}"]
    parts += [
        f"  {name}: {text}"
        for name, text in (("expected", check.expected), ("actual", check.actual), ("reason", check.reason))
        if text
    ]
    parts += [f"  note: {note}" for note in check.notes]
    if check.exchanges:
        parts.append(f"  exchanges: {', '.join(check.exchanges)}")
    return visible("\n".join(parts))


def _name(exchange: Mapping[str, Any]) -> str:
    came = exchange["response"]["status"] if exchange["response"] else "no answer"
    who = f"{exchange['sender']} to {exchange['receiver']}"
    return one_line(f"{exchange['number']} {who}: {exchange['request']['method']} {came}", 80)


def _property(text: str, *, key: bool = False) -> str:
    escaped = visible(text).replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace(" ", ".").replace("=", "\\=").replace(":", "\\:") if key else escaped
