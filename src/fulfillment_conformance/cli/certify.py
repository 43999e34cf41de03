"""`fulfillment-conformance certify`: judge a target by a whole frozen set, and put the evidence into one archive."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fulfillment_conformance.cli import options
from fulfillment_conformance.cli.demo import TARGETS

if TYPE_CHECKING:
    from fulfillment_conformance.certification import Certificate
    from fulfillment_conformance.product import Product

SET = "2026.1"
"""The set that certificates are of, unless another is named."""


@click.command()
@click.option("--target", metavar="FILE", type=click.Path(path_type=Path), help="Target file: what is judged, and how.")
@click.option("--demo", is_flag=True, help="Judge the reference publisher that comes along instead.")
@options.output
@click.option(
    "--product",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What is judged: publisher, offer, version, contact. Default: `product` in the target file.",
)
@click.option(
    "--key",
    metavar="PEM",
    type=click.Path(path_type=Path),
    help="Private key (Ed25519 or ECDSA) that signs the archive. Default: none, and the archive says so.",
)
@click.option("--set", "set_name", metavar="NAME", default=SET, show_default=True, help="The frozen set to judge by.")
@options.profile
@options.seed
@options.workers
@options.progress
def certify(
    target: Path | None,
    demo: bool,
    output: Path,
    product: Path | None,
    key: Path | None,
    workers: int,
    progress: str,
    **choices: Any,
) -> None:
    """Judge a target by a frozen set, and archive the evidence.

    The archive, readiness.zip, is written only if everything that the set requires was executed, decided, and is kept.
    It is evidence of readiness, not a certification by Microsoft.
    """
    from fulfillment_conformance.certification import documents, issue, signing, verify
    from fulfillment_conformance.errors import SuiteFault, UsageProblem
    from fulfillment_conformance.outcome import ExitCode
    from fulfillment_conformance.run import RunOptions, check_output
    from fulfillment_conformance.runner import run_suite

    if demo == (target is not None):
        raise UsageProblem("certify needs --target FILE or --demo, one of them")
    check_output(output)
    if target is None:
        target = output / "publisher.yaml"
        target.write_text(TARGETS["publisher"], encoding="utf-8")
    sold = _product(target, product, demo=demo)
    private = None if key is None else signing.load_private_key(key)
    given = {name: value for name, value in choices.items() if value is not None}
    code = run_suite(RunOptions(target=target, output=output, **given), workers=workers, progress=progress)
    if code != ExitCode.CONFORMANT:
        click.echo(f"no certificate: the run ended with exit code {code}; see {output / 'report.html'}", err=True)
        sys.exit(code)
    certificate = issue(output, sold, key=private)
    # Nobody is handed what would not be believed.
    verification = verify(certificate.path, key=private.public_key() if private is not None else None)
    if not verification.matches:
        certificate.path.unlink()
        found = verification.other or "\n".join(map(str, verification.findings))
        raise SuiteFault(f"the archive did not verify, and was removed:\n{found}")
    if progress != "json":
        _show(certificate)
        click.echo(documents.NOTICE)


def _product(target: Path, file: Path | None, *, demo: bool) -> "Product":
    """Return the product from its own file, else from the target file, else, in a demonstration, a made-up one."""
    import os

    from fulfillment_conformance import __version__
    from fulfillment_conformance.errors import UsageProblem
    from fulfillment_conformance.product import Product, load_product
    from fulfillment_conformance.target import load_target

    loaded = load_target(target, os.environ)
    if loaded.known_failures is not None:
        raise UsageProblem(f"{target}: names known failures, which have no place in a certificate; remove the key")
    if file is not None:
        return load_product(file)
    if loaded.product is not None:
        return loaded.product
    if demo:
        return Product(
            publisher="Contoso (made up)",
            offer="contoso-crm",
            version=__version__,
            contact="nobody: this is the reference publisher of fulfillment-conformance",
        )
    raise UsageProblem(
        f"{target} does not say what is judged; add `product` with publisher, offer, version and contact, or name a "
        "file that has these keys with --product"
    )


def _show(certificate: "Certificate") -> None:
    from fulfillment_conformance.certification import documents

    results = certificate.outputs.results
    click.echo(f"{results.verdict} by the set {results.set}: {certificate.path}")
    claims = results.target.get("claims") or {}
    made = [f"{name}: {_written(value)}" for name, value in claims.items() if value is not None]
    if made:
        click.echo(f"claims made: {', '.join(made)}")
    click.echo(f"signed by the key {certificate.signer}" if certificate.signer else documents.UNSIGNED)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else ", ".join(map(str, value)) or "none"
