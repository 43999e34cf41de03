"""Tests of docs/findings: what was found about others names requirements that exist."""

import re
from pathlib import Path

import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.resources import folder

FINDINGS = sorted((Path(__file__).parents[1] / "docs" / "findings").glob("*.md"))
ID = re.compile(r"\b[A-Z][A-Z0-9]{1,2}-\d{3}\b")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(folder("catalogue"))


@pytest.mark.parametrize("page", FINDINGS, ids=lambda page: page.stem)
def test_every_id_is_in_the_catalogue(catalogue: Catalogue, page: Path) -> None:
    known = set(catalogue)
    named = set(ID.findall(page.read_text(encoding="utf-8")))

    assert named, f"{page.name} names no requirement"
    assert not named - known, f"{page.name} names what the catalogue does not have: {sorted(named - known)}"


@pytest.mark.parametrize("page", FINDINGS, ids=lambda page: page.stem)
def test_a_page_says_what_was_judged_and_how_to_repeat_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.search(r"commit `[0-9a-f]{40}`|version `[^`]+`", text), "which version was judged?"
    assert re.search(r"Judged on \| \d{1,2} [A-Z][a-z]+ \d{4} \|", text), "when was it judged?"
    assert "fulfillment-conformance run --target" in text, "how can the run be repeated?"
