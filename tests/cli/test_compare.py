"""`compare` on runs that took place: what it prints is the difference, and nothing else."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.commands import Ended, call, run
from tests.report import runs

from fulfillment_conformance import resources


def judged(folder: Path, target: str, *ids: str, suites: Path | None = None) -> Path:
    """Judge a target, with the suites of a folder if one is given, and return where the results are."""
    folder.mkdir()
    file, output = folder / "target.yaml", folder / "output"
    file.write_text(target, encoding="utf-8")
    if suites is None:
        run("run", "--target", file, "--output", output, "--only", *ids, "--progress", "quiet")
    else:
        only = [f"--fc-only={requirement_id}" for requirement_id in ids]
        run(suites, "-p", "no:cacheprovider", "--target", file, "--fc-output", output, *only, module="pytest")
    return output


def lines_of(said: Ended) -> list[str]:
    """Return what was printed, without the lines that say which runs these are."""
    return [line.rstrip() for line in said.out.splitlines() if not re.match("(old|new|differs)  ", line)]


def test_a_defect_is_the_whole_difference(tmp_path: Path) -> None:
    """Two runs that take place: the reference publisher, and the same with a defect that breaks one of two ids."""
    ids = ("WHK-015", "WHK-016")
    old = judged(tmp_path / "old", "role: publisher\npublisher: {embedded: true}\n", *ids)
    defect = "role: publisher\npublisher: {embedded: true, defects: [ignores-the-sender]}\n"
    new = judged(tmp_path / "new", defect, *ids)

    worse = call("compare", old, new)
    lines = lines_of(worse)
    assert worse.code == 1, worse.text
    assert lines[:2] == ["", "New failures (1)"]
    assert re.match(r"  WHK-016 \(MUST\) +passed +failed", lines[3])
    assert [line for line in lines if re.match("[A-Z]", line)] == [
        "New failures (1)",
        "Something got worse: new failures: 1.",
    ]
    assert "differs  target, defects: nothing, now ignores-the-sender\n" in worse.out
    assert worse.out.count("differs  ") == 1

    better = call("compare", new, old / "results.json", "--markdown", tmp_path / "comment.md")
    assert better.code == 0, better.text
    assert lines_of(better)[:2] == ["", "Fixed (1)"]
    assert lines_of(better)[-1] == "Nothing got worse; 1 requirement got better."
    assert "### Fixed (1)\n" in (tmp_path / "comment.md").read_text(encoding="utf-8")


def test_tests_that_are_removed_from_the_suite_are_noticed(tmp_path: Path) -> None:
    """Two runs that take place; the second suite lacks a requirement's only test, and one of two tests of another."""
    target = "role: marketplace\nmarketplace: {driver: embedded}\n"
    ids = ("RES-009", "RES-019")
    suites = shutil.copytree(resources.folder("suites"), tmp_path / "suites")
    file = suites / "marketplace" / "test_resolve.py"
    text = file.read_text(encoding="utf-8")
    for name in ("a_tampered_purchase_token_is_refused", "resolve_tells_the_seats_of_a_per_seat_plan"):
        text, removed = re.subn(rf"@requirement[^@]*?\ndef test_{name}\(.*?(?=\n@|\Z)", "", text, flags=re.DOTALL)
        assert removed == 1
    file.write_text(text, encoding="utf-8")

    old = judged(tmp_path / "old", target, *ids)
    new = judged(tmp_path / "new", target, *ids, suites=suites / "marketplace")
    said = call("compare", old, new, "--json")
    data = json.loads(said.out)

    assert data["new"]["exit_code"] == 0, "the run itself sees nothing wrong"
    assert said.code == data["exit_code"] == 1
    [stopped] = data["stopped"]
    assert (stopped["id"], stopped["before"], stopped["after"]) == ("RES-019", "passed", None)
    assert stopped["what"].endswith(" No test decides it any more.")
    assert data["stopped_tests"] == [
        {
            "test": "marketplace/test_resolve.py::test_resolve_tells_the_seats_of_a_per_seat_plan",
            "requirements": ["RES-009"],
        }
    ]
    assert data["failures"] == data["added"] == data["added_tests"] == []


class TestBadInput:
    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        runs.write(tmp_path / "old", *runs.mixed_run())
        return tmp_path / "old"

    def changed(self, old: Path, **keys: object) -> Path:
        data = json.loads((old / "results.json").read_text(encoding="utf-8"))
        file = old / "changed.json"
        file.write_text(json.dumps({**data, **keys}), encoding="utf-8")
        return file

    def test_a_run_is_no_worse_than_itself(self, old: Path) -> None:
        said = call("compare", old, old / "results.json")

        assert (said.code, lines_of(said)) == (0, ["", "Nothing got worse."])

    def test_what_is_missing(self, old: Path, tmp_path: Path) -> None:
        said = call("compare", old, tmp_path / "nowhere")

        assert said.code == 4
        assert "nowhere" in said.err

    def test_a_run_that_did_not_end(self, old: Path) -> None:
        assert call("compare", old, self.changed(old, closed=False)).code == 4

    def test_runs_of_different_roles(self, old: Path) -> None:
        said = call("compare", old, self.changed(old, role="marketplace"))

        assert said.code == 4
        assert "the old run judged a publisher and the new one a marketplace" in said.err

    def test_a_comment_that_cannot_be_written(self, old: Path, tmp_path: Path) -> None:
        said = call("compare", old, old, "--markdown", tmp_path / "no" / "such" / "folder.md")

        assert said.code == 4
        assert "folder.md" in said.err
