import json

import pytest
from tests.report import runs

from fulfillment_conformance.exchange import Party
from fulfillment_conformance.report.reply_times import ReplyTimes, measure

PATH = f"/saas/subscriptions/{runs.SUBSCRIPTION}?api-version=2018-08-31"


def test_times_are_told_by_operation() -> None:
    seconds = [0.010, 0.020, 0.030, 0.040, 0.500]
    recorded = [
        *(
            runs.exchange(number, "suite", "marketplace", f"GET {PATH}", 200, seconds=taken)
            for number, taken in enumerate(seconds)
        ),
        runs.exchange(9, "suite", "marketplace", "POST /saas/subscriptions/resolve", 200, seconds=0.2),
    ]

    assert measure(recorded, role="marketplace") == (
        ReplyTimes(operation="GET /saas/subscriptions/{id}", count=5, median=0.030, p95=0.5, slowest=0.5),
        ReplyTimes(operation="POST /saas/subscriptions/resolve", count=1, median=0.2, p95=0.2, slowest=0.2),
    )


@pytest.mark.parametrize(("receiver", "status"), [("marketplace", 400), ("marketplace", None), ("control", 200)])
def test_refusals_silence_and_others_do_not_count(receiver: Party, status: int | None) -> None:
    recorded = [runs.exchange(1, "suite", receiver, f"GET {PATH}", status, error=None if status else "ReadTimeout")]

    assert measure(recorded, role="marketplace") == ()


def test_where_a_service_is_mounted_makes_no_operation_of_its_own() -> None:
    here = runs.exchange(1, "suite", "marketplace", f"GET {PATH}", 200)
    there = runs.exchange(2, "suite", "marketplace", f"GET {PATH}", 200)
    there["request"]["url"] = f"https://elsewhere.example/some/api{PATH}"

    [times] = measure([here, there], role="marketplace")

    assert times.count == 2


def test_an_address_that_is_none_is_an_operation_like_any_other() -> None:
    broken = runs.exchange(1, "suite", "publisher", "GET /x", 200)
    broken["request"]["url"] = "http://[half"

    assert [times.operation for times in measure([broken], role="publisher")] == ["GET http://[half"]


def test_times_survive_json() -> None:
    [times] = measure([runs.exchange(1, "suite", "publisher", "GET /x", 200)], role="publisher")

    assert ReplyTimes.from_json(json.loads(json.dumps(times.to_json()))) == times
