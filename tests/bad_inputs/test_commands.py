"""What a user can get wrong on the command line: options, selections, folders, and the installation itself."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.commands import Ended, call, run

from fulfillment_conformance import resources

SUITES = resources.folder("suites")
TARGETS = {
    "marketplace": "role: marketplace\nmarketplace:\n  driver: embedded\n",
    "publisher": "role: publisher\npublisher:\n  embedded: true\n",
}
LINES = [
    ("no command", "", 4, ["Usage: fulfillment-conformance", "demo"]),
    ("a command with a typing error", "chekc", 4, ["'chekc'", "did you mean 'check'?"]),
    ("an option with a typing error", "run --ouput x --target t", 4, ["--ouput", "--output"]),
    ("no target", "run --output x", 4, ["'--target'", "--help"]),
    ("no output", "run --target <marketplace>", 4, ["'--output'", "--help"]),
    ("no output of a demonstration", "demo", 4, ["'--output'", "--help"]),
    ("an unknown id", "<run> --only RES-999", 4, ["'RES-999'", "did you mean RES-"]),
    ("an id in small letters", "<run> --only act-001", 4, ["'act-001'", "did you mean ACT-001?"]),
    ("an id of no theme", "<run> --only XYZ", 4, ["'XYZ'", "fulfillment-conformance list"]),
    ("an id of the other role", "<run> --only WHK-018", 5, ["WHK-018", "'marketplace'", "list --role marketplace"]),
    ("an unknown set", "<run> --set 2026.2", 4, ["'2026.2'", "did you mean '2026.1'?"]),
    ("an unknown profile", "<run> --profile observd", 4, ["'observd'", "documented", "observed"]),
    ("a seed below zero", "<run> --seed -1", 4, ["--seed", "-1"]),
    ("a seed that is no number", "<run> --seed one", 4, ["--seed", "'one'"]),
    ("a number of workers that is none", "<run> -n auto", 4, ["'-n'", "'auto'", "such as 2"]),
    ("an unknown way to show progress", "<run> --progress bar", 4, ["'bar'", "quiet"]),
    ("output is a file", "run --target <marketplace> --output <marketplace>", 4, ["--output", "name a folder"]),
    ("output is below a file", "run --target <marketplace> --output <marketplace>/x", 4, ["--output", "name a folder"]),
    ("a demonstration into a file", "demo --output <marketplace>", 4, ["--output", "name a folder"]),
    ("an unknown theme", "list --theme resolv", 4, ["'resolv'", "did you mean 'resolve'?"]),
    ("an unknown role", "list --role publishr", 4, ["'publishr'", "publisher"]),
    ("an unknown deviation", "emulate --deviation no-such-deviation", 4, ["'no-such-deviation'", "nearest"]),
    ("an address that is none", "emulate --webhook localhost:5000", 4, ["'localhost:5000'", "http://"]),
    ("an id that is no GUID", "emulate --tenant-id contoso", 4, ["'contoso'", "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"]),
    ("an impossible port", "emulate --port 70000", 4, ["--port", "70000", "65535"]),
    ("a variable that is not set", "emulate --control-key-env NO_KEY", 4, ["NO_KEY is not set", "variable's name"]),
    ("an open control surface", "emulate --host 0.0.0.0", 4, ["0.0.0.0", "--control-key-env"]),
    ("an address of another machine", "emulate --host 192.0.2.1 --control-key-env PATH", 4, ["192.0.2.1", "127.0.0.1"]),
]


@pytest.fixture
def words(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that makes the words of a command line, with target files in place of `<role>`."""
    for role, text in TARGETS.items():
        (tmp_path / f"{role}.yaml").write_text(text, encoding="utf-8")

    def split(line: str) -> list[str]:
        line = line.replace("<run>", f"run --target <marketplace> --output {tmp_path / 'output'}")
        for role in TARGETS:
            line = line.replace(f"<{role}>", str(tmp_path / f"{role}.yaml"))
        return line.split()

    return split


def assert_told(said: Ended, code: int, says: list[str]) -> None:
    assert said.code == code, said.text
    for part in says:
        assert part in said.text, said.text
    assert "Traceback" not in said.text


@pytest.mark.parametrize(("line", "code", "says"), [pytest.param(*row, id=what) for what, *row in LINES])
def test_command_line(line: str, code: int, says: list[str], words: Callable[[str], list[str]], tmp_path: Path) -> None:
    assert_told(call(*words(line)), code, says)
    assert not (tmp_path / "output").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_an_output_folder_that_may_not_be_written_to(words: Callable[[str], list[str]], tmp_path: Path) -> None:
    (tmp_path / "output").mkdir(mode=0o500)
    said = call(*words("<run>"))

    assert_told(said, 4, ["--output", "Permission denied", "can be written to"])


class TestPytest:
    """The same suites under plain pytest."""

    @pytest.fixture
    def under_pytest(self, words: Callable[[str], list[str]]) -> Callable[[str], Ended]:
        def judge(line: str) -> Ended:
            return run(*words(line), module="pytest")

        return judge

    def test_no_target(self, under_pytest: Callable[[str], Ended]) -> None:
        assert_told(under_pytest(str(SUITES / "publisher")), 4, ["--target FILE", "docs/target-file.md"])

    def test_a_target_that_is_not_there(self, under_pytest: Callable[[str], Ended]) -> None:
        said = under_pytest(f"{SUITES / 'publisher'} --target nowhere.yaml")

        assert_told(said, 4, ["nowhere.yaml", "no such file"])

    def test_the_suite_of_the_other_role(self, under_pytest: Callable[[str], Ended]) -> None:
        said = under_pytest(f"{SUITES / 'publisher'} --target <marketplace>")

        assert_told(said, 4, ["role is 'marketplace'", "name suites/marketplace"])

    def test_a_selection_that_matches_nothing(self, under_pytest: Callable[[str], Ended]) -> None:
        said = under_pytest(f"{SUITES / 'marketplace'} --target <marketplace> -k no_such_test")

        assert_told(said, 5, ["deselected"])


class TestPytestOptions:
    """What is handed to pytest after two dashes."""

    def test_an_option_that_pytest_does_not_know(self, words: Callable[[str], list[str]]) -> None:
        assert_told(run(*words("<run> -- --no-such-option")), 4, ["--no-such-option"])

    def test_a_plugin_that_is_not_there(self, words: Callable[[str], list[str]]) -> None:
        assert_told(run(*words("<run> -- -p no_such_plugin")), 4, ["-p no_such_plugin", "install the plugin"])

    def test_a_selection_that_matches_nothing(self, words: Callable[[str], list[str]]) -> None:
        assert_told(run(*words("<run> -- -k no_such_test")), 5, ["no test was selected"])


class TestInstallation:
    """The data that comes with the package, damaged."""

    @pytest.fixture
    def damaged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A copy of the data folders, in place of the right ones."""
        folder = tmp_path / "installation"
        for name in ("catalogue", "openapi", "suites"):
            shutil.copytree(resources.folder(name), folder / name)
        monkeypatch.setattr(resources, "_CHECKOUT", folder)
        (folder / "pyproject.toml").touch()
        return folder

    def test_a_catalogue_that_cannot_be_read(self, damaged: Path) -> None:
        theme = damaged / "catalogue" / "resolve.yaml"
        theme.write_text(theme.read_text(encoding="utf-8").replace("statement:", "statment:", 1), encoding="utf-8")

        assert_told(call("list"), 4, [f"{theme}:", "statment", "did you mean 'statement'?"])

    def test_a_catalogue_with_an_id_twice(self, damaged: Path) -> None:
        theme = damaged / "catalogue" / "resolve.yaml"
        theme.write_text(theme.read_text(encoding="utf-8").replace("RES-002", "RES-001", 1), encoding="utf-8")

        assert_told(call("list"), 4, [f"{theme}:", "RES-001"])

    def test_no_catalogue(self, damaged: Path) -> None:
        shutil.rmtree(damaged / "catalogue")

        assert_told(call("list"), 4, ["catalogue", "reinstall fulfillment-conformance"])

    def test_an_empty_catalogue(self, damaged: Path) -> None:
        shutil.rmtree(damaged / "catalogue")
        (damaged / "catalogue").mkdir()

        assert_told(call("list"), 4, [str(damaged / "catalogue"), "no theme files"])

    def test_no_suites(self, damaged: Path, words: Callable[[str], list[str]]) -> None:
        shutil.rmtree(damaged / "suites")

        assert_told(call(*words("<run>")), 4, ["suites", "reinstall fulfillment-conformance"])
