"""Every output of a run agrees with its `results.json` to the last count: here each of them is counted again."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.commands import run as command
from tests.report import runs
from tests.report.conftest import Run

from fulfillment_conformance import report
from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.outcome import Blame, Level, Outcome, combine
from fulfillment_conformance.report.comparison import compare
from fulfillment_conformance.report.matrix import columns_of, render
from fulfillment_conformance.report.results import Kind, RunResults
from fulfillment_conformance.report.summary import summary

KINDS: dict[str, Kind] = {
    "failed": "failed",
    "warning": "warning",
    "undecided": "undecided",
    "untestable": "untestable",
    "known failure": "waived",
    "passed": "passed",
    "not applicable": "not-applicable",
    "excluded": "excluded",
}
"""How people read an outcome -> the outcome."""

Counts = Counter[str]


def truth(folder: Path) -> Counts:
    """Count the requirements of `results.json` by outcome, a failure that does not bind as a warning."""
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    counts: Counts = Counter()
    for one in data["requirements"]:
        warns = one["outcome"] == "failed" and one["level"] != "MUST"
        counts["warning" if warns else one["outcome"]] += 1
    by_outcome: Counts = Counter()
    for numbers in data["levels"].values():
        by_outcome.update(numbers)
    assert +by_outcome == +Counter(data["counts"])
    assert data["counts"]["failed"] == counts["failed"] + counts["warning"]
    return counts


def of_junit(folder: Path) -> Counts:
    suite, run = ET.parse(folder / "junit.xml").getroot()
    counts: Counts = Counter()
    for case in suite.findall("testcase"):
        marks = [mark for mark in case if mark.tag in {"failure", "error", "skipped"}]
        assert len(marks) <= 1
        [kind] = [mark.get("type") or "" for mark in marks] or ["passed"]
        counts["failed" if marks and marks[0].tag == "failure" else kind] += 1
    assert suite.get("tests") == str(counts.total())
    assert suite.get("failures") == str(counts["failed"])
    skipped = [case for case in suite.findall("testcase") if case.find("skipped") is not None]
    assert suite.get("skipped") == str(len(skipped))
    assert run.get("errors") == run.get("tests")
    return counts


def of_ctrf(folder: Path) -> Counts:
    results = json.loads((folder / "ctrf.json").read_text(encoding="utf-8"))["results"]
    statuses = Counter(test["status"] for test in results["tests"])
    assert {name: results["summary"][name] for name in statuses} == dict(statuses)
    assert results["summary"]["tests"] == len(results["tests"])
    return Counter(test["rawStatus"] for test in results["tests"] if test["rawStatus"] != "run")


def of_sarif(folder: Path) -> Counts:
    """Count what SARIF tells one by one; the rules are all requirements, so the rest is known as a sum."""
    [run] = json.loads((folder / "results.sarif").read_text(encoding="utf-8"))["runs"]
    counts: Counts = Counter()
    for result in run["results"]:
        fails = "failed" if result["level"] == "error" else "warning"
        counts["waived" if "suppressions" in result else fails] += 1
    for told in run["invocations"][0]["toolExecutionNotifications"]:
        if "associatedRule" in told:
            counts[told["properties"]["outcome"]] += 1
    counts["rest"] = len(run["tool"]["driver"]["rules"]) - counts.total()
    return counts


def of_summary(folder: Path) -> Counts:
    text = (folder / "summary.md").read_text(encoding="utf-8")
    table = re.search(r"^\| (.+) \|\n\|[-:|]+\n\| (.+) \|$", text, re.MULTILINE)
    if table is None:
        assert "No requirement was judged." in text
        return Counter()
    counts: Counts = Counter()
    for word, number in zip(table[1].split(" | "), table[2].split(" | "), strict=True):
        counts[KINDS[word]] = int(number)
    for title, kind in {"Failures": "failed", "Warnings": "warning", "Known failures": "waived"}.items():
        heading = re.search(rf"^### {title} \((\d+)\)$", text, re.MULTILINE)
        assert (int(heading[1]) if heading else 0) == counts[kind]
    return counts


class _Page(HTMLParser):
    """Takes from a page the numbers of its tiles, and the outcomes of its rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tiles: Counts = Counter()
        self.rows: Counts = Counter()
        self._tile = ""
        self._number = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        found = re.match(r"k-([a-z-]+)", attributes.get("class") or "") if tag == "li" else None
        self._tile = found[1] if found else self._tile
        self._number = tag == "b" and bool(self._tile)
        if tag == "tr" and "data-outcome" in attributes:
            self.rows[attributes["data-outcome"] or ""] += 1

    def handle_data(self, data: str) -> None:
        if self._number:
            self.tiles[self._tile] = int(data.replace(",", ""))
            self._tile, self._number = "", False


def of_html(folder: Path) -> Counts:
    page = _Page((folder / "report.html").read_text(encoding="utf-8"))
    assert +page.tiles == page.rows
    return page.rows


def of_matrix(folder: Path) -> Counts:
    columns = columns_of([(folder, report.read(folder))], folder / "matrix.html")
    return _Page(render(columns)).rows


def of_terminal(folder: Path) -> Counts:
    line = summary(report.read(folder), None)[2].plain
    return Counter({KINDS[word]: int(number) for number, word in re.findall(r"(\d+) ([a-z ]+)", line)})


def required_of_badge(folder: Path) -> tuple[int, int]:
    badge = json.loads((folder / "badge.json").read_text(encoding="utf-8"))
    found = re.search(r"(\d+)/(\d+)$", badge["message"])
    assert found is not None
    return int(found[1]), int(found[2])


def required(folder: Path) -> tuple[int, int]:
    """Count the binding requirements that passed, and all of them that could be judged."""
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    numbers = data["levels"]["MUST"]
    return numbers["passed"], sum(numbers.values()) - numbers["excluded"] - numbers["not-applicable"]


def verdicts(folder: Path) -> set[str]:
    """Return the verdict as every output has it, in words."""
    [sarif] = json.loads((folder / "results.sarif").read_text(encoding="utf-8"))["runs"]
    ctrf = json.loads((folder / "ctrf.json").read_text(encoding="utf-8"))["results"]["summary"]["extra"]["verdict"]
    badge = json.loads((folder / "badge.json").read_text(encoding="utf-8"))["message"].rpartition(", ")[0]
    heading = re.search(r"^## \S+ (.+?): SaaS", (folder / "summary.md").read_text(encoding="utf-8"), re.MULTILINE)
    title = re.search(r"<h1>(.+?)</h1>", (folder / "report.html").read_text(encoding="utf-8"))
    properties = ET.parse(folder / "junit.xml").getroot().iter("property")
    junit = {one.get("name"): one.get("value") or "" for one in properties}["verdict"]
    assert heading is not None
    assert title is not None
    return {junit, sarif["properties"]["verdict"], ctrf, badge, heading[1].lower(), title[1].lower()}


def check(folder: Path) -> None:
    """Compare every output in a run's folder with its `results.json`."""
    counts = +truth(folder)
    for count in (of_junit, of_ctrf, of_summary, of_html, of_matrix, of_terminal):
        assert +count(folder) == counts, count.__name__
    told_one_by_one = ("failed", "warning", "waived", "undecided", "untestable")
    sarif = {kind: counts[kind] for kind in told_one_by_one}
    sarif["rest"] = counts.total() - sum(sarif.values())
    assert of_sarif(folder) == Counter(sarif)
    assert required_of_badge(folder) == required(folder)
    results = report.read(folder)
    assert compare(results, results).to_json()["new"]["counts"] == dict(results.counts)
    known = "" if not counts["waived"] else f", with {counts['waived']} known failure{'s' * (counts['waived'] > 1)}"
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    words = {"conformant": f"conformant{known}", "not-conformant": "not conformant", "incomplete": "incomplete"}
    assert verdicts(folder) == {words[data["verdict"]]}
    codes = {
        results.exit_code,
        json.loads((folder / "results.sarif").read_text(encoding="utf-8"))["runs"][0]["invocations"][0]["exitCode"],
        json.loads((folder / "ctrf.json").read_text(encoding="utf-8"))["results"]["summary"]["extra"]["exitCode"],
    }
    assert codes == {data["exit_code"]}


def written(folder: Path, results: RunResults, recorded: Any = ()) -> Path:
    runs.write(folder, results, list(recorded))
    assert report.write_all(results, folder) == []
    return folder


def test_all_outputs_agree(tmp_path: Path, any_run: Run) -> None:
    check(written(tmp_path, *any_run))


LEVELS: list[Level] = ["MUST", "SHOULD", "MAY", "INFO"]


@settings(deadline=None, max_examples=40)
@given(
    outcomes=st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(Outcome), st.booleans()), max_size=12),
    blame=st.sampled_from([None, *Blame]),
    interrupted=st.booleans(),
)
def test_all_outputs_agree_whatever_comes_of_a_run(
    tmp_path_factory: pytest.TempPathFactory,
    outcomes: list[tuple[Level, Outcome, bool]],
    blame: Blame | None,
    interrupted: bool,
) -> None:
    rows = [
        runs.settled(runs.row(f"WHK-{number:03}", (), statement="x", level=level), outcome, "because")
        for number, (level, outcome, _) in enumerate(outcomes)
    ]
    known = [runs.known(f"WHK-{number:03}") for number, (_, _, put_up_with) in enumerate(outcomes) if put_up_with]
    results = runs.run(rows, [runs.record("test_one", [], blame=blame)], known=known, interrupted=interrupted)

    check(written(tmp_path_factory.mktemp("run"), results))


def of_allure(folder: Path, selected: set[str]) -> Counts:
    """Count the selected requirements again from what Allure was told, test by test; a test may claim others, too."""
    levels = {row.id: row.level for row in Catalogue.load().values()}
    outcomes: dict[str, list[Outcome]] = {}
    known: set[str] = set()
    for path in (folder / "allure-results").glob("*-result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        labels = [(label["name"], label["value"]) for label in result["labels"]]
        known |= {value for name, value in labels if name == "known-failure"}
        [checks] = [part["source"] for part in result["attachments"] if part["name"] == "Checks"]
        told = re.findall(
            r"^([A-Z0-9]+-\d{3}): ([a-z-]+)$",
            (folder / "allure-results" / checks).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        failed = {name for name, outcome in told if outcome == "failed" and levels[name] == "MUST"}
        assert result["status"] == ("failed" if failed - known else "skipped" if failed else "passed")
        for claim in (value for name, value in labels if name == "requirement" and value in selected):
            found = [Outcome(outcome) for name, outcome in told if name == claim]
            outcomes.setdefault(claim, []).extend(found or [Outcome.UNDECIDED])
    counts: Counts = Counter({"excluded": len(selected - outcomes.keys())})
    for claim, found in outcomes.items():
        outcome = combine(found)
        if outcome is Outcome.FAILED and claim in known:
            counts["waived"] += 1
        elif outcome is Outcome.FAILED and levels[claim] != "MUST":
            counts["warning"] += 1
        else:
            counts[outcome.value] += 1
    return counts


def test_all_outputs_of_a_real_run_agree_and_allures_too(tmp_path: Path) -> None:
    """A run of its own: what Allure gets is written while tests run, and cannot be made from results.json."""
    excluded = next(row.id for row in Catalogue.load().values() if row.excluded and row.party == "marketplace")
    deviations = "[resolve-forgives-a-typing-error, resolve-leaves-the-offer-empty]"
    (tmp_path / "known.yaml").write_text(
        "failures:\n  - {id: RES-007, why: It waits., link: 'https://t.example/1', until: 2999-12-31}\n",
        encoding="utf-8",
    )
    target = tmp_path / "target.yaml"
    target.write_text(
        f"role: marketplace\nmarketplace: {{driver: embedded, deviations: {deviations}}}\nknown: known.yaml\n",
        encoding="utf-8",
    )
    ids = ["RES-006", "RES-007", "RES-008", "RES-019", excluded]
    folder = tmp_path / "output"
    said = command("run", "--target", target, "--output", folder, "--only", *ids, "--progress", "json")

    assert said.code == 1, said.text
    assert +truth(folder) == Counter({"passed": 2, "waived": 1, "failed": 1, "excluded": 1})
    check(folder)
    assert +of_allure(folder, set(ids)) == +truth(folder)
    properties = (folder / "allure-results" / "environment.properties").read_text(encoding="utf-8")
    assert "Verdict=not conformant\n" in properties
    last = json.loads(said.out.splitlines()[-1])
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (last["counts"], last["failed"], last["waived"]) == (data["counts"], ["RES-019"], ["RES-007"])
