"""How fast a target replied, operation by operation: what `compare` needs to tell that it has become slower.

Only replies of the target itself count, and only those that granted the request (status below 400): a refusal costs
next to nothing, so that a run with more refusals would look faster. Times are real seconds, as the recorder saw them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any, Self
from urllib.parse import urlsplit

_API = re.compile(r"/saas/subscriptions(?=/|$).*")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTimes:
    """How fast an operation replied in one run.

    Attributes:
        operation: method and path, without host and query, and with `{id}` for every GUID.
        count: how many replies there were.
        median: half of them were at least as fast, in seconds.
        p95: 95 of 100 were at least as fast, in seconds.
        slowest: the slowest of them, in seconds.
    """

    operation: str
    count: int
    median: float
    p95: float
    slowest: float

    def to_json(self) -> dict[str, Any]:
        """Return the times as JSON data."""
        return {
            "operation": self.operation,
            "count": self.count,
            "median": self.median,
            "p95": self.p95,
            "slowest": self.slowest,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{name: data[name] for name in ("operation", "count", "median", "p95", "slowest")})


def measure(exchanges: Iterable[Mapping[str, Any]], *, role: str) -> tuple[ReplyTimes, ...]:
    """Return the reply times of a target, by operation in alphabetical order.

    Args:
        exchanges: the recorded exchanges, as `evidence.read_exchanges` gives them.
        role: the role that the target plays, `marketplace` or `publisher`.
    """
    seconds: dict[str, list[float]] = {}
    for exchange in exchanges:
        response = exchange["response"]
        if exchange["receiver"] == role and response is not None and response["status"] < 400:
            seconds.setdefault(_operation(exchange["request"]), []).append(exchange["seconds"])
    return tuple(_summed_up(operation, sorted(seconds[operation])) for operation in sorted(seconds))


def _operation(request: Mapping[str, Any]) -> str:
    try:
        path = urlsplit(request["url"]).path
    except ValueError:
        path = request["url"]
    # Where the API is mounted says nothing about the operation.
    api = _API.search(path)
    return f"{request['method']} {_GUID.sub('{id}', api.group() if api else path)}"


def _summed_up(operation: str, times: list[float]) -> ReplyTimes:
    return ReplyTimes(
        operation=operation,
        count=len(times),
        median=round(median(times), 4),
        p95=round(times[ceil(0.95 * len(times)) - 1], 4),
        slowest=round(times[-1], 4),
    )
