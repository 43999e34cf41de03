import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from fulfillment_conformance.emulator.identity.keys import KeyRing, pooled_key
from fulfillment_conformance.emulator.identity.settings import (
    BUYER,
    CONSUMERS_TENANT_ID,
    FABRIKAM,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    PERSONAL,
)
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer, TokenVersion, issuer, service_principal
from fulfillment_conformance.marketplace.ids import Ids

TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
CLIENT = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"


@pytest.fixture
def tokens() -> TokenIssuer:
    return TokenIssuer(KeyRing(FABRIKAM.tenant_id), seed=3)


def without_trace(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims without those that differ from token to token."""
    return {name: value for name, value in claims.items() if name not in {"aio", "rh", "uti", "iat", "nbf", "exp"}}


def test_issuers_are_microsofts_own() -> None:
    assert issuer(1, TENANT) == f"https://sts.windows.net/{TENANT}/"
    assert issuer(2, TENANT) == f"https://login.microsoftonline.com/{TENANT}/v2.0"


def test_a_service_principal_is_the_same_every_time_and_another_in_each_tenant() -> None:
    assert service_principal(TENANT, CLIENT) == service_principal(TENANT, CLIENT)
    assert service_principal(TENANT, CLIENT) != service_principal(FABRIKAM.tenant_id, CLIENT)


def test_equal_seeds_give_equal_ids_and_other_ids_than_the_marketplace() -> None:
    keys = KeyRing(FABRIKAM.tenant_id)
    one, same, other = TokenIssuer(keys, seed=0), TokenIssuer(keys, seed=0), TokenIssuer(keys, seed=1)
    first = one.guid()

    assert first == same.guid()
    assert one.opaque(16) == same.opaque(16)
    assert first != other.guid()
    assert first != Ids(0).guid()


def test_sign_names_its_key_and_any_header_can_be_replaced_or_left_out(tokens: TokenIssuer) -> None:
    key = pooled_key(0)
    plain = tokens.sign({}, {"a": 1})
    changed = tokens.sign({"kid": None, "x5t": "other", "jku": "https://keys.example"}, {"a": 1})

    assert jwt.get_unverified_header(plain) == {"typ": "JWT", "alg": "RS256", "kid": key.kid, "x5t": key.kid}
    assert jwt.get_unverified_header(changed) == {
        "typ": "JWT",
        "alg": "RS256",
        "x5t": "other",
        "jku": "https://keys.example",
    }
    assert jwt.decode(plain, key.public_key, algorithms=["RS256"]) == {"a": 1}


def test_sign_with_another_key(tokens: TokenIssuer) -> None:
    token = tokens.sign({}, {"a": 1}, key=pooled_key(1))

    assert jwt.get_unverified_header(token)["kid"] == pooled_key(1).kid
    assert jwt.decode(token, pooled_key(1).public_key, algorithms=["RS256"]) == {"a": 1}


def test_access_tokens_of_both_versions(tokens: TokenIssuer) -> None:
    principal = service_principal(FABRIKAM.tenant_id, FABRIKAM.client_id)
    common = {"aud": MARKETPLACE_APP_ID, "idtyp": "app", "oid": principal, "sub": principal, "tid": FABRIKAM.tenant_id}
    one = tokens.access_claims(FABRIKAM, audience=MARKETPLACE_APP_ID, version=1)
    two = tokens.access_claims(FABRIKAM, audience=MARKETPLACE_APP_ID, version=2, by_certificate=True)

    assert without_trace(one) == common | {
        "iss": issuer(1, FABRIKAM.tenant_id),
        "ver": "1.0",
        "appid": FABRIKAM.client_id,
        "appidacr": "1",
    }
    assert without_trace(two) == common | {
        "iss": issuer(2, FABRIKAM.tenant_id),
        "ver": "2.0",
        "azp": FABRIKAM.client_id,
        "azpacr": "2",
    }


def test_times_are_the_wall_clocks(tokens: TokenIssuer) -> None:
    claims = tokens.access_claims(FABRIKAM, audience=MARKETPLACE_APP_ID, version=2)
    short = tokens.access_claims(FABRIKAM, audience=MARKETPLACE_APP_ID, version=2, lifetime=timedelta(seconds=5))

    assert abs(claims["iat"] - time.time()) < 5
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] - claims["iat"] == 3600
    assert short["exp"] - short["iat"] == 5


@pytest.mark.parametrize(("version", "caller"), [(1, "appid"), (2, "azp")])
def test_a_notification_carries_the_claims_seen_live(tokens: TokenIssuer, version: TokenVersion, caller: str) -> None:
    claims = tokens.notification_claims(audience=CLIENT, tenant_id=TENANT, version=version)

    seen_live = {"aud", "iss", "iat", "exp", "aio", caller, f"{caller}acr", "oid", "rh", "sub", "tid", "uti", "ver"}
    assert set(claims) == seen_live | {"nbf"}
    assert claims["aud"] == CLIENT
    assert claims[caller] == MARKETPLACE_APP_ID
    assert claims["tid"] == TENANT
    assert claims["iss"] == issuer(version, TENANT)


def test_an_id_token_says_what_its_scopes_allow(tokens: TokenIssuer) -> None:
    bare = tokens.id_claims(BUYER, CLIENT, scopes=["openid"], nonce=None, version=2)
    full = tokens.id_claims(BUYER, CLIENT, scopes=["openid", "profile", "email"], nonce="n-1", version=2)

    assert {"name", "preferred_username", "email", "nonce"}.isdisjoint(bare)
    assert full["aud"] == CLIENT
    assert full["nonce"] == "n-1"
    assert full["name"] == BUYER.display_name
    assert full["preferred_username"] == BUYER.user_principal_name
    assert full["email"] == BUYER.mail
    assert full["oid"] == BUYER.object_id
    assert full["iss"] == issuer(2, BUYER.tenant_id)


def test_an_id_token_of_version_1_names_the_user_in_its_own_words(tokens: TokenIssuer) -> None:
    claims = tokens.id_claims(BUYER, CLIENT, scopes=["openid"], nonce=None, version=1)

    assert claims["upn"] == claims["unique_name"] == BUYER.user_principal_name
    assert "preferred_username" not in claims
    assert claims["iss"] == issuer(1, BUYER.tenant_id)


def test_a_personal_account_has_its_own_tenant_and_no_email(tokens: TokenIssuer) -> None:
    claims = tokens.id_claims(PERSONAL, CLIENT, scopes=["openid", "email"], nonce=None, version=2)

    assert claims["tid"] == CONSUMERS_TENANT_ID
    assert "email" not in claims


def test_a_subject_is_the_same_at_one_application_and_another_elsewhere(tokens: TokenIssuer) -> None:
    def subject(client_id: str) -> object:
        return tokens.id_claims(BUYER, client_id, scopes=["openid"], nonce=None, version=2)["sub"]

    assert subject(CLIENT) == subject(CLIENT) != subject(FABRIKAM.client_id)


def test_a_users_access_token_names_user_client_and_scopes(tokens: TokenIssuer) -> None:
    claims = tokens.user_claims(BUYER, CLIENT, audience=GRAPH_APP_ID, scopes=["openid", "User.Read"])

    assert claims["aud"] == GRAPH_APP_ID
    assert claims["appid"] == CLIENT
    assert claims["scp"] == "openid User.Read"
    assert claims["idtyp"] == "user"
    assert claims["oid"] == BUYER.object_id
    assert claims["puid"] == BUYER.puid
    assert "puid" not in tokens.user_claims(BUYER, CLIENT, audience=CLIENT, scopes=["openid"])
