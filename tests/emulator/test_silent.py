import asyncio

import httpx2
import pytest

from fulfillment_conformance.emulator.silent import SILENT_SERVICES

pytestmark = pytest.mark.anyio

SAYS = {
    "empty-object": 200,
    "no-content": 204,
    "bad-request": 400,
    "forbidden": 403,
    "not-found": 404,
    "server-error": 500,
    "login-page": 200,
    "redirect": 302,
}

CALLS = [
    ("GET", "/control"),
    ("POST", "/control/purchases"),
    ("POST", "/api/saas/subscriptions/resolve?api-version=2018-08-31"),
    ("GET", "/8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10/v2.0/.well-known/openid-configuration"),
]


def test_there_are_nine_and_each_says_what_it_does() -> None:
    assert set(SILENT_SERVICES) == {*SAYS, "hang"}
    assert all(service.__doc__ for service in SILENT_SERVICES.values())


@pytest.mark.parametrize("name", SAYS)
async def test_a_silent_service_says_the_same_to_every_call(name: str) -> None:
    transport = httpx2.ASGITransport(app=SILENT_SERVICES[name])
    async with httpx2.AsyncClient(transport=transport, base_url="http://silent.example") as client:
        answers = [await client.request(method, path, content=b"{}") for method, path in CALLS]

    assert {answer.status_code for answer in answers} == {SAYS[name]}
    assert len({answer.content for answer in answers}) == 1


async def test_the_hanging_one_says_nothing() -> None:
    transport = httpx2.ASGITransport(app=SILENT_SERVICES["hang"])
    async with httpx2.AsyncClient(transport=transport, base_url="http://silent.example") as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get("/control"), 0.02)


async def test_a_silent_service_can_be_served() -> None:
    said: list[str] = []
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(received)

    async def send(message: dict[str, str]) -> None:
        said.append(message["type"])

    await SILENT_SERVICES["empty-object"]({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
