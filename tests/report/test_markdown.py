from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Outcome
from fulfillment_conformance.report import markdown
from fulfillment_conformance.report.wording import KINDS


def html(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def test_it_tells_verdict_counts_and_failures(mixed: Run) -> None:
    text = markdown.render(mixed[0])

    assert text.startswith("## ❌ Not conformant: SaaS Fulfillment API v2, publisher\n\n2 of 7 binding")
    assert "### Failures (2)" in text
    assert "POST /webhook refused with 4xx | 200 | Let the publisher refuse POST /webhook" in text
    assert "### Binding, and not decided (2)" in text
    assert "### Warnings (1)" in text
    assert "`fulfillment-conformance run --target publisher.yaml --output reports/again --only WHK-018" in text
    assert "exit code 1" in text


def test_its_numbers_are_those_of_the_results(any_run: Run) -> None:
    results, _ = any_run
    numbers = Counter(one.kind for one in results.requirements)
    kinds = [kind for kind in KINDS if numbers[kind]]

    text = markdown.render(results)

    assert "| " + " | ".join(KINDS[kind] for kind in kinds) + " |" in text
    assert "| " + " | ".join(str(numbers[kind]) for kind in kinds) + " |" in text


def test_a_run_that_passed_is_short() -> None:
    text = markdown.render(runs.passed_run()[0])

    assert text.startswith("## ✅ Conformant")
    assert "###" not in text


def test_tests_that_broke_off_are_listed() -> None:
    text = markdown.render(runs.broken_run()[0])

    assert "- broke off, fault of the suite&#58; publisher/" in text or "- broke off, fault of the suite: " in text
    assert "The run ended early: the target was never reached" in text


def test_nothing_judged_is_said() -> None:
    assert "No requirement was judged." in markdown.render(runs.run((), ()))


def test_a_long_list_is_cut() -> None:
    text = markdown.render(runs.large_run(600, 600, failing=300)[0])

    assert text.count("| **") == 2 * markdown.MOST_ROWS
    assert "more requirements; report.html has them all." in text
    assert len(text) < 65_536


def test_hostile_texts_stay_texts() -> None:
    page = html(markdown.render(runs.hostile_run()[0]))

    assert "<script" not in page
    assert "<img" not in page
    assert page.count("<table>") == 4


@settings(deadline=None)
@given(text=st.text(st.sampled_from("\\`*_{}[]<>()#+-!|~$@:& ab\n\x1b\u202e"), max_size=40) | st.text(max_size=40))
@pytest.mark.filterwarnings("error")
def test_any_text_stays_what_it_is(text: str) -> None:
    told = markdown.plain(text)
    page = html(f"| {told} |\n|---|\n")

    assert "\n" not in told
    assert page.count("<th>") == 1
    assert not set(page.replace("<", "\n<").split("\n")) & {"<em>", "<strong>", "<code>", "<a>", "<img>"}


def test_known_failures_are_told_with_reason_and_link(mixed: Run) -> None:
    text = html(markdown.render(mixed[0]))

    assert "<h3>Known failures (1)</h3>" in text
    assert (
        "Known, until 2026-12-31: Fixed in version 4. "
        '<a href="https://tracker.contoso.example/WHK-040">https://tracker.contoso.example/WHK-040</a>'
    ) in text


@pytest.mark.parametrize("link", ["https://t.example/a>b", "https://t.example/a|b", "https://t.example/<i>"])
def test_a_link_ends_no_table(link: str) -> None:
    results, _ = runs.mixed_run()
    entry = replace(runs.known("WHK-040"), link=link)
    made = runs.run(results.requirements, results.tests, known=[entry])
    [one] = [one for one in made.requirements if one.id == "WHK-040"]
    again = runs.run([runs.settled(one, Outcome.FAILED, "")], results.tests, known=[entry])

    rows = [line for line in markdown.render(again).splitlines() if "WHK-040" in line and line.startswith("|")]
    assert [row.count("|") for row in rows] == [5]
    assert "<i>" not in html(markdown.render(again))


def test_known_failures_out_of_date_are_told() -> None:
    results, _ = runs.passed_run()
    text = markdown.render(runs.run(results.requirements, results.tests, known=[runs.known("WHK-003")]))

    assert text.startswith("## ⚠️ Incomplete: ")
    assert "WHK-003 passes now; remove the entry" in text
