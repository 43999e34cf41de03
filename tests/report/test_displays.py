import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Blame, TestRecord
from fulfillment_conformance.report.displays import Display, JsonLines, Lines, LiveDisplay, Quiet
from fulfillment_conformance.report.tally import Tally


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def show(kind: str, run: Run, *, terminal: bool = False) -> str:
    """Return what a display writes while a run goes on."""
    results, _ = run
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, highlight=False, markup=False, soft_wrap=True)
    clock = Clock()
    tally = Tally({}, clock, ["WHK-040"])
    kinds: dict[str, Callable[[], Display]] = {
        "quiet": lambda: Quiet(console),
        "lines": lambda: Lines(console, tally),
        "live": lambda: LiveDisplay(console, tally),
        "json": lambda: JsonLines(stream, tally),
    }
    display = kinds[kind]()
    tally.collected([test.test for test in results.tests])
    display.collected()
    for test in results.tests:
        tally.running = test.test
        display.running()
        clock.now += 1
        display.record(test, tally.take(test))
    display.trouble("something\x1b[31m happened")
    display.finish(results, None)
    display.close()
    return stream.getvalue()


def test_lines_tell_failures_and_themes_as_they_come(mixed: Run) -> None:
    text = show("lines", mixed)

    assert text.startswith(
        "7 tests\n"
        "FAILED WHK-018  expected POST /webhook refused with 4xx; came 200\n"
        "FAILED WHK-019  expected no effect: no change of state and no call that acts on it; came PATCH of operation "
        "5d7a… with Success; plan silver became gold\n"
        "Webhook authentication: 2 failed (250 ms)\n"
    )
    assert "Landing page: 2 passed (250 ms)\n" in text
    assert "KNOWN FAILURE WHK-040  expected POST /webhook answered 200; came 500: boom\n" in text
    assert "Webhook: 1 undecided, 1 known failure (500 ms)\n" in text
    assert "something⟨U+001B⟩[31m happened\n" in text
    assert " NOT CONFORMANT  2 of 7 binding requirements failed." in text
    assert "\x1b" not in text


def test_a_log_has_one_line_per_failure_whatever_the_target_sent() -> None:
    results, recorded = runs.hostile_run()
    text = show("lines", (results, recorded))

    assert sum(line.startswith("FAILED WHK-001  ") for line in text.splitlines()) == 2  # at once, and at the end
    assert "\x1b" not in text


def test_a_test_that_broke_off_is_told_at_once() -> None:
    text = show("lines", runs.broken_run())

    assert "BROKE OFF publisher/test_a.py::test_one: suite: KeyError: 'planId'\n" in text
    assert text.index("BROKE OFF") < text.index("INCOMPLETE")


def test_quiet_keeps_to_the_verdict(mixed: Run) -> None:
    assert show("quiet", mixed) == (
        "ERROR something⟨U+001B⟩[31m happened\n"
        " NOT CONFORMANT  2 of 7 binding requirements failed. 2 could not be decided or tested. "
        "1 is broken and waived: a known failure.\n"
        "failed: WHK-018, WHK-019\n"
        "known failures: WHK-040\n"
    )


def test_json_is_one_object_per_line(mixed: Run) -> None:
    events = [json.loads(line) for line in show("json", mixed).splitlines()]

    assert [event["event"] for event in events] == ["start", *["test"] * 7, "trouble", "finish"]
    assert events[0]["tests"] == 7
    assert events[1]["checks"][0]["requirement"] == "WHK-018"
    assert (events[7]["done"], events[7]["total"]) == (7, 7)
    assert events[-1]["verdict"] == "not-conformant"
    assert events[-1]["failed"] == ["WHK-018", "WHK-019"]
    assert events[-1]["waived"] == ["WHK-040"]
    assert events[-1]["stale"] == []
    assert events[-1]["exit_code"] == 1


def test_json_survives_any_text() -> None:
    for line in show("json", runs.hostile_run()).splitlines():
        assert line.isascii()
        json.loads(line)


def test_a_terminal_shows_counts_current_test_and_time(mixed: Run) -> None:
    text = show("live", mixed, terminal=True)

    assert "FAILED WHK-018" in text
    assert " NOT CONFORMANT " in text


def test_the_moving_lines_tell_where_the_run_is() -> None:
    clock = Clock()
    tally = Tally({}, clock)
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    display = LiveDisplay(console, tally)
    try:
        test = "publisher/test_change_plan.py::test_a_change_is_taken_in"
        others = [f"publisher/test_change_plan.py::test_{number}" for number in range(3)]
        tally.collected([test, *others], {test: ["CHP-001"]})
        clock.now = 6
        tally.take(TestRecord(test=others[0], claims=(), checks=(runs.check("CHP-002"),)))
        tally.running = "test_change_plan.py::test_a_change_is_taken_in"
        with console.capture() as capture:
            console.print(display._status())
    finally:
        display.close()

    first, second, *_ = capture.get().splitlines()
    assert "1 passed" in first
    assert "1/4  6.0 s, about 18 s left" in first
    assert "CHP-001" in second
    assert "a change is taken in" in second


def test_blame_of_the_target_is_no_broken_test() -> None:
    tests = [runs.record("publisher/test_a.py::test_one", ["A-1"], blame=Blame.TARGET, reason="it stopped answering")]
    results = runs.run([runs.row("A-1", tests, statement="x")], tests)

    assert "BROKE OFF" not in show("lines", (results, []))


@pytest.mark.parametrize("kind", ["quiet", "lines", "live", "json"])
def test_nothing_is_written_of_a_run_that_never_began(kind: str) -> None:
    results = runs.run((), (), reason="nothing selected")

    assert show(kind, (results, [])) != ""
