"""`fulfillment-conformance run`: judge a target."""

import sys
from pathlib import Path
from typing import Any

import click

from fulfillment_conformance.cli import options


@click.command()
@options.target
@options.output
@click.option("--only", multiple=True, metavar="ID", help="Judge only this requirement; may be given several times.")
@click.option("--set", "set_name", metavar="NAME", help="Judge a frozen set of the catalogue, such as 2026.1.")
@options.profile
@options.seed
@options.workers
@options.progress
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def run(
    target: Path,
    output: Path,
    workers: int,
    progress: str,
    pytest_options: tuple[str, ...],
    **choices: Any,
) -> None:
    """Judge a target and write results and reports.

    Options after -- go to pytest: run ... -- -x -k activate
    """
    from fulfillment_conformance.run import RunOptions
    from fulfillment_conformance.runner import run_suite

    given = {name: value for name, value in choices.items() if value is not None}
    sys.exit(
        run_suite(
            RunOptions(target=target, output=output, **given),
            workers=workers,
            progress=progress,
            pytest_options=pytest_options,
        )
    )
