"""The GitHub action does what it says: its own steps are run here, each by the shell that it names."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.commands import environment

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
MARKETPLACE = "role: marketplace\nmarketplace:\n  driver: embedded\n"
FAULTY = f"{MARKETPLACE}  deviations: [resolve-cannot-process-malformed-tokens]\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="takes a bash")


@dataclass
class Job:
    """Runs the steps of the action as a runner would, in a folder of its own, and keeps what they put out."""

    folder: Path
    inputs: Mapping[str, str]
    event: Mapping[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def value(self, expression: str) -> str:
        """Return what an expression stands for; one that the action must not use is an error."""
        scope, _, rest = expression.partition(".")
        if scope == "inputs":
            declared = ACTION["inputs"][rest]
            return self.inputs.get(rest, str(declared.get("default", "")))
        if scope == "steps":
            step, _, name = rest.partition(".outputs.")
            return self.outputs.get(step, {}).get(name, "")
        known = {"github.action_path": str(ROOT), "runner.temp": str(self.folder), "github.repository": "contoso/crm"}
        return {**known, **self.event}[expression]

    def text(self, text: str) -> str:
        return EXPRESSION.sub(lambda found: self.value(found[1]), text)

    def holds(self, condition: str | None) -> bool:
        if condition in {None, "always()"}:
            return True
        parts = [re.fullmatch(r"([\w.-]+) (==|!=) '(.*)'", part) for part in str(condition).split(" && ")]
        assert all(parts), condition
        return all((self._or_nothing(part[1]) == part[3]) is (part[2] == "==") for part in parts if part is not None)

    def _or_nothing(self, expression: str) -> str:
        try:
            return self.value(expression)
        except KeyError:
            return ""

    def run(self) -> int:
        """Run every step and return the exit code of the job."""
        self.outputs["install"] = {"bin": str(self.folder / "bin")}
        for step in ACTION["runs"]["steps"]:
            if "uses" in step or step.get("id") == "install" or not self.holds(step.get("if")):
                self.skipped.append(step["name"])
                continue
            code = self._step(step)
            if code:
                return code
        return 0

    def _step(self, step: Mapping[str, Any]) -> int:
        put_out = self.folder / "github-output"
        put_out.write_text("", encoding="utf-8")
        own = {name: self.text(str(value)) for name, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(put_out), "GITHUB_STEP_SUMMARY": str(self.folder / "step-summary.md")}
        own = environment(PATH=f"{self.folder}{os.pathsep}{os.environ['PATH']}", **own, **files)
        assert step["shell"] == "bash"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, cwd=self.folder, env=own, check=False)
        lines = put_out.read_text(encoding="utf-8").splitlines()
        self.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in lines)
        return done.returncode

    @property
    def summary(self) -> str:
        file = self.folder / "step-summary.md"
        return file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A job's folder; its `bin` stands for what was installed, only that a run judges one requirement."""
    (tmp_path / "conformant.yaml").write_text(MARKETPLACE, encoding="utf-8")
    (tmp_path / "faulty.yaml").write_text(FAULTY, encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    program = programs / "fulfillment-conformance"
    program.write_text(
        "#!/usr/bin/env bash\n"
        'if [ "$1" = run ]; then set -- "$@" --only RES-018; fi\n'
        f'exec "{sys.executable}" -m fulfillment_conformance.cli "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return tmp_path


def test_a_conformant_target_passes_the_gate(workspace: Path) -> None:
    job = Job(workspace, {"target": "conformant.yaml", "seed": "7", "profile": "observed"})

    assert job.run() == 0
    assert job.outputs["run"] == {"exit-code": "0", "verdict": "conformant"}
    results = json.loads((workspace / "reports/conformance/results.json").read_text(encoding="utf-8"))
    assert (results["seed"], results["profile"]) == (7, "observed")
    assert "conformant" in job.summary
    assert {"Start the service", "Compare with the baseline", "Comment on the pull request"} <= set(job.skipped)


def test_what_got_worse_is_told_in_a_comment_and_shuts_the_gate(workspace: Path) -> None:
    assert Job(workspace, {"target": "conformant.yaml", "output": "reports/main"}).run() == 0
    (workspace / "gh").write_text('#!/usr/bin/env bash\necho "$@" > said; cat "${@: -1}" >> said\n', encoding="utf-8")
    (workspace / "gh").chmod(0o755)
    inputs = {"target": "faulty.yaml", "baseline": "reports/main", "comment": "true", "gate": "comparison"}
    job = Job(workspace, inputs, event={"github.event.pull_request.number": "12", "github.token": "of-the-job"})

    assert job.run() == 1
    assert job.outputs["run"]["exit-code"] == "1"
    assert job.outputs["run"]["verdict"] == "not-conformant"
    said = (workspace / "said").read_text(encoding="utf-8")
    assert said.startswith("pr comment 12 ")
    assert "RES-018" in said


def test_a_service_is_started_and_waited_for(workspace: Path) -> None:
    start = f"exec {sys.executable} -m fulfillment_conformance.cli emulate --port 0 & echo $! > pid; wait"
    job = Job(workspace, {"target": "conformant.yaml", "start": start, "gate": "none", "wait": "1"})

    try:
        assert job.run() == 0
        assert (workspace / "service.log").exists()
        assert "Start the service" not in job.skipped
    finally:
        os.kill(int((workspace / "pid").read_text(encoding="utf-8")), signal.SIGTERM)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"target": "missing.yaml"}, 4),
        ({"target": "missing.yaml", "gate": "none"}, 0),
        ({"target": "missing.yaml", "gate": "comparison"}, 4),
        ({"target": "missing.yaml", "gate": "verdit"}, 4),
    ],
)
def test_what_cannot_be_judged_is_no_pass(workspace: Path, inputs: dict[str, str], code: int) -> None:
    job = Job(workspace, inputs)

    assert job.run() == code
    assert job.outputs["run"] == {"exit-code": "4"}


def test_no_input_is_pasted_into_a_script() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]

    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_every_input_is_used_and_described() -> None:
    steps = json.dumps(ACTION["runs"])

    for name, declared in ACTION["inputs"].items():
        assert f"inputs.{name}" in steps, f"{name} is not used"
        assert declared["description"], f"{name} says nothing"


def test_the_step_that_installs_takes_our_constraints() -> None:
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "install")

    assert '-c "$SUITE/constraints.txt" "$SUITE"' in step["run"]
    assert (ROOT / "constraints.txt").is_file()
