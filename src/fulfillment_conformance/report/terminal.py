"""What a run shows while it runs, and at its end: our own reporter instead of pytest's.

The command line registers a `Progress` and gives pytest `-p no:terminalreporter`; under plain pytest there is none, and
pytest's own reporter stays as it is. On a terminal it is a live display; in a pipeline's log it is one line per failure
and one per theme; `quiet` keeps to the verdict; `json` writes one JSON object per line.

It prints fields of records and results, which are redacted, and pytest's own error texts, which it redacts itself.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TextIO

import pytest
from rich.console import Console

from fulfillment_conformance.outcome import TestRecord
from fulfillment_conformance.report.displays import Display, JsonLines, Lines, LiveDisplay, Quiet
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.report.tally import Known, Tally, short_name

Mode = Literal["auto", "quiet", "json"]
"""How a run is shown."""


class Progress:
    """A pytest plugin that shows how a run goes; to be registered in the controlling process only."""

    def __init__(
        self,
        mode: Mode = "auto",
        *,
        requirements: Mapping[str, Known] | None = None,
        judged: Collection[str] | None = None,
        waivable: Collection[str] = (),
        redact: Callable[[str], str] = str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the display.

        Args:
            mode: `auto` is live on a terminal, lines elsewhere; `quiet` and `json` as they say.
            requirements: id -> what is known of it; the catalogue is such a mapping.
            judged: ids of the requirements that this run judges; what its tests find beside is not shown. None: all.
            waivable: ids of the known failures.
            redact: applied to error texts of pytest, which may show anything.
            stream: where to write; a copy of standard output if None, which pytest's capturing does not touch.
            clock: seconds that only grow.
        """
        self._own = _copy_of_stdout() if stream is None else None
        out = stream if stream is not None else self._own or sys.stdout
        self._tally = Tally(requirements or {}, clock, waivable)
        self._judged = judged
        self._redact = redact
        self._display = _display(mode, out, self._tally)
        self._closed = False
        self._nobody_reads = False

    # --- what the plugin calls ---

    def on_record(self, record: TestRecord) -> None:
        """Take in what a test contributed."""
        if self._judged is not None:
            record = replace(record, checks=tuple(each for each in record.checks if each.requirement in self._judged))
        theme = self._tally.take(record)
        self._show(lambda: self._display.record(record, theme))

    def finish(self, results: RunResults, folder: Path | None) -> None:
        """Show the verdict; `folder` holds the reports, None if there are none."""
        self._show(lambda: self._display.finish(results, folder))

    def close(self) -> None:
        """Give the terminal back."""
        if not self._closed:
            self._closed = True
            self._show(self._display.close)
            if self._own is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._own.close()

    def _show(self, show: Callable[[], None]) -> None:
        """Show something; whoever reads may go away, which is no reason to stop the run."""
        if not self._nobody_reads:
            try:
                show()
            except BrokenPipeError:
                self._nobody_reads = True

    # --- what pytest calls ---

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_record(self, record: TestRecord) -> None:
        """Take in what a test contributed."""
        self.on_record(record)

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_finish(self, results: RunResults, folder: Path | None, problems: Sequence[str]) -> None:
        """Show the verdict, and which files could not be written."""
        self.finish(results, folder)
        for problem in problems:
            self._trouble(problem)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn which tests are going to run."""
        claims = {
            item.nodeid: [claim for marker in item.iter_markers("requirement") for claim in marker.args]
            for item in session.items
        }
        if claims:
            self._collected(claims, claims)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Learn from a worker which tests are going to run."""
        self._collected(ids)

    def _collected(self, tests: Iterable[str], claims: Mapping[str, Sequence[str]] | None = None) -> None:
        first = not self._tally.total
        self._tally.collected(tests, claims)
        if first:
            self._show(self._display.collected)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show which test runs."""
        self._tally.running = short_name(nodeid)
        self._show(self._display.running)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show a suite file that cannot be collected."""
        if report.failed:
            self._trouble(f"cannot collect {report.nodeid}\n{report.longreprtext}")

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """Show an error of pytest or of a plugin; True keeps pytest from printing it unredacted."""
        out_of_reach = isinstance(excinfo.value, OSError)  # a folder that is gone, a disk that is full
        self._trouble(f"cannot go on: {excinfo.value}" if out_of_reach else f"internal error\n{excrepr}")
        return True

    def _trouble(self, text: str) -> None:
        self._show(lambda: self._display.trouble(self._redact(text)))

    def pytest_unconfigure(self) -> None:
        """Give the terminal back."""
        self.close()


class _Console(Console):
    """A console whose owner decides what happens when nobody reads any more; rich's own ends the process."""

    def on_broken_pipe(self) -> None:
        """Let the error that is being handled pass."""
        raise BrokenPipeError


def _copy_of_stdout() -> TextIO | None:
    """Return standard output as it is now, whatever is captured later; None if it has no file descriptor."""
    try:
        descriptor = os.dup(sys.__stdout__.fileno() if sys.__stdout__ else sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return os.fdopen(descriptor, "w", encoding=encoding, errors="replace", buffering=1)


def _display(mode: Mode, stream: TextIO, tally: Tally) -> Display:
    if mode == "json":
        return JsonLines(stream, tally)
    console = _Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if mode == "quiet":
        return Quiet(console)
    return (
        LiveDisplay(console, tally) if console.is_terminal and not console.is_dumb_terminal else Lines(console, tally)
    )
