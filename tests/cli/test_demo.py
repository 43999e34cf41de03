import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.commands import ended, run, start

from fulfillment_conformance import report
from fulfillment_conformance.cli.demo import TARGETS

A_FEW = ["--only", "RES-018", "--only", "WHK-018"]


def test_both_roles_are_conformant(tmp_path: Path) -> None:
    said = run("demo", "--output", tmp_path / "demo")

    assert said.code == 0, said.text
    summary = said.out.splitlines()[-2:]
    for role, line in zip(TARGETS, summary, strict=True):
        folder = tmp_path / "demo" / role
        assert line.split() == [role, "conformant", "exit", "code", "0", str(folder / "report.html")]
        assert (folder / "report.html").is_file()
        assert report.read(folder).role == role


def test_a_program_can_follow_it(tmp_path: Path) -> None:
    choices = ["-n", 2, "--profile", "observed", "--seed", 3, *A_FEW]
    said = run("demo", "--output", tmp_path, "--progress", "json", *choices)
    events = [json.loads(line) for line in said.out.splitlines()]

    assert said.code == 0, said.text
    assert [event["event"] for event in events if event["event"] != "test"] == ["start", "finish"] * 2
    assert {row.result.id for role in TARGETS for row in report.read(tmp_path / role).requirements} == {*A_FEW[1::2]}
    assert {(report.read(tmp_path / role).profile, report.read(tmp_path / role).seed) for role in TARGETS} == {
        ("observed", 3)
    }


def test_a_run_that_cannot_begin_decides_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "publisher").write_text("a file where a folder has to be", encoding="utf-8")
    said = run("demo", "--output", tmp_path, "--progress", "quiet", *A_FEW)

    assert said.code == 4
    first, second = said.out.splitlines()[-2:]
    assert first.startswith("marketplace  conformant")
    assert second.startswith("publisher    no verdict:")


def begun(recorded: Path) -> set[str]:
    """Return the tests that have made a request so far."""
    text = recorded.read_text(encoding="utf-8") if recorded.is_file() else ""
    return set(re.findall(r'"test": "([^"]*::[^"]*)"', text))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_request_to_end_is_passed_on_and_keeps_what_there_is(tmp_path: Path) -> None:
    recorded = [tmp_path / role / "exchanges.jsonl" for role in TARGETS]
    with start("demo", "--output", tmp_path) as process:
        while not all(len(begun(file)) > 1 for file in recorded):  # so that one has ended
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
        said = ended(process)

    assert said.code == 2, said.text
    for role in TARGETS:
        results = report.read(tmp_path / role)
        assert results.interrupted
        assert results.tests
