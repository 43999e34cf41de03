"""`fulfillment-conformance inventory`: what the account has on the live service, and how to list it."""

from pathlib import Path

import click

from fulfillment_conformance.cli import options
from fulfillment_conformance.cli.live import reached


@click.command()
@options.target
def inventory(target: Path) -> None:
    """Show an account's subscriptions, and propose the section live.

    Only the list is read, and the plans of subscriptions that the file lists already.
    """
    from fulfillment_conformance.live.inventory import owned, plans, proposal

    with reached(target) as service:
        subscriptions = owned(service)
        offers = plans(service)
    rows = [("id", "status", "offer", "plan", "seats", "until", "listed")]
    rows += [
        (each.id, each.status, each.offer, each.plan, each.quantity or "-", each.term_end or "-", _yes(each.is_listed))
        for each in subscriptions
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), err=True)
    preview = sum(each.is_preview for each in subscriptions)
    click.echo(f"{len(subscriptions)} subscriptions, {preview} of preview offers; below marketplace:", err=True)
    click.echo(proposal(subscriptions, offers))


def _yes(value: bool) -> str:
    return "yes" if value else ""
