"""Put environment variables where `${NAME}` stands in a document, and remember which values are secret from then on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from fulfillment_conformance.filemodel import Marker, site
from fulfillment_conformance.yamlfile import Document, KeyPath, Problem, nearest

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def substitute(document: Document, model: type[BaseModel], environ: Mapping[str, str]) -> Document:
    """Return the document with every `${NAME}` replaced and its `secrets` filled in.

    `${NAME}` may be a whole value anywhere; within a longer value it may only stand in fields that `model` marks as
    secret or address. What was substituted is secret; of an address that came whole only its password and the values
    in its query are. Unset variables and secrets written out are added to the document's problems.
    """
    substitution = _Substitution(document, model, environ)
    data = substitution.replaced(document.data, ())
    problems = (*document.problems, *substitution.problems)
    return replace(document, data=data, problems=problems, secrets=frozenset(filter(None, substitution.secrets)))


class _Substitution:
    def __init__(self, document: Document, model: type[BaseModel], environ: Mapping[str, str]) -> None:
        self._document = document
        self._model = model
        self._environ = environ
        self.problems: list[tuple[KeyPath, Problem]] = []
        self.secrets: set[str] = set()

    def replaced(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: self.replaced(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.replaced(inner, (*path, index)) for index, inner in enumerate(value)]
        if value is None:
            return None
        metadata = site(self._model, path, self._document.data).metadata
        if isinstance(value, str) and "${" in value:
            return self._expanded(value, path, metadata)
        if Marker.SECRET in metadata:
            self.secrets.add(str(value))
            said = "a secret is not written into the file; write ${NAME} here and set that environment variable"
            self._complain(path, said)
        return value

    def _expanded(self, value: str, path: KeyPath, metadata: tuple[Any, ...]) -> str:
        whole = _VARIABLE.fullmatch(value)
        if value.count("${") != len(_VARIABLE.findall(value)):
            self._complain(path, "'${' needs a variable's name and '}' after it; write ${NAME}")
        elif not whole and Marker.SECRET not in metadata and Marker.ADDRESS not in metadata:
            self._complain(path, "${NAME} must be the whole value here; only secrets and addresses may contain it")
        else:
            values = {name: self._looked_up(name, path) for name in _VARIABLE.findall(value)}
            for found in values.values():
                in_the_open = whole and Marker.ADDRESS in metadata
                self.secrets.update(_secrets_in_address(found) if in_the_open else {found})
            return _VARIABLE.sub(lambda match: values[match[1]], value)
        return value

    def _looked_up(self, name: str, path: KeyPath) -> str:
        if not _NAME.fullmatch(name):
            self._complain(path, f"'{name}' cannot name a variable; use letters, digits and _ in ${{NAME}}")
            return ""
        found = self._environ.get(name)
        if found is None:
            hint = nearest(name, self._environ)
            self._complain(
                path, f"environment variable {name} is not set{hint or ';'} set it and run the command again"
            )
        elif not found:
            self._complain(path, f"environment variable {name} is empty; give it a value and run the command again")
        return found or ""

    def _complain(self, path: KeyPath, text: str) -> None:
        self.problems.append((path, self._document.problem(path, text)))


def _secrets_in_address(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        yield address
        return
    if parts.password:
        yield from (parts.password, unquote(parts.password))
    for _, value in parse_qsl(parts.query):
        yield value
