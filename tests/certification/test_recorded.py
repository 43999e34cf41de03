import json
from pathlib import Path
from typing import Any

import pytest

from fulfillment_conformance.certification.recorded import complaints, read, several
from fulfillment_conformance.report import read as read_results
from fulfillment_conformance.report.results import RunResults
from fulfillment_conformance.run import EXCHANGES


@pytest.fixture
def content(run_folder: Path) -> bytes:
    return (run_folder / EXCHANGES).read_bytes()


@pytest.fixture
def results(run_folder: Path) -> RunResults:
    return read_results(run_folder)


def line(content: bytes, **changes: Any) -> bytes:
    """Return the first exchange with other values."""
    return json.dumps({**json.loads(content.splitlines()[0]), **changes}).encode() + b"\n"


def test_a_recorded_run_is_whole(content: bytes, results: RunResults) -> None:
    exchanges, said = read(content)

    assert list(exchanges) == ["1", "2", "3", "4"]
    assert said == []
    assert list(complaints(exchanges, results)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "one"},
        {"number": 1},
        {"number": "gw0-0"},
        {"at": "yesterday"},
        {"seconds": "long"},
        {"run": None},
        {"receiver": "nobody"},
        {"request": None},
        {"request": {"method": "GET"}},
        {"request": {"method": "GET", "url": "x", "headers": [["a"]], "body": ""}},
        {"request": {"method": "GET", "url": "x", "headers": [["a", 1]], "body": ""}},
        {"response": {"status": "200", "headers": [], "body": ""}},
        {"response": []},
    ],
)
def test_what_is_no_exchange_is_told_and_raises_nothing(changes: dict[str, Any], content: bytes) -> None:
    exchanges, said = read(line(content, **changes))

    assert exchanges == {}
    assert said == ["line 1 is not a recorded exchange"]


@pytest.mark.parametrize("text", [b"\n", b"[]\n", b"{}\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_any_text_can_be_read(text: bytes) -> None:
    assert read(text) == ({}, ["line 1 is not a recorded exchange"])


def test_a_time_without_a_zone_is_no_time_of_the_run(content: bytes, results: RunResults) -> None:
    naive = results.started.replace(tzinfo=None).isoformat()
    exchanges, _ = read(line(content, at=naive) + b"".join(content.splitlines(keepends=True)[1:]))

    [said] = complaints(exchanges, results)
    assert said.startswith("exchange 1 was recorded at a time outside of the run")


def test_workers_count_for_themselves_and_are_ordered_by_time(content: bytes, results: RunResults) -> None:
    lines = [json.loads(each) for each in content.splitlines()]
    for number, one in zip(["gw1-1", "gw0-1", "gw0-3", "gw1-2"], lines, strict=True):
        one["number"] = number
    exchanges = {one["number"]: one for one in lines}
    of_numbers = [said for said in complaints(exchanges, results) if "belong" not in said]
    assert of_numbers == ["exchange gw0-2 is missing; the numbers go up to gw0-3"]

    turned = dict(reversed(exchanges.items()))
    assert "exchange gw0-3 stands behind gw1-2, which came later" in list(complaints(turned, results))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], []),
        (["1"], ["exchange 1 is missing"]),
        (["1", "2"], ["exchanges 1, 2: each is missing"]),
        (list("12345"), ["exchanges 1, 2, 3 and 2 more: each is missing"]),
    ],
)
def test_many_faults_of_a_kind_are_one_sentence(names: list[str], said: list[str]) -> None:
    assert several(names, "is missing", "exchange") == said
