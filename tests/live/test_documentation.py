"""The page on the live service shows a target file that loads, and commands that exist."""

import re
from pathlib import Path

import pytest
from tests.live.account import load

from fulfillment_conformance.cli.application import app
from fulfillment_conformance.live.recordings import (
    BegunOperation,
    RecordedAnswer,
    RecordedRequest,
    Recording,
    Situation,
)
from fulfillment_conformance.live.section import PERMISSIONS

PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")


def test_the_target_file_on_the_page_loads(tmp_path: Path) -> None:
    [text] = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "role:" in block]
    (tmp_path / "live.yaml").write_text(text, encoding="utf-8")

    assert load(tmp_path / "live.yaml").driver == "live"


@pytest.mark.parametrize("line", sorted(set(re.findall(r"fulfillment-conformance ([a-z]+ --[^`#\n]*)", PAGE))))
def test_every_command_on_the_page_exists(line: str) -> None:
    name, *words = line.split()
    command = app.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}

    assert {word for word in words if word.startswith("--")} <= known


def test_every_permission_is_explained() -> None:
    table = PAGE.partition("| Word in `may` |")[2].partition("\n\n")[0]

    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == set(PERMISSIONS)


def test_every_key_of_a_recording_is_explained() -> None:
    table = PAGE.partition("## Recordings")[2].partition("| Key |")[2].partition("\n\n")[0]

    for model in (Recording, Situation, BegunOperation, RecordedRequest, RecordedAnswer):
        for key in model.model_fields:
            assert f"`{key}" in table or f".{key}`" in table or f"`{key}:" in table, key
