"""The code keeps the rules that machines can check: style, types, and imports that point one way."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

CHECKS = {
    "ruff-check": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "src", "suites", "tests", "bench", "conftest.py"],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_code_keeps_its_rules(check: str) -> None:
    program, *arguments = CHECKS[check]
    found = subprocess.run([BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


def test_ci_calls_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = script.strip().splitlines()[-1]

    assert command.endswith("-m pytest -n auto --dist worksteal")
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_package_registry_is_named() -> None:
    registries = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb.debian" + ".org")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    named = [
        file
        for file in tracked
        if (ROOT / file).is_file()
        for text in [(ROOT / file).read_bytes()]
        if any(registry.encode() in text for registry in registries)
    ]

    assert tracked, "not a git checkout"
    assert named == []
