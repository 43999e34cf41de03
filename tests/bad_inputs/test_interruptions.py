"""Runs that end before their end: whatever was seen so far is kept, and says of itself that it is not the whole."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.commands import LONGEST, Ended, ended, run, start

from fulfillment_conformance import report
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import read_exchanges

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ENOUGH = 60_000
"""Bytes of recorded exchanges after which a run is well under way."""


class Running:
    """A run that is under way."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.output = folder / "output"
        target = folder / "target.yaml"
        target.write_text("role: marketplace\nmarketplace:\n  driver: embedded\n", encoding="utf-8")
        self.process = start("run", "--target", target, "--output", self.output, *options)

    def wait(self) -> None:
        while sum(file.stat().st_size for file in self.output.glob("exchanges*.jsonl")) < ENOUGH:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> Ended:
        return ended(self.process)


@contextmanager
def running(folder: Path, *options: object) -> Iterator[Running]:
    run = Running(folder, *options)
    try:
        run.wait()
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


@pytest.mark.parametrize("options", [(), ("-n", 2)], ids=["alone", "with workers"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_judged(
    number: signal.Signals, options: tuple[object, ...], tmp_path: Path
) -> None:
    with running(tmp_path, *options) as under_way:
        under_way.send(number)
        said = under_way.end()

    assert said.code == 2, said.text
    assert "Traceback" not in said.text
    assert "interrupted" in said.text
    results = report.read(under_way.output)
    assert (results.verdict, results.exit_code, results.interrupted) == ("incomplete", 2, True)
    assert results.tests
    recorded = {exchange["number"] for exchange in read_exchanges(under_way.output / "exchanges.jsonl")}
    assert {number for test in results.tests for number in test.exchanges} <= recorded
    assert (under_way.output / "report.html").is_file()
    assert not list(under_way.output.glob("exchanges.gw*"))


def test_an_impatient_second_interrupt_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as under_way:
        under_way.send(signal.SIGINT)
        time.sleep(0.05)
        under_way.send(signal.SIGINT)
        said = under_way.end()

    assert said.code == 2, said.text
    assert "Traceback" not in said.text
    results = json.loads((under_way.output / "results.json").read_text(encoding="utf-8"))
    assert results["closed"] in {True, False}  # whole, or as it was at the beginning: never half
    assert list(read_exchanges(under_way.output / "exchanges.jsonl"))


@pytest.mark.parametrize("options", [(), ("-n", 2)], ids=["alone", "with workers"])
def test_a_killed_run_says_that_it_did_not_end(options: tuple[object, ...], tmp_path: Path) -> None:
    with running(tmp_path, *options) as under_way:
        under_way.send(signal.SIGKILL)
        under_way.end()

    results = json.loads((under_way.output / "results.json").read_text(encoding="utf-8"))
    assert results["closed"] is False
    assert "verdict" not in results
    with pytest.raises(UsageProblem, match="did not end"):
        report.read(under_way.output)
    assert not (under_way.output / "report.html").exists()
    files = list(under_way.output.glob("exchanges*.jsonl"))
    assert sum(len(list(read_exchanges(file))) for file in files) > 10


def test_a_run_after_a_killed_one_begins_anew(tmp_path: Path) -> None:
    with running(tmp_path, "-n", 2) as under_way:
        under_way.send(signal.SIGKILL)
        under_way.end()
    target, output = tmp_path / "target.yaml", under_way.output
    said = run("run", "--target", target, "--output", output, "--only", "RES-018", "--progress", "quiet")

    assert said.code == 0, said.text
    results = report.read(output)
    recorded = {exchange["number"] for exchange in read_exchanges(output / "exchanges.jsonl")}
    assert not any(number.startswith("gw") for number in recorded)
    assert {number for test in results.tests for number in test.exchanges} <= recorded


def test_a_reader_that_goes_away_does_not_stop_the_run(tmp_path: Path) -> None:
    with running(tmp_path) as under_way:
        assert under_way.process.stdout is not None
        under_way.process.stdout.close()
        code = under_way.process.wait(LONGEST)

    assert code == 0
    assert report.read(under_way.output).verdict == "conformant"


def test_an_output_folder_that_disappears_is_named(tmp_path: Path) -> None:
    with running(tmp_path, "--progress", "quiet") as under_way:
        under_way.output.rename(tmp_path / "elsewhere")
        said = under_way.end()

    assert said.code == 3, said.text
    assert "Traceback" not in said.text
    assert f"cannot write {under_way.output / 'results.json'}" in said.text
    assert list(read_exchanges(tmp_path / "elsewhere" / "exchanges.jsonl"))
