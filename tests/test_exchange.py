"""Tests of the record of one HTTP exchange."""

from datetime import UTC, datetime, timedelta

import pytest

from fulfillment_conformance.exchange import Exchange, header, ignore

HEADERS = (("Content-Type", "text/plain"), ("content-type", "text/html"), ("X-Empty", ""))


def exchange(status: int | None) -> Exchange:
    return Exchange(
        sender="publisher",
        receiver="marketplace",
        method="PATCH",
        url="https://market.example/api/s?token=secret",
        status=status,
        number="7",
        request_headers=(("authorization", "Bearer hidden"),),
        request_body=b"hidden",
    )


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_the_first_header_of_a_name_counts_whatever_its_case(name: str) -> None:
    assert header(HEADERS, name) == "text/plain"


def test_an_empty_header_is_not_a_missing_one() -> None:
    assert header(HEADERS, "x-empty") == ""
    assert header(HEADERS, "x-other") is None


@pytest.mark.parametrize(("status", "came"), [(202, "202"), (0, "0"), (None, "no answer")])
def test_an_exchange_is_named_without_its_secrets(status: int | None, came: str) -> None:
    assert repr(exchange(status)) == (
        f"<Exchange 7 publisher to marketplace: PATCH https://market.example/api/s -> {came}>"
    )


def test_what_is_not_known_of_an_exchange() -> None:
    bare = Exchange(sender="suite", receiver="identity", method="GET", url="https://login.example/")

    assert (bare.status, bare.error, bare.seconds, bare.virtual_at) == (None, None, 0.0, None)
    assert (bare.request_headers, bare.response_headers) == ((), ())
    assert (bare.request_body, bare.response_body) == (b"", b"")
    assert (bare.purpose, bare.number) == ("", "")


def test_an_exchange_is_dated_in_utc_when_it_is_made() -> None:
    made = exchange(200).at

    assert made.tzinfo is UTC
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)


def test_whoever_ignores_exchanges_leaves_them_as_they_are() -> None:
    seen = exchange(200)
    ignore(seen)

    assert seen.status == 200
