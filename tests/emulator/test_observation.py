import pytest
from tests.emulator.conftest import NOBODY, OpenSandbox, Sandbox, Wall

from fulfillment_conformance.exchange import Exchange, header

pytestmark = pytest.mark.anyio


@pytest.fixture
def seen() -> list[Exchange]:
    return []


@pytest.fixture
async def watched(open_sandbox: OpenSandbox, seen: list[Exchange]) -> Sandbox:
    return await open_sandbox(wall=Wall(), observer=seen.append)


async def test_a_call_of_the_api_is_reported_with_raw_bytes_and_both_times(
    watched: Sandbox, seen: list[Exchange]
) -> None:
    answer = await watched.api("PATCH", f"/{NOBODY}", content=b'{ "planId" : "x" }', headers={"x-odd": "1"})
    (exchange,) = seen

    assert (exchange.sender, exchange.receiver, exchange.method) == ("publisher", "marketplace", "PATCH")
    assert exchange.url == f"http://emulator.example:8080/api/saas/subscriptions/{NOBODY}?api-version=2018-08-31"
    assert header(exchange.request_headers, "x-odd") == "1"
    assert exchange.request_body == b'{ "planId" : "x" }'
    assert (exchange.status, exchange.response_body) == (404, answer.content)
    assert header(exchange.response_headers, "x-ms-requestid") == answer.headers["x-ms-requestid"]
    assert exchange.virtual_at == Wall().time
    assert exchange.at > exchange.virtual_at
    assert exchange.error is None


async def test_everybody_who_calls_is_named(watched: Sandbox, seen: list[Exchange]) -> None:
    await watched.control("GET", "")
    await watched.control("GET", "/clock")
    await watched.http.get(f"/{NOBODY}/discovery/v2.0/keys")
    await watched.http.get("/common/oauth2/v2.0/authorize")
    await watched.http.get("/")
    await watched.http.get("/favicon.ico")

    assert [(exchange.sender, exchange.receiver) for exchange in seen] == [
        ("suite", "control"),
        ("suite", "control"),
        ("publisher", "identity"),
        ("buyer", "identity"),
    ]


async def test_percent_encoding_is_reported_as_it_came(watched: Sandbox, seen: list[Exchange]) -> None:
    await watched.http.get("/api/saas/subscriptions/a%2Fb%20c?x=%2B+")

    assert seen[0].url == "http://emulator.example:8080/api/saas/subscriptions/a%2Fb%20c?x=%2B+"


async def test_a_breakdown_is_reported_with_its_answer(
    watched: Sandbox, seen: list[Exchange], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(watched.emulator.api, "get_subscription", broken)
    with pytest.raises(RuntimeError):
        await watched.api("GET", f"/{NOBODY}")

    assert (seen[0].status, seen[0].error) == (500, "RuntimeError: a fault of ours")
