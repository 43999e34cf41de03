import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bad_inputs.conftest import VARIABLES
from tests.bad_inputs.table import FILES, SET_UP, SURROUNDINGS, Bad
from tests.commands import Ended, call, run

from fulfillment_conformance.evidence import read_exchanges


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def rows(*tables: list[Bad]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.what) for table in tables for bad in table])


def assert_told(said: Ended, bad: Bad, filled: Callable[[str], str]) -> None:
    assert said.code == bad.code, said.text
    for part in bad.says:
        assert filled(part) in said.text, said.text
    assert "Traceback" not in said.text
    assert "canary" not in said.text
    assert "INTERNALERROR" not in said.text


@rows(FILES, SET_UP, SURROUNDINGS)
def test_check_names_value_place_and_next_step(
    bad: Bad, target: Callable[[Bad], Path], filled: Callable[[str], str]
) -> None:
    assert_told(call("check", "--target", target(bad)), bad, filled)


@rows(FILES)
def test_run_refuses_the_file_before_it_writes_anything(
    bad: Bad, target: Callable[[Bad], Path], filled: Callable[[str], str], tmp_path: Path
) -> None:
    assert_told(call("run", "--target", target(bad), "--output", tmp_path / "output"), bad, filled)
    assert not (tmp_path / "output").exists()


@rows(SET_UP, SURROUNDINGS)
def test_run_says_so_once_blames_nobody_and_keeps_what_it_saw(
    bad: Bad, target: Callable[[Bad], Path], filled: Callable[[str], str], tmp_path: Path
) -> None:
    said = run("run", "--target", target(bad), "--output", tmp_path / "output", environ=VARIABLES)

    assert_told(said, bad, filled)
    assert said.text.count("BROKE OFF") <= 2  # while it runs, and in the summary
    results = json.loads((tmp_path / "output" / "results.json").read_text(encoding="utf-8"))
    assert results["closed"] is True
    assert (results["verdict"], results["exit_code"]) == ("incomplete", bad.code)
    assert filled(bad.says[0]) in results["reason"]
    assert {row["outcome"] for row in results["requirements"]} <= {"undecided", "excluded"}
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "output").rglob("*") if path.is_file())
    assert "canary" not in written
    asked_nobody = bad in SET_UP
    assert asked_nobody or list(read_exchanges(tmp_path / "output" / "exchanges.jsonl"))
