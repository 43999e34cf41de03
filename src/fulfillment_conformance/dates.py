"""Days and terms as the pages count them: the arithmetic that checks use, apart from the core's own."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dateutil.parser import isoparser
from dateutil.relativedelta import relativedelta

_UNIT = re.compile(r"P(\d+)([MY])")


def day_of(value: Any) -> date | None:
    """Return the day of an ISO date or date-time with any number of fractional digits, None for anything else."""
    parsed = _parsed(value)
    return None if parsed is None else parsed.date()


def moment_of(value: Any) -> datetime | None:
    """Return an ISO date-time in UTC, which it is taken for where it names no zone; None for anything else."""
    parsed = _parsed(value) if isinstance(value, str) and "T" in value else None
    if parsed is None:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _parsed(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return isoparser().isoparse(value.strip())  # any number of fractional digits; .NET writes seven
    except ValueError:
        return None


def term_end(start: date | None, unit: Any) -> date | None:
    """Return the last day of a term: start plus its duration (`P1M`, `P1Y`, ...) less one day."""
    found = _UNIT.fullmatch(unit) if isinstance(unit, str) else None
    if start is None or found is None:
        return None
    count = int(found[1])
    length = relativedelta(months=count) if found[2] == "M" else relativedelta(years=count)
    return start + length - timedelta(days=1)
