"""`fulfillment-conformance check`: look before a run."""

import socket
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from fulfillment_conformance.cli import options

if TYPE_CHECKING:
    from fulfillment_conformance.preflight import Finding
    from fulfillment_conformance.target import MarketplaceTarget, PublisherTarget

_BETWEEN_ATTEMPTS = 0.1
"""Seconds."""


@click.command()
@options.target
@options.profile
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="How long to wait for the target to accept connections. Default: not at all.",
)
def check(target: Path, profile: Any, wait: float) -> None:
    """Look before a run whether the target can be judged at all.

    Looks at configuration, reachability, clocks, access token and plans. Nothing found is booked on the target.
    A sandbox keeps what was bought there, and one purchase is added; only a run lets it start over.
    """
    from fulfillment_conformance.backend.under_test import open_marketplace
    from fulfillment_conformance.errors import ConformanceError
    from fulfillment_conformance.preflight import Finding, Preflight
    from fulfillment_conformance.run import RunOptions, prepare
    from fulfillment_conformance.stage.opening import open_stage

    prepared = prepare(RunOptions(target=target, profile=profile))
    seen: list[Finding] = []

    def tell(finding: Finding) -> None:
        seen.append(finding)
        _show(finding, prepared.redactor.text(finding.seen))

    tell(Finding("target file", True, f"{target}, role {prepared.role}, profile {prepared.profile}"))
    _wait_for(_addresses(prepared.target), seconds=wait)
    opener = partial(open_marketplace, start_over=False) if prepared.role == "marketplace" else open_stage
    try:
        with opener(prepared, Preflight(tell)):
            click.echo("ready: nothing stands in the way of a run")
    except ConformanceError as error:
        if seen[-1].good:  # the error is not a finding's own: say it, too
            _show(Finding("set-up", False, ""), prepared.redactor.text(str(error)))
        sys.exit(error.exit_code)


def _addresses(target: "MarketplaceTarget | PublisherTarget") -> list[str]:
    """Return where the target is going to be called, as far as the target file says it."""
    if target.role == "marketplace":
        return [target.base_url] if target.base_url else []
    return [address for address in (target.publisher.landing_page, target.publisher.webhook) if address]


def _wait_for(addresses: Iterable[str], *, seconds: float) -> None:
    """Return when connections are accepted everywhere, or when the time is over: what is looked at next tells why."""
    last = time.monotonic() + seconds
    for address in addresses:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        while time.monotonic() < last:
            try:
                socket.create_connection((parts.hostname or "", port), timeout=1).close()
                break
            except OSError:
                time.sleep(_BETWEEN_ATTEMPTS)  # a service that starts announces itself in no other way


def _show(finding: "Finding", seen: str) -> None:
    mark = click.style("ok  ", fg="green") if finding.good else click.style("FAIL", fg="red")
    click.echo(f"{mark} {finding.what}: {seen}")
