"""What the documentation shows exists: files, headings, commands with their options, code that compiles."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from fulfillment_conformance.cli.application import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
PROGRAM = "fulfillment-conformance"

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def blocks(path: Path, *languages: str) -> Iterator[str]:
    """Yield the fenced blocks of a page in one of the languages."""
    for found in re.finditer(
        r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        if found[2] in languages:
            indent = len(found[1])
            yield "\n".join(line[indent:] for line in found[3].splitlines())


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def headings(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = [re.sub(r"[`*\[\]]|\(.*?\)", "", title).strip().lower() for title in titles]
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in plain}


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the words after our program's name, of every command line on a page."""
    shell = [
        line for block in blocks(path, "bash", "sh", "console") for line in block.replace("\\\n", " ").splitlines()
    ]
    spans = [span for span in re.findall(r"`([^`\n]+)`", prose(path)) if span.startswith(f"{PROGRAM} ")]
    for line in [*shell, *spans]:
        found = re.search(rf"(?:^|[ /]){PROGRAM} (.*)", line.split(" #")[0])
        if found and not line.startswith("docker build"):
            yield shlex.split(re.split(r" (?:&&|\|\||\||;|>|&)(?: |$)", found[1])[0])


@page
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target} is not there"
        assert not anchor or linked.suffix != ".md" or anchor in headings(linked), f"{target}: no such heading"


@page
def test_commands_exist_with_their_options(path: Path) -> None:
    for words in commands(path):
        if words[0].startswith("-"):
            continue
        command = app.commands.get(words[0])
        assert command is not None, f"there is no command {words[0]}"
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for word in words[1 : words.index("--") if "--" in words else None]:
            if word.startswith("-"):
                assert word.partition("=")[0] in known | {"-h", "--help"}, f"{words[0]} has no option {word}"


@page
def test_examples_can_be_read(path: Path) -> None:
    for block in blocks(path, "python"):
        ast.parse(block)
    for block in blocks(path, "yaml"):
        list(yaml.safe_load_all(block))


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")

    missing = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert not [name for name in missing if name != "index.md" and f"({name})" not in index]


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert isinstance(app, click.Group)
    assert not [name for name in app.commands if f"`{name}`" not in readme]
