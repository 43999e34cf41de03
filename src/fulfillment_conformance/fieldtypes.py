"""Types of the values in our files: each checks one kind of text and says what it expected.

A complaint never repeats the value; `filemodel` adds it, unless it is secret.
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo

from fulfillment_conformance.filemodel import Marker
from fulfillment_conformance.yamlfile import nearest

_LOOPBACK = ("localhost", "::1")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


class HostAndPort(NamedTuple):
    """Where something listens; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def _address(text: str) -> str:
    if any(character.isspace() for character in text):
        raise ValueError("an address holds no blanks")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("expected an address such as https://host/path") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("expected an address that begins with http:// or https:// and a host")
    return text


def _base(text: str) -> str:
    if "?" in text or "#" in text:
        raise ValueError("a base address has neither a query nor a fragment")
    return _address(text).rstrip("/")


def _origin(text: str) -> str:
    base = _base(text)
    if urlsplit(base).path or "@" in base:
        raise ValueError("expected an origin such as https://host or http://host:8080, without a path")
    return base.lower()


def _route(text: str) -> str:
    return text if text.startswith("/") else _address(text)


def _host_and_port(text: Any) -> HostAndPort:
    found = re.fullmatch(r"(\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>\d{1,5})", str(text))
    if not isinstance(text, str) or not found or int(found["port"]) > 65535:
        raise ValueError("expected a host and a port such as 127.0.0.1:8080")
    return HostAndPort(found["v6"] or found["host"], int(found["port"]))


def _host_pattern(text: str) -> str:
    found = re.fullmatch(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:(?P<port>\d{1,5}))?", text)
    if not found or int(found["port"] or 443) not in range(1, 65536):
        raise ValueError("expected a host such as api.example, api.example:8443, or *.example for all hosts below it")
    return text.lower()


def _guid(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError("expected a GUID such as 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10")
    return text.lower()


def _term_unit(text: str) -> str:
    if not re.fullmatch(r"P[1-9]\d*[MY]", text):
        raise ValueError("expected a term of months or years such as P1M or P3Y")
    return text


def _json_pointer(text: str) -> str:
    if not re.fullmatch(r"(/([^~/]|~[01])*)*", text):
        raise ValueError("expected a JSON pointer: empty, or '/' before every step, with ~0 for '~' and ~1 for '/'")
    return text


def _date(text: object) -> datetime.date:
    try:
        return datetime.date.fromisoformat(str(text))
    except ValueError:
        raise ValueError("expected a date such as 2026-11-22") from None


def _existing_file(text: Any, info: ValidationInfo) -> Path:
    if not isinstance(text, str) or not text:
        raise ValueError("expected the path of a file")
    path = Path((info.context or {}).get("folder", ".")) / text
    if not path.is_file():
        raise ValueError("no such file; a relative path starts from the folder of the target file")
    return path


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def placeholders(*known: str) -> AfterValidator:
    """Refuse `{name}` in any text of a value unless the name is known, so that a typing error is not sent literally."""

    def check(value: Any) -> Any:
        for name in (name for text in _strings(value) for name in _PLACEHOLDER.findall(text)):
            if name not in known:
                allowed = ", ".join(f"{{{word}}}" for word in known)
                raise ValueError(f"{{{name}}} is no placeholder{nearest(name, known) or ';'} allowed: {allowed}")
        return value

    return AfterValidator(check)


Text = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""
Secret = Annotated[SecretStr, Field(min_length=1), Marker.SECRET]
"""Only ever written as `${NAME}`."""
Address = Annotated[str, AfterValidator(_address), Marker.ADDRESS]
"""An http or https URL, kept as written."""
BaseAddress = Annotated[str, AfterValidator(_base), Marker.ADDRESS]
"""A URL that paths are appended to: no query, no fragment, no slash at the end."""
Origin = Annotated[str, AfterValidator(_origin), Marker.ADDRESS]
"""Scheme, host, and the port where it is not the usual one; in lower case."""
Route = Annotated[str, AfterValidator(_route), Marker.ADDRESS]
"""A path from the root of the service, or a whole URL."""
Listen = Annotated[HostAndPort, PlainValidator(_host_and_port), Marker.ADDRESS]
"""A host and a port."""
HostPattern = Annotated[str, AfterValidator(_host_pattern)]
"""A host, in lower case, perhaps with a port; `*.` stands for every host below what follows."""
Guid = Annotated[str, AfterValidator(_guid)]
"""A GUID, in lower case."""
TermUnit = Annotated[str, AfterValidator(_term_unit)]
"""An ISO 8601 duration of months or years."""
JsonPointer = Annotated[str, AfterValidator(_json_pointer)]
"""A JSON pointer (RFC 6901)."""
ExistingFile = Annotated[Path, BeforeValidator(_existing_file)]
"""A file that exists; a relative path starts from the folder of the target file."""
Date = Annotated[datetime.date, BeforeValidator(_date)]
"""A day, as in 2026-11-22."""
Seconds = Annotated[float, Field(gt=0, le=600)]
"""A span of at most ten minutes."""
