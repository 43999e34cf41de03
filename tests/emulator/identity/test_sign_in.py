from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from bs4 import BeautifulSoup
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import (
    BENEFICIARY_TENANT_ID,
    BUYER,
    COLLEAGUE,
    PERSONAL,
    IdentityProvider,
    IdentitySettings,
)

SETTINGS = IdentitySettings(landing_redirect_uris=("https://contoso.example/signin-oidc?site=1",))
AUTHORIZE = "/common/oauth2/v2.0/authorize"
ASK = {
    "client_id": SETTINGS.landing_client_id,
    "response_type": "code",
    "redirect_uri": "http://localhost:5000/callback",
    "scope": "openid profile User.Read",
    "state": "s+/= 1",
    "nonce": "n-1",
}


@pytest.fixture
def settings() -> IdentitySettings:
    return SETTINGS


def ask(entra: TestClient, path: str = AUTHORIZE, *, account: str | None = None, **changes: str | None) -> Any:
    parameters = {name: value for name, value in {**ASK, **changes}.items() if value is not None}
    headers = {"cookie": f"emulator_account={account}"} if account else {}
    return entra.get(path, params=parameters, headers=headers)


def answer_of(response: Any, part: str = "query") -> dict[str, str]:
    """The fields that a redirect brings to the application."""
    assert response.status_code == 302, response.text
    return {name: values[0] for name, values in parse_qs(getattr(urlsplit(response.headers["location"]), part)).items()}


def test_somebody_without_cookie_picks_an_account_and_goes_back_with_a_code(entra: TestClient) -> None:
    page = ask(entra)
    form = BeautifulSoup(page.text, "html.parser").find("form")
    assert form is not None
    chosen = entra.post(str(form["action"]), data={"account": "colleague"})
    back = answer_of(chosen)
    tokens = entra.post(
        "/common/oauth2/v2.0/token",
        data={
            "grant_type": "authorization_code",
            "client_id": SETTINGS.landing_client_id,
            "client_secret": SETTINGS.landing_client_secret,
            "code": back["code"],
            "redirect_uri": ASK["redirect_uri"],
        },
    ).json()

    assert page.status_code == 200
    assert chosen.headers["location"].startswith("http://localhost:5000/callback?code=")
    assert back["state"] == "s+/= 1"
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["oid"] == COLLEAGUE.object_id
    assert claims["nonce"] == "n-1"


def test_a_browser_with_the_cookie_is_never_asked(entra: TestClient) -> None:
    for prompt in (None, "none", "login", "select_account", "consent"):
        back = answer_of(ask(entra, account="buyer", prompt=prompt))
        assert set(back) == {"code", "state"}


def test_without_state_none_is_returned(entra: TestClient) -> None:
    assert set(answer_of(ask(entra, account="buyer", state=None))) == {"code"}


def test_the_answer_joins_the_parameters_of_a_registered_address(entra: TestClient) -> None:
    location = ask(entra, account="buyer", redirect_uri="https://contoso.example/signin-oidc?site=1").headers[
        "location"
    ]

    assert location.startswith("https://contoso.example/signin-oidc?site=1&code=")


@pytest.mark.parametrize(
    "redirect_uri", ["https://localhost:44300/signin-oidc", "http://127.0.0.1/", "http://[::1]:8080/back"]
)
def test_any_loopback_address_will_do(entra: TestClient, redirect_uri: str) -> None:
    assert ask(entra, account="buyer", redirect_uri=redirect_uri).headers["location"].startswith(redirect_uri)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "",
        "https://evil.example/",
        "http://localhost.evil.example/",
        "ftp://localhost/",
        "http://[bad/",
        "//localhost",
        "http://localhost/#fragment",
        "https://contoso.example/signin-oidc",
    ],
)
def test_nobody_is_sent_to_another_address(entra: TestClient, redirect_uri: str | None) -> None:
    page = ask(entra, account="buyer", redirect_uri=redirect_uri)

    assert page.status_code == 400
    assert "AADSTS50011" in page.text


def test_the_answer_in_the_fragment(entra: TestClient) -> None:
    assert set(answer_of(ask(entra, account="buyer", response_mode="fragment"), "fragment")) == {"code", "state"}


def test_the_answer_as_a_form(entra: TestClient) -> None:
    page = ask(entra, account="buyer", response_mode="form_post")
    form = BeautifulSoup(page.text, "html.parser").find("form")

    assert form is not None
    assert form["action"] == ASK["redirect_uri"]
    fields = {field["name"]: field["value"] for field in form.find_all("input", type="hidden")}
    assert set(fields) == {"code", "state"}
    assert fields["state"] == ASK["state"]


def test_an_id_token_without_a_code(entra: TestClient, identity: IdentityProvider) -> None:
    page = ask(entra, account="personal", response_type="id_token", response_mode="form_post")
    field = BeautifulSoup(page.text, "html.parser").find("input", attrs={"name": "id_token"})
    assert field is not None
    claims = jwt.decode(
        str(field["value"]),
        identity.keys.signing_key.public_key,
        algorithms=["RS256"],
        audience=SETTINGS.landing_client_id,
    )

    assert claims["oid"] == PERSONAL.object_id
    assert claims["nonce"] == "n-1"


def test_a_code_with_the_id_token_that_is_bound_to_it(entra: TestClient) -> None:
    back = answer_of(ask(entra, account="buyer", response_type="id_token code"), "fragment")

    assert set(back) == {"code", "id_token", "state"}
    assert "c_hash" in jwt.decode(back["id_token"], options={"verify_signature": False})


def test_version_1_gives_an_id_token_of_version_1(entra: TestClient) -> None:
    back = answer_of(
        ask(entra, "/common/oauth2/authorize", account="buyer", scope=None, resource="https://graph.microsoft.com")
    )
    tokens = entra.post(
        "/common/oauth2/token",
        data={
            "grant_type": "authorization_code",
            "client_id": SETTINGS.landing_client_id,
            "client_secret": SETTINGS.landing_client_secret,
            "code": back["code"],
            "redirect_uri": ASK["redirect_uri"],
        },
    ).json()

    assert jwt.decode(tokens["id_token"], options={"verify_signature": False})["upn"] == BUYER.user_principal_name
    assert entra.get("/v1.0/me", headers={"authorization": f"Bearer {tokens['access_token']}"}).status_code == 200


def test_the_account_hinted_at_comes_first(entra: TestClient) -> None:
    page = ask(entra, login_hint=PERSONAL.user_principal_name.upper())
    button = BeautifulSoup(page.text, "html.parser").find("button")

    assert button is not None
    assert button["value"] == "personal"


def test_parameters_may_come_in_a_form(entra: TestClient) -> None:
    page = entra.post(AUTHORIZE, data=ASK)
    form = BeautifulSoup(page.text, "html.parser").find("form")

    assert form is not None
    assert "state=s%2B%2F%3D+1" in str(form["action"])


@pytest.mark.parametrize(
    ("changes", "error", "number"),
    [
        ({"response_type": "token"}, "unsupported_response_type", 700054),
        ({"response_type": None}, "unsupported_response_type", 700054),
        ({"scope": None}, "invalid_request", 900144),
        ({"scope": "https://api.example/read"}, "invalid_resource", 500011),
        ({"code_challenge_method": "S512"}, "invalid_request", 9002313),
        ({"response_mode": "web_message"}, "invalid_request", 9002313),
        ({"prompt": "none"}, "login_required", 50058),
        ({"cancel": "yes"}, "access_denied", 65004),
    ],
)
def test_what_the_application_did_wrong_is_told_to_it(
    entra: TestClient, changes: dict[str, Any], error: str, number: int
) -> None:
    response = ask(entra, **changes)
    back = answer_of(response, "fragment" if changes.get("response_type", "code") != "code" else "query")

    assert back["error"] == error
    assert back["error_description"].startswith(f"AADSTS{number}: ")
    assert back["state"] == ASK["state"]


@pytest.mark.parametrize(
    ("changes", "number"),
    [({"nonce": None}, 900144), ({"scope": "profile"}, 70011), ({"response_mode": "query"}, 9002313)],
)
def test_what_an_id_token_needs(entra: TestClient, changes: dict[str, Any], number: int) -> None:
    response = ask(entra, account="buyer", **{"response_type": "id_token", **changes})
    back = answer_of(response, "query" if "response_mode" in changes else "fragment")

    assert back["error_description"].startswith(f"AADSTS{number}: ")


@pytest.mark.parametrize(
    ("path", "changes", "number"),
    [
        ("/no-such-tenant/oauth2/v2.0/authorize", {}, 90002),
        (AUTHORIZE, {"client_id": None}, 900144),
        (AUTHORIZE, {"client_id": "11111111-2222-3333-4444-555555555555"}, 700016),
        (AUTHORIZE, {"client_id": SETTINGS.client_id}, 700016),
    ],
)
def test_what_cannot_be_told_to_the_application_is_shown(
    entra: TestClient, path: str, changes: dict[str, Any], number: int
) -> None:
    page = ask(entra, path, account="buyer", **changes)

    assert page.status_code == 400
    assert f"AADSTS{number}" in page.text


def test_an_account_that_does_not_exist_is_named_beside_those_that_do(entra: TestClient) -> None:
    page = ask(entra, account="nobody")

    assert page.status_code == 400
    assert "nobody" in page.text
    assert "buyer, colleague, personal, stranger" in page.text


@pytest.mark.parametrize(
    ("tenant", "account"),
    [("organizations", "personal"), ("consumers", "buyer"), (BENEFICIARY_TENANT_ID, "stranger")],
)
def test_an_account_cannot_sign_in_where_it_does_not_belong(entra: TestClient, tenant: str, account: str) -> None:
    page = ask(entra, f"/{tenant}/oauth2/v2.0/authorize", account=account)

    assert page.status_code == 400
    assert "AADSTS50020" in page.text
