"""The OpenAPI description as the suite uses it: what an answer or a notification may look like, and which rows say so.

`openapi/fulfillment-v2.yaml` explains its own extensions. Some of them make the schemas that answers are judged by:
what `x-undocumented` names is left out, since only generators keep to it, and what `x-accepted` describes is allowed;
under the profile `observed`, `x-observed` and `x-observed-absent` allow more. So a violation is always a breach of
something that a page says, and `Violation.requirements` has the rows that say it.

    >>> for violation in Contract.load().validate_response("getSubscription", 200, headers, body):
    ...     print(violation)
    body /term/endDate: is missing (GET-030)
"""

import copy
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import jsonschema_rs
from jsonpointer import JsonPointer

from fulfillment_conformance import openapi_file, yamlfile
from fulfillment_conformance.errors import SuiteFault
from fulfillment_conformance.exchange import header
from fulfillment_conformance.openapi_file import METHODS, at, escaped, pointer_to, target
from fulfillment_conformance.resources import folder

Profile = Literal["documented", "observed"]
"""`documented`: what the pages say. `observed`: what the live service is known to do instead as well."""

MOST_ERRORS = 2_000
"""Errors of one answer that are looked at; a page of a list has a hundred entries."""

_ALLOWING = ("x-accepted", "x-observed")
_EXTENSIONS: Mapping[Profile, tuple[str, ...]] = {"documented": _ALLOWING[:1], "observed": _ALLOWING}
_WRITTEN = "x-written"  # marks a schema whose first alternative is the one on file, the others what is allowed besides
_OBSERVED_EVENTS = ("Transfer",)
_REGISTERED = "urn:fulfillment-conformance:contract"
_MAPS_OF_SCHEMAS = ("properties", "patternProperties", "dependentSchemas", "$defs", "schemas")
_BODIES_ARE_JSON = ("HDR-016",)
_NAMES_ARE_EXACT = ("HDR-023",)
_COMBINING = ("anyOf", "allOf", "oneOf")
_Kind = jsonschema_rs.ValidationErrorKind
_VALUE = "\ufffc"  # stands for the value in messages of the validator, until it is put into words

Part = Literal["status", "header", "body"]

_Placed = tuple[Mapping[str, Any], str]
"""A schema, and the pointer to it."""

_Members = tuple[dict[str, _Placed], _Placed | None]
"""The members of an object by their names, and what the entries of an array are."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of the description.

    Attributes:
        pointer: JSON pointer to the value in the body or payload, or to where a missing one belongs; `/<name>` for a
            header; empty for the whole.
        message: what is wrong with it, without e-mail addresses.
        schema_pointer: JSON pointer to the keyword in the description that it breaks.
        part: what `pointer` points into.
        requirements: ids of the innermost schema that names any; empty where no row says it.
    """

    pointer: str
    message: str
    schema_pointer: str
    part: Part = "body"
    requirements: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = f" ({', '.join(self.requirements)})" if self.requirements else ""
        return f"{self.part}{' ' if self.pointer else ''}{self.pointer}: {self.message}{rows}"


@dataclass(frozen=True, slots=True)
class ApiOperation:
    """One operation of the API: its name, method and path, and its OpenAPI object with the pointer to it.

    `operation_id` is OpenAPI's name of it, another than `id` where one method carries several operations of the API.
    """

    id: str
    operation_id: str
    method: str
    path: str
    pointer: str
    definition: Mapping[str, Any]


class Contract:
    """A loaded description. Documents returned are shared; `webhooks_as_paths` alone gives a copy to change."""

    def __init__(self, source: yamlfile.Document, profile: Profile = "documented") -> None:
        """Take what `openapi_file.read` has checked; `load` is the usual way."""
        self.profile = profile
        self.document: Mapping[str, Any] = source.data
        self._source = source
        self._judged = _judged(source.data, _EXTENSIONS[profile])
        self._registry = jsonschema_rs.Registry([(_REGISTERED, self._judged)])
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self._known_members: dict[str, _Members] = {}
        self.operations: tuple[ApiOperation, ...] = tuple(_operations(source.data))
        """The operations of the API, eleven: PATCH on a subscription counts as changePlan and changeQuantity."""
        self._by_name = {one.operation_id: replace(one, id=one.operation_id) for one in self.operations}
        self._by_name |= {one.id: one for one in self.operations}

    @classmethod
    def load(cls, path: Path | None = None, *, profile: Profile = "documented") -> "Contract":
        """Read the description that comes with the package, once per process, or another one, all schemas compiled.

        Args:
            path: the other one.
            profile: `observed` also allows what the live service is known to send instead.

        Raises:
            yamlfile.YamlProblem: the file cannot be read, is not a description of this API, or is broken; the message
                names file, line, place, and what to do about it.
        """
        if path is None:
            return _bundled(profile)
        contract = cls(openapi_file.read(path), profile)
        for name in contract.document["components"].get("schemas", {}):
            contract._validator(pointer_to("components", "schemas", name))
        return contract

    def operation(self, operation_id: str) -> ApiOperation:
        """Return the operation of an `operationId`, or of a name that `x-operations` gives it.

        Raises:
            SuiteFault: there is none.
        """
        if operation_id not in self._by_name:
            hint = yamlfile.nearest(operation_id, self._by_name)
            raise SuiteFault(f"no operation '{operation_id}' in the description{hint}")
        return self._by_name[operation_id]

    def validate_response(
        self, operation_id: str, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> list[Violation]:
        """Compare an answer with what the description says of its status.

        A body where none is described is not judged, and neither is the content of an error.

        Raises:
            SuiteFault: no such operation.
        """
        operation = self.operation(operation_id)
        responses = operation.definition["responses"]
        key = next((key for key in (str(status), f"{status // 100}XX", "default") if key in responses), None)
        if key is None:
            message = f"{status} is not described for {operation.id}; described are {', '.join(responses)}"
            return [Violation("", message, f"{operation.pointer}/responses", "status")]
        response, place = self._resolved(responses[key], f"{operation.pointer}/responses/{key}")
        held = list(headers)
        return [*self._header_violations(response, place, held), *self._body_violations(response, place, held, body)]

    def validate_schema(self, name: str, instance: Any) -> list[Violation]:
        """Compare a JSON value with a schema below `components/schemas`.

        Raises:
            SuiteFault: no such schema.
        """
        schemas = self.document["components"].get("schemas", {})
        if name not in schemas:
            raise SuiteFault(f"no schema '{name}' in the description{yamlfile.nearest(name, schemas)}")
        return self._violations(pointer_to("components", "schemas", name), instance)

    def webhook_violations(self, action: object, payload: Any) -> list[Violation]:
        """Compare the payload of a notification with the schema of its event; an unknown `action` is a violation."""
        webhooks = self.document["webhooks"]
        if self.profile == "observed" and action in _OBSERVED_EVENTS:
            return []
        if not isinstance(action, str) or action not in webhooks:
            message = f"{yamlfile.given(action)} is no event; the events are {', '.join(webhooks)}"
            return [Violation("/action", message, "/webhooks", requirements=("EVT-009",))]
        content = webhooks[action]["post"]["requestBody"]["content"]
        media_type = next(iter(content))
        return self._violations(
            pointer_to("webhooks", action, "post", "requestBody", "content", media_type, "schema"), payload
        )

    def webhooks_as_paths(self, prefix: str = "/webhook") -> dict[str, Any]:
        """Return a copy whose paths are the webhooks, `<prefix>/<event>`, for generators that know paths only.

        It asks for no credentials and has no server: signing the notification and addressing it is the caller's part.
        """
        document = copy.deepcopy(dict(self.document))
        webhooks = document.pop("webhooks")
        for item in webhooks.values():
            item["post"].pop("security", None)
        document["paths"] = {f"{prefix}/{name}": item for name, item in webhooks.items()}
        document["security"] = []
        document["servers"] = [{"url": "/"}]
        return document

    def _resolved(self, node: Mapping[str, Any], pointer: str) -> tuple[Mapping[str, Any], str]:
        while "$ref" in node:
            pointer = node["$ref"][1:]
            node = at(self.document, pointer)
        return node, pointer

    def _header_violations(
        self, response: Mapping[str, Any], pointer: str, headers: list[tuple[str, str]]
    ) -> Iterator[Violation]:
        for name in response.get("headers", {}):
            definition, place = self._resolved(response["headers"][name], f"{pointer}/headers/{escaped(name)}")
            value = header(headers, name)
            rows = tuple(definition.get("x-requirements", ()))
            # One header serves several operations; the response says which of its rows are this operation's.
            rows = tuple(row for row in rows if row in response.get("x-requirements", ())) or rows
            if value is None and definition.get("required"):
                yield Violation(f"/{escaped(name)}", "is missing", f"{place}/required", "header", rows)
            elif value is not None and "schema" in definition:
                for violation in self._violations(f"{place}/schema", value):
                    yield Violation(
                        f"/{escaped(name)}",
                        violation.message,
                        violation.schema_pointer,
                        "header",
                        violation.requirements or rows,
                    )

    def _body_violations(
        self, response: Mapping[str, Any], pointer: str, headers: list[tuple[str, str]], body: bytes
    ) -> Iterator[Violation]:
        content = response.get("content")
        if not content:
            return
        place = f"{pointer}/content"
        if not body.strip():
            if not response.get("x-body-optional"):
                promised = tuple(response.get("x-requirements", ())[:1])
                yield Violation("", "is empty", place, requirements=promised)
            return
        given = header(headers, "content-type") or "absent"
        media_type = given.partition(";")[0].strip().lower()
        if media_type.endswith("+json"):  # JSON by its own name: errors often are application/problem+json
            media_type = next(iter(content))
        if media_type not in content:
            message = f"is {yamlfile.given(given)}; expected {' or '.join(content)}"
            yield Violation("/Content-Type", message, place, "header", _BODIES_ARE_JSON)
            media_type = next(iter(content))
        try:
            value = json.loads(body, parse_constant=_refused_constant)
        except (ValueError, RecursionError) as error:
            yield Violation("", f"is not JSON: {error}", place, requirements=_BODIES_ARE_JSON)
            return
        if "schema" in content[media_type]:
            schema = f"{place}/{escaped(media_type)}/schema"
            yield from self._violations(schema, value)
            yield from islice(self._misspelled(at(self.document, schema), value, schema, ()), MOST_ERRORS)

    def _misspelled(
        self, schema: Mapping[str, Any], value: Any, place: str, where: tuple[str | int, ...]
    ) -> Iterator[Violation]:
        """Yield members that stand for documented ones under another spelling: in other case, padded, with a dash."""
        properties, items = self._members(schema, place)
        if isinstance(value, list) and items is not None:
            for index, entry in enumerate(value):
                yield from self._misspelled(items[0], entry, items[1], (*where, index))
        elif isinstance(value, dict):
            for name, (below, below_place) in properties.items():
                if name in value:
                    yield from self._misspelled(below, value[name], below_place, (*where, name))
                    continue
                for given in value:
                    if given not in properties and _spelt(given) == _spelt(name):
                        message = f"is spelled {yamlfile.given(given)}; expected {yamlfile.given(name)}"
                        yield Violation(pointer_to(*where, name), message, below_place, requirements=_NAMES_ARE_EXACT)

    def _members(self, schema: Mapping[str, Any], place: str) -> _Members:
        """Return the described members of an object, and what an array holds, each with its place; once per schema."""
        known = self._known_members.get(place)
        if known is None:
            properties: dict[str, _Placed] = {}
            items: _Placed | None = None
            parts = [(schema, place)]
            while parts:
                part, here = parts.pop()
                if "$ref" in part:
                    parts.append((at(self.document, target(part["$ref"])), target(part["$ref"])))
                parts += [
                    (each, f"{here}/{word}/{index}")
                    for word in _COMBINING
                    for index, each in enumerate(part.get(word, ()))
                ]
                for name, below in part.get("properties", {}).items():
                    properties.setdefault(name, (below, f"{here}/properties/{escaped(name)}"))
                if "items" in part:
                    items = items or (part["items"], f"{here}/items")
            known = self._known_members[place] = (properties, items)
        return known

    def _violations(self, pointer: str, instance: Any) -> list[Violation]:
        try:
            errors = list(islice(self._validator(pointer).iter_errors(instance), MOST_ERRORS))
        except ValueError as error:  # lone surrogates, or nesting that no validator follows
            return [Violation("", f"cannot be read: {error}", pointer)]
        return [violation for error in errors for violation in self._named(error, pointer)]

    def _validator(self, pointer: str) -> jsonschema_rs.Draft202012Validator:
        validator = self._validators.get(pointer)
        if validator is None:
            try:
                validator = jsonschema_rs.Draft202012Validator(
                    _reference(pointer), registry=self._registry, validate_formats=True, mask=_VALUE, offline=True
                )
            except jsonschema_rs.ValidationError as error:
                path = tuple(self._written(error.schema_path)) or tuple(JsonPointer(pointer).parts)
                said = f"not a JSON Schema: {error.message.replace(_VALUE, 'this')}; mend it or take the packaged file"
                raise yamlfile.InvalidContent([self._source.problem(path, said)]) from None
            self._validators[pointer] = validator
        return validator

    def _named(self, error: jsonschema_rs.ValidationError, start: str) -> Iterator[Violation]:
        schema, rows, description = self._walked(error.evaluation_path, start)
        if _WRITTEN in schema and isinstance(error.kind, _Kind.AnyOf):
            for written in error.kind.context[0]:
                yield from self._named(written, start)
            return
        where = [*error.instance_path]
        given = "null" if error.instance is None else yamlfile.given(error.instance)
        message = error.message.replace(_VALUE, given)
        match error.kind:
            case _Kind.Required(property=name):
                where.append(name)
                message = "is missing"
                rows = self._rows_of_member(schema, name) or rows
            case _Kind.AnyOf() | _Kind.OneOfNotValid() | _Kind.OneOfMultipleValid():
                message = f"{given} does not fit: {description}"
            case _Kind.Pattern() if "description" in schema:
                message = f"{given} does not fit: {description}"
            case _Kind.Contains():
                message = f"lacks an entry: {description}"
            case _Kind.Constant():
                message += f", got {given}"
        place = pointer_to(*self._written(error.schema_path))
        yield Violation(pointer_to(*where), message, place, requirements=tuple(rows))

    def _rows_of_member(self, schema: Mapping[str, Any], name: str) -> Iterable[str]:
        """Return the rows of a member, described in the schema itself or in the one that it refers to."""
        rows: Iterable[str] = schema.get("properties", {}).get(name, {}).get("x-requirements", ())
        if not rows and "$ref" in schema:
            return self._rows_of_member(at(self._judged, target(schema["$ref"])), name)
        return rows

    def _walked(self, evaluation_path: Iterable[str | int], start: str) -> tuple[Mapping[str, Any], Iterable[str], str]:
        """Follow a path of evaluation through the judged document; return the last schema, its rows, and its words."""
        node: Any = _reference(start)
        schema, rows, description, map_of_schemas = node, (), "no alternative of the schema", False
        for part in evaluation_path:
            node = at(self._judged, target(node["$ref"])) if part == "$ref" else node[part]
            map_of_schemas = part in _MAPS_OF_SCHEMAS and not map_of_schemas
            if isinstance(node, dict) and not map_of_schemas:
                schema = node
                rows = node.get("x-requirements", rows)
                description = node.get("description", description)
        return schema, rows, description

    def _written(self, judged_path: Iterable[str | int]) -> list[str | int]:
        """Return where a place of the judged document is in the one on file, as deep as that goes."""
        path: list[str | int] = []
        node: Any = self.document
        inside = False
        parts = iter(judged_path)
        for part in parts:
            step = part
            allowing = [extension for extension in _EXTENSIONS[self.profile] if extension in node]
            if part == "anyOf" and not inside and allowing:
                branch = next(parts)
                inside = branch == 0
                if inside:
                    continue
                step = allowing[int(branch) - 1]
            path.append(step)
            node, inside = node[step], False
        return path


@functools.cache
def _bundled(profile: Profile) -> Contract:
    return Contract(openapi_file.read(folder("openapi") / "fulfillment-v2.yaml"), profile)


def _operations(document: Mapping[str, Any]) -> Iterator[ApiOperation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                definition = item[method]
                operation_id = definition["operationId"]
                place = pointer_to("paths", path, method)
                for name in definition.get("x-operations") or (operation_id,):
                    yield ApiOperation(name, operation_id, method.upper(), path, place, definition)


def _judged(node: Any, extensions: tuple[str, ...]) -> Any:
    """Copy a document without its undocumented keywords and with its allowed values."""
    if isinstance(node, list):
        return [_judged(item, extensions) for item in node]
    if not isinstance(node, dict):
        return node
    left_out = {*node.get("x-undocumented", ()), *_ALLOWING, "x-undocumented"}
    kept = {key: _judged(value, extensions) for key, value in node.items() if key not in left_out}
    if "x-observed" in extensions and "x-observed-absent" in node:
        kept["required"] = [name for name in kept.get("required", ()) if name not in kept["x-observed-absent"]]
    allowed = [node[extension] for extension in extensions if extension in node]
    if not allowed:
        return kept
    # What the schema says about itself stays outside, so that it is found from everywhere inside.
    outside = {key: kept.pop(key) for key in ("description", "x-requirements") if key in kept}
    return {**outside, _WRITTEN: True, "anyOf": [kept, *allowed]}


def _spelt(name: str) -> str:
    """Return what is left of a name when case, blanks and punctuation do not count."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _reference(pointer: str) -> dict[str, str]:
    return {"$ref": f"{_REGISTERED}#{quote(pointer)}"}


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
