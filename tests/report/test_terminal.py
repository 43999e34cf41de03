import io
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Outcome, TestRecord
from fulfillment_conformance.report.displays import JsonLines, Lines, LiveDisplay, Quiet
from fulfillment_conformance.report.terminal import Mode, Progress

PLUGIN = """
import os
import pytest
from fulfillment_conformance.outcome import Outcome, TestRecord
from fulfillment_conformance.report.terminal import Progress
from tests.report import runs

def pytest_configure(config):
    config.addinivalue_line("markers", "requirement(*ids): x")
    if not hasattr(config, "workerinput"):
        redact = lambda text: text.replace("canary", "[secret]")
        config.pluginmanager.register(Progress(os.environ["MODE"], redact=redact), "progress")

def pytest_runtest_logreport(report):
    if report.when == "call" and progress():
        outcome = Outcome.PASSED if report.passed else Outcome.FAILED
        check = runs.check("WHK-001", outcome, expected="good", actual="bad")
        progress().on_record(TestRecord(test=report.nodeid, claims=("WHK-001",), checks=(check,), seconds=0.1))

def pytest_sessionfinish(session):
    progress() and progress().finish(runs.mixed_run()[0], None)

@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    global CONFIG
    CONFIG = config

def progress():
    return CONFIG.pluginmanager.get_plugin("progress")
"""
SUITE = """
import pytest, os, sys
@pytest.mark.requirement("WHK-001")
def test_one():
    print("captured")
    os.write(1, b"captured by descriptor")
@pytest.mark.requirement("WHK-001")
def test_two():
    assert False, "canary"
"""


def pytest_run(folder: Path, *options: str, mode: str = "auto", suite: str = SUITE) -> subprocess.CompletedProcess[str]:
    (folder / "following.py").write_text(PLUGIN)
    (folder / "test_webhook.py").write_text(dedent(suite))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:terminalreporter", "-p", "following", *options, "test_webhook.py"],
        cwd=folder,
        env={
            "PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[2]}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "MODE": mode,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-n", "2", "-p", "xdist.plugin"),
        ("-p", "pytest_timeout", "--timeout", "30"),
        ("-p", "allure_pytest.plugin", "--alluredir", "allure-results"),
        ("-s",),
        ("-v", "--tb=long", "-W", "error"),
    ],
    ids=lambda options: " ".join(options[:2]) or "alone",
)
def test_it_takes_the_place_of_pytests_own_reporter(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = pytest_run(tmp_path, *options)

    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.replace("captured by descriptor", "").replace("captured\n", "").startswith("2 tests\n")
    assert "FAILED WHK-001  expected good; came bad\n" in done.stdout
    assert "Webhook: 1 failed (200 ms)\n" in done.stdout
    assert " NOT CONFORMANT " in done.stdout
    assert "canary" not in done.stdout


def test_the_machine_readable_way_is_nothing_but_json(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, mode="json")

    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["start", "test", "test", "finish"]


def test_the_quiet_way_is_quiet(tmp_path: Path) -> None:
    assert len(pytest_run(tmp_path, mode="quiet").stdout.splitlines()) == 3  # verdict, failures, known failures


def test_a_file_that_cannot_be_collected_is_told_and_redacted(tmp_path: Path) -> None:
    done = pytest_run(tmp_path, suite="import nowhere_canary")

    assert "cannot collect test_webhook.py" in done.stdout
    assert "No module named 'nowhere_[secret]'" in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_an_error_of_pytest_itself_is_told_and_redacted(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "def pytest_runtest_setup(item): pass\ndef pytest_runtest_logstart(nodeid): raise KeyError('canary')"
    )
    done = pytest_run(tmp_path)

    assert done.returncode == 3
    assert "internal error" in done.stdout
    assert "KeyError: '[secret]'" in done.stdout
    assert "canary" not in done.stdout + done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("mode", "stream", "display"),
    [
        ("auto", io.StringIO(), Lines),
        ("auto", Terminal(), LiveDisplay),
        ("quiet", Terminal(), Quiet),
        ("json", Terminal(), JsonLines),
    ],
)
def test_the_display_fits_the_stream(
    mode: Mode, stream: io.StringIO, display: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    progress = Progress(mode, stream=stream)
    try:
        assert type(progress._display) is display
    finally:
        progress.close()


def test_closing_twice_is_closing_once() -> None:
    progress = Progress("quiet", stream=io.StringIO())
    progress.close()
    progress.close()


def test_its_own_copy_of_standard_output_is_closed() -> None:
    progress = Progress("quiet")
    own = progress._own
    progress.close()

    assert own is None or own.closed


def test_the_hooks_of_the_plugin_lead_to_it(mixed: Run) -> None:
    stream = io.StringIO()
    progress = Progress("json", stream=stream)
    progress.pytest_conformance_record(record=mixed[0].tests[0])
    progress.pytest_conformance_finish(results=mixed[0], folder=Path("reports"), problems=["cannot write x"])

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["test", "finish", "trouble"]
    assert events[1]["folder"] == "reports"


def test_what_a_test_finds_beside_the_selection_is_not_shown() -> None:
    out = io.StringIO()
    progress = Progress("auto", judged={"WHK-001"}, stream=out)
    found = [runs.check(name, Outcome.FAILED, expected="good", actual="bad") for name in ("WHK-001", "WHK-002")]

    progress.on_record(TestRecord(test="webhook.py::test_a", claims=("WHK-001", "WHK-002"), checks=tuple(found)))

    assert "FAILED WHK-001" in out.getvalue()
    assert "WHK-002" not in out.getvalue()
