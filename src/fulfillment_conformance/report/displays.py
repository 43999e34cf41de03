"""The ways to show how a run goes: live, as lines, quietly, as JSON."""

import json
from pathlib import Path
from typing import Any, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fulfillment_conformance.outcome import Blame, TestRecord
from fulfillment_conformance.report.plain import one_line, visible
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.report.summary import counts_line, summary, verdict_line
from fulfillment_conformance.report.tally import Tally, theme_of
from fulfillment_conformance.report.wording import counted, duration, theme_title


class Display(Protocol):
    """One way to show a run."""

    def collected(self) -> None:
        """The tests that are going to run are known."""

    def running(self) -> None:
        """Another test has begun."""

    def record(self, record: TestRecord, theme: str | None) -> None:
        """A test has ended; `theme` is set if it was the last one of it."""

    def trouble(self, text: str) -> None:
        """Something went wrong that is not the target's doing."""

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """The run has ended."""

    def close(self) -> None:
        """Nothing is going to be shown any more."""


class Quiet:
    """The verdict, and the ids that failed."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def collected(self) -> None:
        """Show nothing."""

    def running(self) -> None:
        """Show nothing."""

    def record(self, record: TestRecord, theme: str | None) -> None:
        """Show nothing."""

    def trouble(self, text: str) -> None:
        """Say what went wrong in one line; results.json has the rest."""
        self._console.print(Text(f"ERROR {one_line(text, 300)}", "bold red"))

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """Say the verdict."""
        self._console.print(verdict_line(results))
        failed = results.of_kind("failed")
        if failed:
            self._console.print(Text(f"failed: {', '.join(one.id for one in failed)}"))
        waived = results.of_kind("waived")
        if waived:
            self._console.print(Text(f"known failures: {', '.join(one.id for one in waived)}"))
        for entry in results.stale:
            self._console.print(Text(entry.complaint))
        if folder is not None:
            self._console.print(Text(str(folder)))

    def close(self) -> None:
        """There is nothing to close."""


class Lines:
    """One line per failure and one per theme: for the log of a pipeline."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._console = console
        self._tally = tally

    def collected(self) -> None:
        """Say how much there is to do."""
        self._console.print(Text(counted(self._tally.total, "test")))

    def running(self) -> None:
        """Show nothing: a log would only grow."""

    def record(self, record: TestRecord, theme: str | None) -> None:
        """Show failures as they happen, and a theme when it is complete."""
        for line in _told(record, self._tally):
            self._console.print(line)
        if theme is not None:
            self._console.print(_theme_line(theme, self._tally))

    def trouble(self, text: str) -> None:
        """Show what went wrong, whole: somebody has to mend it."""
        self._console.print(Text(visible(text), "red"))

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """Show the summary."""
        for part in summary(results, folder):
            self._console.print(part)

    def close(self) -> None:
        """There is nothing to close."""


class LiveDisplay(Lines):
    """A line that moves at the bottom of the terminal; failures stay above it."""

    def __init__(self, console: Console, tally: Tally) -> None:
        super().__init__(console, tally)
        self._live = Live(
            get_renderable=self._status,
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def collected(self) -> None:
        """Show nothing that stays."""

    def record(self, record: TestRecord, theme: str | None) -> None:  # noqa: ARG002 - themes are for logs
        """Show failures as they happen."""
        for line in _told(record, self._tally):
            self._console.print(line)

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """Show the summary instead of the moving line."""
        self._live.stop()
        super().finish(results, folder)

    def close(self) -> None:
        """Take the moving line away."""
        self._live.stop()

    def _status(self) -> RenderableType:
        tally = self._tally
        if not tally.total:
            return Text("reading the suites …", "dim")
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(width=20)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(
            ProgressBar(total=tally.total, completed=tally.done, width=20),
            counts_line(tally.counts()),
            Text(f"{tally.done}/{tally.total}  {_times(tally)}", "dim"),
        )
        name = tally.running.partition("::")[2].removeprefix("test_").replace("_", " ")
        what = ", ".join(tally.running_claims) or theme_title(theme_of(tally.running))
        running = Text.assemble((what, "cyan"), "  ", one_line(name)) if name else Text()
        running.truncate(max(20, self._console.width - 2), overflow="ellipsis")
        return Group(grid, running)


class JsonLines:
    """One JSON object per line: `start`, `test`, `trouble`, `finish`."""

    def __init__(self, stream: TextIO, tally: Tally) -> None:
        self._stream = stream
        self._tally = tally

    def collected(self) -> None:
        """Write how many tests there are."""
        self._write("start", tests=self._tally.total)

    def running(self) -> None:
        """Write nothing."""

    def record(self, record: TestRecord, theme: str | None) -> None:  # noqa: ARG002 - readers can group for themselves
        """Write what a test found."""
        self._write(
            "test",
            test=record.test,
            seconds=round(record.seconds, 3),
            blame=record.blame.value if record.blame else None,
            reason=record.reason,
            checks=[check.to_json() for check in record.checks],
            done=self._tally.done,
            total=self._tally.total,
        )

    def trouble(self, text: str) -> None:
        """Write what went wrong."""
        self._write("trouble", text=text)

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """Write the verdict."""
        self._write(
            "finish",
            verdict=results.verdict.value,
            exit_code=results.exit_code,
            counts=dict(results.counts),
            failed=[one.id for one in results.of_kind("failed")],
            waived=[one.id for one in results.of_kind("waived")],
            stale=[entry.complaint for entry in results.stale],
            seconds=round(results.seconds, 3),
            reason=results.reason,
            folder=str(folder) if folder is not None else None,
        )

    def close(self) -> None:
        """There is nothing to close."""

    def _write(self, event: str, **fields: Any) -> None:
        # Escaped to ASCII, so that no encoding of the stream can spoil it.
        self._stream.write(json.dumps({"event": event, **fields}) + "\n")
        self._stream.flush()


def _told(record: TestRecord, tally: Tally) -> list[Text]:
    """Return a line for each binding requirement that fails for the first time, and for a test that broke off."""
    lines = []
    if record.blame not in {None, Blame.TARGET}:
        who = record.blame.value if record.blame else ""
        lines.append(Text(f"BROKE OFF {one_line(record.test)}: {who}: {one_line(record.reason, 300)}", "bold red"))
    for check in tally.first_failures(record):
        what = f"expected {one_line(check.expected)}; came {one_line(check.actual)}" if check.expected else ""
        told = (one_line(tally.statement(check.requirement), 160), what or one_line(check.reason))
        line = " | ".join(part for part in told if part)
        known = tally.waives(check.requirement)
        heading = (
            (f"KNOWN FAILURE {check.requirement}", "yellow") if known else (f"FAILED {check.requirement}", "bold red")
        )
        lines.append(Text.assemble(heading, f"  {line}"))
    return lines


def _theme_line(theme: str, tally: Tally) -> Text:
    counts, seconds = tally.theme(theme)
    return Text.assemble((theme_title(theme), "bold"), ": ", counts_line(counts), f" ({duration(seconds)})")


def _times(tally: Tally) -> str:
    remaining = tally.remaining
    left = f", about {duration(remaining)} left" if remaining is not None and tally.done < tally.total else ""
    return f"{duration(tally.elapsed)}{left}"
