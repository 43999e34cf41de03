"""Which test decides which requirement: read from the markers in the suites' source, never typed in anywhere else.

Tests of the suites are functions at the top of their file.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fulfillment_conformance import resources
from fulfillment_conformance.errors import SuiteFault


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """A test function of the suites: its file relative to the suites folder, name, claimed ids and docstring."""

    file: str
    name: str
    claims: tuple[str, ...]
    title: str
    line: int

    @property
    def id(self) -> str:
        """The node id below the suites folder, without parameters."""
        return f"{self.file}::{self.name}"


def read_suites(folder: Path | None = None, *, role: str | None = None) -> list[SuiteTest]:
    """Return every marked test, in file and line order.

    Args:
        folder: the suites; None for those that come with the package.
        role: read only the suite that judges this role.

    Raises:
        SuiteFault: a marker's ids are not string literals, so that nobody could find them.
    """
    root = folder or resources.folder("suites")
    files = sorted((root / role if role else root).rglob("test_*.py"))
    return [test for path in files for test in _read(path, root)]


def tests_by_requirement(tests: Sequence[SuiteTest]) -> dict[str, list[SuiteTest]]:
    """Return requirement id -> the tests that claim it."""
    index: dict[str, list[SuiteTest]] = {}
    for test in tests:
        for requirement_id in test.claims:
            index.setdefault(requirement_id, []).append(test)
    return index


def _read(path: Path, root: Path) -> Iterator[SuiteTest]:
    file = path.relative_to(root).as_posix()
    for node in ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            claims = tuple(claim for decorator in node.decorator_list for claim in _claims(decorator, path))
            if claims:
                title = (ast.get_docstring(node) or node.name.removeprefix("test_").replace("_", " ")).split("\n\n")[0]
                yield SuiteTest(file, node.name, claims, " ".join(title.split()), node.lineno)


def _claims(decorator: ast.expr, path: Path) -> list[str]:
    if not (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "requirement"
    ):
        return []
    claims = [argument.value for argument in decorator.args if isinstance(argument, ast.Constant)]
    if len(claims) != len(decorator.args) or not all(isinstance(claim, str) for claim in claims):
        raise SuiteFault(f"{path}:{decorator.lineno}: requirement(...) takes string literals only")
    return [str(claim) for claim in claims]
