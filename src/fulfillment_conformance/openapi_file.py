"""OpenAPI files: read, checked for everything that the suite relies on, and walked by JSON pointer.

Schemas are checked where they are compiled, in `contract`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonpointer import JsonPointer, JsonPointerException

from fulfillment_conformance import yamlfile

OPERATION_IDS = (
    "resolve",
    "listSubscriptions",
    "getSubscription",
    "updateSubscription",
    "deleteSubscription",
    "activate",
    "listAvailablePlans",
    "listOperations",
    "getOperation",
    "updateOperation",
)
"""What a description has to call the ten path and method pairs."""

EVENTS = ("ChangePlan", "ChangeQuantity", "Renew", "Suspend", "Unsubscribe", "Reinstate", "Subscribe")
"""The events of the connection webhook; a description has one webhook of each name."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The keys of a path item that hold operations."""


def read(path: Path) -> yamlfile.Document:
    """Read a description of the API.

    Raises:
        yamlfile.YamlProblem: the file cannot be read, is not OpenAPI 3.1, lacks an operation or a webhook, or refers to
            what is not there; every such place is named.
    """
    source = yamlfile.read(path)
    _Problems(source).check()
    return source


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer through these keys and indices."""
    return "".join(f"/{escaped(str(part))}" for part in parts)


def escaped(part: str) -> str:
    """Return a key as it stands in a JSON pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def target(reference: str) -> str:
    """Return the JSON pointer in the fragment of a `$ref`."""
    return unquote(reference.partition("#")[2])


def at(document: Any, place: str) -> Any:
    """Return what a JSON pointer leads to.

    Raises:
        jsonpointer.JsonPointerException: nothing.
    """
    return JsonPointer(place).resolve(document)


class _Problems:
    """What is wrong with a description, beside its schemas: found all at once, so that they can be mended at once."""

    def __init__(self, source: yamlfile.Document) -> None:
        self._source = source
        self._found = [problem for _, problem in source.problems]

    def check(self) -> None:
        """Raise `yamlfile.InvalidContent` with every problem, if there is any."""
        data = self._source.data
        version = data.get("openapi")
        if not isinstance(version, str) or not version.startswith("3.1."):
            self._add(("openapi",), f"expected an OpenAPI version 3.1.x, got {yamlfile.given(version)}")
        for key in ("paths", "webhooks", "components"):
            if not isinstance(data.get(key), dict):
                said = f"expected a mapping, got {yamlfile.given(data.get(key))}; start from the packaged file"
                self._add((key,), said)
        if not self._found:
            self._references(data, ())
            self._operations(data)
            self._webhooks(data["webhooks"])
        if self._found:
            raise yamlfile.InvalidContent(self._found)

    def _add(self, path: yamlfile.KeyPath, text: str) -> None:
        self._found.append(self._source.problem(path, text))

    def _references(self, node: Any, path: yamlfile.KeyPath) -> None:
        if isinstance(node, list):
            for index, value in enumerate(node):
                self._references(value, (*path, index))
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str) and (broken := self._broken(node["$ref"])):
                self._add((*path, "$ref"), broken)
            for key, value in node.items():
                self._references(value, (*path, key))

    def _broken(self, reference: str) -> str:
        """Say what is wrong with a reference; nothing is, when it leads to something in the file."""
        followed = set[str]()
        while reference not in followed:
            followed.add(reference)
            if not reference.startswith("#/"):
                return f"{yamlfile.given(reference)} leads out of this file; put what it names below components"
            try:
                found = at(self._source.data, target(reference))
            except JsonPointerException:
                return f"nothing is at {yamlfile.given(reference)}{self._near(target(reference))}"
            if not (isinstance(found, dict) and isinstance(found.get("$ref"), str)):
                return ""
            reference = found["$ref"]
        return f"{yamlfile.given(reference)} leads back to itself; name what is meant"

    def _near(self, place: str) -> str:
        parent, _, name = place.rpartition("/")
        try:
            siblings = at(self._source.data, parent)
        except JsonPointerException:
            siblings = None
        return yamlfile.nearest(name, siblings if isinstance(siblings, dict) else ()) or "; add it or mend the name"

    def _operations(self, data: Mapping[str, Any]) -> None:
        seen: set[str] = set()
        for path, item in data["paths"].items():
            if not isinstance(item, dict):
                self._add(("paths", path), f"expected a mapping of methods, got {yamlfile.given(item)}")
                continue
            for method in METHODS:
                if method not in item:
                    continue
                place = ("paths", path, method)
                definition = item[method]
                operation_id = definition.get("operationId") if isinstance(definition, dict) else None
                if not isinstance(operation_id, str):
                    self._add(place, f"has no operationId; give it one of {', '.join(OPERATION_IDS)}, or another")
                    continue
                if operation_id in seen:
                    said = f"'{operation_id}' is the name of another operation too; rename one"
                    self._add((*place, "operationId"), said)
                seen.add(operation_id)
                responses = definition.get("responses")
                if not isinstance(responses, dict) or not all(isinstance(one, dict) for one in responses.values()):
                    self._add(place, "describes no responses; map each status to its description")
        for operation_id in OPERATION_IDS:
            if operation_id not in seen:
                hint = yamlfile.nearest(operation_id, seen - {*OPERATION_IDS})
                self._add(("paths",), f"no operation has the operationId '{operation_id}'{hint or '; add it'}")

    def _webhooks(self, webhooks: Mapping[str, Any]) -> None:
        for event in EVENTS:
            if event not in webhooks:
                self._add(("webhooks",), f"no webhook '{event}'{yamlfile.nearest(event, webhooks) or '; add it'}")
                continue
            try:
                content = webhooks[event]["post"]["requestBody"]["content"]
                described = isinstance(next(iter(content.values()))["schema"], dict)
            except (KeyError, TypeError, AttributeError, StopIteration):
                described = False
            if not described:
                self._add(("webhooks", event), "has no schema at post.requestBody.content.application/json; add it")
