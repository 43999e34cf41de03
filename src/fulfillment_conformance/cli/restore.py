"""`fulfillment-conformance restore`: put back what an interrupted run has changed on the live service."""

from pathlib import Path

import click

from fulfillment_conformance.cli import options
from fulfillment_conformance.cli.live import reached


@click.command()
@options.target
def restore(target: Path) -> None:
    """Put plans and seats back after a run that was interrupted.

    What is to be done is read from the ledger that the run has left. A run does the same at its beginning and end.
    """
    from fulfillment_conformance.errors import EnvironmentUnavailable

    with reached(target) as service:
        outcomes = service.undo.everything()
    for outcome in outcomes:
        click.echo(str(outcome))
    if any(outcome.result == "open" for outcome in outcomes):
        raise EnvironmentUnavailable("not everything is back; run restore again, or look at it in the Azure portal")
    click.echo(f"{sum(outcome.result == 'undone' for outcome in outcomes)} changes undone, nothing is left to put back")
