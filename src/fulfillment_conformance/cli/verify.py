"""`fulfillment-conformance verify`: derive again what an archive of `certify` says."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fulfillment_conformance.certification import Verification

_SHOWN = 30
"""How many findings are spelled out."""


@click.command()
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@click.option(
    "--key",
    metavar="PEM",
    type=click.Path(path_type=Path),
    help="Public key that has to have signed it. Default: whichever key the archive names.",
)
def verify(archive: Path, key: Path | None) -> None:
    """Derive again what an archive of certify says.

    Needs no network, and names what does not match. Exit code 0: everything matches. 1: something does not. 7: another
    version of the suite is needed to tell.
    """
    from fulfillment_conformance.certification import documents, signing
    from fulfillment_conformance.certification import verify as derive_again

    verification = derive_again(archive, key=signing.load_public_key(key) if key is not None else None)
    _tell_what(verification)
    for finding in verification.findings[:_SHOWN]:
        click.echo(f"{click.style('FAIL', fg='red')} {finding}")
    if len(verification.findings) > _SHOWN:
        click.echo(f"     and {len(verification.findings) - _SHOWN} more")
    if verification.matches:
        click.echo(f"{click.style('ok', fg='green')}   {archive} says what its exchanges show")
    elif verification.findings:
        click.echo(f"{archive} is not to be trusted: {len(verification.findings)} things in it do not match")
    else:
        click.echo(f"{archive} cannot be told here: {verification.other}")
    click.echo(documents.NOTICE)
    sys.exit(verification.exit_code)


def _tell_what(verification: "Verification") -> None:
    """Say what was looked at, as far as it could be read."""
    from fulfillment_conformance.certification import documents

    about, results = verification.about, verification.results
    if about is not None:
        product = about.product
        click.echo(f"about     {product.publisher}, {product.offer}, {product.version}; contact: {product.contact}")
        if about.signer is None:
            click.echo(f"signed    {documents.UNSIGNED}")
        elif verification.signer is not None:
            click.echo(f"signed    by the key {verification.signer}; whose it is, only its owner can say")
    if results is not None:
        click.echo(f"judged    {results.role}, set {results.set}, {results.started:%Y-%m-%d %H:%M:%S} UTC")
        click.echo(f"says      {results.verdict}, exit code {results.exit_code}")
    if verification.depths:
        told = ", ".join(f"{number} {depth}" for depth, number in sorted(verification.depths.items()))
        answers = f"; {verification.answers} answers held against openapi/" if verification.answers else ""
        click.echo(f"checks    {told}{answers}")
