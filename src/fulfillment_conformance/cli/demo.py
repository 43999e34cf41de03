"""`fulfillment-conformance demo`: both suites against the implementations that come with the suite."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from fulfillment_conformance.cli import options
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.termination import Terminated

TARGETS = {
    "marketplace": """\
role: marketplace
marketplace:
  driver: embedded
""",
    "publisher": """\
role: publisher
publisher:
  embedded: true
claims:
  refused_plans: [multiyear]
  sign_in: true
""",
}
"""The target file of each role: what comes along, at its best."""


@click.command()
@options.output
@click.option("--only", multiple=True, metavar="ID", help="Judge only this requirement; name some of each role.")
@options.profile
@options.seed
@options.workers
@options.progress
def demo(
    output: Path, only: tuple[str, ...], profile: str | None, seed: int | None, workers: int, progress: str
) -> None:
    """Judge what comes along: emulator and reference publisher.

    Writes one run per role below the output folder. Nothing but this machine is needed.
    """
    from fulfillment_conformance.run import check_output

    check_output(output)
    choices = ["-n", str(workers), "--progress", progress]
    choices += [word for requirement_id in only for word in ("--only", requirement_id)]
    choices += [] if profile is None else ["--profile", profile]
    choices += [] if seed is None else ["--seed", str(seed)]
    runs: dict[str, _Run] = {}
    interrupted = False
    try:
        for role, target in TARGETS.items():
            file = output / f"{role}.yaml"
            file.write_text(target, encoding="utf-8")
            command = ["run", "--target", str(file), "--output", str(output / role), *choices]
            # Both at once; one shows how it goes, and what the other prints waits until the first has ended.
            runs[role] = _Run.start(command, keep=bool(runs))
        codes = {role: run.end() for role, run in runs.items()}
    except KeyboardInterrupt as asked:
        interrupted = True
        # Ctrl-C reaches every process of a terminal, so only SIGTERM has to be passed on. Then each run writes what it
        # has; give it the time to.
        for run in runs.values():
            if isinstance(asked, Terminated):
                run.process.terminate()
        codes = {role: run.end() for role, run in runs.items()}
    if progress != "json":
        for role, code in codes.items():
            click.echo(_line(role, code, output / role))
    sys.exit(ExitCode.INTERRUPTED if interrupted else ExitCode.worst(codes.values()))


@dataclass
class _Run:
    """A run in a process of its own: pytest keeps state, and a crash of one must not take the other along."""

    process: "subprocess.Popen[bytes]"
    printed: IO[str] | None

    @classmethod
    def start(cls, command: list[str], *, keep: bool) -> "_Run":
        printed = tempfile.TemporaryFile("w+", errors="replace") if keep else None  # noqa: SIM115 - closed by `end`
        full = [sys.executable, "-m", "fulfillment_conformance.cli", *command]
        into = (printed, subprocess.STDOUT) if printed else (None, None)
        return cls(subprocess.Popen(full, stdout=into[0], stderr=into[1]), printed)  # noqa: S603 - our own module

    def end(self) -> int:
        """Wait for the end, show what was kept, and return the exit code; to die of a signal is a fault of ours."""
        code = self.process.wait()
        if self.printed is not None:
            self.printed.seek(0)
            click.echo(self.printed.read(), nl=False)
            self.printed.close()
            self.printed = None
        return code if code >= 0 else ExitCode.SUITE_FAULT


def _line(role: str, code: int, folder: Path) -> str:
    from fulfillment_conformance import report
    from fulfillment_conformance.errors import UsageProblem

    try:
        said = report.read(folder).verdict.value
    except UsageProblem as error:
        said = f"no verdict: {error}"
    return f"{role:<12} {said:<15} exit code {code}  {folder / 'report.html'}"
