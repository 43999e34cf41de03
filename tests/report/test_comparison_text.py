import io
import re

from rich.console import Console
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Outcome
from fulfillment_conformance.report.comparison import Comparison, compare
from fulfillment_conformance.report.comparison_text import MOST_ROWS, markdown, terminal


def shown(comparison: Comparison, *, width: int = 200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, markup=False).print(terminal(comparison))
    return stream.getvalue()


def worse(mixed: Run) -> Comparison:
    """Compare a run in which everything passes with one that has every kind of outcome."""
    tests = [runs.record(test.test, test.claims, *map(runs.check, test.claims)) for test in mixed[0].tests]
    rows = [runs.row(one.id, tests, statement=one.statement, level=one.level) for one in mixed[0].requirements[:9]]
    return compare(runs.run(rows, tests), mixed[0])


def test_a_terminal_shows_the_worse_first(mixed: Run) -> None:
    text = shown(worse(mixed))

    assert text.startswith("old  conformant, http://127.0.0.1:5000/webhook, ")
    assert text.index("New failures (3)") < text.index("Requirements that are not decided any more (3)")
    assert re.search(r"WHK-018 \(MUST\) +passed +failed +A notification whose token", text)
    assert text.endswith("Something got worse: new failures: 3; requirements that are not decided any more: 3.\n")


def test_a_narrow_terminal_loses_nothing(mixed: Run) -> None:
    text = shown(worse(mixed), width=60)

    assert all(len(line) <= 60 for line in text.splitlines())
    assert "WHK-018" in text


def test_markdown_has_a_table_for_each_kind(mixed: Run) -> None:
    text = markdown(worse(mixed))

    assert text.startswith("## ❌ SaaS Fulfillment API v2, publisher: compared with the run before\n")
    assert (
        "### New failures (3)\n\n| Requirement | Before | Now | What |\n|---|---|---|---|\n| WHK-018 (MUST) |" in text
    )
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1


def test_nothing_worse_is_said_plainly(mixed: Run) -> None:
    same = compare(mixed[0], mixed[0])

    assert markdown(same).startswith("## ✅ ")
    assert "Nothing got worse." in markdown(same)
    assert shown(same).endswith("Nothing got worse.\n")


def test_hostile_texts_stay_texts() -> None:
    results, _ = runs.hostile_run()
    comparison = compare(runs.run([], [], target=results.target), results)
    text = markdown(comparison)

    assert "<script" not in text
    assert "\u202e" not in text + shown(comparison)
    assert "\x1b" not in shown(comparison)


def test_a_long_list_is_cut() -> None:
    names = [f"WHK-{number:03}" for number in range(MOST_ROWS + 7)]
    tests = [runs.record(f"test_{name}", [name], runs.check(name, Outcome.FAILED)) for name in names]
    passed = [runs.record(f"test_{name}", [name], runs.check(name)) for name in names]
    old = runs.run([runs.row(name, passed, statement="x") for name in names], passed)
    new = runs.run([runs.row(name, tests, statement="x") for name in names], tests)

    assert "… and 7 more; --json has them all" in markdown(compare(old, new))
    assert "… and 7 more; --json has them all" in shown(compare(old, new))
    assert f"New failures ({len(names)})" in shown(compare(old, new))
