import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import FakeMarketplace, World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
KEY_ID = "the-key-of-today"
TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
OTHER = "3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"
MARKETPLACE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"

Probe = Callable[["World"], Awaitable[bool]]
Token = Callable[["FakeMarketplace"], str]

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def change(world: "World", authorization: str | None) -> tuple[int, bool]:
    """Announce a change of plan; return the answer's status, and whether the plan has changed."""
    await world.subscribe()
    operation = {"id": OPERATION, "subscriptionId": SUBSCRIPTION, "action": "ChangePlan", "planId": "gold"}
    world.market.operations[OPERATION] = {**operation, "status": "InProgress"}
    payload = {"id": OPERATION, "subscriptionId": SUBSCRIPTION, "action": "ChangePlan", "planId": "gold"}
    headers = {"authorization": authorization} if authorization is not None else {}
    answer = await world.browser.post("/webhook", json=payload, headers=headers)
    await world.settle()
    return answer.status_code, (await world.state())["planId"] == "gold"


def refuses(token: Token) -> Probe:
    """Return the probe whether a token is refused, and nothing carried out."""

    async def probe(world: "World") -> bool:
        status, changed = await change(world, f"Bearer {token(world.market)}")
        return 400 <= status < 500 and not changed

    return probe


def takes(token: Token) -> Probe:
    """Return the probe whether a token is believed."""

    async def probe(world: "World") -> bool:
        return await change(world, f"Bearer {token(world.market)}") == (200, True)

    return probe


def without_token(header: str | None) -> Probe:
    """Return the probe whether a call with this header, which holds no token, is refused."""

    async def probe(world: "World") -> bool:
        status, changed = await change(world, header)
        return status == 401 and not changed

    return probe


def claims(**changed: Any) -> Token:
    """Return what makes a genuine token with some claims changed."""
    return lambda entra: entra.webhook_token(**changed)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(entra: "FakeMarketplace") -> str:
    return f"{_part({'alg': 'none', 'kid': KEY_ID})}.{entra.webhook_token().split('.')[1]}."


def confused(encoding: Encoding) -> Token:
    def make(entra: "FakeMarketplace") -> str:
        signed = f"{_part({'alg': 'HS256', 'kid': KEY_ID})}.{entra.webhook_token().split('.')[1]}"
        secret = entra.key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        signature = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256")).rstrip(b"=")
        return f"{signed}.{signature.decode()}"

    return make


def by_stranger(**header: Any) -> Token:
    def make(entra: "FakeMarketplace") -> str:
        payload = jwt.decode(entra.webhook_token(), options={"verify_signature": False})
        return jwt.encode(payload, STRANGER, algorithm="RS256", headers={"kid": "stranger", **header})

    return make


def _certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, STRANGER.public_key(), 1, now, now + timedelta(days=1))
        .sign(STRANGER, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    return base64.b64encode(certificate).decode()


STRANGERS_KEY = {**RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True), "kid": "stranger", "use": "sig"}

VERSION_1 = claims(azp=None, appid=MARKETPLACE, iss=f"https://sts.windows.net/{TENANT}/", ver="1.0")

PROBES: dict[str, list[Probe]] = {
    "accepts-unsigned-tokens": [refuses(unsigned)],
    "accepts-hmac-with-the-public-key": [refuses(confused(Encoding.PEM)), refuses(confused(Encoding.DER))],
    "ignores-the-signature": [refuses(by_stranger())],
    "trusts-the-key-in-the-token": [refuses(by_stranger(jwk=STRANGERS_KEY))],
    "trusts-the-certificate-in-the-token": [refuses(by_stranger(x5c=[_certificate()]))],
    "ignores-the-audience": [refuses(claims(aud=OTHER))],
    "accepts-the-audience-of-any-application-by-address": [refuses(claims(aud=f"api://{OTHER}"))],
    "ignores-the-sender": [refuses(claims(azp=OTHER)), refuses(claims(azp=None))],
    "accepts-a-token-without-sender": [refuses(claims(azp=None))],
    "ignores-the-tenant": [refuses(claims(tid=OTHER))],
    "accepts-a-token-without-tenant": [refuses(claims(tid=None))],
    "ignores-the-issuer": [refuses(claims(iss=f"https://sts.windows.net/{OTHER}/"))],
    "compares-only-the-beginning-of-the-issuer": [refuses(claims(iss="https://login.microsoftonline.com.evil/"))],
    "ignores-the-expiry": [refuses(claims(exp=timedelta(hours=-1)))],
    "grants-half-an-hour-after-expiry": [refuses(claims(exp=timedelta(minutes=-10)))],
    "ignores-the-beginning-of-validity": [refuses(claims(nbf=timedelta(hours=1)))],
    "grants-no-difference-between-clocks": [
        takes(claims(exp=timedelta(minutes=-2))),
        takes(claims(nbf=timedelta(minutes=2))),
    ],
    "pins-the-version-2-issuer": [takes(VERSION_1)],
    "requires-azp": [takes(VERSION_1)],
    "pins-the-version-1-issuer": [takes(claims())],
    "requires-appid": [takes(claims())],
    "loses-the-authorization-header": [takes(claims())],
    "accepts-calls-without-token": [without_token(None)],
    "refuses-but-carries-out": [without_token(None)],
    "accepts-other-schemes": [without_token("Basic bWU6bWU=")],
    "accepts-what-it-cannot-read": [without_token("Bearer garbage")],
    "hides-refusals": [without_token(None), refuses(claims(aud=OTHER))],
}


@pytest.mark.parametrize(("name", "probe"), [(name, probe) for name, probes in PROBES.items() for probe in probes])
async def test_the_defect_is_found(tell: "Tell", name: str, probe: Probe) -> None:
    await tell(name, probe)


@pytest.mark.parametrize(
    "name", sorted(set(PROBES) - {"loses-the-authorization-header", "pins-the-version-1-issuer", "requires-appid"})
)
async def test_genuine_calls_are_still_taken(make_world: Callable[..., "World"], name: str) -> None:
    assert await takes(claims())(make_world(defects=[name]))


@pytest.mark.parametrize(
    "name", ["accepts-all-while-keys-are-unavailable", "refuses-for-good-while-keys-are-unavailable"]
)
async def test_an_outage_of_the_keys_is_neither_consent_nor_refusal(tell: "Tell", name: str) -> None:
    async def probe(world: "World") -> bool:
        world.market.keys_down = True
        return await change(world, f"Bearer {world.market.webhook_token()}") == (503, False)

    await tell(name, probe)


async def test_invented_key_ids_cause_few_fetches(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        for number in range(30):
            await world.publisher.signing_keys.key(f"invented-{number}")
        return world.market.key_fetches < 10

    await tell("fetches-keys-for-every-unknown-kid", probe)


async def test_a_new_key_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.publisher.signing_keys.key(KEY_ID)
        world.market.key_ids = ["new"]
        return await world.publisher.signing_keys.key("new") is not None

    await tell("never-fetches-keys-again", probe)


async def test_a_key_at_an_address_of_the_callers_choice_is_not_believed(
    tell: "Tell", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probe(world: "World") -> bool:
        get = world.publisher.http.get

        async def serve_strangers_keys(url: str) -> httpx2.Response:
            if url == "https://stranger.test/keys":
                return httpx2.Response(200, json={"keys": [STRANGERS_KEY]})
            return await get(url)

        monkeypatch.setattr(world.publisher.http, "get", serve_strangers_keys)
        return await refuses(by_stranger(jku="https://stranger.test/keys"))(world)

    await tell("trusts-the-key-address-in-the-token", probe)
