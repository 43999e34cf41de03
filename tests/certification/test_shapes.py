import json
from pathlib import Path
from typing import Any

import pytest
from tests.certification.forgery import subscription

from fulfillment_conformance.certification.recorded import read
from fulfillment_conformance.certification.shapes import Broken, broken
from fulfillment_conformance.run import EXCHANGES

Recorded = dict[str, dict[str, Any]]


@pytest.fixture
def exchanges(run_folder: Path) -> Recorded:
    return read((run_folder / EXCHANGES).read_bytes())[0]


def test_answers_as_described_break_nothing(exchanges: Recorded) -> None:
    assert broken(exchanges.values(), "documented") == ([], 4)


def test_an_answer_that_is_not_as_described_breaks_the_rows_that_say_so(exchanges: Recorded) -> None:
    exchanges["3"]["response"]["body"] = json.dumps(subscription(id="not a GUID"))
    found, _ = broken(exchanges.values(), "documented")

    assert [(one.requirement, one.exchange) for one in found] == [("GET-007", "3")]
    assert isinstance(found[0], Broken)
    assert found[0].how.startswith("getSubscription: body /id")


def test_each_marketplace_of_a_run_has_its_own_address(exchanges: Recorded) -> None:
    exchanges["3"]["request"]["url"] = exchanges["3"]["request"]["url"].replace(":8080", ":9090")
    exchanges["3"]["response"]["body"] = json.dumps(subscription(id="not a GUID"))
    found, looked_at = broken(exchanges.values(), "documented")

    assert [one.requirement for one in found] == ["GET-007"]
    assert looked_at == 4


@pytest.mark.parametrize(
    "change",
    [
        {"receiver": "publisher"},
        {"response": None},
        {"response": {"status": 200, "headers": [], "body": "{", "bodyCutAt": 1, "bodySize": 2}},
        {"response": {"status": 200, "headers": [], "body": "[3 bytes that are not UTF-8 text, sha256 00]"}},
    ],
    ids=["to somebody else", "no answer", "cut", "no text"],
)
def test_what_cannot_be_told_is_passed_over(change: dict[str, Any], exchanges: Recorded) -> None:
    exchanges["3"].update(change)

    assert broken(exchanges.values(), "documented") == ([], 3)
