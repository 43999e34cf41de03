"""What has changed between two recordings of a service, or between two descriptions of it.

A recording (`exchanges.jsonl` of a run, or what `record` made of one) is reduced to shapes: for each call and status,
which fields the answers have and of which types, and which headers. A description (OpenAPI) is reduced to its
statements, one for each keyword, without prose. Values of answers, order, and how often something came make no
difference.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from fulfillment_conformance import yamlfile
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.evidence import read_exchanges
from fulfillment_conformance.live.recordings import BELOW, HEADERS, load

Shape = dict[str, frozenset[str]]
"""A place -> what is said there: the types of a field, or the values of a keyword."""

WORDS: Final = frozenset(
    {
        "action",
        "allowedCustomerOperations",
        "operationRequestSource",
        "saasSubscriptionStatus",
        "sandboxType",
        "sessionMode",
        "status",
        "termUnit",
    }
)
"""Fields whose texts are words of a fixed choice, and so are compared."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OPERATION = re.compile(r"(/operations)/[^/]+$")
_PROSE: Final = frozenset({"description", "summary", "title", "example", "examples", "externalDocs", "info", "tags"})
_OF_EVERY_ANSWER: Final = frozenset({"date", "content-length", "connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: something is new, gone, or says something else at a place."""

    kind: Literal["new", "gone", "changed"]
    place: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "new":
                return f"+ {self.place}: {self.after}"
            case "gone":
                return f"- {self.place}: {self.before}"
            case _:
                return f"~ {self.place}: {self.before} -> {self.after}"


def drift(old: Path, new: Path) -> list[Difference]:
    """Compare two recordings, or two descriptions; a recording may be given by the folder of its run.

    A recording that was made to be kept (`live.recordings`) has only the headers that matter; so only those are
    compared where one of the two is such a file.

    Raises:
        UsageProblem: a file cannot be read, or one is a recording and the other a description.
    """
    (old_kind, before), (new_kind, after) = _read(old), _read(new)
    if ("description" in {old_kind, new_kind}) and old_kind != new_kind:
        raise UsageProblem(
            f"{old} is a {old_kind} and {new} a {new_kind}; give two recordings (a run, or what `record` has made) or "
            "two descriptions (OpenAPI, YAML or JSON)"
        )
    if "kept recording" in {old_kind, new_kind}:
        before, after = _headers_that_matter(before), _headers_that_matter(after)
    return list(differences(before, after))


def _headers_that_matter(shape: Shape) -> Shape:
    places = {place: place.rpartition(" header ") for place in shape}
    return {place: shape[place] for place, (_, found, name) in places.items() if not found or name in HEADERS}


def differences(before: Shape, after: Shape) -> Iterator[Difference]:
    """Yield what two shapes differ in, by place."""
    for place in sorted(before.keys() | after.keys()):
        if place not in after:
            yield Difference("gone", place, before=_listed(before[place]))
        elif place not in before:
            yield Difference("new", place, after=_listed(after[place]))
        elif before[place] != after[place]:
            yield Difference("changed", place, _listed(before[place]), _listed(after[place]))


def _read(path: Path) -> tuple[str, Shape]:
    file = path / "exchanges.jsonl" if path.is_dir() else path
    if file.suffix == ".jsonl":
        return "recording", recorded(read_exchanges(file))
    document = yamlfile.read(file)
    if "exchanges" in document.data:
        kept = load(file)
        return "kept recording", recorded(exchange.as_evidence(kept.service) for exchange in kept.exchanges)
    if document.problems or "openapi" not in document.data:
        raise UsageProblem(
            f"{file} is no recording (exchanges.jsonl, or with the key exchanges) and no description (with the key "
            "openapi)"
        )
    return "description", described(document.data)


def recorded(exchanges: Iterable[Mapping[str, Any]], *, words: Collection[str] = ()) -> Shape:
    """Return the shape of the answers in a recording, by call and status; of fields in `words` their texts as well."""
    found: dict[str, set[str]] = {}
    for exchange in exchanges:
        response = exchange["response"]
        if response is None or exchange["receiver"] != "marketplace":
            continue
        call = f"{call_of(exchange['request'])} {response['status']}"
        found.setdefault(call, set()).add("answered")
        for name, _ in response["headers"]:
            if name.lower() not in _OF_EVERY_ANSWER:
                found.setdefault(f"{call} header {name.lower()}", set()).add("sent")
        try:
            body = json.loads(response["body"]) if response["body"].strip() else None
        except ValueError:
            found.setdefault(f"{call} body", set()).add("no JSON")
            continue
        for place, kind in _fields(body, "", words):
            found.setdefault(f"{call} {place or 'body'}", set()).add(kind)
    return {place: frozenset(kinds) for place, kinds in found.items()}


def shape_of(exchange: Mapping[str, Any]) -> Shape:
    """Return what of one recorded answer a publisher has to cope with: fields, `WORDS`, and headers that matter."""
    return _headers_that_matter(recorded([exchange], words=WORDS))


def described(document: Mapping[str, Any]) -> Shape:
    """Return the statements of a description, without prose; what is only a list of words is a set."""
    return dict(_statements({key: value for key, value in document.items() if key not in _PROSE}, ""))


def call_of(request: Mapping[str, Any]) -> str:
    """Return method and path of a recorded request, without ids."""
    path = request["url"].partition("?")[0].partition(BELOW)[2]
    path = _OPERATION.sub(r"\1/{operationId}", _GUID.sub("{id}", path))
    return f"{request['method']} {BELOW}{path.rstrip('/')}"


def _fields(value: Any, place: str, words: Collection[str], name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield place, "object"
        for key, inner in value.items():
            yield from _fields(inner, f"{place}/{key}", words, key)
    elif isinstance(value, list):
        yield place, "array"
        for inner in value:
            yield from _fields(inner, f"{place}/*", words, name)
    elif isinstance(value, str) and name in words:
        yield place, f"'{value}'"
    else:
        names = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
        yield place, names[type(value)]


def _statements(node: Any, place: str) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(node, dict):
        if not node:
            yield place, frozenset({"{}"})
        for name, inner in node.items():
            is_named = place.endswith(("/properties", "/schemas", "/headers", "/paths", "/webhooks"))
            if name not in _PROSE or is_named:
                yield from _statements(inner, f"{place}/{name}")
    elif isinstance(node, list):
        if all(not isinstance(inner, dict | list) for inner in node):
            yield place, frozenset(map(_word, node))
        else:
            for index, inner in enumerate(node):
                yield from _statements(inner, f"{place}/{_name(inner, index)}")
    else:
        yield place, frozenset({_word(node)})


def _name(entry: Any, index: int) -> str:
    """Name an entry of a list by what stays when others come and go: a reference, or a parameter's name."""
    if isinstance(entry, dict):
        if isinstance(entry.get("$ref"), str):
            return str(entry["$ref"]).rpartition("/")[2]
        if isinstance(entry.get("name"), str):
            return f"{entry['name']}@{entry.get('in', '')}"
    return str(index)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
