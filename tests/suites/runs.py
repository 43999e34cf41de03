"""The shipped runner, run as users run it, each time in a process of its own that starts with everything imported."""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from fulfillment_conformance.checks import Check
from fulfillment_conformance.cli import main
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.preflight import Preflight

LONGEST_RUN = 240.0
"""Seconds after which a run is stopped and the test fails."""

# A run forked from a server that has imported everything, and has no threads, saves the second that importing takes.
_PROCESSES: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)


@dataclass(frozen=True)
class Judged:
    """What one run left behind: its exit code and its folder."""

    exit_code: int | None
    folder: Path

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of `results.json`; empty when the run did not come so far as to write it."""
        file = self.folder / "results.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    @property
    def requirements(self) -> list[dict[str, Any]]:
        """The rows of all requirements but the excluded ones."""
        return [row for row in self.results.get("requirements", []) if row["outcome"] != "excluded"]

    @property
    def outcomes(self) -> dict[str, str]:
        """Requirement id -> outcome."""
        return {row["id"]: row["outcome"] for row in self.requirements}

    def with_outcome(self, *outcomes: str, level: str | None = None) -> set[str]:
        """Return the ids of the requirements, perhaps of one level, that came out so."""
        return {row["id"] for row in self.requirements if row["outcome"] in outcomes and level in {None, row["level"]}}

    @property
    def blamed(self) -> list[str]:
        """Describe each test that broke off, and whose fault the run says it was."""
        tests = self.results.get("tests", [])
        return [f"{test['blame']}: {test['test']}: {test['reason']}" for test in tests if test["blame"]]

    def why(self, ids: set[str], outcome: str = "failed") -> list[str]:
        """Describe the checks of requirements that came out so: what was expected, what was there."""
        return [
            f"{row['id']} ({row['level']}): expected {check.get('expected')}; actual {check.get('actual')} "
            f"{check.get('reason', '')}".rstrip()
            for row in self.requirements
            if row["id"] in ids
            for check in row["checks"]
            if check["outcome"] == outcome
        ]

    @property
    def deserved_exit_code(self) -> int:
        """The exit code that the outcomes alone ask for: 1, 7 or 0."""
        if self.with_outcome("failed", level="MUST"):
            return 1
        return 7 if self.with_outcome("undecided", "untestable", level="MUST") else 0


def pytest_run(folder: Path, *arguments: object) -> int | None:
    """Run pytest with the plugin in a folder, as people do who keep tests of their own, and return its exit code."""
    return in_a_process(_pytest, folder, [str(argument) for argument in arguments])


def in_a_process(function: Callable[..., None], *arguments: Any, seconds: float = LONGEST_RUN) -> int | None:
    """Call a function in a process of its own, and return its exit code; what it prints is this test's output."""
    with _as_started_by_a_user():
        process = _PROCESSES.Process(target=_with_environment, args=(dict(os.environ), function, *arguments))
        process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"it did not end within {seconds:g} s: {function.__name__} {arguments}")
    code: int | None = process.exitcode
    return code


def _with_environment(environ: Mapping[str, str], function: Callable[..., None], *arguments: Any) -> None:
    # A forked process has the environment in which the fork server was started, by whichever test came first.
    os.environ.clear()
    os.environ.update(environ)
    function(*arguments)


def _shipped(arguments: Sequence[str], meddle: Callable[[], None]) -> None:
    sys.dont_write_bytecode = False  # pytest compiles every test file anew otherwise
    meddle()
    main(list(arguments))


def _pytest(folder: Path, arguments: Sequence[str]) -> None:
    os.chdir(folder)
    sys.exit(int(pytest.main(list(arguments))))


def weaken(method: str) -> None:
    """Let a method of `Check` pass whatever it is asked."""

    def passes(self: Check, *_: Any, **__: Any) -> bool:
        return record(self, True, expected="anything", actual="anything")

    record = Check.that
    setattr(Check, method, passes)


def skip_preflight() -> None:
    """Let every preflight find everything in order, so that the tests themselves are all that stands."""

    def look(self: Preflight, what: str, action: Callable[[], str]) -> None:
        with suppress(EnvironmentUnavailable):
            action()

    setattr(Preflight, "look", look)  # noqa: B010


def nothing() -> None:
    """Leave everything as it is shipped."""


def judge(
    target: Mapping[str, Any] | Path, folder: Path, *options: str, meddle: Callable[[], None] = nothing
) -> Judged:
    """Run `fulfillment-conformance run` and return what came of it.

    Args:
        target: a target file, or the document that it is to hold.
        folder: an empty folder for the file and the run's output.
        options: further options of the command.
        meddle: called in the run's own process before it starts; a function of a module, perhaps a partial one.
    """
    if not isinstance(target, Path):
        file = folder / "target.yaml"
        file.write_text(yaml.safe_dump(dict(target), sort_keys=False), encoding="utf-8")
        target = file
    output = folder / "output"
    return Judged(in_a_process(_shipped, ["run", f"--target={target}", f"--output={output}", *options], meddle), output)


@contextmanager
def _as_started_by_a_user() -> Iterator[None]:
    """Hide from the new process that a test session, perhaps with workers of its own, starts it."""
    _PROCESSES.set_forkserver_preload(["tests.suites.preloaded"])
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
