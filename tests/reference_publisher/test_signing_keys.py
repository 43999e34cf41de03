import asyncio
from typing import TYPE_CHECKING

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fulfillment_conformance.reference_publisher import Settings
from fulfillment_conformance.reference_publisher.signing_keys import FRESH_SECONDS, KeysUnavailable, SigningKeys

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import FakeMarketplace, World

pytestmark = pytest.mark.anyio

KEY_ID = "the-key-of-today"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def entra(world: "World") -> "FakeMarketplace":
    return world.market


@pytest.fixture
def keys(settings: Settings, entra: "FakeMarketplace", clock: Clock) -> SigningKeys:
    return SigningKeys(settings, httpx2.AsyncClient(transport=httpx2.MockTransport(entra)), clock=clock)


async def test_keys_are_fetched_once_for_everybody(keys: SigningKeys, entra: "FakeMarketplace") -> None:
    found = await asyncio.gather(*(keys.key(KEY_ID) for _ in range(20)))

    assert all(isinstance(key, rsa.RSAPublicKey) for key in found)
    assert entra.key_fetches == 1


async def test_a_new_key_is_found_by_one_more_fetch(keys: SigningKeys, entra: "FakeMarketplace") -> None:
    await keys.key(KEY_ID)
    entra.key_ids = ["the-key-of-tomorrow"]

    assert await keys.key("the-key-of-tomorrow") is not None
    assert await keys.key(KEY_ID) is None
    assert entra.key_fetches <= 3


async def test_invented_key_ids_cause_few_fetches_and_time_brings_them_back(
    keys: SigningKeys, entra: "FakeMarketplace", clock: Clock
) -> None:
    for number in range(100):
        assert await keys.key(f"invented-{number}") is None
    assert entra.key_fetches == 6

    entra.key_ids = ["the-key-of-tomorrow"]
    assert await keys.key("the-key-of-tomorrow") is None
    clock.now += 10
    assert await keys.key("the-key-of-tomorrow") is not None


async def test_keys_are_refreshed_now_and_then_and_survive_an_outage(
    keys: SigningKeys, entra: "FakeMarketplace", clock: Clock
) -> None:
    await keys.key(KEY_ID)
    clock.now += FRESH_SECONDS + 1
    entra.keys_down = True
    assert await keys.key(KEY_ID) is not None

    entra.keys_down = False
    await keys.key(KEY_ID)
    assert entra.key_fetches == 2


async def test_without_any_key_nothing_can_be_decided(keys: SigningKeys, entra: "FakeMarketplace") -> None:
    entra.keys_down = True

    with pytest.raises(KeysUnavailable):
        await keys.key(KEY_ID)


async def test_an_unknown_key_cannot_be_decided_on_while_entra_is_down(
    keys: SigningKeys, entra: "FakeMarketplace"
) -> None:
    await keys.key(KEY_ID)
    entra.keys_down = True

    with pytest.raises(KeysUnavailable):
        await keys.key("new")


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"jwks_uri": "not an address"}),
        httpx2.ConnectError("refused"),
    ],
)
async def test_whatever_is_wrong_with_the_metadata_is_one_error(
    settings: Settings, answer: httpx2.Response | Exception
) -> None:
    def respond(_request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = SigningKeys(settings, httpx2.AsyncClient(transport=httpx2.MockTransport(respond)))

    with pytest.raises(KeysUnavailable):
        await keys.key(KEY_ID)


async def test_only_rsa_keys_that_sign_are_taken(settings: Settings) -> None:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("openid-configuration"):
            return httpx2.Response(200, json={"jwks_uri": "https://login.test/keys"})
        entries = [
            {"kty": "oct", "kid": "a", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "b", "use": "enc"},
            {"kty": "RSA"},
        ]
        return httpx2.Response(200, json={"keys": entries})

    keys = SigningKeys(settings, httpx2.AsyncClient(transport=httpx2.MockTransport(respond)))

    assert await keys.key("a") is None
    assert await keys.key("b") is None
