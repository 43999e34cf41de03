"""Runs the command line as users do, in a process of its own, or in this one where that tells the same."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from fulfillment_conformance.cli import main

MODULE = "fulfillment_conformance.cli"
LONGEST = 240.0
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, and what it wrote to both streams."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything that a user sees."""
        return f"{self.out}{self.err}"


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what a test session adds to it, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HYPOTHESIS_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


def start(
    *arguments: object, environ: Mapping[str, str] | None = None, module: str = MODULE
) -> "subprocess.Popen[str]":
    """Start a command, or another module, and return its process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment(**(environ or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ended(process: "subprocess.Popen[str]") -> Ended:
    """Wait for a started command."""
    out, err = process.communicate(timeout=LONGEST)
    return Ended(process.returncode, out, err)


def run(*arguments: object, environ: Mapping[str, str] | None = None, module: str = MODULE) -> Ended:
    """Run a command, or another module, in a process of its own."""
    with start(*arguments, environ=environ, module=module) as process:
        return ended(process)


def call(*arguments: object) -> Ended:
    """Run a command in this process; not for anything that starts pytest, which keeps state."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
            code: object = 0
        except SystemExit as leaving:
            code = leaving.code
    return Ended(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue())
