"""The shipped runner, run as users run it, each time in a process of its own that starts with everything imported."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.cli import main
from fulfillment_conformance.suite_index import read_suites, tests_by_requirement

LONGEST_RUN = 240.0
"""Seconds after which a run is stopped and the test fails."""

# A run forked from a server that has imported everything, and has no threads, saves the second that importing takes.
_PROCESSES: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
_IMPORTED_ONCE = [  # not the plugins themselves: pytest warns of those that it cannot rewrite any more
    "fulfillment_conformance.cli",
    "fulfillment_conformance.backend.under_test",
    "fulfillment_conformance.contract",
    "fulfillment_conformance.report",
    "fulfillment_conformance.stage.opening",
    "allure_commons",
    "execnet",
    "pytest",
    "schemathesis",
]


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
    def outcomes(self) -> dict[str, str]:
        """Requirement id -> outcome, excluded ones left out."""
        requirements = self.results.get("requirements", [])
        return {row["id"]: row["outcome"] for row in requirements if row["outcome"] != "excluded"}

    def with_outcome(self, outcome: str) -> set[str]:
        """Return the ids of the requirements that came out so."""
        return {requirement_id for requirement_id, came in self.outcomes.items() if came == outcome}

    @property
    def blamed(self) -> list[str]:
        """Describe each test that broke off, and whose fault the run says it was."""
        tests = self.results.get("tests", [])
        return [f"{test['blame']}: {test['test']}: {test['reason']}" for test in tests if test["blame"]]

    def why(self, ids: set[str], outcome: str = "failed") -> list[str]:
        """Describe the checks of requirements that came out so: what was expected, what was there."""
        return [
            f"{row['id']} ({row['level']}): expected {check.get('expected')}; actual {check.get('actual')}"
            f"{check.get('reason', '')}"
            for row in self.results.get("requirements", [])
            if row["id"] in ids
            for check in row["checks"]
            if check["outcome"] == outcome
        ]


Judge = Callable[..., Judged]
"""Judges a target, given as a document or as a file, with further options of the command `run`."""


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that runs `fulfillment-conformance run` and returns what came of it."""
    runs = 0

    def run(target: Mapping[str, Any] | Path, *options: str) -> Judged:
        nonlocal runs
        runs += 1
        if isinstance(target, Path):
            file = target
        else:
            file = tmp_path / f"target-{runs}.yaml"
            file.write_text(yaml.safe_dump(dict(target), sort_keys=False), encoding="utf-8")
        folder = tmp_path / f"run-{runs}"
        code = _run(["run", "--target", str(file), "--output", str(folder), *options])
        return Judged(code, folder)

    return run


def _run(arguments: Sequence[str]) -> int | None:
    """Run the command line in another process and return its exit code; what it prints is this test's output."""
    with _as_started_by_a_user():
        process = _PROCESSES.Process(target=main, args=(list(arguments),))
        process.start()
    process.join(LONGEST_RUN)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"the run did not end within {LONGEST_RUN:g} s: {' '.join(arguments)}")
    code: int | None = process.exitcode
    return code


@contextmanager
def _as_started_by_a_user() -> Iterator[None]:
    """Hide from the new process that a test session, perhaps with workers of its own, starts it."""
    _PROCESSES.set_forkserver_preload(_IMPORTED_ONCE)
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PYTEST_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue of requirements."""
    return Catalogue.load()


@pytest.fixture(scope="session")
def tested(catalogue: Catalogue) -> dict[str, list[str]]:
    """The requirements that a test decides: id -> tests. What the catalogue excludes is not among them."""
    index = tests_by_requirement(read_suites())
    return {requirement_id: tests for requirement_id, tests in index.items() if not catalogue[requirement_id].excluded}
