"""Tests of what hypothesis finds in its home: choices that depend on the seed alone."""

import json
import subprocess
import sys
from pathlib import Path

MAKES_CHOICES = """
import json, sys
from pathlib import Path
from hypothesis import Phase, given, seed, settings, strategies
from fulfillment_conformance import hypothesis_home
import from_here

hypothesis_home.settle(Path(sys.argv[1]))
made = []

@seed(1)
@settings(max_examples=200, database=None, phases=(Phase.generate,))
@given(strategies.integers(0, 10**9))
def make(number):
    made.append(number)

make()
print(json.dumps(made))
"""
CONSTANT = 123_456_789


def made_beside(folder: Path, source: str) -> list[int]:
    """Return what hypothesis makes in a process that has imported a module with this source."""
    folder.mkdir()
    (folder / "from_here.py").write_text(source, encoding="utf-8")
    (folder / "makes_choices.py").write_text(MAKES_CHOICES, encoding="utf-8")
    command = [sys.executable, str(folder / "makes_choices.py"), str(folder / "home")]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    made: list[int] = json.loads(done.stdout)
    return made


def test_a_module_beside_changes_no_choice(tmp_path: Path) -> None:
    nothing = made_beside(tmp_path / "nothing", "")
    constants = made_beside(tmp_path / "constants", f"NUMBERS = {[CONSTANT + step for step in range(50)]}\n")

    assert len(set(nothing)) > 100
    assert constants == nothing
