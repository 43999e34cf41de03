"""Every answer of the API beside its description, whichever test caused it: what the shapes of a whole run were like.

A shape is held against the requirements that name it and no others. So what the list or resolve nests is judged in
their own name only, but for how its members are spelled (HDR-023): that it is what Get subscription shows is for
requirements of its own (LST-017, RES-010). Answers
that list nothing are left to the requirements that say how nothing is written (LST-011, PLN-009, OPL-002, OPL-008).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from fulfillment_conformance.contract import ApiOperation, Contract, Violation
from fulfillment_conformance.exchange import Exchange, header, to_remember
from fulfillment_conformance.openapi_file import at, target

_THEMES: Final = {
    "resolve": "RES",
    "listSubscriptions": "LST",
    "getSubscription": "GET",
    "listOperations": "OPL",
    "getOperation": "OPG",
    "changePlan": "CHP",
    "changeQuantity": "CHQ",
    "deleteSubscription": "DEL",
}
"""The theme in whose name an operation's answers are judged, for those that share shapes with others."""

_NESTED: Final = {"resolve": re.compile("/subscription(/.*)?"), "listSubscriptions": re.compile("/subscriptions/.*")}
"""Where an answer repeats what Get subscription shows."""

_NOT_BY_SHAPE: Final = frozenset({"GET-027", "GET-028", "HDR-012", "HDR-013", "PLN-008"})
"""Rows that shapes name and cannot decide: what does not matter, what is echoed, what most answers do not have."""

_LISTS: Final = frozenset({"listSubscriptions", "listAvailablePlans", "listOperations"})
_ANY_BODY: Final = ("HDR-016", "HDR-023")
_WHEREVER: Final = frozenset({"HDR-023"})
"""Rows about every name that is shown, in whatever answer."""

_ANY_ENTRY: Final = re.compile(r"/\d+(?=/|$)")
"""The entries of a list break the description in one way, and the members of an object in one way each."""

_KNOWN_HEADERS: Final = frozenset(
    {
        *("content-type", "content-length", "date", "server", "connection", "transfer-encoding", "keep-alive"),
        *("x-ms-requestid", "x-ms-correlationid", "operation-location"),
    }
)


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which answers of an operation broke the description, and the first answer that did.

    `requirements` are those that it is held against; without any, no page decides.
    """

    operation: str
    violation: Violation
    requirements: tuple[str, ...]
    exchange: Exchange

    def __str__(self) -> str:
        place = f"{self.violation.part}{' ' if self.violation.pointer else ''}{self.violation.pointer}"
        return f"{self.operation}: {place}: {self.violation.message}"


MOST = 500
"""Findings of a kind that are kept; a service that finds ever new ways to be wrong has shown that by then."""


@dataclass
class DescribedAnswers:
    """An observer of exchanges that compares the API's answers with the description as they come.

    No more than `MOST` of anything are kept, and of their exchanges no long bodies: a target decides how many there
    are.

    Attributes:
        contract: the description, in the profile of the run.
        base_url: where the API is; exchanges with anything else are passed over.
        breaches: every way in which an answer broke the description, once each, whichever entry of a list it was in.
        throttled: answers with status 429 or 503.
        other_headers: names of headers that neither the pages nor HTTP itself ask for, with the first answer of each.
    """

    contract: Contract
    base_url: str
    throttled: list[Exchange] = field(default_factory=list)
    other_headers: dict[str, Exchange] = field(default_factory=dict)
    _breaches: dict[tuple[str, str, str], Breach] = field(default_factory=dict)
    _successes: dict[str, int] = field(default_factory=dict)

    @property
    def breaches(self) -> list[Breach]:
        """Every way in which an answer broke the description, once each."""
        return list(self._breaches.values())

    def __call__(self, exchange: Exchange) -> None:
        """Take in a finished exchange."""
        if exchange.receiver != "marketplace" or exchange.status is None or not exchange.url.startswith(self.base_url):
            return
        operation = operation_of(self.contract, exchange, self.base_url)
        if operation is None:
            return
        light = to_remember(exchange)
        if exchange.status in {429, 503} and len(self.throttled) < MOST:
            self.throttled.append(light)
        for name, _ in exchange.response_headers:
            if name.lower() not in _KNOWN_HEADERS and len(self.other_headers) < MOST:
                self.other_headers.setdefault(name.lower(), light)
        if 200 <= exchange.status < 300:
            self._successes[operation.id] = self._successes.get(operation.id, 0) + 1
        if operation.id in _LISTS and exchange.response_body.strip() in {b"", b"{}", b"[]"}:
            return
        violations = self.contract.validate_response(
            operation.id, exchange.status, exchange.response_headers, exchange.response_body
        )
        for violation in violations if len(self._breaches) < MOST else ():
            if violation.part == "header" and _is_echo(exchange, violation.pointer.removeprefix("/")):
                continue
            rows = tuple(sorted(_own(operation.id, violation.pointer, violation.requirements)))
            kind = (operation.id, violation.schema_pointer, _ANY_ENTRY.sub("/*", violation.pointer))
            self._breaches.setdefault(kind, Breach(operation.id, violation, rows, light))

    def shown(self, requirement: str) -> int:
        """Return how many successful answers there were whose shape the requirement is about."""
        return sum(
            number
            for operation, number in self._successes.items()
            if requirement in requirements_of(self.contract, self.contract.operation(operation))
        )


def _is_echo(exchange: Exchange, name: str) -> bool:
    """Whether a header came back as the caller sent it: what is wrong with it is then the caller's (HDR-012)."""
    sent = header(exchange.request_headers, name)
    return sent is not None and sent == header(exchange.response_headers, name)


def operation_of(contract: Contract, exchange: Exchange, base_url: str) -> ApiOperation | None:
    """Return the operation that a request was made to, None where there is none at that path by that method."""
    path = urlsplit(exchange.url).path.removeprefix(urlsplit(base_url).path).rstrip("/")
    for operation in contract.operations:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))
        if exchange.method == operation.method and re.fullmatch(pattern, path):
            if operation.operation_id == "updateSubscription":
                return contract.operation("changeQuantity" if is_about_seats(exchange) else "changePlan")
            return operation
    return None


def requirements_of(contract: Contract, operation: ApiOperation) -> frozenset[str]:
    """Return the requirements that name a shape of an operation's successful answers."""
    found: set[str] = set()
    for status, response in operation.definition["responses"].items():
        if status.startswith("2"):
            for definition in response.get("headers", {}).values():
                found.update(_own(operation.id, "", _resolved(contract, definition).get("x-requirements", ())))
            for media_type in response.get("content", {}).values():
                found.update(_ANY_BODY, response.get("x-requirements", ())[:1])
                found.update(_rows_below(contract, media_type["schema"], operation.id, ""))
    return frozenset(found)


def _own(operation: str, pointer: str, rows: Iterable[str]) -> Iterator[str]:
    """Yield those of some requirements that the shape of an answer is held against, at a place in it."""
    theme = _THEMES.get(operation, "")
    nested = operation in _NESTED and _NESTED[operation].fullmatch(pointer) is not None
    others = set(_THEMES.values()) - {theme}
    for row in set(rows) - _NOT_BY_SHAPE:
        of = row.partition("-")[0]
        if of == theme or row in _WHEREVER or not (nested or (theme and of in others)):
            yield row


def _rows_below(contract: Contract, schema: Mapping[str, Any], operation: str, pointer: str) -> Iterator[str]:
    yield from _own(operation, pointer, schema.get("x-requirements", ()))
    if "$ref" in schema:
        yield from _rows_below(contract, _resolved(contract, schema), operation, pointer)
    for name, below in schema.get("properties", {}).items():
        yield from _rows_below(contract, below, operation, f"{pointer}/{name}")
    if "items" in schema:
        yield from _rows_below(contract, schema["items"], operation, f"{pointer}/0")
    for keyword in ("anyOf", "allOf", "oneOf"):
        for below in schema.get(keyword, ()):
            yield from _rows_below(contract, below, operation, pointer)
    for keyword in ("then", "else"):
        if keyword in schema:
            yield from _rows_below(contract, schema[keyword], operation, pointer)


def _resolved(contract: Contract, node: Mapping[str, Any]) -> Mapping[str, Any]:
    resolved: Mapping[str, Any] = at(contract.document, target(node["$ref"])) if "$ref" in node else node
    return resolved


def is_about_seats(exchange: Exchange) -> bool:
    """Whether the body of a change names a number of seats and no plan."""
    try:
        document = json.loads(exchange.request_body)
    except ValueError:
        return False
    return isinstance(document, dict) and "quantity" in document and "planId" not in document
