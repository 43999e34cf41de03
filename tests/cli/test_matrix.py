import json
from pathlib import Path

import pytest
from tests.commands import call
from tests.report import runs


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two runs of the role publisher."""
    made = {"mixed": runs.mixed_run(), "passed": runs.passed_run()}
    for name, (results, recorded) in made.items():
        runs.write(tmp_path / name, results, recorded)
    return [tmp_path / name for name in made]


def test_one_page_shows_all_runs(folders: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "pages" / "matrix.html"
    said = call("matrix", folders[0], folders[1] / "results.json", "--output", page)

    assert (said.code, said.out) == (0, f"{page}\n")
    text = page.read_text(encoding="utf-8")
    assert text.count(str(folders[1])) > 0
    assert 'data-outcome="failed not-judged"' in text


def test_runs_of_different_roles_have_no_page(folders: list[Path], tmp_path: Path) -> None:
    data = json.loads((folders[1] / "results.json").read_text(encoding="utf-8"))
    (folders[1] / "results.json").write_text(json.dumps({**data, "role": "marketplace"}), encoding="utf-8")
    said = call("matrix", *folders, "--output", tmp_path / "matrix.html")

    assert said.code == 4
    assert "make a page for each role" in said.err
    assert not (tmp_path / "matrix.html").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    said = call("matrix", tmp_path / "nowhere", "--output", tmp_path / "matrix.html")

    assert said.code == 4
    assert "nowhere" in said.err


def test_a_page_that_cannot_be_written(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = call("matrix", *folders, "--output", tmp_path / "file" / "matrix.html")

    assert said.code == 4
    assert "name another file" in said.err


def test_the_page_is_always_named(folders: list[Path]) -> None:
    assert "Missing option '--output'" in call("matrix", *folders).err
