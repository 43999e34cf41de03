"""Ask what should notice it whether a changed line of the suites, or of the code that checks, makes a difference.

    python -m bench.noticed suites/marketplace/test_cancel.py 120

For a line of a suite: the references, judged by the tests that the line belongs to, then faults that break what these
tests claim, the targets of `tests/suites/variations.py`, and the tests of other targets that name one of the claims.
For a line of the package: the module's own tests, whole runs against the references, and the tests of other targets.
Ends with 1 and says by what, if it was noticed; with 0, if not. `bench/mutants.py` asks this for many changes.
"""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.suites.faults import DEFECT_BREAKS, DEVIATION_BREAKS, SHOW_WHEN_OBSERVED, Breaks, covering
from tests.suites.runs import Judged, judge
from tests.suites.variations import VARIATIONS, differences, judged_by

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.suite_index import SuiteTest, read_suites

ROOT = Path(__file__).resolve().parents[1]
ROLES = ("marketplace", "publisher")
FIRST = 4
"""How many faults are tried for a line before anything else; the others come last."""

OTHER_TARGETS = sorted(
    ROOT / "tests/suites" / f"test_{name}.py"
    for name in ("few_plans", "landing_otherwise", "other_publishers", "steadfast_publishers", "visits_that_activate")
)
"""Tests that judge targets which are right or wrong in a way of their own."""


def of_a_suite(path: Path, line: int) -> Iterator[str]:
    """Tell what noticed the change of a test, or of what tests of its file share; empty for each that did not."""
    role, wanted = path.parent.name, {claim for test in _using(path, line) for claim in test.claims}
    rows = Catalogue.load()
    claims = sorted(each for each in wanted if not rows[each].excluded)
    for profile in ("documented", "observed"):
        yield _by_reference(role, profile, [f"--only={each}" for each in claims])
    breaks = DEVIATION_BREAKS if role == "marketplace" else DEFECT_BREAKS
    first = covering(breaks, claims)[:FIRST]
    for name in first:
        yield _by_fault(role, name, claims, breaks)
    for variation in VARIATIONS:
        if variation.role == role:
            with tempfile.TemporaryDirectory() as folder:
                run = judged_by(variation, Path(folder), *claims)
                yield "; ".join([*run.blamed, *differences(variation, run)][:1])
    alike = ROOT / "tests/suites" / path.name
    if tests := [*_naming(claims), *([str(alike)] if alike.exists() else [])]:
        yield _by_tests(*tests)
    for name in sorted(breaks):
        if name not in first and not set(claims).isdisjoint(breaks[name]):
            yield _by_fault(role, name, claims, breaks)


def of_the_package(path: Path) -> Iterator[str]:
    """Tell what noticed the change of a module; empty for each that did not."""
    inside = path.relative_to("src/fulfillment_conformance")
    own = ROOT / "tests" / inside.parent / f"test_{inside.name}"
    for tests in (own, own.parent if inside.parent.name else own):
        if tests.exists():
            yield _by_tests(str(tests))
    for role in ROLES:
        yield _by_reference(role, "documented", [])
    yield _by_tests(*map(str, OTHER_TARGETS), str(ROOT / "tests/suites/test_variations.py"))


def _by_tests(*tests: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.returncode:
        return ""
    return next((text for text in done.stdout.splitlines() if text.startswith(("FAILED", "ERROR"))), "tests")


def _naming(claims: Collection[str]) -> Iterator[str]:
    """Return the tests of other targets that name one of the claims."""
    for file in OTHER_TARGETS:
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                said = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                if not said.isdisjoint(claims):
                    yield f"{file}::{node.name}"


def _by_reference(role: str, profile: str, options: list[str]) -> str:
    judged = _judged(role, "", f"--profile={profile}", *options)
    undecided = judged.with_outcome("undecided", level="MUST")
    failed = judged.with_outcome("failed") | undecided
    if judged.blamed or failed or not judged.requirements:
        return f"reference, {profile}: {', '.join(sorted(failed))} {judged.blamed}"
    return ""


def _by_fault(role: str, name: str, claims: Collection[str], breaks: Breaks) -> str:
    only = sorted(set(claims).intersection(breaks[name]))
    options = ["--profile=observed"] if name in SHOW_WHEN_OBSERVED else []
    judged = _judged(role, name, *options, *(f"--only={each}" for each in only))
    if judged.blamed or judged.with_outcome("failed") != set(only):
        return f"{name}: {', '.join(sorted(set(only) ^ judged.with_outcome('failed')))} {judged.blamed}"
    return ""


def _judged(role: str, fault: str, *options: str) -> Judged:
    faults = [fault] if fault else []
    target = (
        {"role": role, "marketplace": {"driver": "embedded", "deviations": faults}}
        if role == "marketplace"
        else {"role": role, "publisher": {"embedded": True, "defects": faults}}
    )
    with tempfile.TemporaryDirectory() as folder:
        judged = judge(target, Path(folder), *options)
        assert judged.results is not None  # read while the folder is there
        return judged


def _using(path: Path, line: int) -> list[SuiteTest]:
    """Return the tests of a file that a line belongs to: the one around it, or those that name what is around it."""
    tests = {test.name: test for test in read_suites() if test.file == path.relative_to("suites").as_posix()}
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    around = next((node for node in body if _first_line(node) <= line <= (node.end_lineno or line)), None)
    names = set(_names(around)) if around is not None else set()
    using = [tests[node.name] for node in body if isinstance(node, ast.FunctionDef) and node.name in tests
             and (node is around or names.intersection(_mentioned(node)))]  # fmt: skip
    return using or list(tests.values())


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def _mentioned(node: ast.FunctionDef) -> set[str]:
    arguments = {argument.arg for argument in node.args.args}
    return arguments | {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def main() -> None:
    """Ask, and end with 1 if something noticed the change."""
    path, line = Path(sys.argv[1]), int(sys.argv[2])
    asked = of_a_suite(path, line) if path.parts[0] == "suites" else of_the_package(path)
    noticed = next(filter(None, asked), "")
    print(" ".join(noticed.split()) or "nothing noticed it")
    sys.exit(1 if noticed else 0)


if __name__ == "__main__":
    main()
