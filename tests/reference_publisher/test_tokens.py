import base64
import hmac
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fulfillment_conformance.reference_publisher.tokens import TokenRefused, WebhookTokens

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import FakeMarketplace, World

pytestmark = pytest.mark.anyio

KEY_ID = "the-key-of-today"
TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
OTHER = "3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"
MARKETPLACE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"


@pytest.fixture
def tokens(world: "World") -> WebhookTokens:
    return world.publisher.webhook_tokens


@pytest.fixture
def entra(world: "World") -> "FakeMarketplace":
    return world.market


async def accepts(tokens: WebhookTokens, token: str) -> bool:
    try:
        await tokens.validate([f"Bearer {token}"])
    except TokenRefused:
        return False
    return True


async def test_both_versions_are_genuine(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    version_1 = entra.webhook_token(
        azp=None, appid=MARKETPLACE, iss=f"https://sts.windows.net/{TENANT}/", ver="1.0", nbf=int(time.time())
    )

    assert await accepts(tokens, entra.webhook_token())
    assert await accepts(tokens, version_1)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": OTHER},
        {"aud": f"api://{OTHER}"},
        {"aud": None},
        {"aud": ["5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"]},
        {"tid": OTHER},
        {"tid": None},
        {"iss": f"https://sts.windows.net/{OTHER}/"},
        {"iss": f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0"},
        {"iss": None},
        {"azp": OTHER},
        {"azp": None},
        {"appid": OTHER},
        {"scp": "access_as_user"},
        {"exp": timedelta(minutes=-6)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": timedelta(minutes=6)},
        {"nbf": "now"},
    ],
)
async def test_a_wrong_claim_is_refused(
    tokens: WebhookTokens, entra: "FakeMarketplace", claims: dict[str, Any]
) -> None:
    assert not await accepts(tokens, entra.webhook_token(**claims))


@pytest.mark.parametrize("claims", [{"exp": timedelta(minutes=-2)}, {"nbf": timedelta(minutes=2)}])
async def test_clocks_may_differ_by_two_minutes(
    tokens: WebhookTokens, entra: "FakeMarketplace", claims: dict[str, Any]
) -> None:
    assert await accepts(tokens, entra.webhook_token(**claims))


async def test_a_strangers_signature_is_refused(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert not await accepts(tokens, entra.webhook_token(key=stranger))
    assert not await accepts(tokens, entra.webhook_token(key=stranger, kid="unknown"))
    assert not await accepts(tokens, entra.webhook_token(kid=None))


async def test_the_token_does_not_choose_the_algorithm(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    _, payload, _ = entra.webhook_token().split(".")
    secret = entra.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def part(header: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()

    confused = f"{part({'alg': 'HS256', 'kid': KEY_ID})}.{payload}"
    signature = base64.urlsafe_b64encode(hmac.digest(secret, confused.encode(), "sha256")).rstrip(b"=").decode()

    assert not await accepts(tokens, f"{confused}.{signature}")
    for name in ("none", "nOnE", "RS384", "PS256"):
        assert not await accepts(tokens, f"{part({'alg': name, 'kid': KEY_ID})}.{payload}.")
    rs384 = jwt.encode({"exp": 1}, entra.key, algorithm="RS384", headers={"kid": KEY_ID})
    assert not await accepts(tokens, rs384)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic dXNlcjpwYXNz"],
        ["Bearer garbage"],
        ["Bearer a.b.c"],
        ["Bearer e30.e30."],
        ["Bearer x", "Bearer y"],
    ],
)
async def test_what_is_no_token_is_refused(tokens: WebhookTokens, headers: list[str]) -> None:
    with pytest.raises(TokenRefused):
        await tokens.validate(headers)


async def test_the_scheme_may_be_written_in_any_case(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    assert (await tokens.validate([f"bearer  {entra.webhook_token()} "]))["tid"] == TENANT


async def test_a_payload_that_is_no_object_is_refused(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    signed = jwt.PyJWS().encode(b"[1]", entra.key, algorithm="RS256", headers={"kid": KEY_ID})

    assert not await accepts(tokens, signed)


async def test_a_refusal_repeats_nothing_of_the_token(tokens: WebhookTokens, entra: "FakeMarketplace") -> None:
    with pytest.raises(TokenRefused) as refusal:
        await tokens.validate([f"Bearer {entra.webhook_token(aud='canary')}"])
    assert "canary" not in str(refusal.value)
