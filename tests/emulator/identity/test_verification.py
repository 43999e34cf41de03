import time
from collections.abc import Mapping
from typing import Any

import pytest

from fulfillment_conformance.emulator.identity import (
    BUYER,
    MARKETPLACE_APP_ID,
    AccessTokenExpired,
    AccessTokenForOtherAudience,
    AccessTokenMalformed,
    AccessTokenMissing,
    AccessTokenNotYetValid,
    AccessTokenOfUser,
    AccessTokenRefused,
    AccessTokenUntrusted,
    IdentityProvider,
    NoServicePrincipal,
)
from fulfillment_conformance.emulator.identity.tokens import TokenVersion, issuer
from fulfillment_conformance.emulator.identity.verification import AccessTokenVerifier
from fulfillment_conformance.forge import AccessTokenForge, by_key, compact


def claims_of(identity: IdentityProvider, **changes: Any) -> dict[str, Any]:
    claims = identity.tokens.access_claims(
        identity.directory.fulfillment_application, audience=MARKETPLACE_APP_ID, version=2
    )
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def verify(identity: IdentityProvider, claims: Mapping[str, Any]) -> object:
    return identity.verify_access_token(f"Bearer {identity.sign({}, claims)}")


@pytest.mark.parametrize("version", [1, 2])
def test_a_genuine_token_says_who_calls(identity: IdentityProvider, version: TokenVersion) -> None:
    application = identity.directory.fulfillment_application
    token = identity.verify_access_token(f"bearer  {identity.access_token(version=version)} ")

    assert token.client_id == application.client_id
    assert token.tenant_id == application.tenant_id
    assert token.claims["ver"] == f"{version}.0"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic dTpw", "eyJhbGciOiJub25lIn0"])
def test_a_missing_token(identity: IdentityProvider, authorization: str | None) -> None:
    with pytest.raises(AccessTokenMissing):
        identity.verify_access_token(authorization)


@pytest.mark.parametrize("token", ["abc", "a.b.c", "a.b", "....", "é.é.é", "eyJhbGciOiJSUzI1NiJ9.W10.AA"])
def test_a_malformed_token(identity: IdentityProvider, token: str) -> None:
    with pytest.raises(AccessTokenMalformed):
        identity.verify_access_token(f"Bearer {token}")


@pytest.mark.parametrize("name", AccessTokenForge.names(expected="refused", requirement="AUT-012"))
def test_a_forged_token(identity: IdentityProvider, name: str) -> None:
    forged = AccessTokenForge(identity.access_token()).make(name)

    with pytest.raises(AccessTokenRefused):
        identity.verify_access_token(forged.authorization[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.microsoftonline.com/common/v2.0"},
        {"iss": None},
        {"tid": None},
        {"tid": "3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"},
        {"azp": None},
    ],
)
def test_a_token_whose_origin_is_not_what_it_says(identity: IdentityProvider, changes: dict[str, Any]) -> None:
    with pytest.raises(AccessTokenUntrusted):
        verify(identity, claims_of(identity, **changes))


def test_another_tenants_key_signs_for_that_tenant_only(identity: IdentityProvider) -> None:
    token = identity.sign({}, claims_of(identity), key=identity.keys.foreign_key)

    with pytest.raises(AccessTokenUntrusted):
        identity.verify_access_token(f"Bearer {token}")


def test_an_expired_token(identity: IdentityProvider) -> None:
    with pytest.raises(AccessTokenExpired, match="expired 3600 s ago"):
        identity.verify_access_token(f"Bearer {identity.access_token('expired')}")
    with pytest.raises(AccessTokenExpired):
        verify(identity, claims_of(identity, exp=int(time.time())))


def test_a_remembered_token_still_expires(identity: IdentityProvider) -> None:
    verifier = AccessTokenVerifier(identity.keys)
    authorization = f"Bearer {identity.access_token()}"
    now = time.time()

    assert verifier.verify(authorization, now=now).claims["exp"] > now
    with pytest.raises(AccessTokenExpired):
        verifier.verify(authorization, now=now + 3601)


def test_a_token_is_verified_once(identity: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = AccessTokenVerifier(identity.keys)
    authorization = f"Bearer {identity.access_token()}"
    first = verifier.verify(authorization, now=time.time())
    monkeypatch.setattr(verifier, "signed_claims", None)

    assert verifier.verify(authorization, now=time.time()) == first


def test_not_every_token_is_remembered_for_ever(identity: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulfillment_conformance.emulator.identity.verification._REMEMBERED", 2)
    verifier = AccessTokenVerifier(identity.keys)
    tokens = [identity.access_token() for _ in range(3)]
    for token in tokens:
        verifier.verify(f"Bearer {token}", now=time.time())

    assert list(verifier._remembered) == tokens[1:]


def test_a_token_that_is_not_valid_yet(identity: IdentityProvider) -> None:
    with pytest.raises(AccessTokenNotYetValid):
        identity.verify_access_token(f"Bearer {identity.access_token('not-yet-valid')}")
    verify(identity, claims_of(identity, nbf=int(time.time()) + 120))


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", ["9999999999", True, [], {}])
def test_times_that_are_no_numbers(identity: IdentityProvider, name: str, value: object) -> None:
    claims = claims_of(identity, **{name: value})
    key = identity.keys.signing_key
    token = compact({"alg": "RS256", "kid": key.kid}, claims, by_key(key))

    with pytest.raises(AccessTokenMalformed):
        identity.verify_access_token(f"Bearer {token}")


def test_a_token_without_end(identity: IdentityProvider) -> None:
    with pytest.raises(AccessTokenMalformed):
        verify(identity, claims_of(identity, exp=None))


@pytest.mark.parametrize("audience", ["62d94f6c-d599-489b-a797-3e10e42fbe22", "https://graph.microsoft.com", None])
def test_a_token_for_another_resource(identity: IdentityProvider, audience: str | None) -> None:
    with pytest.raises(AccessTokenForOtherAudience):
        verify(identity, claims_of(identity, aud=audience))


def test_a_users_token(identity: IdentityProvider) -> None:
    claims = identity.tokens.user_claims(
        BUYER,
        identity.directory.fulfillment_application.client_id,
        audience=MARKETPLACE_APP_ID,
        scopes=["user_impersonation"],
    )
    with pytest.raises(AccessTokenOfUser):
        verify(identity, claims)


def test_a_token_without_service_principal(identity: IdentityProvider) -> None:
    with pytest.raises(NoServicePrincipal):
        identity.verify_access_token(f"Bearer {identity.access_token('no-service-principal')}")


def test_a_rule_can_be_left_out_alone(identity: IdentityProvider) -> None:
    class Careless(AccessTokenVerifier):
        def check_times(self, claims: Mapping[str, Any], now: float) -> None:
            pass

    identity.verifier = Careless(identity.keys)

    identity.verify_access_token(f"Bearer {identity.access_token('expired')}")
    with pytest.raises(AccessTokenForOtherAudience):
        identity.verify_access_token(f"Bearer {identity.access_token('wrong-audience')}")


def test_no_message_shows_the_token(identity: IdentityProvider) -> None:
    for kind in ("expired", "wrong-audience", "wrong-signature", "no-service-principal", "not-yet-valid"):
        token = identity.access_token(kind)
        with pytest.raises(AccessTokenRefused) as refused:
            identity.verify_access_token(f"Bearer {token}")
        assert token.split(".")[1][:20] not in str(refused.value)


def test_the_issuer_has_to_fit_the_tenant_in_either_version(identity: IdentityProvider) -> None:
    tenant = identity.directory.fulfillment_application.tenant_id

    verify(identity, claims_of(identity, iss=issuer(1, tenant)))
