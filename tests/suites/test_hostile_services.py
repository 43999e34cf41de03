"""Services that mean harm end a run in bounded time and memory, and are blamed for it: never the suite, never a pass.

A whole run beside each takes minutes. So by default a few requirements are judged, those whose tests meet the harm;
`FC_HOSTILE=all` judges everything, and prints what each run has cost.
"""

import functools
import json
import os
import time
from multiprocessing import util
from pathlib import Path
from typing import Any

import pytest
from tests.suites import hostile, services
from tests.suites.hostile import below, of_kind
from tests.suites.runs import Judged, judge

from fulfillment_conformance.stage.flood import MOST_CALLS

ALL = os.environ.get("FC_HOSTILE") == "all"

SECONDS = 0.3 if not ALL else 2.0
"""How long an answer is waited for."""
LONGEST = 60.0 if not ALL else 1_500.0
"""Seconds that a run may take, whatever else this machine does."""
MOST_MEGABYTES = 500
MOST_EVIDENCE = 200

OF_A_MARKETPLACE = ("RES-001",)
OF_A_PUBLISHER = ("LND-003", "WHK-018")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(services.SECRET, "local-development-secret")


def measured(file: Path) -> None:
    """Let the run note at its end how much memory it has taken."""

    def note() -> None:
        try:
            import resource
        except ImportError:  # there is no such module on Windows
            return
        file.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024), encoding="ascii")

    util.Finalize(None, note, exitpriority=0)


def judged_beside(name: str, target: dict[str, Any], folder: Path, only: tuple[str, ...]) -> Judged:
    """Run the suite, and make sure that it was bounded."""
    begun = time.monotonic()
    memory = folder / "megabytes"
    options = [] if ALL else [f"--only={each}" for each in only]
    judged = judge(target, folder, *options, meddle=functools.partial(measured, memory))
    seconds, evidence = time.monotonic() - begun, judged.folder / "exchanges.jsonl"
    peak = int(memory.read_text(encoding="ascii")) if memory.exists() else 0
    size = evidence.stat().st_size / 1e6 if evidence.exists() else 0
    print(  # noqa: T201 - the table
        f"| {name} | {seconds:.0f} s | {peak} MB | {size:.1f} MB | {judged.exit_code} | "
        f"{judged.results.get('verdict')} | {judged.results.get('reason', '')[:60]} |"
    )
    assert seconds < LONGEST
    assert peak < MOST_MEGABYTES
    assert size < MOST_EVIDENCE
    for line in evidence.read_bytes().splitlines():
        json.loads(line)
    assert judged.results["closed"]
    assert judged.exit_code == judged.results["exit_code"]
    return judged


def is_blamed(judged: Judged, *, on_the_surroundings: bool = False) -> None:
    """Make sure that the run is no pass, and says of nothing that the suite broke."""
    assert not judged.blamed or on_the_surroundings, "\n".join(judged.blamed)
    assert judged.exit_code in ({6} if on_the_surroundings else {1, 7}), judged.results.get("reason")
    assert not on_the_surroundings or not judged.with_outcome("passed", "failed")


@pytest.mark.parametrize("name", hostile.ANSWERS if ALL else ["hangs", "100-megabytes", "redirects"])
def test_a_marketplace_that_is_hostile_at_once_is_not_judged(tmp_path: Path, name: str) -> None:
    with hostile.marketplace(hostile.ANSWERS[name], below("/api"), at_once=True) as serving:
        target = services.marketplace_target(serving.url, timeout=SECONDS)
        judged = judged_beside(f"marketplace, at once: {name}", target, tmp_path, OF_A_MARKETPLACE)

    is_blamed(judged, on_the_surroundings=True)


@pytest.mark.parametrize("name", hostile.ANSWERS)
def test_a_marketplace_that_turns_hostile_fails(tmp_path: Path, name: str) -> None:
    with hostile.marketplace(hostile.ANSWERS[name], below("/api")) as serving:
        target = services.marketplace_target(serving.url, timeout=SECONDS)
        judged = judged_beside(f"marketplace, after the preflight: {name}", target, tmp_path, OF_A_MARKETPLACE)

    is_blamed(judged)
    assert ALL or not judged.with_outcome("passed")


@pytest.mark.parametrize("name", hostile.ANSWERS if ALL else ["hangs", "long-list", "never-finishes"])
def test_a_marketplace_with_one_hostile_operation_fails(tmp_path: Path, name: str) -> None:
    with hostile.marketplace(hostile.ANSWERS[name], of_kind("get_operation")) as serving:
        target = services.marketplace_target(serving.url, timeout=SECONDS)
        judged = judged_beside(f"marketplace, Get Operation: {name}", target, tmp_path, ("OPG-001", "CHP-010"))

    is_blamed(judged)


@pytest.mark.parametrize("name", hostile.ANSWERS if ALL else ["hangs", "resets"])
def test_a_publisher_that_is_hostile_at_once_is_never_passed(tmp_path: Path, name: str) -> None:
    with hostile.publisher(tmp_path, hostile.turned(name, "/", at_once=True)) as town:
        judged = judged_beside(f"publisher, at once: {name}", town.target(timeout=SECONDS), tmp_path, OF_A_PUBLISHER)

    is_blamed(judged, on_the_surroundings=judged.exit_code == 6)
    assert ALL or judged.exit_code == 6


@pytest.mark.parametrize(
    "name",
    hostile.ANSWERS if ALL else ["hangs", "resets", "endless", "redirects", "100-megabytes", "not-utf8"],
)
@pytest.mark.parametrize("path", ["/", "/webhook", "/signup"] if ALL else ["/"])
def test_a_publisher_that_turns_hostile_fails(tmp_path: Path, name: str, path: str) -> None:
    with hostile.publisher(tmp_path, hostile.turned(name, path)) as town:
        target = town.target(timeout=SECONDS)
        judged = judged_beside(f"publisher, after the preflight, {path}: {name}", target, tmp_path, OF_A_PUBLISHER)

    is_blamed(judged)


def test_a_publisher_that_never_activates_fails(tmp_path: Path) -> None:
    with hostile.publisher(tmp_path, hostile.never_activates) as town:
        target = town.target(timeout=SECONDS)
        judged = judged_beside("publisher: never activates", target, tmp_path, (*OF_A_PUBLISHER, "ACT-004"))

    is_blamed(judged)
    assert judged.outcomes["ACT-004"] == "failed"


@pytest.mark.parametrize("once", [True, False] if ALL else [True], ids=lambda once: "once" if once else "always")
def test_a_publisher_that_calls_without_end_is_judged_all_the_same(tmp_path: Path, once: bool) -> None:
    calls = 10_000 if ALL else MOST_CALLS + 500
    with hostile.publisher(tmp_path, hostile.storms(calls, once=once)) as town:
        target = town.target(timeout=60.0)
        judged = judged_beside(f"publisher: {calls} calls", target, tmp_path, ("WHK-001", "WHK-008"))

    assert not judged.blamed
    assert judged.exit_code in {0, 1, 7}
    told = (judged.folder / "exchanges.jsonl").read_text(encoding="utf-8")
    assert "they are not recorded one by one" in told
    assert (judged.folder / "report.html").stat().st_size < 20e6
