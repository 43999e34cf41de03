from pathlib import Path

import pytest

from fulfillment_conformance.report.files import write_text


def test_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    write_text(tmp_path / "x", "new ü\n")

    assert (tmp_path / "x").read_bytes() == "new ü\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "a\ud83db")

    assert (tmp_path / "x").read_text() == "a\\ud83db"


def test_what_was_there_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("old")

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "x", "new")

    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()

    with pytest.raises(OSError, match="x"):
        write_text(tmp_path / "x", "new")

    assert [path.name for path in tmp_path.iterdir()] == ["x"]
