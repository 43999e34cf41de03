import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.commands import run

from fulfillment_conformance import resources
from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.serving import serve

SUITE = resources.folder("suites") / "marketplace"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A sandbox that there is only one of: one clock, one webhook address."""
    with serve(Emulator().app) as serving:
        file = tmp_path / "target.yaml"
        file.write_text(f"role: marketplace\nmarketplace:\n  base_url: {serving.url}/api\n", encoding="utf-8")
        yield file


def workers(output: Path) -> set[str]:
    """Return the workers that judged, by the numbers of their exchanges."""
    lines = (output / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    return {number[: number.rfind("-") + 1] for number in (json.loads(line)["number"] for line in lines)}


def test_workers_do_not_share_a_target_and_the_user_is_told(target: Path, tmp_path: Path) -> None:
    said = run("run", "--target", target, "--output", tmp_path / "output", "--only", "RES-018", "-n", 2)

    assert said.code == 0, said.text
    assert said.err.startswith("note: -n 2 has no effect here: this target has one clock and one webhook address")
    assert workers(tmp_path / "output") == {""}


@pytest.mark.parametrize("options", [["-n", "2"], ["-n", "2", "--dist", "loadfile"]])
def test_under_pytest_one_worker_does_it_all(options: list[str], target: Path, tmp_path: Path) -> None:
    own = ["--target", target, "--fc-output", tmp_path / "output", "--fc-only=RES-018", "--fc-only=ACT-002"]
    said = run(SUITE, *own, *options, module="pytest")

    assert said.code == 0, said.text
    assert len(workers(tmp_path / "output")) == 1
    results = json.loads((tmp_path / "output" / "results.json").read_text(encoding="utf-8"))
    assert {row["outcome"] for row in results["requirements"]} == {"passed"}


@pytest.mark.parametrize("more", [[], ["-n", 2]], ids=["alone", "with-workers"])
def test_nothing_is_left_in_the_machines_temporary_folder(tmp_path: Path, more: list[object]) -> None:
    (tmp_path / "target.yaml").write_text("role: marketplace\nmarketplace:\n  driver: embedded\n", encoding="utf-8")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environ = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    said = run(
        "run", "--target", tmp_path / "target.yaml", "--output", tmp_path / "output", "--only", "LCY-022", *more,
        environ=environ,
    )  # fmt: skip

    assert said.code == 0, said.text
    assert list(temporary.iterdir()) == []
