import json
from pathlib import Path
from typing import Any

import pytest
from tests.commands import Ended, call, run

TARGET = "role: marketplace\nmarketplace:\n  driver: embedded\n"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    file = tmp_path / "target.yaml"
    file.write_text(TARGET, encoding="utf-8")
    return file


def judged(target: Path, *options: object) -> tuple[Ended, dict[str, Any]]:
    folder = target.parent / "output"
    said = run("run", "--target", target, "--output", folder, *options)
    return said, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_options_reach_the_run(target: Path) -> None:
    options = ["--only", "RES-018", "--only", "ACT-003", "--profile", "observed", "--seed", 5, "--progress", "quiet"]
    said, results = judged(target, *options)

    assert said.code == 0, said.text
    assert (results["profile"], results["seed"]) == ("observed", 5)
    assert {row["id"] for row in results["requirements"]} == {"RES-018", "ACT-003"}
    assert "CONFORMANT" in said.out


def test_one_option_takes_several_ids(target: Path) -> None:
    _, results = judged(target, "--only", "RES-018", "ACT-003", "--progress", "quiet")

    assert {row["id"] for row in results["requirements"]} == {"RES-018", "ACT-003"}


def test_a_set_limits_a_run(target: Path) -> None:
    said, results = judged(target, "--set", "2026.1", "--only", "RES-018")

    assert said.code == 0, said.text
    assert results["set"] == "2026.1"


def test_options_after_two_dashes_go_to_pytest(target: Path) -> None:
    said, results = judged(target, "--", "-k", "test_a_token_of_another_publisher_is_not_resolved")

    assert said.code == 7, "a run that leaves tests out decides nothing as a whole"
    assert len(results["tests"]) == 1


def test_progress_can_be_read_by_a_program(target: Path) -> None:
    said, results = judged(target, "--only", "RES-018", "--progress", "json")
    events = [json.loads(line) for line in said.out.splitlines()]

    assert said.err == ""
    assert [event["event"] for event in events] == ["start", *["test"] * len(results["tests"]), "finish"]
    assert (events[-1]["verdict"], events[-1]["exit_code"]) == ("conformant", 0)


def test_workers_share_the_work_and_their_evidence_comes_together(target: Path) -> None:
    said, results = judged(target, "-n", 2, "--only", "RES-018", "--only", "RES-019", "--only", "GET-013")
    lines = (target.parent / "output" / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()

    assert said.code == 0, said.text
    assert {json.loads(line)["number"].partition("-")[0] for line in lines} == {"gw0", "gw1"}
    assert not list((target.parent / "output").glob("exchanges.gw*"))
    assert all(row["outcome"] in {"passed", "excluded"} for row in results["requirements"])


def test_a_users_own_pytest_settings_change_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(target.parent)
    Path("pytest.ini").write_text("[pytest]\naddopts = --collect-only\n", encoding="utf-8")
    Path("conftest.py").write_text("raise RuntimeError('must not be loaded')\n", encoding="utf-8")
    Path("meddling.py").write_text("raise RuntimeError('must not be loaded')\n", encoding="utf-8")
    environ = {"PYTEST_ADDOPTS": "--collect-only", "PYTEST_PLUGINS": "meddling"}
    said = run("run", "--target", target, "--output", "output", "--only", "RES-018", environ=environ)

    assert said.code == 0, said.text


def test_what_an_earlier_run_left_goes_before_anything_can_fail(target: Path) -> None:
    output = target.parent / "output"
    judged(target, "--only", "RES-018")
    assert (output / "report.html").is_file()
    (output / "exchanges.gw7.jsonl").write_text("{}\n", encoding="utf-8")
    said = run("run", "--target", target, "--output", output, "--", "--no-such-option-of-pytest")

    assert said.code == 4
    assert json.loads((output / "results.json").read_text(encoding="utf-8"))["closed"] is False
    assert not (output / "report.html").exists()
    assert not (output / "exchanges.gw7.jsonl").exists()


def test_a_target_is_always_named() -> None:
    said = call("run", "--output", "output")

    assert said.code == 4
    assert "Missing option '--target'" in said.err


KNOWN = "failures:\n  - {id: RES-019, why: ops@contoso.example waits., link: 'https://t.example', until: 2999-12-31}\n"


def test_a_known_failure_opens_the_gate_and_stops_no_worker(target: Path) -> None:
    target.write_text(f"{TARGET}  deviations: [resolve-forgives-a-typing-error]\n", encoding="utf-8")
    (target.parent / "known.yaml").write_text(KNOWN, encoding="utf-8")
    options = ["--known", target.parent / "known.yaml", "--only", "RES-019", "RES-018", "-n", 2]
    said, results = judged(target, *options, "--progress", "quiet", "--", "--maxfail=1")

    assert said.code == 0, said.text
    assert said.out.startswith(" CONFORMANT, WITH 1 KNOWN FAILURE ")
    assert {row["id"]: row["outcome"] for row in results["requirements"]} == {"RES-018": "passed", "RES-019": "waived"}
    assert [(entry["place"], entry["state"]) for entry in results["known_failures"]] == [("known.yaml:2", "waived")]
    written = [path for path in (target.parent / "output").rglob("*") if path.is_file()]
    assert not [path for path in written if b"ops@contoso.example" in path.read_bytes()]


def test_a_known_failure_that_passes_shuts_the_gate(target: Path) -> None:
    (target.parent / "known.yaml").write_text(KNOWN, encoding="utf-8")
    target.write_text(f"{TARGET}known: known.yaml\n", encoding="utf-8")
    said, results = judged(target, "--only", "RES-019", "--progress", "quiet")

    assert said.code == 1, said.text
    assert "known.yaml:2: RES-019 passes now; remove the entry" in said.out
    assert (results["verdict"], results["known_failures"][0]["state"]) == ("incomplete", "passes")
    assert "POST /saas/subscriptions/resolve" in [times["operation"] for times in results["reply_times"]]


def test_a_file_of_known_failures_that_cannot_be_used_ends_the_command(target: Path) -> None:
    (target.parent / "known.yaml").write_text(KNOWN.replace("RES-019", "WHK-018"), encoding="utf-8")
    said = call("run", "--target", target, "--output", target.parent / "o", "--known", target.parent / "known.yaml")

    assert said.code == 4
    assert "known.yaml:2: failures[0].id: WHK-018 binds the publisher, and the target's role is marketplace" in said.err
