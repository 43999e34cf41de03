import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fulfillment_conformance.backend.bearer import BearerToken, SigningKeys, faults, read_bearer
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.serving import Serving, serve

EMULATOR = Emulator(Settings())
APPLICATION = EMULATOR.settings.identity


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with serve(EMULATOR.app) as serving:
        yield serving


@pytest.fixture
def keys(serving: Serving) -> Iterator[SigningKeys]:
    with HttpClient() as http:
        yield SigningKeys(http, f"{serving.url}/{APPLICATION.tenant_id}")


def found(value: str, keys: SigningKeys | None = None, *, at: float = 0.0) -> list[str]:
    token = read_bearer(value)
    assert isinstance(token, BearerToken)
    return faults(
        token,
        tenant_id=APPLICATION.tenant_id,
        client_id=APPLICATION.client_id,
        keys=keys,
        now=time.time() + at,
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_genuine_token_has_no_fault(keys: SigningKeys, version: Any) -> None:
    assert found(f"Bearer {EMULATOR.identity.webhook_token(version)}", keys) == []
    assert found(f"bearer  {EMULATOR.identity.webhook_token(version)}", keys) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no Authorization header"),
        ("", "scheme is ''"),
        ("Basic abc", "scheme is 'Basic'"),
        ("Bearer", "scheme is 'Bearer', not Bearer with one token"),
        ("Bearer a b", "not Bearer with one token"),
        ("Bearer abc", "1 parts"),
        ("Bearer a.b.", "2 parts"),
        ("Bearer a.b.c.d", "4 parts"),
        ("Bearer a.b.c", "no JSON object"),
        (f"Bearer {base64.b64encode(b'[]').decode()}.e30.x", "no JSON object"),
    ],
)
def test_what_is_no_token_is_said(value: str | None, said: str) -> None:
    problem = read_bearer(value)

    assert isinstance(problem, str)
    assert said in problem


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aud": "another"}, "aud is 'another'"),
        ({"aud": None}, "aud is None"),
        ({"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}, "tid is"),
        ({"iss": "https://login.example/"}, "iss is"),
        ({"azp": "c0ffee00-0000-4000-8000-000000000000"}, "neither azp nor appid"),
        ({"exp": None}, "exp is missing"),
        ({"exp": 1}, "exp is past"),
        ({"nbf": 99_999_999_999}, "nbf lies ahead"),
    ],
)
def test_every_wrong_claim_is_named(keys: SigningKeys, changes: dict[str, Any], said: str) -> None:
    value = f"Bearer {EMULATOR.identity.webhook_token(2, **changes)}"

    assert [text for text in found(value, keys) if said in text]
    assert len(found(value, keys)) == len(changes)


def test_five_minutes_of_skew_are_nobodys_fault() -> None:
    value = f"Bearer {EMULATOR.identity.webhook_token(2)}"

    assert found(value, at=3600 + 290) == []
    assert found(value, at=3600 + 310) == ["exp is past"]
    assert found(value, at=-290) == []
    assert found(value, at=-310) == ["nbf lies ahead"]


def test_without_an_addressee_any_tenant_and_audience_will_do(keys: SigningKeys) -> None:
    token = read_bearer(f"Bearer {EMULATOR.identity.webhook_token(2, aud='whoever')}")

    assert isinstance(token, BearerToken)
    assert faults(token, tenant_id=None, client_id=None, keys=keys, now=time.time()) == []


@pytest.mark.parametrize("name", ["stranger's-key", "alg-none", "hs256"])
def test_a_forged_signature_is_found(keys: SigningKeys, name: str) -> None:
    header = {"stranger's-key": {}, "alg-none": {"alg": "none"}, "hs256": {"alg": "HS256"}}[name]
    genuine = EMULATOR.identity.webhook_token(2).split(".")
    fields = json.loads(base64.urlsafe_b64decode(genuine[0] + "==")) | header
    forged = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
    signature = genuine[2][::-1] if name == "stranger's-key" else genuine[2]

    said = found(f"Bearer {forged}.{genuine[1]}.{signature}", keys)

    assert any("signature" in text for text in said)
    assert all(genuine[2] not in text for text in said)


def test_a_key_that_is_not_published_is_named(keys: SigningKeys) -> None:
    token = EMULATOR.identity.sign({"kid": "invented"}, EMULATOR.identity.webhook_claims(2))

    assert [text for text in found(f"Bearer {token}", keys) if "publishes no key 'invented'" in text]


def test_an_authority_without_keys_decides_nothing(serving: Serving) -> None:
    exchanges: list[Exchange] = []
    with HttpClient(observer=exchanges.append) as http:
        keys = SigningKeys(http, f"{serving.url}/no-such-tenant")
        with pytest.raises(Precondition, match="shows no signing keys"):
            found(f"Bearer {EMULATOR.identity.webhook_token(2)}", keys)

    assert [exchange.receiver for exchange in exchanges] == ["identity"]
