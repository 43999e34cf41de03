from pathlib import Path

import pytest

from fulfillment_conformance import __version__, resources
from fulfillment_conformance.certification import installation
from fulfillment_conformance.certification.installation import FOLDERS, installed


def test_the_installed_suite_is_what_archives_are_held_against() -> None:
    suite = installed()

    assert suite.version == __version__
    assert set(suite.digests) == set(FOLDERS)
    assert {len(digest) for digest in suite.digests.values()} == {64}
    assert {test.file for test in suite.tests} <= suite.sources.keys()
    assert "2026.1" in suite.catalogue.sets()
    assert "[0-9a-fA-F]{8}" in suite.patterns


def test_a_digest_depends_on_names_and_contents_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path / name)

    def digest(**files: str) -> str:
        folder = tmp_path / "suites"
        for old in folder.glob("*"):
            old.unlink()
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text, encoding="utf-8", newline="")
        return installation._digest("suites")

    first = digest(a_py="one\ntwo\n", b_yaml="x")
    assert digest(b_yaml="x", a_py="one\r\ntwo\r\n") == first
    assert digest(a_py="one\ntwo\n", b_yaml="x", c_pyc="made on the spot") == first
    assert len({first, digest(a_py="one\ntwo\n"), digest(a_py="one\ntwo\nx", b_yaml=""), digest(b_py="x")}) == 4
