import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import FABRIKAM, MARKETPLACE_APP_ID, IdentityProvider, IdentitySettings

SETTINGS = IdentitySettings()
V1 = f"/{SETTINGS.tenant_id}/oauth2/token"
V2 = f"/{SETTINGS.tenant_id}/oauth2/v2.0/token"
FORM = {
    "grant_type": "client_credentials",
    "client_id": SETTINGS.client_id,
    "client_secret": SETTINGS.client_secret,
    "resource": MARKETPLACE_APP_ID,
    "scope": f"{MARKETPLACE_APP_ID}/.default",
}


def refused(entra: TestClient, path: str, **changes: str | None) -> tuple[int, str, int]:
    form = {name: value for name, value in {**FORM, **changes}.items() if value is not None}
    answer = entra.post(path, data=form)
    body = answer.json()
    [number] = body["error_codes"]
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert SETTINGS.client_secret not in answer.text
    return answer.status_code, body["error"], number


def test_version_1_answers_in_strings(entra: TestClient, identity: IdentityProvider) -> None:
    answer = entra.post(V1, data=FORM)
    body = answer.json()
    token = identity.verify_access_token(f"Bearer {body['access_token']}")

    assert answer.headers["cache-control"] == "no-store, no-cache"
    assert body == {
        "token_type": "Bearer",
        "expires_in": "3600",
        "ext_expires_in": "3600",
        "expires_on": str(token.claims["exp"]),
        "not_before": str(token.claims["nbf"]),
        "resource": MARKETPLACE_APP_ID,
        "access_token": body["access_token"],
    }
    assert token.claims["ver"] == "1.0"
    assert token.claims["appid"] == SETTINGS.client_id


def test_version_2_answers_in_numbers(entra: TestClient, identity: IdentityProvider) -> None:
    body = entra.post(V2, data=FORM).json()
    token = identity.verify_access_token(f"Bearer {body['access_token']}")

    assert body == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "ext_expires_in": 3600,
        "access_token": body["access_token"],
    }
    assert token.claims["ver"] == "2.0"
    assert token.claims["azp"] == SETTINGS.client_id


def test_tokens_can_be_made_to_live_shorter(entra: TestClient, identity: IdentityProvider) -> None:
    identity.access_token_lifetime = timedelta(seconds=3)
    body = entra.post(V2, data=FORM).json()
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})

    assert body["expires_in"] == 3
    assert claims["exp"] - claims["iat"] == 3


def test_the_tenant_in_the_path_may_be_in_capitals(entra: TestClient) -> None:
    assert entra.post(f"/{SETTINGS.tenant_id.upper()}/oauth2/v2.0/token", data=FORM).status_code == 200


def test_the_second_publisher_gets_tokens_of_its_own_tenant(entra: TestClient, identity: IdentityProvider) -> None:
    form = {**FORM, "client_id": FABRIKAM.client_id, "client_secret": FABRIKAM.client_secret}
    body = entra.post(f"/{FABRIKAM.tenant_id}/oauth2/v2.0/token", data=form).json()
    token = identity.verify_access_token(f"Bearer {body['access_token']}")

    assert (token.client_id, token.tenant_id) == (FABRIKAM.client_id, FABRIKAM.tenant_id)
    assert jwt.get_unverified_header(body["access_token"])["kid"] == identity.keys.foreign_key.kid


@pytest.mark.parametrize(
    ("resource", "audience"),
    [
        ("62d94f6c-d599-489b-a797-3e10e42fbe22", "62d94f6c-d599-489b-a797-3e10e42fbe22"),
        ("https://graph.microsoft.com", "https://graph.microsoft.com"),
        (None, "00000002-0000-0000-c000-000000000000"),
    ],
)
def test_version_1_tokens_for_other_resources(entra: TestClient, resource: str | None, audience: str) -> None:
    form = {name: value for name, value in {**FORM, "resource": resource}.items() if value is not None}
    body = entra.post(V1, data=form).json()

    assert body["resource"] == audience
    assert jwt.decode(body["access_token"], options={"verify_signature": False})["aud"] == audience


@pytest.mark.parametrize("path", [V1, V2])
class TestRefusals:
    def test_wrong_secret(self, entra: TestClient, path: str) -> None:
        assert refused(entra, path, client_secret="guessed") == (401, "invalid_client", 7000215)

    def test_no_secret(self, entra: TestClient, path: str) -> None:
        assert refused(entra, path, client_secret=None) == (401, "invalid_client", 7000218)

    def test_unknown_application(self, entra: TestClient, path: str) -> None:
        application = "11111111-2222-3333-4444-555555555555"
        assert refused(entra, path, client_id=application) == (400, "unauthorized_client", 700016)

    def test_application_of_another_tenant(self, entra: TestClient, path: str) -> None:
        elsewhere = path.replace(SETTINGS.tenant_id, FABRIKAM.tenant_id)
        assert refused(entra, elsewhere) == (400, "unauthorized_client", 700016)

    def test_unknown_tenant(self, entra: TestClient, path: str) -> None:
        elsewhere = path.replace(SETTINGS.tenant_id, "11111111-2222-3333-4444-555555555555")
        assert refused(entra, elsewhere) == (400, "invalid_request", 90002)

    def test_many_tenants_are_none(self, entra: TestClient, path: str) -> None:
        common = path.replace(SETTINGS.tenant_id, "common")
        credentials = {"client_id": SETTINGS.landing_client_id, "client_secret": SETTINGS.landing_client_secret}
        assert refused(entra, common, **credentials) == (400, "invalid_request", 50059)

    def test_unsupported_grant(self, entra: TestClient, path: str) -> None:
        assert refused(entra, path, grant_type="password") == (400, "unsupported_grant_type", 70003)

    def test_no_grant(self, entra: TestClient, path: str) -> None:
        assert refused(entra, path, grant_type=None) == (400, "invalid_request", 900144)

    def test_unknown_resource(self, entra: TestClient, path: str) -> None:
        address = "https://marketplaceapi.microsoft.com"
        found = refused(entra, path, resource=address, scope=f"{address}/.default")
        assert found == (400, "invalid_resource", 500011)

    def test_a_body_that_is_no_form(self, entra: TestClient, path: str) -> None:
        answer = entra.post(path, content=json.dumps(FORM), headers={"content-type": "application/json"})
        assert answer.json()["error_codes"] == [900144]

    def test_a_get_request(self, entra: TestClient, path: str) -> None:
        assert entra.get(path).status_code == 405


@pytest.mark.parametrize(
    ("scope", "number"),
    [
        (None, 900144),
        (" ", 900144),
        (MARKETPLACE_APP_ID, 1002012),
        (f"{MARKETPLACE_APP_ID}/user_impersonation", 1002012),
        (f"{MARKETPLACE_APP_ID}/.default https://graph.microsoft.com/.default", 1002012),
    ],
)
def test_scopes_that_are_not_valid(entra: TestClient, scope: str | None, number: int) -> None:
    assert refused(entra, V2, scope=scope)[2] == number


def test_an_uploaded_file_is_no_parameter(entra: TestClient) -> None:
    files: dict[str, Any] = {"grant_type": ("name.txt", b"client_credentials")}
    answer = entra.post(V2, data={"client_id": SETTINGS.client_id}, files=files)

    assert answer.json()["error_codes"] == [900144]
