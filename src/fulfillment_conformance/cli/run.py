"""`fulfillment-conformance run`: judge a target."""

import re
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from fulfillment_conformance.cli import options

_ID = re.compile(r"[A-Z][A-Z0-9]{1,2}-\d{3}")


@click.command()
@options.target
@options.output
@click.option("--only", multiple=True, metavar="ID...", help="Judge only this requirement, and those that follow it.")
@click.option("--set", "set_name", metavar="NAME", help="Judge a frozen set of the catalogue, such as 2026.1.")
@click.option(
    "--known",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Known failures, each with a reason and a last day. Default: the file that the target file names, if any.",
)
@options.profile
@options.seed
@options.workers
@options.progress
@click.option("--dry-run", is_flag=True, help="Send nothing: show every request that a run would send (driver live).")
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def run(
    target: Path,
    output: Path,
    workers: int,
    progress: str,
    dry_run: bool,
    pytest_options: tuple[str, ...],
    **choices: Any,
) -> None:
    """Judge a target and write results and reports.

    Options after -- go to pytest: run ... -- -x -k activate
    """
    from fulfillment_conformance.run import RunOptions
    from fulfillment_conformance.runner import run_suite

    # `--only ACT-001 ACT-002` reads as one option with several ids; click hands over all but the first as arguments.
    if choices["only"]:
        ids = tuple(takewhile(_ID.fullmatch, pytest_options))
        choices["only"], pytest_options = (*choices["only"], *ids), pytest_options[len(ids) :]
    given = {name: value for name, value in choices.items() if value is not None}
    if dry_run:
        from fulfillment_conformance.cli.live import rehearse

        sys.exit(rehearse(RunOptions(target=target, **given), pytest_options, tell=click.echo))
    sys.exit(
        run_suite(
            RunOptions(target=target, output=output, **given),
            workers=workers,
            progress=progress,
            pytest_options=pytest_options,
        )
    )
