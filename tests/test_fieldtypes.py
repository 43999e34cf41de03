from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fulfillment_conformance.fieldtypes import (
    Address,
    BaseAddress,
    Date,
    ExistingFile,
    Guid,
    HostAndPort,
    HostPattern,
    JsonPointer,
    Listen,
    Origin,
    Route,
    Seconds,
    TermUnit,
    placeholders,
)

TYPES: dict[str, Any] = {
    "address": Address,
    "base": BaseAddress,
    "origin": Origin,
    "route": Route,
    "listen": Listen,
    "pattern": HostPattern,
    "guid": Guid,
    "pointer": JsonPointer,
    "term": TermUnit,
    "seconds": Seconds,
    "date": Date,
    "template": Annotated[Any, placeholders("token", "landing_page")],
}


@pytest.mark.parametrize(
    ("kind", "value", "meant"),
    [
        ("address", "https://host/path?x=1#part", "https://host/path?x=1#part"),
        ("address", "http://[::1]:8080/", "http://[::1]:8080/"),
        ("base", "http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/api"),
        ("origin", "https://Portal.example/", "https://portal.example"),
        ("origin", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("route", "/api/activate", "/api/activate"),
        ("route", "https://host/api", "https://host/api"),
        ("pattern", "API.example", "api.example"),
        ("pattern", "*.example:8443", "*.example:8443"),
        ("listen", "127.0.0.1:8080", HostAndPort("127.0.0.1", 8080)),
        ("listen", "[::1]:0", HostAndPort("::1", 0)),
        ("listen", "localhost:65535", HostAndPort("localhost", 65535)),
        ("guid", "8D1F3A52-64B0-4C4E-9B4E-0A5F7E2C1D10", "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"),
        ("pointer", "", ""),
        ("pointer", "/plan~1id/0/~0x", "/plan~1id/0/~0x"),
        ("term", "P1M", "P1M"),
        ("term", "P36M", "P36M"),
        ("seconds", 600, 600.0),
        ("date", "2026-11-22", date(2026, 11, 22)),
        (
            "template",
            {"a": ["{token}", 5], "b": "no {placeholder here}"},
            {"a": ["{token}", 5], "b": "no {placeholder here}"},
        ),
    ],
)
def test_good_values_are_taken(kind: str, value: object, meant: object) -> None:
    assert TypeAdapter(TYPES[kind]).validate_python(value) == meant


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("address", "ftp://host/", "expected an address that begins with http:// or https:// and a host"),
        ("address", "host/path", "expected an address that begins with http:// or https:// and a host"),
        ("address", "https:///path", "expected an address that begins with http:// or https:// and a host"),
        ("address", "http://host:0/", "expected an address that begins with http:// or https:// and a host"),
        ("address", "http://host:99999/", "expected an address such as https://host/path"),
        ("address", "http://[::1/", "expected an address such as https://host/path"),
        ("address", "http://ho st/", "an address holds no blanks"),
        ("base", "http://host/api?x=1", "a base address has neither a query nor a fragment"),
        ("base", "http://host/api#x", "a base address has neither a query nor a fragment"),
        ("origin", "https://host/path", "expected an origin such as https://host or http://host:8080, without a path"),
        ("origin", "https://me@host", "expected an origin such as https://host or http://host:8080, without a path"),
        ("origin", "https://host/?x=1", "a base address has neither a query nor a fragment"),
        ("route", "api/activate", "expected an address that begins with http:// or https:// and a host"),
        ("listen", "8080", "expected a host and a port such as 127.0.0.1:8080"),
        ("listen", 8080, "expected a host and a port such as 127.0.0.1:8080"),
        ("listen", "127.0.0.1:99999", "expected a host and a port such as 127.0.0.1:8080"),
        ("listen", "::1:80", "expected a host and a port such as 127.0.0.1:8080"),
        ("listen", "http://127.0.0.1:80", "expected a host and a port such as 127.0.0.1:8080"),
        ("pattern", "https://api.example", "expected a host such as api.example"),
        ("pattern", "*", "expected a host such as api.example"),
        ("pattern", "api.*.example", "expected a host such as api.example"),
        ("pattern", "api.example:0", "expected a host such as api.example"),
        ("guid", "8d1f3a52", "expected a GUID such as 8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"),
        ("pointer", "status", "expected a JSON pointer: empty, or '/' before every step"),
        ("pointer", "/a~2", "expected a JSON pointer: empty, or '/' before every step"),
        ("date", "2026-11-31", "expected a date such as 2026-11-22"),
        ("date", "tomorrow", "expected a date such as 2026-11-22"),
        ("date", 20, "expected a date such as 2026-11-22"),
        ("term", "P1W", "expected a term of months or years such as P1M or P3Y"),
        ("term", "P0M", "expected a term of months or years such as P1M or P3Y"),
        (
            "template",
            {"a": ["{tokn}"]},
            "{tokn} is no placeholder; did you mean 'token'? allowed: {token}, {landing_page}",
        ),
        ("template", "{zzz}", "{zzz} is no placeholder; allowed: {token}, {landing_page}"),
    ],
)
def test_bad_values_are_refused_with_what_was_expected(kind: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(TYPES[kind]).validate_python(value)

    assert message in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("seconds", [0, -1, 601])
def test_a_span_is_at_most_ten_minutes(seconds: int) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(seconds)


def test_a_relative_path_starts_from_the_folder_of_the_target_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    files: TypeAdapter[Path] = TypeAdapter(ExistingFile)

    assert files.validate_python("ca.pem", context={"folder": tmp_path}) == tmp_path / "ca.pem"
    assert files.validate_python(str(tmp_path / "ca.pem")) == tmp_path / "ca.pem"
    for wrong in ("other.pem", ".", "", 5):
        with pytest.raises(ValidationError):
            files.validate_python(wrong, context={"folder": tmp_path})


def test_a_host_and_port_know_who_can_reach_them() -> None:
    near = [
        HostAndPort("127.0.0.1", 1),
        HostAndPort("127.1.2.3", 1),
        HostAndPort("localhost", 1),
        HostAndPort("::1", 1),
    ]
    far = [HostAndPort("0.0.0.0", 1), HostAndPort("::", 1), HostAndPort("sandbox.example", 1)]

    assert all(place.is_loopback for place in near)
    assert not any(place.is_loopback for place in far)
    assert str(HostAndPort("::1", 8080)) == "[::1]:8080"
    assert str(HostAndPort("localhost", 8080)) == "localhost:8080"
