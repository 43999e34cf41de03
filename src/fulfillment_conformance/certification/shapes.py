"""Every recorded answer of a judged marketplace beside the description of the API, once more.

In the run, `suites/marketplace/test_schema.py` did the same; here it is done from the record alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment_conformance.basis import is_kept
from fulfillment_conformance.contract import Contract, Profile
from fulfillment_conformance.described import DescribedAnswers
from fulfillment_conformance.exchange import Exchange

_PLACEHOLDER = re.compile(r"\[(token|purchase-token|secret|email|person|cookie):[0-9a-f]{8}[^\]]*\]")
_API = "/saas/"


@dataclass(frozen=True, slots=True)
class Broken:
    """A requirement that names a shape, and the first answer that breaks it."""

    requirement: str
    exchange: str
    how: str


def broken(exchanges: Iterable[Mapping[str, Any]], profile: Profile) -> tuple[list[Broken], int]:
    """Return the requirements whose shapes an answer breaks, and how many answers were looked at."""
    contract = Contract.load(profile=profile)
    by_address: dict[str, DescribedAnswers] = {}
    looked_at = 0
    for recorded in exchanges:
        url, response = recorded["request"]["url"], recorded["response"]
        if recorded["receiver"] != "marketplace" or _API not in url or response is None or not is_kept(response):
            continue
        # Each worker has a marketplace of its own.
        address = url.partition(_API)[0]
        described = by_address.setdefault(address, DescribedAnswers(contract, address))
        described(_exchange(recorded))
        looked_at += 1
    found = {
        requirement: Broken(requirement, breach.exchange.number, str(breach))
        for described in by_address.values()
        for breach in described.breaches
        for requirement in breach.requirements
    }
    return list(found.values()), looked_at


def _exchange(recorded: Mapping[str, Any]) -> Exchange:
    request, response = recorded["request"], recorded["response"]
    return Exchange(
        sender=recorded["sender"],
        receiver=recorded["receiver"],
        method=request["method"],
        url=request["url"],
        request_headers=_headers(request),
        request_body=_body(request),
        status=response["status"],
        response_headers=_headers(response),
        response_body=_body(response),
        number=recorded["number"],
    )


def _headers(message: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in message["headers"])


def _body(message: Mapping[str, Any]) -> bytes:
    """Return a body with something of the same shape where a secret was."""
    text = _PLACEHOLDER.sub(lambda found: "x@example.invalid" if found[1] == "email" else "hidden", message["body"])
    return text.encode("utf-8", "surrogatepass")
