"""Tests of days, moments and terms as answers write them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from fulfillment_conformance.dates import day_of, moment_of, term_end


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-28",
        " 2026-02-28 ",
        "2026-02-28T23:59:59Z",
        "2026-02-28T10:00:00.1234567Z",
        "2026-02-28T10:00:00.123456789012",
        "2026-02-28T10:00:00+01:00",
    ],
)
def test_the_day_of_a_date_or_a_date_time(text: str) -> None:
    assert day_of(text) == date(2026, 2, 28)


@pytest.mark.parametrize("value", ["", "soon", "2026-02-30", "28.02.2026", "20:15", 20260228, None, ["2026-02-28"]])
def test_anything_else_has_no_day(value: Any) -> None:
    assert day_of(value) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-28T10:00:00Z", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00+02:00", datetime(2026, 2, 28, 8, tzinfo=UTC)),
        ("2026-02-28T10:00:00.1234567Z", datetime(2026, 2, 28, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-28T10:00:00.123456Z", datetime(2026, 2, 28, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-28T10:00:00.5Z", datetime(2026, 2, 28, 10, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_the_moment_of_a_date_time_is_in_utc(text: str, moment: datetime) -> None:
    found = moment_of(text)

    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("value", ["2026-02-28", "Tuesday", None, 5, datetime(2026, 2, 28, tzinfo=UTC)])
def test_anything_else_is_no_moment(value: Any) -> None:
    assert moment_of(value) is None


@pytest.mark.parametrize(
    ("start", "unit", "end"),
    [
        (date(2026, 1, 10), "P1M", date(2026, 2, 9)),
        (date(2026, 1, 31), "P1M", date(2026, 2, 27)),
        (date(2026, 1, 1), "P12M", date(2026, 12, 31)),
        (date(2026, 1, 1), "P1Y", date(2026, 12, 31)),
        (date(2024, 2, 29), "P3Y", date(2027, 2, 27)),
    ],
)
def test_a_term_ends_the_day_before_the_next_begins(start: date, unit: str, end: date) -> None:
    assert term_end(start, unit) == end


@pytest.mark.parametrize("unit", ["P1D", "P1M2D", "1M", "PT1M", "", "p1m", None, 1])
def test_a_term_of_another_kind_has_no_known_end(unit: Any) -> None:
    assert term_end(date(2026, 1, 1), unit) is None


def test_a_term_without_a_start_has_no_end() -> None:
    assert term_end(None, "P1M") is None
