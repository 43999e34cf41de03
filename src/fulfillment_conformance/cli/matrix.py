"""`fulfillment-conformance matrix`: several targets on one page."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("results", nargs=-1, required=True, type=_FILE, metavar="RESULTS...")
@click.option("--output", required=True, type=_FILE, metavar="FILE", help="The page, such as matrix.html.")
def matrix(results: tuple[Path, ...], output: Path) -> None:
    """Show several runs on one page, requirement by requirement.

    Each run is given by its folder or its results.json; all of them have judged the same role.
    """
    from fulfillment_conformance import report
    from fulfillment_conformance.errors import UsageProblem
    from fulfillment_conformance.report.files import write_text
    from fulfillment_conformance.report.matrix import columns_of, render

    columns = columns_of([(path, report.read(path)) for path in results], output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text(output, render(columns))
    except OSError as error:
        raise UsageProblem(f"--output {output}: {error.strerror or error}; name another file") from error
    click.echo(output)
