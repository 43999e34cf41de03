"""`fulfillment-conformance check`: look before a run."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fulfillment_conformance.cli import options

if TYPE_CHECKING:
    from fulfillment_conformance.preflight import Finding


@click.command()
@options.target
@options.profile
def check(target: Path, profile: Any) -> None:
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
    opener = partial(open_marketplace, start_over=False) if prepared.role == "marketplace" else open_stage
    try:
        with opener(prepared, Preflight(tell)):
            click.echo("ready: nothing stands in the way of a run")
    except ConformanceError as error:
        if seen[-1].good:  # the error is not a finding's own: say it, too
            _show(Finding("set-up", False, ""), prepared.redactor.text(str(error)))
        sys.exit(error.exit_code)


def _show(finding: "Finding", seen: str) -> None:
    mark = click.style("ok  ", fg="green") if finding.good else click.style("FAIL", fg="red")
    click.echo(f"{mark} {finding.what}: {seen}")
