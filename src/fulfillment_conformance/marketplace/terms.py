"""Calendar arithmetic of subscription terms.

A term's end is its last valid day; renewal happens the day after (pc-saas-fulfillment-subscription-api § Get
subscription). Every term of a subscription is counted from the day of the first one, so that monthly terms that began
on 31 January start on 28 or 29 February, on 31 March, on 30 April, and so on.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

_UNIT = re.compile(r"P([1-9]\d*)([MY])")


def months_of(unit: str) -> int:
    """Return the length of a term unit such as `P1M` or `P2Y` in months.

    Raises:
        ValueError: the unit is not a whole number of months or years.
    """
    match = _UNIT.fullmatch(unit)
    if match is None:
        raise ValueError(f"term unit {unit!r} is not a duration in months or years; write it like P1M or P1Y")
    return int(match[1]) * (12 if match[2] == "Y" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of a subscription; the days are None until the subscription has been activated.

    `unit` and `charge_duration` are ISO 8601 durations. `anchor` is the first day of the first term and `number` counts
    the terms from 1; both belong to the arithmetic and do not appear on the wire.
    """

    unit: str
    charge_duration: str | None = None
    start: date | None = None
    end: date | None = None
    anchor: date | None = None
    number: int = 0

    def begin(self, day: date) -> "Term":
        """Return the first term of this length, starting on `day`."""
        return self._nth(day, 1)

    def next(self) -> "Term":
        """Return the term that follows this one without a gap.

        Raises:
            ValueError: the term has not begun.
        """
        if self.anchor is None:
            raise ValueError("a term that has not begun has no successor")
        return self._nth(self.anchor, self.number + 1)

    @property
    def renewal_day(self) -> date | None:
        """The day after the last valid day, None while the term has not begun."""
        return None if self.end is None else self.end + timedelta(days=1)

    def _nth(self, anchor: date, number: int) -> "Term":
        months = months_of(self.unit)
        return Term(
            unit=self.unit,
            charge_duration=self.charge_duration,
            start=anchor + relativedelta(months=months * (number - 1)),
            end=anchor + relativedelta(months=months * number) - timedelta(days=1),
            anchor=anchor,
            number=number,
        )
