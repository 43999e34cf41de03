"""`fulfillment-conformance drift`: what has changed between two recordings, or two descriptions."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
def drift(old: Path, new: Path) -> None:
    """Show how answers, or descriptions, differ in shape.

    OLD and NEW are runs (their folders, or exchanges.jsonl), what `record` has made of one, or OpenAPI files. Ends with
    1 if they differ.
    """
    from fulfillment_conformance.live.drift import drift as compared

    differences = compared(old, new)
    for difference in differences:
        click.echo(str(difference))
    if differences:
        click.echo(f"{len(differences)} differences", err=True)
        sys.exit(1)
    click.echo("no difference", err=True)
