"""`fulfillment-conformance demo`: both suites against the implementations that come with the suite."""

import subprocess
import sys
from pathlib import Path

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
@options.profile
@options.seed
@options.workers
@options.progress
def demo(output: Path, profile: str | None, seed: int | None, workers: int, progress: str) -> None:
    """Judge what comes along: the emulator and the reference publisher.

    Writes one run per role below the output folder. Nothing but this machine is needed.
    """
    from fulfillment_conformance.run import check_output

    check_output(output)
    choices = ["-n", str(workers), "--progress", progress]
    choices += [] if profile is None else ["--profile", profile]
    choices += [] if seed is None else ["--seed", str(seed)]
    codes = {}
    for role, target in TARGETS.items():
        file = output / f"{role}.yaml"
        file.write_text(target, encoding="utf-8")
        # A process each: pytest keeps state, and a crash of one must not take the other along.
        codes[role] = _ended(["run", "--target", str(file), "--output", str(output / role), *choices])
        if codes[role] == ExitCode.INTERRUPTED:
            break
    if progress != "json":
        for role, code in codes.items():
            click.echo(_line(role, code, output / role))
    sys.exit(ExitCode.worst(codes.values()))


def _ended(arguments: list[str]) -> int:
    """Run a command of ours to its end and return its exit code; one that died of a signal counts as our fault."""
    with subprocess.Popen([sys.executable, "-m", "fulfillment_conformance.cli", *arguments]) as process:  # noqa: S603
        try:
            code = process.wait()
        except KeyboardInterrupt as asked:
            # Ctrl-C reaches every process of a terminal, so only SIGTERM has to be passed on. Then the run writes
            # what it has; give it the time to.
            if isinstance(asked, Terminated):
                process.terminate()
            process.wait()
            return ExitCode.INTERRUPTED
    return code if code >= 0 else ExitCode.SUITE_FAULT


def _line(role: str, code: int, folder: Path) -> str:
    from fulfillment_conformance import report
    from fulfillment_conformance.errors import UsageProblem

    try:
        said = report.read(folder).verdict.value
    except UsageProblem as error:
        said = f"no verdict: {error}"
    return f"{role:<12} {said:<15} exit code {code}  {folder / 'report.html'}"
