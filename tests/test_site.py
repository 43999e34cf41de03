"""The documentation becomes a site that needs no other host, with every requirement in it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.commands import environment

from fulfillment_conformance.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[1]


class _Asked(HTMLParser):
    """Collects what a page loads by itself, in contrast to what it links to, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.add(found.get("id", ""))
        if tag in {"script", "img", "iframe"}:
            self.addresses.add(found.get("src", ""))
        elif tag == "link" and found.get("rel") != "canonical":
            self.addresses.add(found.get("href", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(folder),
    ]
    variables = environment(NO_MKDOCS_2_WARNING="1")
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_requirement_has_its_place(site: Path) -> None:
    for row in Catalogue.load().values():
        text = (site / "requirements" / f"{row.theme}.html").read_text(encoding="utf-8")
        assert f'id="{row.id}"' in text


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))

    assert len(pages) > len(list((ROOT / "docs").rglob("*.md")))
    for page in pages:
        asked = _Asked()
        asked.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in asked.addresses if re.match(r"(https?:)?//", address)], page


def test_a_requirement_shows_its_source_tests_and_faults(site: Path) -> None:
    text = (site / "requirements" / "webhook.html").read_text(encoding="utf-8")
    section = text[text.index('id="WHK-015"') : text.index('id="WHK-016"')]

    assert "pc-saas-fulfillment-webhook" in section
    assert "suites/publisher/test_webhook_authentication.py" in section
    assert "ignores-the-audience" in section


def test_the_site_is_no_part_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert "reports/*" in ignored, f"mkdocs build writes below reports{os.sep}"
