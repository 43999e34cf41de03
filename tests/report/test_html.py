import base64
import hashlib
import re
import time
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance.outcome import Outcome
from fulfillment_conformance.report import html
from fulfillment_conformance.report.wording import KINDS

VOID = {"meta", "link", "input", "img", "br", "hr"}


class Page(HTMLParser):
    """A page, taken apart: every element with its attributes and the text in it; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, dict(attrs), list[str]())
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element[2].append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        """Return attributes and text of the elements with these attributes (`class_` for `class`)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            (own, "".join(texts))
            for name, own, texts in self.elements
            if name == tag and all(value in (own.get(key) or "").split() for key, value in wanted.items())
        ]


def page(results: Any, recorded: Any) -> Page:
    return Page(html.render(results, recorded))


def test_the_page_is_well_formed_and_complete(any_run: Run) -> None:
    text = html.render(*any_run)

    assert text.startswith("<!doctype html>\n")
    assert text.endswith("</html>\n")
    assert Page(text).all("html")[0][0] == {"lang": "en"}


def test_it_says_the_verdict_first(mixed: Run) -> None:
    made = page(*mixed)

    assert made.all("h1") == [({}, "Not conformant")]
    assert made.all("title")[0][1].startswith("Not conformant: http://127.0.0.1:5000/webhook")
    assert "2 of 7 binding requirements failed." in made.all("p", class_="sentence")[0][1]


def test_its_counts_are_those_of_the_results(any_run: Run) -> None:
    results, recorded = any_run
    made = page(results, recorded)
    numbers = Counter(one.kind for one in results.requirements)

    tiles = {text for _, text in made.all("ul", class_="tiles")}
    for kind, number in numbers.items():
        assert f"{number}{KINDS[kind]}" in "".join(tiles)
    rows = [attributes for attributes, _ in made.all("tr") if "data-outcome" in attributes]
    assert Counter(row["data-outcome"] for row in rows) == numbers


def test_every_requirement_that_did_not_pass_has_a_card_in_order(mixed: Run) -> None:
    cards = [attributes["id"] for attributes, _ in page(*mixed).all("details", class_="card")]

    assert cards == ["WHK-018", "WHK-019", "WHK-030", "LCY-020", "WHK-040", "LCY-013"]


def test_a_card_tells_everything_that_is_needed(mixed: Run) -> None:
    [card] = [text for attributes, text in page(*mixed).all("details", class_="card") if attributes["id"] == "WHK-018"]

    told = " ".join(card.split())
    for part in (
        "A notification whose token no marketplace key verifies is refused.",
        "MUST",
        "Expected POST /webhook refused with 4xx",
        "Actual 200",
        "Let the publisher refuse POST /webhook with 4xx, and go on accepting",
        "The publisher under test.",
        "pc-saas-fulfillment-webhook § authentication",
        "Send the notification and look",
        "stranger → publisher POST /webhook 200 12 ms",
        "fulfillment-conformance run --target publisher.yaml --output reports/again --only WHK-018",
        "curl -i -X POST",
    ):
        assert part in told


def test_a_scenario_is_drawn_once_and_its_arrows_open_exchanges(mixed: Run) -> None:
    made = page(*mixed)
    diagrams = made.all("svg", class_="seq")
    links = [attributes["href"] for attributes, _ in made.all("a", class_="arrow")]
    targets = [attributes.get("id") for attributes, _ in made.all("div", class_="exchange")]

    assert len(diagrams) == 4
    assert ("#WHK-018", "The diagram stands at WHK-018") in [
        (attributes.get("href"), text) for attributes, text in made.all("a")
    ]
    assert set(links) == {"#exchange-4", "#exchange-5", "#exchange-6", "#exchange-8", "#exchange-9", "#exchange-16"}
    assert {f"#{target}" for target in targets} == set(links)


def test_every_link_inside_the_page_leads_somewhere(any_run: Run) -> None:
    made = page(*any_run)
    ids = [attributes["id"] for _, attributes, _ in made.elements if "id" in attributes]

    assert len(ids) == len(set(ids))
    for attributes, _ in made.all("a"):
        address = attributes["href"] or ""
        known = ("#", "https://learn.microsoft.com/", "https://github.com/", "https://tracker.contoso.example/")
        assert address.startswith(known)
        assert not address.startswith("#") or address[1:] in ids


def test_nothing_is_loaded_and_only_the_pages_own_script_may_run(any_run: Run) -> None:
    made = page(*any_run)
    [policy] = [attributes["content"] or "" for attributes, _ in made.all("meta", http_equiv="Content-Security-Policy")]
    [script] = made.all("script")
    [style] = made.all("style")

    assert policy.startswith("default-src 'none'; ")
    for directive, (_, text) in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    for _, attributes, _ in made.elements:
        assert not any(name.startswith("on") or name in {"src", "style", "srcset", "action"} for name in attributes)
    assert [attributes["href"] for attributes, _ in made.all("link")] == ["data:,"]
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_hostile_texts_stay_texts() -> None:
    text = html.render(*runs.hostile_run())
    made = Page(text)

    assert made.all("img") == []
    assert len(made.all("script")) == 1
    for hidden in ("\x00", "\x1b", "\u202e"):
        assert hidden not in text
    assert "⟨U+202E⟩" in text
    assert "</script><script>alert(1)" in made.all("h1")[0][1] + made.all("p", class_="about")[0][1]


def test_known_failures_are_told_with_reason_and_link(mixed: Run) -> None:
    made = page(*mixed)
    [known] = made.all("p", class_="known")

    assert known[1] == (
        "Known until 2026-12-31: Fixed in version 4. https://tracker.contoso.example/WHK-040 known.yaml:2"
    )
    assert ("#known", "Known failures") in [(attributes.get("href"), text) for attributes, text in made.all("a")]
    assert "neither confirmed nor refuted: WHK-041 (known.yaml:2)." in " ".join(text for _, text in made.all("p"))


def test_a_verdict_that_puts_up_with_failures_says_so() -> None:
    results, recorded = runs.mixed_run()
    kept = [one for one in results.requirements if one.kind in {"passed", "waived"}]
    made = page(runs.run(kept, results.tests, known=results.known_failures), recorded)

    assert made.all("h1") == [({}, "Conformant, with 1 known failure")]
    assert "1 is broken and waived: a known failure." in made.all("p", class_="sentence")[0][1]


def test_known_failures_out_of_date_stand_before_the_failures() -> None:
    results, recorded = runs.passed_run()
    text = html.render(runs.run(results.requirements, results.tests, known=[runs.known("WHK-003")]), recorded)

    assert text.index("WHK-003 passes now; remove the entry</li>") < text.index('id="failures"')


def test_what_was_not_judged_is_listed_by_reason(mixed: Run) -> None:
    made = page(*mixed)
    groups = " ".join(text for _, text in made.all("details", class_="plain"))

    assert "capability 'clock' is missing" in groups
    assert "judged on the live service only" in groups
    assert "the target file claims per_seat: false" in groups
    assert "WHK-050, WHK-051" in groups
    assert "POL-001" in made.all("ul", class_="checklist")[0][1]


def test_tests_that_broke_off_stand_before_the_failures() -> None:
    text = html.render(*runs.broken_run())

    assert text.index("Tests that broke off") < text.index('id="failures"')
    assert "KeyError: &#39;planId&#39;" in text
    assert "No binding requirement failed." in text


def test_a_run_that_passed_shows_no_evidence() -> None:
    made = page(*runs.passed_run())

    assert made.all("details", class_="card") == []
    assert made.all("div", class_="exchange") == []
    assert made.all("h2")[0][1] == "Failures"


def test_an_exchange_that_was_not_recorded_is_named() -> None:
    tests = [
        runs.record("test_one", ["WHK-001"], runs.check("WHK-001", Outcome.FAILED, exchanges=[77], expected="x"),
                    exchanges=[77])
    ]  # fmt: skip
    text = html.render(runs.run([runs.row("WHK-001", tests, statement="x")], tests), [])

    assert "(not recorded)" in text
    assert "No exchange was recorded." in text


def test_bodies_are_readable_and_cut() -> None:
    tests = [runs.record("test_one", ["WHK-001"], runs.check("WHK-001", Outcome.FAILED, exchanges=[1]), exchanges=[1])]
    recorded = [runs.exchange(1, "suite", "publisher", "POST /x", 299, body={"a": {"b": 1}}, answer="y" * 9_000)]
    recorded[0]["response"] |= {"bodyCutAt": 65_536, "bodySize": 1_234_567}

    text = html.render(runs.run([runs.row("WHK-001", tests, statement="x")], tests), recorded)

    assert "{\n  &#34;a&#34;: {\n    &#34;b&#34;: 1\n  }\n}" in text
    assert "the beginning of 1,234,567 bytes" in text
    assert "y" * 3_900 in text
    assert "y" * 4_100 not in text


@pytest.mark.parametrize("failing", [0, 60, 600])
def test_600_requirements_and_5000_exchanges_make_a_page_below_5_mb(failing: int) -> None:
    results, recorded = runs.large_run(600, 5_000, failing=failing)
    started = time.thread_time()
    text = html.render(results, recorded)

    assert time.thread_time() - started < 10
    assert len(text.encode()) < 5_000_000
    assert len(re.findall("<tr data-level", text)) == 600
    if failing == 600:
        assert "more would have made this page too large." in text


def test_bodies_of_the_largest_size_do_not_make_the_page_large() -> None:
    results, recorded = runs.large_run(60, 600, failing=60)
    for one in recorded:
        one["response"]["body"] = one["request"]["body"] = "<" * 65_536

    assert len(html.render(results, recorded).encode()) < 5_000_000


def test_a_request_that_is_too_long_for_a_command_line_is_left_out() -> None:
    tests = [runs.record("test_one", ["WHK-001"], runs.check("WHK-001", Outcome.FAILED, exchanges=[1]), exchanges=[1])]
    results = runs.run([runs.row("WHK-001", tests, statement="x")], tests)

    for size, shown in ((100, 1), (20_000, 0)):
        recorded = [runs.exchange(1, "suite", "publisher", "POST /x", 200, body="y" * size)]
        assert html.render(results, recorded).count("<pre>curl -i -X POST") == shown


def test_equal_results_make_equal_pages(mixed: Run) -> None:
    assert html.render(*mixed) == html.render(*runs.mixed_run())
