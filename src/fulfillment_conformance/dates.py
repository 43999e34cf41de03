"""Days and terms as the pages count them: the arithmetic that checks use, apart from the core's own."""

import re
from datetime import date, timedelta
from typing import Any

from dateutil.parser import isoparser
from dateutil.relativedelta import relativedelta

_UNIT = re.compile(r"P(\d+)([MY])")


def day_of(value: Any) -> date | None:
    """Return the day of an ISO date or date-time with any number of fractional digits, None for anything else."""
    if not isinstance(value, str):
        return None
    # Seven fractional digits, as .NET writes them, are one more than Python reads.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value.strip())
    try:
        return isoparser().isoparse(trimmed).date()
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
