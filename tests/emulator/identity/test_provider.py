import time
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import (
    FABRIKAM,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    AccessTokenExpired,
    AccessTokenForOtherAudience,
    AccessTokenKind,
    AccessTokenNotYetValid,
    AccessTokenRefused,
    AccessTokenUntrusted,
    Endpoint,
    IdentityProvider,
    IdentitySettings,
    NoServicePrincipal,
    TokenVersion,
)

TENANT = IdentitySettings().tenant_id
CLIENT = IdentitySettings().client_id


def published(entra: TestClient, tenant: str = TENANT) -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_dict(entra.get(f"/{tenant}/discovery/v2.0/keys").json())


def verified(entra: TestClient, token: str, *, audience: str = CLIENT, tenant: str = TENANT) -> dict[str, Any]:
    """The claims of a token, checked by PyJWT against the published keys; KeyError when its key is not published."""
    key = published(entra, tenant)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=audience)
    return claims


@pytest.mark.parametrize("version", [1, 2])
def test_a_valid_access_token_verifies_for_everybody(
    entra: TestClient, identity: IdentityProvider, version: TokenVersion
) -> None:
    token = identity.access_token(version=version)

    assert verified(entra, token, audience=MARKETPLACE_APP_ID)["tid"] == TENANT
    assert identity.verify_access_token(f"Bearer {token}").client_id == CLIENT


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        ("expired", AccessTokenExpired),
        ("not-yet-valid", AccessTokenNotYetValid),
        ("wrong-audience", AccessTokenForOtherAudience),
        ("wrong-signature", AccessTokenUntrusted),
        ("no-service-principal", NoServicePrincipal),
    ],
)
def test_a_faulty_access_token_is_refused_for_its_fault(
    identity: IdentityProvider, kind: AccessTokenKind, refusal: type[AccessTokenRefused], version: TokenVersion
) -> None:
    with pytest.raises(refusal):
        identity.verify_access_token(f"Bearer {identity.access_token(kind, version=version)}")


def test_pyjwt_agrees_on_the_faults(entra: TestClient, identity: IdentityProvider) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        verified(entra, identity.access_token("expired"), audience=MARKETPLACE_APP_ID)
    with pytest.raises(jwt.ImmatureSignatureError):
        verified(entra, identity.access_token("not-yet-valid"), audience=MARKETPLACE_APP_ID)
    with pytest.raises(jwt.InvalidSignatureError):
        verified(entra, identity.access_token("wrong-signature"), audience=MARKETPLACE_APP_ID)
    assert verified(entra, identity.access_token("wrong-audience"), audience=GRAPH_APP_ID)["tid"] == TENANT
    assert "oid" not in verified(entra, identity.access_token("no-service-principal"), audience=MARKETPLACE_APP_ID)


def test_the_foreign_publishers_token_is_genuine_but_anothers(entra: TestClient, identity: IdentityProvider) -> None:
    token = identity.access_token("foreign-publisher")
    caller = identity.verify_access_token(f"Bearer {token}")

    assert (caller.client_id, caller.tenant_id) == (FABRIKAM.client_id, FABRIKAM.tenant_id)
    assert verified(entra, token, audience=MARKETPLACE_APP_ID, tenant=FABRIKAM.tenant_id)["azp"] == FABRIKAM.client_id


@pytest.mark.parametrize("version", [1, 2])
def test_a_notification_token_verifies(entra: TestClient, identity: IdentityProvider, version: TokenVersion) -> None:
    claims = verified(entra, identity.webhook_token(version))

    assert claims["tid"] == TENANT
    assert claims["appid" if version == 1 else "azp"] == MARKETPLACE_APP_ID
    assert abs(claims["iat"] - time.time()) < 5


def test_claims_of_a_notification_token_can_be_replaced_added_and_left_out(
    entra: TestClient, identity: IdentityProvider
) -> None:
    claims = verified(entra, identity.webhook_token(2, aud="other", nbf=None, extra=1), audience="other")

    assert claims["extra"] == 1
    assert "nbf" not in claims


def test_two_tokens_are_never_the_same(identity: IdentityProvider) -> None:
    assert identity.webhook_token() != identity.webhook_token()
    assert identity.access_token() != identity.access_token()


def test_after_a_rotation_the_previous_key_stays_published(entra: TestClient, identity: IdentityProvider) -> None:
    before = identity.webhook_token()
    identity.rotate_keys()
    after = identity.webhook_token()

    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    assert verified(entra, before)
    assert verified(entra, after)


def test_a_rotation_can_drop_the_previous_key_but_not_the_access_tokens(
    entra: TestClient, identity: IdentityProvider
) -> None:
    before, access_token = identity.webhook_token(), identity.access_token()
    identity.rotate_keys(keep_previous=False)

    with pytest.raises(KeyError):
        verified(entra, before)
    assert verified(entra, identity.webhook_token())
    assert identity.verify_access_token(f"Bearer {access_token}")


def test_rotation_concerns_one_provider_only(identity: IdentityProvider) -> None:
    other = IdentityProvider()
    identity.rotate_keys()

    assert other.keys.signing_key is not identity.keys.signing_key


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("metadata", f"/{TENANT}/v2.0/.well-known/openid-configuration"),
        ("keys", f"/{TENANT}/discovery/v2.0/keys"),
        ("token", f"/{TENANT}/oauth2/v2.0/token"),
    ],
)
def test_an_endpoint_can_be_out_of_order(
    entra: TestClient, identity: IdentityProvider, endpoint: Endpoint, path: str
) -> None:
    method = "POST" if endpoint == "token" else "GET"
    usual = entra.request(method, path).status_code
    identity.out_of_order.add(endpoint)
    during = entra.request(method, path).status_code
    others = entra.get(f"/{TENANT}/.well-known/openid-configuration").status_code
    identity.out_of_order.clear()

    assert during == 503
    assert others == (503 if endpoint == "metadata" else 200)
    assert entra.request(method, path).status_code == usual != 503
