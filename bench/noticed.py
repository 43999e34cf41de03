"""Ask what should notice it whether a changed line of the suites, or of the code that checks, makes a difference.

    python -m bench.noticed suites/marketplace/test_cancel.py 120

For a line of a suite: the references, judged by the tests that the line belongs to, and then faults that break what
these tests claim. For a line of the package: the module's own tests, and then whole runs against the references. Ends
with 1 and says by what, if it was noticed; with 0, if not. `bench/mutants.py` asks this for many changes.
"""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.suites.faults import DEFECT_BREAKS, DEVIATION_BREAKS, SHOW_WHEN_OBSERVED, covering
from tests.suites.runs import Judged, judge

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.suite_index import SuiteTest, read_suites

ROOT = Path(__file__).resolve().parents[1]
ROLES = ("marketplace", "publisher")
AT_MOST = 4
"""How many faults are tried for one line."""


def of_a_suite(path: Path, line: int) -> str:
    """Return what noticed the change of a test, or of what tests of its file share; empty if nothing did."""
    role, wanted = path.parent.name, {claim for test in _using(path, line) for claim in test.claims}
    rows = Catalogue.load()
    claims = sorted(each for each in wanted if not rows[each].excluded)
    for profile in ("documented", "observed"):
        if noticed := _by_reference(role, profile, [f"--only={each}" for each in claims]):
            return noticed
    breaks = DEVIATION_BREAKS if role == "marketplace" else DEFECT_BREAKS
    for name in covering(breaks, claims)[:AT_MOST]:
        only = sorted(set(claims).intersection(breaks[name]))
        options = ["--profile=observed"] if name in SHOW_WHEN_OBSERVED else []
        judged = _judged(role, name, *options, *(f"--only={each}" for each in only))
        if judged.blamed or judged.with_outcome("failed") != set(only):
            return f"{name}: {', '.join(sorted(set(only) - judged.with_outcome('failed')))} {judged.blamed}"
    return ""


def of_the_package(path: Path) -> str:
    """Return what noticed the change of a module; empty if nothing did."""
    inside = path.relative_to("src/fulfillment_conformance")
    own = ROOT / "tests" / inside.parent / f"test_{inside.name}"
    for tests in (own, own.parent if inside.parent.name else own):
        if tests.exists():
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(tests)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                return next(
                    (text for text in done.stdout.splitlines() if text.startswith(("FAILED", "ERROR"))), "tests"
                )
    return next(filter(None, (_by_reference(role, "documented", []) for role in ROLES)), "")


def _by_reference(role: str, profile: str, options: list[str]) -> str:
    judged = _judged(role, "", f"--profile={profile}", *options)
    undecided = judged.with_outcome("undecided", level="MUST")
    failed = judged.with_outcome("failed") | undecided
    if judged.blamed or failed or not judged.requirements:
        return f"reference, {profile}: {', '.join(sorted(failed))} {judged.blamed}"
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
    noticed = of_a_suite(path, line) if path.parts[0] == "suites" else of_the_package(path)
    print(noticed or "nothing noticed it")
    sys.exit(1 if noticed else 0)


if __name__ == "__main__":
    main()
