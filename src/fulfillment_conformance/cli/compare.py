"""`fulfillment-conformance compare`: what a change made better or worse."""

import json
import sys
from pathlib import Path

import click

_RUN = click.Path(path_type=Path)


@click.command()
@click.argument("old", type=_RUN)
@click.argument("new", type=_RUN)
@click.option("--markdown", metavar="FILE", type=_RUN, help="Write it for a comment on a pull request as well.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def compare(old: Path, new: Path, markdown: Path | None, as_json: bool) -> None:
    """Compare two runs, each given by its folder or its results.json.

    Exit code 1 if something got worse: new failures, requirements or tests that are not judged any more, or slower
    replies.
    """
    from rich.console import Console

    from fulfillment_conformance import report
    from fulfillment_conformance.errors import UsageProblem
    from fulfillment_conformance.report import comparison, comparison_text
    from fulfillment_conformance.report.files import write_text

    found = comparison.compare(report.read(old), report.read(new))
    if markdown is not None:
        try:
            write_text(markdown, comparison_text.markdown(found))
        except OSError as error:
            raise UsageProblem(f"--markdown {markdown}: {error.strerror or error}; name another file") from error
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        Console(highlight=False, markup=False, emoji=False).print(comparison_text.terminal(found))
    sys.exit(found.exit_code)
