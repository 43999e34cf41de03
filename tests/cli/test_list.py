import json
from typing import Any

import pytest
from tests.commands import call

from fulfillment_conformance import suite_index
from fulfillment_conformance.catalogue import Catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def listed(*options: str) -> list[dict[str, Any]]:
    said = call("list", "--json", *options)
    assert said.code == 0
    document = json.loads(said.out)
    assert document.keys() == {"requirements"}
    rows: list[dict[str, Any]] = document["requirements"]
    return rows


def test_every_requirement_is_shown_in_a_line_of_its_own(catalogue: Catalogue) -> None:
    said = call("list")

    assert [line.split()[0] for line in said.out.splitlines()] == list(catalogue)
    assert catalogue["RES-013"].statement in said.out
    assert said.err.startswith(f"{len(catalogue)} requirements: ")


def test_the_counts_add_up() -> None:
    words = call("list").err.replace(",", "").replace(":", "").split()
    total, tested, excluded, neither = (int(words[index]) for index in (0, 2, 4, 6))

    assert total == tested + excluded + neither
    assert neither == len(listed("--untested"))


def test_json_has_what_others_rely_on(catalogue: Catalogue) -> None:
    rows = {row["id"]: row for row in listed()}

    assert rows.keys() == set(catalogue)
    for requirement in catalogue.values():
        row = rows[requirement.id]
        assert (row["party"], row["level"], row["excluded"]) == (
            requirement.party,
            requirement.level,
            requirement.excluded,
        )


def test_tests_are_found_by_their_marker() -> None:
    rows = {row["id"]: row for row in listed()}
    index = suite_index.tests_by_requirement(suite_index.read_suites())

    assert {name: row["tests"] for name, row in rows.items() if row["tests"]} == {
        claim: [test.id for test in tests] for claim, tests in index.items()
    }


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        (["--role", "publisher"], "party", "publisher"),
        (["--level", "SHOULD"], "level", "SHOULD"),
        (["--theme", "resolve"], "theme", "resolve"),
        (["--theme", "RES"], "theme", "resolve"),
    ],
)
def test_a_filter_keeps_what_has_the_property_and_nothing_else(options: list[str], key: str, value: str) -> None:
    everything = listed()

    assert listed(*options) == [row for row in everything if row[key] == value]


def test_filters_add_up() -> None:
    rows = listed("--role", "marketplace", "--level", "MUST", "--theme", "ACT")

    assert rows
    assert {(row["party"], row["level"], row["theme"]) for row in rows} == {("marketplace", "MUST", "activate")}


def test_untested_are_those_with_neither_test_nor_exclusion() -> None:
    untested = listed("--untested")

    assert untested == [row for row in listed() if not row["tests"] and row["excluded"] is None]


def test_a_theme_that_does_not_exist_names_the_nearest() -> None:
    said = call("list", "--theme", "resolv")

    assert said.code == 4
    assert "theme 'resolv' is unknown; did you mean 'resolve'?" in said.err
