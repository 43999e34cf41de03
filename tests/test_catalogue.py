import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fulfillment_conformance import resources
from fulfillment_conformance.catalogue import Catalogue, Requirement, UnknownRequirement, natural_order
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.yamlfile import InvalidContent, UnreadableFile

DOCS = Path(__file__).parents[1] / "docs" / "catalogue.md"

ORIGINAL_LAST = {
    "HDR": 30, "AUT": 26, "REG": 20, "RES": 31, "ACT": 25, "LST": 18, "GET": 37, "PLN": 21, "CHP": 27, "CHQ": 21,
    "DEL": 21, "OPL": 13, "OPG": 17, "OPP": 18, "WHK": 47, "EVT": 42, "LCY": 33, "LND": 34, "POL": 11, "CSP": 8,
    "PVO": 10, "TRM": 12, "AAC": 8, "TST": 8, "MTR": 4, "V1": 15,
}  # fmt: skip
"""The last number of each theme when the catalogue began: 557 requirements, each still there or named in `replaces`."""
PREFIXES = sorted(ORIGINAL_LAST)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


# --- the catalogue that comes with the suite ---


def test_no_requirement_was_lost(catalogue: Catalogue) -> None:
    replaced = {old for row in catalogue.values() for old in row.replaces}
    original = {f"{prefix}-{number:03d}" for prefix, last in ORIGINAL_LAST.items() for number in range(1, last + 1)}

    assert len(original) == 557
    assert original <= set(catalogue) | replaced
    assert [theme.prefix for theme in catalogue.themes()] == PREFIXES


def test_every_requirement_stands_where_it_says(catalogue: Catalogue) -> None:
    for row in catalogue.values():
        assert f"- id: {row.id}" in row.file.read_text(encoding="utf-8").splitlines()[row.line - 1]


def test_what_cannot_be_observed_is_excluded_with_a_reason_and_nothing_else_is(catalogue: Catalogue) -> None:
    for row in catalogue.values():
        assert bool(row.excluded) == row.observable.startswith("manual"), row.id
        if row.excluded:
            assert len(row.excluded) > 20, row.id


def test_references_between_requirements_lead_somewhere(catalogue: Catalogue) -> None:
    written = re.compile(r"\b(?:" + "|".join(PREFIXES) + r")-\d{3}\b")
    for row in catalogue.values():
        text = row.model_dump_json(exclude={"id", "replaces", "file"})
        assert set(written.findall(text)) <= set(catalogue), row.id


def test_observed_readings_say_who_observed_them(catalogue: Catalogue) -> None:
    telling = re.compile(r"observed in the field|seen|issue|2019|emulator")
    for row in catalogue.values():
        for reading in row.accepted:
            if reading.profile == "observed":
                assert telling.search(reading.source), row.id


def test_scenarios_observations_and_rulings_are_explained_in_the_documentation(catalogue: Catalogue) -> None:
    explained = DOCS.read_text(encoding="utf-8")
    for row in catalogue.values():
        for name in (*row.scenarios, *row.observations, *row.rulings):
            assert f"\n| {name} |" in explained, (row.id, name)


def test_one_ruling_says_the_same_wherever_it_is_written(catalogue: Catalogue) -> None:
    texts: dict[str, set[str]] = {}
    for row in catalogue.values():
        for number, text in row.rulings.items():
            texts.setdefault(number, set()).add(text)

    assert {number: len(found) for number, found in texts.items()} == dict.fromkeys(texts, 1)


@pytest.mark.parametrize(
    ("merged", "into"),
    [("LND-019", "ACT-004")],
)
def test_merged_requirements_are_recorded(catalogue: Catalogue, merged: str, into: str) -> None:
    assert merged in catalogue[into].replaces
    with pytest.raises(UnknownRequirement, match=f"{merged} was merged into {into}; use that id"):
        catalogue[merged]


def test_the_newest_set_holds_every_must_and_should_that_can_be_observed(catalogue: Catalogue) -> None:
    newest = catalogue.set(max(catalogue.sets()))

    for party in ("marketplace", "publisher"):
        assert set(newest.required[party]) == ids(catalogue.filter(party=party, level="MUST"))
        assert set(newest.reported[party]) == ids(catalogue.filter(party=party, level="SHOULD"))
    assert newest.name == "2026.1"
    assert newest.date == datetime.date(2026, 11, 22)
    assert list(newest.ids) == sorted(newest.ids, key=natural_order)


def ids(rows: tuple[Requirement, ...]) -> set[str]:
    return {row.id for row in rows if not row.excluded}


# --- looking things up ---


def test_requirements_come_in_natural_order(catalogue: Catalogue) -> None:
    assert list(catalogue) == sorted(catalogue, key=natural_order)
    assert natural_order("WHK-010") > natural_order("WHK-009")
    assert natural_order("V1-002") > natural_order("TST-008")


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("WHK-0014", "did you mean WHK-014?"),
        ("whk-014", "did you mean WHK-014?"),
        ("ACT-999", "did you mean ACT-0"),
        ("nothing like it", "`fulfillment-conformance list` shows all ids"),
    ],
)
def test_an_unknown_id_names_the_nearest_one(catalogue: Catalogue, wanted: str, hint: str) -> None:
    with pytest.raises(UnknownRequirement) as unknown:
        catalogue[wanted]

    assert str(unknown.value).startswith(f"requirement '{wanted}' is not in the catalogue; {hint}")
    assert unknown.value.exit_code == 4
    assert wanted not in catalogue
    assert catalogue.get(wanted) is None


def test_filters_narrow_each_other_down(catalogue: Catalogue) -> None:
    rows = catalogue.filter(party="publisher", level="MUST", theme="webhook")

    assert catalogue["WHK-014"] in rows
    assert {(row.party, row.level, row.theme) for row in rows} == {("publisher", "MUST", "webhook")}
    assert catalogue.filter(theme="WHK") == catalogue.filter(theme="webhook")
    assert len(catalogue.filter()) == len(catalogue)


def test_a_filter_by_a_theme_that_does_not_exist_is_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(
        UsageProblem, match=r"theme 'webhok' is unknown; did you mean 'webhook'\? themes: auto-activation"
    ):
        catalogue.filter(theme="webhok")


def test_a_set_that_does_not_exist_is_an_error(catalogue: Catalogue) -> None:
    with pytest.raises(UsageProblem, match=r"set '2026\.2' is unknown; did you mean '2026\.1'\? sets: 2026\.1"):
        catalogue.set("2026.2")


# --- what can be wrong with the files ---

Write = Callable[..., str]

ROW = """\
  - id: {id}
    party: publisher
    level: MUST
    statement: Something is so.
    source: [a page]
    observable: Look.
"""
SET = """\
name: "2026.1"
date: 2026-11-22
about: A set.
required:
  publisher: [{ids}]
"""


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files, load them as a catalogue, and return what is complained about."""
    monkeypatch.chdir(tmp_path)

    def told(**files: str) -> str:
        for name, text in files.items():
            file = Path("c", name.replace("__", "/") + ".yaml")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidContent) as refused:
            Catalogue.load(Path("c"))
        return str(refused.value)

    return told


def theme(*rows: str, name: str = "headers", prefix: str = "HDR") -> str:
    return f"theme: {name}\nprefix: {prefix}\ntitle: T\nrequirements:\n{''.join(rows)}"


def row(requirement_id: str = "HDR-001", more: str = "") -> str:
    return ROW.format(id=requirement_id) + (f"    {more}\n" if more else "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            theme(row(more="obsrvable: x")),
            "c/headers.yaml:11: requirements[0].obsrvable: unknown key; did you mean 'observable'?",
        ),
        (
            theme(row().replace("    source: [a page]\n", "")),
            ("c/headers.yaml:5: requirements[0].source: missing; expected a list of the sources"),
        ),
        (theme(row().replace("[a page]", "[]")), "c/headers.yaml:9: requirements[0].source: needs at least 1 entry"),
        (
            theme(row().replace("[a page]", "a page")),
            "c/headers.yaml:9: requirements[0].source: expected a list, got 'a page'",
        ),
        (
            theme(row().replace("MUST", "MAST")),
            "c/headers.yaml:7: requirements[0].level: got 'MAST'; did you mean 'MUST'?",
        ),
        (
            theme(row().replace("publisher", "isv")),
            "c/headers.yaml:6: requirements[0].party: got 'isv'; allowed: marketplace, publisher",
        ),
        (theme(row("HDR-1")), "c/headers.yaml:5: requirements[0].id: got 'HDR-1'; expected an id such as WHK-014"),
        (
            theme(row("AUT-001")),
            "c/headers.yaml:5: requirements[0].id: got 'AUT-001'; ids of this file begin with HDR-",
        ),
        (theme(row(more="excluded: ''")), "c/headers.yaml:11: requirements[0].excluded: must not be empty"),
        (
            theme(row(more="excluded: true")),
            "c/headers.yaml:11: requirements[0].excluded: expected text, got true; put it in quotes",
        ),
        (
            theme(row(more="accepted: [{reading: r, profile: observed}]")),
            ("c/headers.yaml:11: requirements[0].accepted[0].source: missing; expected where the reading comes from"),
        ),
        (
            theme(row(more="accepted: [{reading: r, source: '', profile: observed}]")),
            "c/headers.yaml:11: requirements[0].accepted[0].source: must not be empty",
        ),
        (
            theme(row(more="accepted: [{reading: r, source: s, profile: observd}]")),
            "c/headers.yaml:11: requirements[0].accepted[0].profile: got 'observd'; did you mean 'observed'?",
        ),
        (
            theme(row(more="accepted: [{reading: r, source: s, profile: observed, statuses: [99]}]")),
            "c/headers.yaml:11: requirements[0].accepted[0].statuses[0]: must be at least 100, got the number 99",
        ),
        (
            theme(row(more="rulings: {first: x}")),
            "c/headers.yaml:11: requirements[0].rulings.first: got 'first'; expected the number",
        ),
        (
            theme(row(more="scenarios: [I01]")),
            "c/headers.yaml:11: requirements[0].scenarios[0]: got 'I01'; expected a scenario",
        ),
        (
            theme(row(more="observations: [33]")),
            "c/headers.yaml:11: requirements[0].observations[0]: expected text, got the number 33",
        ),
        (
            theme(row(more="replaces: [HDR-001]")),
            (
                "c/headers.yaml:11: requirements[0].replaces: HDR-001 is still a requir"
                "ement, in c/headers.yaml:5; remove one of them"
            ),
        ),
        (
            theme(row(more="replaces: [XYZ-001]")),
            (
                "c/headers.yaml:11: requirements[0].replaces: XYZ-001 is unknown: no theme"
                " has ids of this prefix; prefixes: HDR"
            ),
        ),
        (
            theme(row(more="replaces: [HDR-009]")),
            (
                "c/headers.yaml:11: requirements[0].replaces: HDR-009 is unknown: the theme"
                " headers never had that many requirements"
            ),
        ),
        (
            theme(row(more="replaces: [HDR-002]"), row("HDR-003", "replaces: [HDR-002]")),
            "c/headers.yaml:18: requirements[1].replaces: HDR-002 is already replaced by HDR-001; keep one of them",
        ),
        (
            theme(row(), row("HDR-003")),
            "c/headers.yaml:11: HDR-002 is missing before HDR-003: neither a requirement nor named",
        ),
        (
            theme(row(), row()),
            "c/headers.yaml:11: requirements[1].id: HDR-001 is already in c/headers.yaml:5; give this one an id",
        ),
        (
            theme(row(), name="hedders"),
            "c/headers.yaml:1: theme: got 'hedders'; expected 'headers', the name of the file",
        ),
        (
            theme(row(), prefix="hd"),
            "c/headers.yaml:2: prefix: got 'hd'; expected two or three capital letters such as WHK",
        ),
        (
            "theme: headers\nprefix: HDR\ntitle: T\nrequirements: []\n",
            "c/headers.yaml:4: requirements: needs at least 1 entry",
        ),
        (
            "theme: headers\nprefix: HDR\ntitle: T\n",
            "c/headers.yaml:1: requirements: missing; expected a list of requirements",
        ),
        ("- id: HDR-001\n", "c/headers.yaml:1: expected a mapping (key: value) at the top, got a list"),
        (
            theme(row(more="notes: *x")),
            "c/headers.yaml:11: requirements[0].notes: the alias *x is not allowed; write the value out",
        ),
    ],
)
def test_a_mistake_in_a_theme_is_named_by_file_and_line(complaint: Write, text: str, message: str) -> None:
    assert complaint(headers=text).splitlines()[0].startswith(message)


def test_a_prefix_or_an_id_in_two_files_names_both_places(complaint: Write) -> None:
    told = complaint(first=theme(row(), name="first"), second=theme(row(), name="second"))

    assert told.splitlines() == [
        "c/second.yaml:2: prefix: prefix HDR already belongs to the theme first; choose another",
        "c/second.yaml:5: requirements[0].id: HDR-001 is already in c/first.yaml:5; give this one an id of its own",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SET.format(ids="HDR-010"),
            ("c/sets/2026.1.yaml:5: required.publisher[0]: HDR-010 is not in the catalogue; did you mean 'HDR-0"),
        ),
        (
            SET.format(ids="HDR-001,\n    ZZZ-999"),
            ("c/sets/2026.1.yaml:6: required.publisher[1]: ZZZ-999 is not in the catalogue; remove it"),
        ),
        (
            SET.format(ids="HDR-002"),
            "c/sets/2026.1.yaml:5: required.publisher[0]: HDR-002 was merged into HDR-001; use that id",
        ),
        (
            SET.format(ids="HDR-003"),
            "c/sets/2026.1.yaml:5: required.publisher[0]: HDR-003 is excluded, so no run can decide it",
        ),
        (
            SET.format(ids="HDR-001, HDR-001"),
            "c/sets/2026.1.yaml:5: required.publisher[1]: HDR-001 is given twice; remove one",
        ),
        (
            SET.format(ids="HDR-001").replace("publisher", "marketplace"),
            "c/sets/2026.1.yaml:5: required.marketplace[0]: HDR-001 binds the publisher; move it there",
        ),
        (
            SET.format(ids="HDR-001").replace('"2026.1"', "2026.1"),
            ("c/sets/2026.1.yaml:1: name: expected text, got the number 2026.1; put it in quotes"),
        ),
        (
            SET.format(ids="HDR-001").replace('"2026.1"', "other"),
            "c/sets/2026.1.yaml:1: name: got 'other'; expected '2026.1'",
        ),
        (
            SET.format(ids="HDR-001").replace("2026-11-22", "yesterday"),
            "c/sets/2026.1.yaml:2: date: got 'yesterday'; expected a date",
        ),
        (SET.format(ids="HDR-001").replace("about: A set.\n", ""), "c/sets/2026.1.yaml:1: about: missing"),
        (
            SET.format(ids="nothing"),
            "c/sets/2026.1.yaml:5: required.publisher[0]: got 'nothing'; expected an id such as WHK-014",
        ),
        ("name: [\n", "c/sets/2026.1.yaml:2: not valid YAML"),
    ],
)
def test_a_mistake_in_a_set_is_named_by_file_and_line(complaint: Write, text: str, message: str) -> None:
    rows = theme(row(more="replaces: [HDR-002]"), row("HDR-003", "excluded: It cannot be seen."))

    assert complaint(headers=rows, **{"sets__2026.1": text}).splitlines()[0].startswith(message)


def test_the_mistakes_of_all_files_are_told_at_once(complaint: Write) -> None:
    told = complaint(
        bodies=theme(row("BOD-1"), name="bodies", prefix="BOD"),
        headers=theme(row(more="x: y"), row("HDR-002", "z: y")),
        **{"sets__2026.1": SET.format(ids="HDR-009")},
    )

    assert [line.split(": ")[0] for line in told.splitlines()] == [
        "c/bodies.yaml:5",
        "c/headers.yaml:11",
        "c/headers.yaml:18",
        "c/sets/2026.1.yaml:5",
    ]


def test_a_folder_without_themes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"holds no theme files \(\*\.yaml\)"):
        Catalogue.load(tmp_path)


def test_the_catalogue_that_travels_with_the_suite_is_the_default() -> None:
    assert next(iter(Catalogue.load().values())).file.parent == resources.folder("catalogue")
