"""How reports call things: outcomes, verdicts, exit codes, themes, spans of time."""

from collections.abc import Mapping

from fulfillment_conformance.outcome import ExitCode, Outcome, Verdict
from fulfillment_conformance.report.results import Kind, RunResults

KINDS: Mapping[Kind, str] = {
    "failed": "failed",
    "warning": "warning",
    "undecided": "undecided",
    "untestable": "untestable",
    "waived": "known failure",
    "passed": "passed",
    "not-applicable": "not applicable",
    "excluded": "excluded",
}
"""Kind of a requirement -> the word for it, what needs attention first."""

MEANINGS: Mapping[Kind, str] = {
    "failed": "the target breaks a binding requirement",
    "warning": "the target breaks a requirement that is recommended, optional or informative",
    "undecided": "what was observed does not tell",
    "untestable": "the target cannot be put into the situation",
    "waived": "the target breaks the requirement, and the known failures say so",
    "passed": "the target keeps the requirement",
    "not-applicable": "the target does not claim what the requirement is about",
    "excluded": "the suite does not judge it",
}
"""Kind of a requirement -> what that means."""

VERDICTS: Mapping[Verdict, str] = {
    Verdict.CONFORMANT: "conformant",
    Verdict.NOT_CONFORMANT: "not conformant",
    Verdict.INCOMPLETE: "incomplete",
}

EXIT_CODES: Mapping[int, str] = {
    ExitCode.CONFORMANT: "every binding requirement that was judged is kept",
    ExitCode.FAILED: "a binding requirement failed",
    ExitCode.INTERRUPTED: "the run was interrupted",
    ExitCode.SUITE_FAULT: "the suite itself is at fault; nothing of that is booked on the target",
    ExitCode.USAGE: "command line, target file or configuration cannot be used",
    ExitCode.NOTHING_SELECTED: "no test was selected",
    ExitCode.ENVIRONMENT: "the target or the environment was not available",
    ExitCode.INCOMPLETE: "a binding requirement could not be decided or tested",
}
"""Exit code -> why a run ends with it."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: `1 test`, `1,200 tests`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def theme_title(theme: str) -> str:
    """Return the name of a theme as a title: `landing-page` becomes `Landing page`."""
    words = theme.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def duration(seconds: float) -> str:
    """Return a span of time in words, with as much precision as anybody reads: `420 ms`, `1.2 s`, `3 min 5 s`."""
    if 0 < seconds < 0.00095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def target_name(results: RunResults) -> str:
    """Return what the target is called: its name if it has one, else where it is, else the file that describes it."""
    for key in ("name", "base_url", "webhook", "landing_page", "file"):
        value = results.target.get(key)
        if isinstance(value, str) and value:
            return value
    return f"the {results.role}"


def why_it_ended_so(results: RunResults) -> str:
    """Return why a run ended with its exit code."""
    if results.exit_code == ExitCode.FAILED and not results.of_kind("failed"):
        return "the known failures are out of date"
    if results.exit_code == ExitCode.CONFORMANT and results.of_kind("waived"):
        return f"{EXIT_CODES[results.exit_code]}, but for known failures"
    return EXIT_CODES.get(results.exit_code, "unknown exit code")


def verdict_words(results: RunResults) -> str:
    """Return the verdict; it never reads `conformant` alone where failures are put up with."""
    word = VERDICTS[results.verdict]
    waived = len(results.of_kind("waived"))
    return (
        f"{word}, with {counted(waived, 'known failure')}" if waived and results.verdict is Verdict.CONFORMANT else word
    )


def conclusion(results: RunResults) -> str:
    """Return the verdict and what it rests on, in a few sentences."""
    required = [one for one in results.requirements if one.result.decides]
    failed = len(results.of_kind("failed"))
    passed = sum(one.outcome is Outcome.PASSED for one in required)
    waived = sum(one.outcome is Outcome.WAIVED for one in required)
    missing = len(required) - failed - passed - waived
    binding = counted(len(required), "binding requirement")
    if failed:
        told = f"{failed:,} of {binding} failed."
    elif missing:
        told = f"{missing:,} of {binding} could not be decided or tested."
    elif results.verdict is Verdict.CONFORMANT and not waived:
        told = (
            f"All of the {binding} that were judged are kept." if len(required) > 1 else f"{binding} judged and kept."
        )
    else:
        told = f"{passed:,} of {binding} passed."
    if failed and missing:
        told += f" {missing:,} could not be decided or tested."
    if waived:
        told += f" {waived:,} {'is' if waived == 1 else 'are'} broken and waived: {'a ' if waived == 1 else ''}"
        told += "known failure." if waived == 1 else "known failures."
    if results.stale:
        told += " The known failures are out of date: " + "; ".join(entry.complaint for entry in results.stale) + "."
    if results.exit_code not in {ExitCode.CONFORMANT, ExitCode.FAILED, ExitCode.INCOMPLETE}:
        told += f" The run is not complete: {why_it_ended_so(results)}."
    return told
