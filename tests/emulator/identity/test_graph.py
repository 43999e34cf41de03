import pytest
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import (
    BUYER,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    PERSONAL,
    IdentityProvider,
    User,
)


def token(
    identity: IdentityProvider, user: User, *, audience: str = GRAPH_APP_ID, scope: str = "openid User.Read"
) -> str:
    client_id = identity.directory.landing_application.client_id
    claims = identity.tokens.user_claims(user, client_id, audience=audience, scopes=scope.split())
    return identity.sign({}, claims)


def me(entra: TestClient, bearer: str) -> tuple[int, dict[str, object]]:
    answer = entra.get("/v1.0/me", headers={"authorization": f"Bearer {bearer}"})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("user", [BUYER, PERSONAL])
def test_a_user_may_read_his_own_profile(entra: TestClient, identity: IdentityProvider, user: User) -> None:
    status, profile = me(entra, token(identity, user))

    assert status == 200
    assert profile["id"] == user.object_id
    assert profile["displayName"] == user.display_name
    assert profile["mail"] == user.mail
    assert profile["userPrincipalName"] == user.user_principal_name
    assert {"givenName", "surname", "jobTitle", "mobilePhone", "preferredLanguage"} <= set(profile)


def test_a_token_without_the_scope(entra: TestClient, identity: IdentityProvider) -> None:
    status, body = me(entra, token(identity, BUYER, scope="openid"))

    assert (status, body["error"]) == (
        403,
        {"code": "Authorization_RequestDenied", "message": "The token lacks the scope User.Read."},
    )


def test_tokens_that_are_not_a_users_for_graph(entra: TestClient, identity: IdentityProvider) -> None:
    for bearer in (
        "garbage",
        token(identity, BUYER, audience=MARKETPLACE_APP_ID),
        identity.access_token("wrong-audience"),
        identity.access_token("expired"),
    ):
        status, body = me(entra, bearer)
        assert status == 401
        assert "InvalidAuthenticationToken" in str(body)


def test_no_token(entra: TestClient) -> None:
    assert entra.get("/v1.0/me").status_code == 401
