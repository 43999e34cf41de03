import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.bad_inputs.sandboxes import SECRET, Sandboxes, sandboxes
from tests.bad_inputs.table import Bad

VARIABLES = {
    "RIGHT_SECRET": SECRET,
    "WRONG_SECRET": "canary-wrong-secret",
    "WRONG_KEY": "canary-wrong-key",
    "KEY": "canary-key",
}
"""Environment variables that the targets name; `canary` must never be seen."""


@pytest.fixture(scope="package")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    """Whatever the bad targets name."""
    with sandboxes(tmp_path_factory.mktemp("authority")) as all_of_them:
        yield all_of_them


@pytest.fixture
def filled(around: Sandboxes) -> Callable[[str], str]:
    """Return a function that puts addresses where a text has `<name>`."""

    def fill(text: str) -> str:
        return re.sub("<([a-z-]+)>", lambda found: around.address(found[1]), text)

    return fill


@pytest.fixture
def target(tmp_path: Path, filled: Callable[[str], str]) -> Callable[[Bad], Path]:
    """Return a function that writes a bad target into a file."""

    def write(bad: Bad) -> Path:
        file = tmp_path / "target.yaml"
        if bad.target is not None:
            file.write_text(filled(bad.target), encoding="utf-8")
        return file

    return write
