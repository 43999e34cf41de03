"""Change the suites and the code that checks, a place at a time, and count what nothing notices.

    pip install cosmic-ray==8.7.0
    python bench/mutants.py --sample 200 --seed 1 --results mutants.jsonl

Cosmic Ray's operators change numbers, comparisons, conditions and loops. Each chosen place is changed once, in a copy
of this repository, and `bench/noticed.py` asks the tests that should notice. Which places and changes are chosen is the
seed's; left out of them is what a check only says, since no outcome depends on it. What the results hold already is not
tried again, so a stopped command goes on where it was. docs/mutation.md says what came of it.
"""

import argparse
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "src/fulfillment_conformance"
CHECKED = ("suites/*/test_*.py", f"{PACKAGE}/checks.py", f"{PACKAGE}/basis.py", f"{PACKAGE}/outcome.py",
           f"{PACKAGE}/contract.py", f"{PACKAGE}/dates.py", f"{PACKAGE}/answers.py", f"{PACKAGE}/life.py",
           f"{PACKAGE}/backend/*.py", f"{PACKAGE}/stage/*.py")  # fmt: skip
OPERATORS = re.compile(
    r"core/(AddNot|NumberReplacer|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ZeroIterationForLoop|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ReplaceUnaryOperator_Delete_Not"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_GtE|Gt_LtE|Is_IsNot|IsNot_Is))"
)
SAID = frozenset({"expected", "actual", "rests_on", "notes", "reason", "meaning"})
"""Arguments by which a check or an interruption says what it found, and points to the exchanges that show it."""

OPEN = frozenset({"undecided", "untestable", "not_applicable"})
"""Methods of a check all of whose arguments do only that."""

SECONDS = 3600
"""Of one answer; a change that lets a run go on for longer has been noticed."""


@dataclass(frozen=True, order=True)
class Mutant:
    """One change: where, by which operator, and which of the operator's changes in that file.

    `decides` is false where it changes only what a check says.
    """

    path: str
    line: int
    column: int
    operator: str
    occurrence: int
    decides: bool = field(default=True, compare=False)


def places() -> dict[tuple[str, int, int], list[Mutant]]:
    """Return every place that can be changed, with the changes that can be made there."""
    found: dict[tuple[str, int, int], list[Mutant]] = {}
    operators = [(name, get_operator(name)()) for name in sorted(operator_names()) if OPERATORS.fullmatch(name)]
    for path in sorted(path for pattern in CHECKED for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        nodes = list(ast_nodes(get_ast(path.read_text(encoding="utf-8"))))
        for operator, instance in operators:
            positions = [(node, each) for node in nodes for each in instance.mutation_positions(node)]
            for occurrence, (node, ((line, column), _)) in enumerate(positions):
                if node.search_ancestor("fstring") is not None:
                    continue
                mutant = Mutant(name, line, column, operator, occurrence, decides=not _is_said(node))
                found.setdefault((name, line, column), []).append(mutant)
    return found


def _is_said(node: Any) -> bool:
    """Whether something stands in what a check or an interruption says, or in what a decorator asks of a dataclass."""
    while (node := node.parent) is not None:
        first = node.children[0]
        if node.type == "decorator" and node.children[1].type == "name" and node.children[1].value == "dataclass":
            return True
        if node.type == "argument" and first.type == "name" and first.value in SAID and node.children[1] == "=":
            return True
        method = node.get_previous_sibling() if node.type == "trailer" and first == "(" else None
        if method is not None and method.type == "trailer" and method.children[-1].value in OPEN:
            return True
    return False


def chosen(sample: int, seed: int) -> list[Mutant]:
    """Choose places, and one change for each."""
    choice = random.Random(seed)
    every = places()
    print(f"{len(every)} places in {len({path for path, _, _ in every})} files", file=sys.stderr)
    drawn = [choice.choice(every[place]) for place in choice.sample(sorted(every), min(sample, len(every)))]
    left = [mutant for mutant in drawn if mutant.decides]
    print(f"{len(drawn)} drawn, {len(drawn) - len(left)} of them in what a check only says", file=sys.stderr)
    return left


def _ended(command: list[str], copy: Path) -> tuple[int, str]:
    """Run a command and return its status and what it printed; what it has started ends with it.

    Raises:
        subprocess.TimeoutExpired: it takes more than `SECONDS`.
    """
    environ = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=copy, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        raise
    return process.returncode, printed


def tried(mutant: Mutant, copy: Path) -> dict[str, Any]:
    """Make one change in a copy of the repository, ask whether it is noticed, and take it back."""
    file = copy / mutant.path
    before = file.read_text(encoding="utf-8")
    after = mutate_code(before, get_operator(mutant.operator)(), mutant.occurrence)
    assert after is not None, mutant
    file.write_text(after, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "bench.noticed", mutant.path, str(mutant.line)]
        status, printed = _ended(command, copy)
        said = (printed.strip().splitlines() or [""])[-1]
        noticed = status != 0
    except subprocess.TimeoutExpired:
        said, noticed = f"took more than {SECONDS} s", True
    finally:
        file.write_text(before, encoding="utf-8")
    changed = next(
        (f"{one.strip()} -> {two.strip()}" for one, two in _lines(before, after) if one != two), "nothing in its lines"
    )
    return {**asdict(mutant), "change": changed, "noticed": noticed, "by": said[:300]}


def _lines(before: str, after: str) -> Iterator[tuple[str, str]]:
    return zip(before.splitlines(), after.splitlines(), strict=False)


def main() -> None:
    """Try what is not tried yet, and print what nothing noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=200, help="how many places")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="how many at once, each with a copy of its own")
    parser.add_argument("--results", type=Path, required=True, help="where a line per change is kept")
    options = parser.parse_args()
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.exists() else []
    rows = [json.loads(line) for line in lines]
    known = {Mutant(*(row[name] for name in ("path", "line", "column", "operator", "occurrence"))) for row in rows}
    left = [mutant for mutant in chosen(options.sample, options.seed) if mutant not in known]

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(options.jobs):
            copies.put(Path(folder, str(number)))
            ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "reports")
            shutil.copytree(ROOT, Path(folder, str(number)), ignore=ignored)

        def attempt(mutant: Mutant) -> dict[str, Any]:
            copy = copies.get()
            try:
                return tried(mutant, copy)
            finally:
                copies.put(copy)

        for row in pool.map(attempt, left):
            rows.append(row)
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{row['path']}:{row['line']}: {'noticed' if row['noticed'] else 'UNNOTICED'}", file=sys.stderr)

    survivors = [row for row in rows if not row["noticed"]]
    print(f"{len(rows)} changes, {len(survivors)} unnoticed ({len(survivors) / max(len(rows), 1):.1%})")
    for row in survivors:
        print(f"{row['path']}:{row['line']}: {row['change']}")


if __name__ == "__main__":
    main()
