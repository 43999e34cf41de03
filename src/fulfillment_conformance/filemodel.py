"""Validate a YAML document against a pydantic model, and say all that is wrong with it in the words of the file.

Models derive from `FileModel`. Field descriptions finish the sentence "expected ..." when a key is missing; a `Marker`
in the `Annotated` metadata of a field tells that its value must never be shown.
"""

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from fulfillment_conformance.yamlfile import Document, InvalidContent, KeyPath, given, nearest

ModelT = TypeVar("ModelT", bound=BaseModel)


class FileModel(BaseModel):
    """Base of the models that files are validated into: frozen, strict, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Marker(Enum):
    """What a field's `Annotated` metadata says about its value."""

    SECRET = "a value that is never shown and only written as ${NAME}, alone or within the value"  # noqa: S105
    ADDRESS = "a URL or a host and port, within which ${NAME} may stand"


def validate(document: Document, model: type[ModelT], *, context: Mapping[str, Any] | None = None) -> ModelT:
    """Return the document as an instance of `model`; `context` is handed to the model's validators.

    Raises:
        InvalidContent: all problems of the document, in the order of the file.
    """
    broken = {path for path, _ in document.problems}
    problems = [problem for _, problem in document.problems]
    try:
        result = model.model_validate(document.data, context=dict(context or {}))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            for path, text in _translate(details, model, document):
                if not any(path[: len(bad)] == bad for bad in broken):
                    problems.append(document.problem(path, text))
        raise InvalidContent(dict.fromkeys(problems)) from None
    if problems:
        raise InvalidContent(problems)
    return result


def complaints(found: Sequence[tuple[str, str]]) -> PydanticCustomError:
    """Return the error that a validator of a whole model raises: pairs of a dotted key below it and what is wrong."""
    return PydanticCustomError("complaints", "keys do not fit together", {"found": list(found)})


@dataclass(frozen=True)
class Site:
    """What a model says about one place: path in the file, type, metadata, and the model that holds the key."""

    path: KeyPath
    annotation: Any
    metadata: tuple[Any, ...] = ()
    owner: type[BaseModel] | None = None


def site(model: type[BaseModel], location: KeyPath, data: Any) -> Site:
    """Follow a key path, or a location as pydantic gives it, down the model.

    Pydantic's locations contain tags of union members, which are no keys of the file; `data` tells which is which.
    """
    path: KeyPath = ()
    annotation: Any = model
    metadata: tuple[Any, ...] = ()
    owner: type[BaseModel] | None = None
    for step in location:
        annotation, inner, was_tag = _strip(annotation, step, data)
        metadata += inner
        if was_tag:
            continue
        if _is_model(annotation):
            info = keys_of(annotation).get(str(step))
            owner, path = annotation, (*path, step)
            annotation, metadata = (info.annotation, tuple(info.metadata)) if info else (None, ())
        elif isinstance(data, dict | list):
            arguments = get_args(annotation) or (None,)
            owner, path = None, (*path, step)
            annotation, metadata = arguments[-1 if isinstance(data, dict) else 0], ()
        else:
            continue
        data = _below(data, step)
    annotation, inner, _ = _strip(annotation, None, data)
    return Site(path, annotation, (*metadata, *inner), owner)


def keys_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the keys that a model has in a file, in order."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _below(data: Any, step: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return None


def _strip(annotation: Any, step: str | int | None, data: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Take off Annotated, Optional and tagged unions; say whether `step` was the tag of the union member taken."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *extra = get_args(annotation)
            metadata += tuple(extra)
        elif origin in {Union, types.UnionType}:
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) == 1:
                annotation = members[0]
                continue
            extras = [(member, extra) for member in members for extra in get_args(member)[1:]]
            by_tag: dict[Any, Any] = {
                extra.tag: get_args(member)[0] for member, extra in extras if isinstance(extra, Tag)
            }
            if step in by_tag:
                return by_tag[step], metadata, True
            decide = next((extra.discriminator for extra in metadata if isinstance(extra, Discriminator)), None)
            tag = decide(data) if callable(decide) else None
            return by_tag.get(tag), metadata, False
        else:
            return annotation, metadata, False


def _translate(details: ErrorDetails, model: type[BaseModel], document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Turn one of pydantic's errors into places and sentences of ours."""
    place = site(model, details["loc"], document.data)
    context: Mapping[str, Any] = details.get("ctx", {})
    if details["type"] == "complaints":
        for key, text in context["found"]:
            yield (*place.path, *(key.split(".") if key else ())), text
        return
    if details["type"] == "too_short" and len(details["input"]) >= context["min_length"]:
        return  # pydantic counts only the valid entries, and the invalid ones are complained about themselves
    hidden = Marker.SECRET in place.metadata
    got = "a value that is not shown" if hidden else given(details["input"], document.secrets)
    yield place.path, _sentence(details, context, place, got)


def _sentence(details: ErrorDetails, context: Mapping[str, Any], place: Site, got: str) -> str:
    key = str(place.path[-1]) if place.path else ""
    known = keys_of(place.owner) if place.owner else {}
    match details["type"]:
        case "missing":
            description = known[key].description
            return f"missing; expected {description}" if description else "missing"
        case "extra_forbidden":
            return f"unknown key{nearest(key, known) or ';'} allowed: {', '.join(known)}"
        case "literal_error":
            found = re.findall(r"'([^']*)'|(\d+|True|False)", context["expected"])
            allowed = [text or literal.lower() for text, literal in found]
            hint = nearest(details["input"], allowed) if isinstance(details["input"], str) else ""
            return f"got {got}{hint or ';'} allowed: {', '.join(allowed)}"
        case "string_type":
            quotes = "; put it in quotes" if isinstance(details["input"], bool | int | float) else ""
            return f"expected text, got {got}{quotes}"
        case "model_type" | "dict_type":
            keys = f" with the keys {', '.join(keys_of(place.annotation))}" if _is_model(place.annotation) else ""
            return f"expected a mapping{keys}, got {got}"
        case "bool_type":
            return f"expected true or false, got {got}"
        case "int_type":
            return f"expected a whole number, got {got}"
        case "float_type":
            return f"expected a number, got {got}"
        case "tuple_type":
            return f"expected a list, got {got}"
        case "string_too_short":
            return "must not be empty"
        case "too_short":
            return f"needs at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
        case "greater_than":
            return f"must be greater than {context['gt']:g}, got {got}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}, got {got}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}, got {got}"
        case "value_error":
            several = isinstance(details["input"], dict | list)
            return str(context["error"]) if several else f"got {got}; {context['error']}"
        case _:
            return f"got {got}; {details['msg'][0].lower()}{details['msg'][1:]}"
