"""`fulfillment-conformance explain`: from a requirement's id to its row, its tests, and the faults that prove them."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fulfillment_conformance.catalogue import Requirement
    from fulfillment_conformance.seeded_faults import SeededFault
    from fulfillment_conformance.suite_index import SuiteTest

_WIDTH = 100


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def explain(ids: tuple[str, ...]) -> None:
    """Show all about requirements: their wording, sources and tests.

    Also how they may be read, and the seeded faults that prove the tests.
    """
    from fulfillment_conformance.catalogue import Catalogue
    from fulfillment_conformance.seeded_faults import faults_by_requirement
    from fulfillment_conformance.suite_index import read_suites, tests_by_requirement

    catalogue, tests, faults = Catalogue.load(), tests_by_requirement(read_suites()), faults_by_requirement()
    rows = [catalogue[requirement_id] for requirement_id in ids]
    click.echo("\n\n".join("\n".join(_lines(row, tests.get(row.id, ()), faults.get(row.id, ()))) for row in rows))


def _lines(row: "Requirement", tests: "Sequence[SuiteTest]", faults: "Sequence[SeededFault]") -> Iterator[str]:
    yield f"{click.style(row.id, bold=True)}  {row.level}, judged on a {row.party}, theme {row.theme}"
    yield _paragraph(row.statement)
    yield from _list("seen by", [row.observable])
    yield from _list("source", row.source)
    yield from _list("accepted", [f"{each.reading} [{each.profile}] ({each.source})" for each in row.accepted])
    yield from _list("conflict", row.conflicts)
    yield from _list("ruling", row.rulings.values())
    yield from _list("note", row.notes)
    yield from _list("scenarios", [", ".join(row.scenarios)] if row.scenarios else [])
    yield from _list("replaces", [", ".join(row.replaces)] if row.replaces else [])
    yield f"  row       catalogue/{row.file.name}:{row.line}"
    if row.excluded:
        yield from _list("excluded", [row.excluded])
        return
    yield from _list(
        "test", [f"suites/{test.file}:{test.line} {test.name}: {test.title}" for test in tests] or ["none"]
    )
    kind = "deviation" if row.party == "marketplace" else "defect"
    yield from _list(kind, [f"{fault.name}: {fault.summary}" for fault in faults] or ["none"])
    yield f"  try       fulfillment-conformance run --target FILE --output DIR --only {row.id}"


def _list(name: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield _paragraph(text, first=f"  {name:<9} ")
        name = ""


def _paragraph(text: str, first: str = "  ") -> str:
    indent = " " * max(len(first), 2)
    return fill(
        text, _WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
