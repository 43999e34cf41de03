from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import runs
from tests.report.conftest import Run
from tests.report.test_html import Page

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.report.matrix import Column, columns_of, render
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.report.wording import KINDS


def columns(*results: RunResults) -> list[Column]:
    return [Column(label=f"target {number}", results=one) for number, one in enumerate(results)]


def rows(page: Page) -> list[dict[str, str | None]]:
    return [attributes for attributes, _ in page.all("tr") if "data-outcome" in attributes]


@pytest.fixture
def three(mixed: Run) -> Page:
    return Page(render(columns(mixed[0], runs.passed_run()[0], runs.broken_run()[0])))


def test_it_is_one_well_formed_page_that_loads_nothing(any_run: Run) -> None:
    text = render(columns(any_run[0], any_run[0]))
    page = Page(text)

    assert text.startswith("<!doctype html>\n")
    assert text.endswith("</html>\n")
    assert len(page.all("script")) == len(page.all("style")) == 1
    for _, attributes, _ in page.elements:
        assert not any(name.startswith("on") or name in {"src", "style", "srcset", "action"} for name in attributes)
    assert page.all("img") == []


def test_every_requirement_of_any_run_is_a_row(three: Page, mixed: Run) -> None:
    known = {one.id for one in (*mixed[0].requirements, *runs.passed_run()[0].requirements)} | {"WHK-001", "WHK-002"}
    ids = [text for attributes, text in three.all("th", scope="row") if attributes.get("class") is None]

    assert set(ids) == known
    assert len(ids) == len(known) == len(rows(three))


def test_every_target_is_a_column_that_can_be_sorted(three: Page) -> None:
    heads = {attributes["data-key"]: text for attributes, text in three.all("th") if attributes.get("data-key")}

    assert [heads[f"target{number}"] for number in range(3)] == ["target 0", "target 1", "target 2"]
    for row in rows(three):
        assert all((row[f"data-target{number}"] or "").isdecimal() for number in range(3))


def test_its_counts_are_those_of_the_results(any_run: Run) -> None:
    page = Page(render(columns(any_run[0])))
    numbers = Counter(one.kind for one in any_run[0].requirements)
    kinds = Counter(row["data-outcome"] for row in rows(page))

    assert kinds == numbers
    summary = " ".join(text for _, text in page.all("tbody")[:1])
    for kind, number in numbers.items():
        assert f"{number} {KINDS[kind]}" in summary


def test_a_row_can_be_found_by_every_outcome_and_by_agreement(three: Page) -> None:
    by_text = {(row["data-outcome"], row["data-agreement"]) for row in rows(three)}

    assert ("failed not-judged", "different") in by_text
    same = Page(render(columns(runs.passed_run()[0], runs.passed_run()[0])))
    assert {row["data-agreement"] for row in rows(same)} == {"same"}


def test_a_cell_tells_what_came(three: Page) -> None:
    told = [text for _, text in three.all("p", class_="why")]

    assert "expected POST /webhook refused with 4xx; came 200" in told


def test_cells_lead_into_the_report_of_their_run(tmp_path: Path, mixed: Run) -> None:
    (tmp_path / "runs" / "a b").mkdir(parents=True)
    (tmp_path / "runs" / "a b" / "report.html").write_text("x", encoding="utf-8")
    runs_given = [(tmp_path / "runs" / "a b", mixed[0]), (tmp_path / "elsewhere" / "results.json", mixed[0])]
    made = columns_of(runs_given, tmp_path / "pages" / "matrix.html")
    links = {attributes["href"] for attributes, _ in Page(render(made)).all("a")}

    assert [column.report for column in made] == ["../runs/a%20b/report.html", None]
    assert "../runs/a%20b/report.html#WHK-018" in links


def test_targets_of_one_name_are_told_apart_by_their_folders(mixed: Run) -> None:
    other = replace(mixed[0], target={"name": "our sandbox"})
    given: list[tuple[Path, Any]] = [(Path("a/results.json"), mixed[0]), (Path("b/results.json"), mixed[0])]

    labels = [column.label for column in columns_of([*given, (Path("c/results.json"), other)], Path("m.html"))]

    assert labels == ["http://127.0.0.1:5000/webhook (a)", "http://127.0.0.1:5000/webhook (b)", "our sandbox"]


def test_roles_do_not_mix(mixed: Run) -> None:
    other = replace(mixed[0], role="marketplace")

    with pytest.raises(UsageProblem, match="a judged a publisher and b a marketplace, which share no requirement"):
        columns_of([(Path("a"), mixed[0]), (Path("b"), other)], Path("m.html"))


def test_a_verdict_with_known_failures_says_so() -> None:
    results, _ = runs.mixed_run()
    kept = [one for one in results.requirements if one.kind in {"passed", "waived"}]
    page = Page(render(columns(runs.run(kept, results.tests, known=results.known_failures))))

    assert ({"class": "v-conformant"}, "conformant, with 1 known failure") in page.all("b")


def test_600_requirements_of_six_targets_make_a_page_below_5_mb() -> None:
    results, _ = runs.large_run(600, 600, failing=300)

    assert len(render(columns(*[results] * 6)).encode()) < 5_000_000
