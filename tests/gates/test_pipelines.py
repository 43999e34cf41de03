"""Templates for pipelines and the container: they fit the published schemas, and call what there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fulfillment_conformance.cli.application import app

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {
    "action.yml": ["vendor.github-actions"],
    "ci/gitlab.yml": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    "ci/azure-pipelines.yml": ["vendor.azure-pipelines", "--data-transform", "azure-pipelines"],
}
FILES = [*SCHEMAS, "ci/Jenkinsfile"]
INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$")


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    found = [INSTRUCTION.match(line) for line in text.splitlines() if line and not line.startswith("#")]
    assert all(found), "a line is no instruction"
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.parametrize("file", SCHEMAS)
def test_it_fits_the_published_schema(file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[file], str(ROOT / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_it_calls_commands_with_options_that_there_are(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    called = re.findall(r"fulfillment-conformance\"? (check|run|compare|matrix) ([^\n|&]*)", text)

    assert {"check", "run"} <= {name for name, _ in called}
    for name, rest in called:
        known = {option for parameter in app.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+|^--[a-z-]+", rest)) <= known


def test_the_container_holds_the_package_and_runs_it_without_rights() -> None:
    instructions = dockerfile()
    copied = {part.split()[0] for name, part in instructions if name == "COPY" and not part.startswith("--from")}
    users = [user for name, user in instructions if name == "USER"]

    assert {"src", "suites", "openapi", "catalogue"} <= copied
    assert all(
        (ROOT / file).exists()
        for name, part in instructions
        if name == "COPY"
        for file in part.split()[:-1]
        if not part.startswith("--from")
    )
    assert users
    assert users[-1] not in {"root", "0"}
    assert ("ENTRYPOINT", '["fulfillment-conformance"]') in instructions
    assert any(name == "HEALTHCHECK" for name, _ in instructions)
    assert all("://" not in part for name, part in instructions if name in {"FROM", "RUN"})


def test_the_containers_examples_are_commands() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    examples = [line.partition(" fulfillment-conformance ")[2] for line in lines if line.startswith("# The")]

    assert len(examples) == 2
    for words in map(shlex.split, examples):
        known = {option for parameter in app.commands[words[0]].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
