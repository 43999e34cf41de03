"""The guides lead where they say: their examples can be loaded, their links exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fulfillment_conformance.target import PublisherTarget, load_target

DOCS = Path(__file__).resolve().parents[1] / "docs"
GUIDES = ("publisher.md", "intercept.md")
IDENTITY = {"tenant_id": "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10", "client_id": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"}
WHOLE = {
    "role": "publisher",
    "publisher": {"landing_page": "http://127.0.0.1:5000/signup", "webhook": "http://127.0.0.1:5000/webhook"},
    "marketplace": {"listen": "127.0.0.1:3128", "identity": {**IDENTITY, "client_secret": "${CLIENT_SECRET}"}},
}

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="not run from a checkout")


def examples() -> list[object]:
    """The YAML blocks that say something of a target file, with the guide they stand in."""
    found: list[object] = []
    for guide in GUIDES:
        for block in re.findall(r"```yaml\n(.*?)```", (DOCS / guide).read_text(encoding="utf-8"), re.DOTALL):
            if re.match(r"(role|publisher|marketplace|claims|  intercept):", block):
                text = f"marketplace:\n{block}" if block.startswith(" ") else block
                found.append(pytest.param(yaml.safe_load(text), id=f"{guide}:{block.split()[0]}{len(found)}"))
    return found


def together(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: together(base.get(key), value) for key, value in change.items()}}
    return change


@pytest.mark.parametrize("example", examples())
def test_examples_can_be_loaded(example: object, tmp_path: Path) -> None:
    (tmp_path / "dev-certificate.pem").touch()
    file = tmp_path / "publisher.yaml"
    file.write_text(yaml.safe_dump(together(WHOLE, example)), encoding="utf-8")

    target = load_target(file, {"CLIENT_SECRET": "x", "LANDING_PAGE_SECRET": "y"})

    assert isinstance(target, PublisherTarget)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("guide", [*GUIDES, "index.md"])
def test_links_lead_somewhere(guide: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)]*)\)", (DOCS / guide).read_text(encoding="utf-8"))
    assert links
    for link in links:
        page, _, anchor = link.partition("#")
        target = DOCS / (page or guide)
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link
