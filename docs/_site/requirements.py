"""A hook of mkdocs: one page per theme of the catalogue, with everything there is about each of its requirements.

The pages are made from the catalogue, the suites' markers and the registered faults, so they are never out of date.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

from fulfillment_conformance.catalogue import Catalogue, Requirement, Theme
from fulfillment_conformance.seeded_faults import SeededFault, faults_by_requirement
from fulfillment_conformance.suite_index import SuiteTest, read_suites, tests_by_requirement

FOLDER = "requirements"
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?!docs/)[\w./-]+\)")
_ID = re.compile(r"\b[A-Z][A-Z0-9]{1,2}-\d{3}\b")

Tests = Mapping[str, list[SuiteTest]]
Faults = Mapping[str, list[SeededFault]]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the index and one page per theme."""
    catalogue = Catalogue.load()
    tests, faults = tests_by_requirement(read_suites()), faults_by_requirement()
    pages = {"index": _index(catalogue, tests)}
    pages |= {theme.name: _theme(theme, catalogue, tests, faults) for theme in catalogue.themes()}
    for name, text in pages.items():
        # `on_nav` adds the themes, which mkdocs would otherwise miss in the file.
        level = InclusionLevel.INCLUDED if name == "index" else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=text, inclusion=level))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Put the themes below the section of the requirements."""
    (section,) = (item for item in nav.items if isinstance(item, Section) and item.title == "Requirements")
    for theme in Catalogue.load().themes():
        file = files.get_file_from_path(f"{FOLDER}/{theme.name}.md")
        assert file is not None
        page = file.page or Page(theme.title, file, config)
        page.parent = section
        section.children.append(page)
        nav.pages.append(page)
    return nav


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name what lies outside of the documentation instead of linking to it, for the site has no copy of it."""
    return _OUTSIDE.sub(r"\1", markdown)


def _index(catalogue: Catalogue, tests: Tests) -> str:
    lines = [
        "# Requirements",
        "",
        f"{len(catalogue)} requirements. [The catalogue](../catalogue.md) says what a row of it is.",
        "",
        "| Theme | Requirements | MUST | Tested | Excluded |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for theme in catalogue.themes():
        rows = _rows(catalogue, theme)
        musts = sum(row.level == "MUST" for row in rows)
        tested = sum(row.id in tests and not row.excluded for row in rows)
        excluded = sum(bool(row.excluded) for row in rows)
        lines.append(f"| [{theme.title}]({theme.name}.md) | {len(rows)} | {musts} | {tested} | {excluded} |")
    return "\n".join(lines) + "\n"


def _theme(theme: Theme, catalogue: Catalogue, tests: Tests, faults: Faults) -> str:
    lines = [f"# {theme.title}", ""]
    for row in _rows(catalogue, theme):
        lines += [f"## {row.id} {{ #{row.id} }}", "", *_row(row, tests, faults, catalogue), ""]
    return "\n".join(lines)


def _row(row: Requirement, tests: Tests, faults: Faults, catalogue: Catalogue) -> Iterator[str]:
    yield f"**{row.level}**, judged on a {row.party}."
    yield ""
    yield f"> {_linked(row.statement, row, catalogue)}"
    yield ""
    yield from _list("Seen by", [_linked(row.observable, row, catalogue)])
    yield from _list("Source", row.source)
    yield from _list("Accepted as well", [f"{each.reading} [{each.profile}] ({each.source})" for each in row.accepted])
    yield from _list("Conflict", row.conflicts)
    yield from _list("Ruling", row.rulings.values())
    yield from _list("Note", [_linked(note, row, catalogue) for note in row.notes])
    yield from _list("Recorded otherwise", [f"{each.recording}: {each.why}" for each in row.recorded])
    yield from _list("Scenarios", [", ".join(row.scenarios)] if row.scenarios else [])
    yield from _list("Replaces", [", ".join(row.replaces)] if row.replaces else [])
    yield f"- **Row**: `catalogue/{row.file.name}`, line {row.line}"
    if row.excluded:
        yield from _list("Excluded", [row.excluded])
        return
    yield from _list("Test", [f"`suites/{test.file}`, `{test.name}`: {test.title}" for test in tests.get(row.id, [])])
    fault = "Deviation that breaks it" if row.party == "marketplace" else "Defect that breaks it"
    yield from _list(fault, [f"`{each.name}`: {each.summary}" for each in faults.get(row.id, [])])


def _rows(catalogue: Catalogue, theme: Theme) -> list[Requirement]:
    return [row for row in catalogue.values() if row.theme == theme.name]


def _list(name: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield f"- **{name}**: {' '.join(text.split())}"


def _linked(text: str, row: Requirement, catalogue: Catalogue) -> str:
    """Make links of the ids in a text that are rows."""

    def link(found: re.Match[str]) -> str:
        other = found[0]
        if other == row.id or other not in catalogue:
            return other
        page = "" if catalogue[other].theme == row.theme else f"{catalogue[other].theme}.md"
        return f"[{other}]({page}#{other})"

    return _ID.sub(link, text)
