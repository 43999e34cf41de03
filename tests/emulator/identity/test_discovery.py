import jwt
import pytest
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import (
    BENEFICIARY_TENANT_ID,
    CONSUMERS_TENANT_ID,
    FABRIKAM,
    IdentityProvider,
    IdentitySettings,
)

TENANT = IdentitySettings().tenant_id
ORIGIN = "https://login.emulator.example:8443"


def test_metadata_of_version_1(entra: TestClient) -> None:
    metadata = entra.get(f"/{TENANT}/.well-known/openid-configuration").json()

    assert metadata["issuer"] == f"https://sts.windows.net/{TENANT}/"
    assert metadata["token_endpoint"] == f"{ORIGIN}/{TENANT}/oauth2/token"
    assert metadata["authorization_endpoint"] == f"{ORIGIN}/{TENANT}/oauth2/authorize"
    assert metadata["jwks_uri"] == f"{ORIGIN}/{TENANT}/discovery/keys"


def test_metadata_of_version_2(entra: TestClient) -> None:
    metadata = entra.get(f"/{TENANT}/v2.0/.well-known/openid-configuration").json()

    assert metadata["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert metadata["token_endpoint"] == f"{ORIGIN}/{TENANT}/oauth2/v2.0/token"
    assert metadata["authorization_endpoint"] == f"{ORIGIN}/{TENANT}/oauth2/v2.0/authorize"
    assert metadata["jwks_uri"] == f"{ORIGIN}/{TENANT}/discovery/v2.0/keys"
    assert metadata["id_token_signing_alg_values_supported"] == ["RS256"]


@pytest.mark.parametrize(
    ("tenant", "in_issuer"),
    [("common", "{tenantid}"), ("organizations", "{tenantid}"), ("consumers", CONSUMERS_TENANT_ID)],
)
def test_metadata_for_many_tenants_has_a_template_for_its_issuer(
    entra: TestClient, tenant: str, in_issuer: str
) -> None:
    one = entra.get(f"/{tenant}/.well-known/openid-configuration").json()
    two = entra.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json()

    assert one["issuer"] == f"https://sts.windows.net/{in_issuer}/"
    assert two["issuer"] == f"https://login.microsoftonline.com/{in_issuer}/v2.0"
    assert two["jwks_uri"] == f"{ORIGIN}/{tenant}/discovery/v2.0/keys"


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "sts.windows.net", "login.emulator.example"])
def test_it_is_a_known_instance_of_entra(entra: TestClient, host: str) -> None:
    asked = {"api-version": "1.1", "authorization_endpoint": f"https://{host}/{TENANT}/oauth2/v2.0/authorize"}
    answer = entra.get("/common/discovery/instance", params=asked).json()

    assert answer["tenant_discovery_endpoint"] == f"{ORIGIN}/{TENANT}/v2.0/.well-known/openid-configuration"
    assert "login.microsoftonline.com" in answer["metadata"][0]["aliases"]


@pytest.mark.parametrize(
    "endpoint", ["https://login.elsewhere.example/common/oauth2/authorize", "https://sts.windows.net/nobody/x", ""]
)
def test_another_authority_is_no_instance_of_it(entra: TestClient, endpoint: str) -> None:
    answer = entra.get("/common/discovery/instance", params={"authorization_endpoint": endpoint})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_instance")


def test_metadata_points_at_whichever_origin_was_asked(entra: TestClient) -> None:
    metadata = entra.get(
        f"/{TENANT}/v2.0/.well-known/openid-configuration", headers={"host": "host.docker.internal:8080"}
    ).json()

    assert metadata["token_endpoint"] == f"https://host.docker.internal:8080/{TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize("path", [".well-known/openid-configuration", "v2.0/.well-known/openid-configuration"])
def test_every_endpoint_that_metadata_names_exists(entra: TestClient, path: str) -> None:
    metadata = entra.get(f"/{TENANT}/{path}").json()

    assert entra.get(metadata["jwks_uri"]).status_code == 200
    assert entra.post(metadata["token_endpoint"]).json()["error_codes"] == [900144]
    assert "AADSTS900144" in entra.get(metadata["authorization_endpoint"]).text


@pytest.mark.parametrize("path", ["discovery/keys", "discovery/v2.0/keys"])
@pytest.mark.parametrize("tenant", [TENANT, BENEFICIARY_TENANT_ID])
def test_a_tenants_keys_are_microsofts_present_ones(
    entra: TestClient, identity: IdentityProvider, tenant: str, path: str
) -> None:
    [entry] = entra.get(f"/{tenant}/{path}").json()["keys"]

    assert entry["kid"] == identity.keys.signing_key.kid
    assert {"kty", "use", "kid", "x5t", "n", "e", "x5c"} <= set(entry)


def test_the_foreign_tenants_keys_are_its_own_and_common_publishes_them_too(
    entra: TestClient, identity: IdentityProvider
) -> None:
    genuine, foreign = identity.keys.signing_key.kid, identity.keys.foreign_key.kid

    def issuers(tenant: str) -> dict[str, str]:
        keys = entra.get(f"/{tenant}/discovery/v2.0/keys").json()["keys"]
        return {entry["kid"]: entry["issuer"] for entry in keys}

    fabrikam = f"https://login.microsoftonline.com/{FABRIKAM.tenant_id}/v2.0"
    assert issuers(FABRIKAM.tenant_id) == {foreign: fabrikam}
    assert issuers("common") == {genuine: "https://login.microsoftonline.com/{tenantid}/v2.0", foreign: fabrikam}
    assert issuers(TENANT) == {genuine: f"https://login.microsoftonline.com/{TENANT}/v2.0"}


def test_the_published_keys_verify_the_tokens(entra: TestClient, identity: IdentityProvider) -> None:
    keys = jwt.PyJWKSet.from_dict(entra.get("/common/discovery/keys").json())
    client_id = identity.directory.fulfillment_application.client_id

    for token, audience in (
        (identity.webhook_token(1), client_id),
        (identity.webhook_token(2), client_id),
        (identity.access_token("foreign-publisher"), "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"),
    ):
        kid = jwt.get_unverified_header(token)["kid"]
        assert jwt.decode(token, keys[kid], algorithms=["RS256"], audience=audience)["aud"] == audience


@pytest.mark.parametrize(
    "path",
    [
        ".well-known/openid-configuration",
        "v2.0/.well-known/openid-configuration",
        "discovery/keys",
        "discovery/v2.0/keys",
    ],
)
def test_a_tenant_that_does_not_exist_is_named(entra: TestClient, path: str) -> None:
    answer = entra.get(f"/no-such-tenant/{path}")

    assert answer.status_code == 400
    assert answer.json()["error_codes"] == [90002]
    assert "no-such-tenant" in answer.json()["error_description"]
