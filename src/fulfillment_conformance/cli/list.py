"""`fulfillment-conformance list`: the requirements, and the tests that decide them."""

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fulfillment_conformance.catalogue import Requirement
    from fulfillment_conformance.suite_index import SuiteTest


@click.command("list")
@click.option("--role", type=click.Choice(["marketplace", "publisher"]), help="Only what this side is judged by.")
@click.option("--level", type=click.Choice(["MUST", "SHOULD", "MAY", "INFO"]), help="Only this level.")
@click.option("--theme", metavar="NAME", help="Only this theme of the catalogue, by name or prefix: resolve, RES.")
@click.option("--untested", is_flag=True, help="Only what no test decides, and what is not excluded either.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_requirements(role: Any, level: Any, theme: str | None, untested: bool, as_json: bool) -> None:
    """Show the requirements, and the tests that decide them."""
    from fulfillment_conformance.catalogue import Catalogue
    from fulfillment_conformance.suite_index import read_suites, tests_by_requirement

    tests = tests_by_requirement(read_suites())
    rows = Catalogue.load().filter(party=role, level=level, theme=theme)
    if untested:
        rows = tuple(row for row in rows if not row.excluded and row.id not in tests)
    if as_json:
        click.echo(json.dumps({"requirements": [_document(row, tests) for row in rows]}, indent=1, ensure_ascii=False))
        return
    # A line each, whole when it goes to another program, cut to the width of a terminal.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        line = f"{row.id:<8} {row.party:<11} {row.level:<6} {_decided(row, tests):<9} {row.statement}"
        click.echo(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
    excluded = sum(bool(row.excluded) for row in rows)
    tested = sum(row.id in tests and not row.excluded for row in rows)
    click.echo(
        f"{len(rows)} requirements: {tested} tested, {excluded} excluded, {len(rows) - tested - excluded} neither",
        err=True,
    )


def _decided(row: "Requirement", tests: "Mapping[str, Sequence[SuiteTest]]") -> str:
    if row.excluded:
        return "excluded"
    number = len(tests.get(row.id, ()))
    return f"{number} test{'' if number == 1 else 's'}" if number else "untested"


def _document(row: "Requirement", tests: "Mapping[str, Sequence[SuiteTest]]") -> dict[str, Any]:
    return {
        "id": row.id,
        "party": row.party,
        "level": row.level,
        "theme": row.theme,
        "statement": row.statement,
        "source": list(row.source),
        "excluded": row.excluded,
        "tests": [test.id for test in tests.get(row.id, ())],
    }
