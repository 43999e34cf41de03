"""Ways in which real suites went green while they measured nothing: none of them ends with exit code 0 here."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from tests.suites.runs import Judged, judge, pytest_run, weaken

from fulfillment_conformance import resources
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.outcome import ExitCode

ONLY = "RES-018"
"""A requirement that one quick test with several parameters decides by the refusal of tokens."""
SUITE = resources.folder("suites") / "marketplace"
FAULT = "resolve-cannot-process-malformed-tokens"
CONFORMANT = {"role": "marketplace", "marketplace": {"driver": "embedded"}}
FAULTY = {"role": "marketplace", "marketplace": {"driver": "embedded", "deviations": [FAULT]}}

MEDDLING = {
    "every test is skipped": """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="not today"))
    """,
    "every test is expected to fail": """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.xfail(reason="flaky", run=False))
    """,
    "the tests' bodies are replaced": """
        def pytest_pyfunc_call(pyfuncitem):
            return True
    """,
    "tests are left out": """
        def pytest_collection_modifyitems(items):
            del items[1:]
    """,
    "every test is left out": """
        def pytest_collection_modifyitems(items):
            del items[:]
    """,
    "reports are turned to passed": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome, report.longrepr = "passed", None
            return report
    """,
    "the exit status is reset": """
        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(session):
            session.exitstatus = 0
    """,
    "a fixture swallows what is told": """
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            try:
                return (yield)
            except AssertionError:
                return None
    """,
    "the process ends in the middle": """
        import os

        def pytest_runtest_teardown(item):
            os._exit(0)
    """,
}


def under(meddling: str, folder: Path, target: Mapping[str, object], *options: object) -> Judged:
    """Judge under pytest, with a plugin of the user's own that meddles."""
    source = "import pytest\n" + "\n".join(line[8:] for line in MEDDLING[meddling].splitlines())
    (folder / "meddling.py").write_text(source, encoding="utf-8")
    (folder / "target.yaml").write_text(json.dumps(target), encoding="utf-8")
    own = [f"--target={folder / 'target.yaml'}", f"--fc-output={folder / 'output'}", f"--fc-only={ONLY}"]
    code = pytest_run(folder, SUITE, *own, "-c", SUITE.parent / "pytest.ini", "-p", "meddling", "-q", *options)
    return Judged(code, folder / "output")


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("meddling", MEDDLING)
def test_a_fault_is_not_concealed_by_what_a_users_plugin_does(meddling: str, tmp_path: Path) -> None:
    judged = under(meddling, tmp_path, FAULTY)

    if meddling == "the process ends in the middle":
        assert not judged.results.get("closed"), "a run that died must not read as one that ended"
        return
    assert judged.exit_code not in {ExitCode.CONFORMANT, None}, judged.results.get("counts")
    assert judged.results["exit_code"] == judged.exit_code
    assert judged.results["verdict"] != "conformant"
    assert judged.outcomes.get(ONLY) != "passed"


@pytest.mark.parametrize(
    "meddling",
    ["every test is skipped", "every test is expected to fail", "the tests' bodies are replaced", "tests are left out"],
)
def test_what_was_not_measured_is_undecided(meddling: str, tmp_path: Path) -> None:
    judged = under(meddling, tmp_path, CONFORMANT)

    assert judged.outcomes == {ONLY: "undecided"}
    assert judged.exit_code == ExitCode.INCOMPLETE


def test_a_failure_is_one_in_every_output(tmp_path: Path) -> None:
    judged = judge(FAULTY, tmp_path, f"--only={ONLY}")
    root = ET.parse(judged.folder / "junit.xml").getroot()

    assert judged.exit_code == ExitCode.FAILED
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert "failing" in (judged.folder / "badge.json").read_text(encoding="utf-8").lower() or (
        json.loads((judged.folder / "badge.json").read_text(encoding="utf-8"))["color"] == "red"
    )
    assert ONLY in (judged.folder / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [["--maxfail=1"], ["-x"], ["--deselect=marketplace/test_resolve.py"]])
def test_pytests_own_ways_to_run_less_end_in_no_conformance(options: list[str], tmp_path: Path) -> None:
    judged = judge(FAULTY, tmp_path, f"--only={ONLY}", "--", *options)

    assert judged.exit_code not in {ExitCode.CONFORMANT, None}


def test_a_weakened_check_is_noticed_by_the_seeded_faults(tmp_path: Path) -> None:
    judged = judge(FAULTY, tmp_path, f"--only={ONLY}", meddle=partial(weaken, "refused"))

    assert ONLY in DEVIATIONS[FAULT].breaks
    assert judged.outcomes[ONLY] == "passed", "the check was weakened, and the fault says so by surviving"


def test_a_refusal_for_another_reason_proves_nothing(tmp_path: Path) -> None:
    refusing = {"role": "marketplace", "marketplace": {"driver": "embedded", "deviations": ["refuses-every-token"]}}
    judged = judge(refusing, tmp_path, f"--only={ONLY}")

    assert judged.outcomes == {ONLY: "undecided"}
