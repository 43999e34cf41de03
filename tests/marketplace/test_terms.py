from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from fulfillment_conformance.marketplace import Term
from fulfillment_conformance.marketplace.terms import months_of

DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 31))
UNITS = st.sampled_from(["P1M", "P3M", "P1Y", "P2Y", "P3Y", "P4Y", "P5Y"])


def starts(unit: str, first: date, count: int) -> list[date | None]:
    term = Term(unit=unit).begin(first)
    days = [term.start]
    while len(days) < count:
        term = term.next()
        days.append(term.start)
    return days


@pytest.mark.parametrize(
    ("unit", "months"), [("P1M", 1), ("P12M", 12), ("P1Y", 12), ("P2Y", 24), ("P3Y", 36), ("P4Y", 48), ("P5Y", 60)]
)
def test_units_are_counted_in_months(unit: str, months: int) -> None:
    assert months_of(unit) == months


@pytest.mark.parametrize("unit", ["", "P1D", "P1W", "P0M", "1M", "P1", "PT1M", "P1M2Y", "p1m"])
def test_other_units_are_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="write it like P1M or P1Y"):
        months_of(unit)


def test_monthly_terms_from_31_january_keep_to_the_end_of_the_month() -> None:
    assert starts("P1M", date(2027, 1, 31), 14) == [
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
        date(2027, 6, 30),
        date(2027, 7, 31),
        date(2027, 8, 31),
        date(2027, 9, 30),
        date(2027, 10, 31),
        date(2027, 11, 30),
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
    ]


def test_yearly_terms_from_29_february_return_to_it_in_leap_years() -> None:
    assert starts("P1Y", date(2028, 2, 29), 5) == [
        date(2028, 2, 29),
        date(2029, 2, 28),
        date(2030, 2, 28),
        date(2031, 2, 28),
        date(2032, 2, 29),
    ]


@pytest.mark.parametrize(
    ("unit", "start", "end"),
    [
        ("P1M", date(2026, 3, 10), date(2026, 4, 9)),
        ("P1M", date(2026, 1, 1), date(2026, 1, 31)),
        ("P1M", date(2026, 1, 31), date(2026, 2, 27)),
        ("P1M", date(2028, 1, 31), date(2028, 2, 28)),
        ("P1Y", date(2026, 3, 10), date(2027, 3, 9)),
        ("P1Y", date(2028, 2, 29), date(2029, 2, 27)),
        ("P2Y", date(2026, 12, 31), date(2028, 12, 30)),
        ("P5Y", date(2026, 3, 10), date(2031, 3, 9)),
    ],
)
def test_a_term_ends_on_its_last_valid_day(unit: str, start: date, end: date) -> None:
    assert Term(unit=unit).begin(start).end == end


def test_a_term_that_has_not_begun_has_no_days_and_no_successor() -> None:
    term = Term(unit="P1M")

    assert (term.start, term.end, term.renewal_day) == (None, None, None)
    with pytest.raises(ValueError, match="has not begun"):
        term.next()


@given(DAYS)
def test_twelve_monthly_renewals_return_to_the_same_day_a_year_later(first: date) -> None:
    assert starts("P1M", first, 13)[-1] == first + relativedelta(years=1)


@given(DAYS, UNITS, st.integers(1, 30))
def test_terms_follow_each_other_without_gap_or_overlap(first: date, unit: str, renewals: int) -> None:
    term = Term(unit=unit, charge_duration="P1M").begin(first)

    for _ in range(renewals):
        following = term.next()
        assert term.start is not None
        assert term.end is not None
        assert term.start <= term.end
        assert following.start == term.renewal_day == term.end + timedelta(days=1)
        assert (following.unit, following.charge_duration) == (unit, "P1M")
        term = following


@given(DAYS, UNITS, st.integers(1, 30))
def test_a_late_month_end_never_drifts(first: date, unit: str, renewals: int) -> None:
    start = starts(unit, first, renewals + 1)[-1]

    assert start is not None
    month_end = start + relativedelta(day=31)
    assert start.day == min(first.day, month_end.day)
