"""The real client library of Microsoft against the identity provider, over TLS on loopback."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import msal
import pytest
import requests
from bs4 import BeautifulSoup
from cryptography.hazmat.primitives import hashes, serialization
from starlette.applications import Starlette

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator.identity import BUYER, MARKETPLACE_APP_ID, IdentityProvider, IdentitySettings
from fulfillment_conformance.emulator.identity.keys import pooled_key
from fulfillment_conformance.serving import Serving, serve

CERTIFIED = pooled_key(5)
PRIVATE_PEM = CERTIFIED.private_key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC_PEM = CERTIFIED.certificate.public_bytes(serialization.Encoding.PEM)
SCOPES = [f"{MARKETPLACE_APP_ID}/.default"]


@pytest.fixture
def settings() -> IdentitySettings:
    return IdentitySettings(certificate_pem=PUBLIC_PEM)


@pytest.fixture
def served(identity: IdentityProvider, tmp_path: Path) -> Iterator[tuple[Serving, requests.Session]]:
    """The identity provider by https, and a session that trusts its authority and no environment variable."""
    authority = CertificateAuthority()
    context = authority.server_context("127.0.0.1", "localhost")
    with (
        serve(Starlette(routes=list(identity.routes)), tls=context) as serving,
        requests.Session() as session,
    ):
        session.trust_env = False
        session.verify = str(authority.write(tmp_path))
        yield serving, session


def application(
    served: tuple[Serving, requests.Session],
    credential: object,
    *,
    client_id: str,
    tenant: str,
    host: str = "127.0.0.1",
) -> Any:
    serving, session = served
    return msal.ConfidentialClientApplication(
        client_id,
        authority=f"https://{host}:{serving.port}/{tenant}",
        instance_discovery=False,
        client_credential=credential,
        http_client=session,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_access_token_by_secret(
    served: tuple[Serving, requests.Session], identity: IdentityProvider, settings: IdentitySettings, host: str
) -> None:
    app = application(
        served, settings.client_secret, client_id=settings.client_id, tenant=settings.tenant_id, host=host
    )
    answer = app.acquire_token_for_client(SCOPES)
    cached = app.acquire_token_for_client(SCOPES)

    assert identity.verify_access_token(f"Bearer {answer['access_token']}").client_id == settings.client_id
    assert answer["expires_in"] == 3600
    assert cached["token_source"] == "cache"


def test_an_access_token_from_the_authority_as_an_openid_provider(
    served: tuple[Serving, requests.Session], settings: IdentitySettings
) -> None:
    serving, session = served
    app = msal.ConfidentialClientApplication(
        settings.client_id,
        oidc_authority=f"{serving.url}/{settings.tenant_id}/v2.0",
        client_credential=settings.client_secret,
        http_client=session,
    )

    assert "access_token" in app.acquire_token_for_client(SCOPES)


@pytest.mark.parametrize(
    "credential",
    [
        {"private_key": PRIVATE_PEM, "thumbprint": CERTIFIED.certificate.fingerprint(hashes.SHA1()).hex()},
        {"private_key": PRIVATE_PEM, "public_certificate": PUBLIC_PEM.decode()},
    ],
    ids=["RS256 with x5t", "PS256 with x5t#S256 and x5c"],
)
def test_an_access_token_by_certificate(
    served: tuple[Serving, requests.Session],
    identity: IdentityProvider,
    settings: IdentitySettings,
    credential: dict[str, str],
) -> None:
    app = application(served, credential, client_id=settings.client_id, tenant=settings.tenant_id)
    answer = app.acquire_token_for_client(SCOPES)

    assert identity.verify_access_token(f"Bearer {answer['access_token']}").claims["azpacr"] == "2"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"credential": "guessed"}, 7000215),
        ({"client_id": "11111111-2222-3333-4444-555555555555"}, 700016),
        ({"scopes": ["https://marketplaceapi.microsoft.com/.default"]}, 500011),
    ],
)
def test_refusals_arrive_as_msals_callers_know_them(
    served: tuple[Serving, requests.Session], settings: IdentitySettings, changes: dict[str, Any], number: int
) -> None:
    app = application(
        served,
        changes.get("credential", settings.client_secret),
        client_id=changes.get("client_id", settings.client_id),
        tenant=settings.tenant_id,
    )
    answer = app.acquire_token_for_client(changes.get("scopes", SCOPES))

    assert answer["error_codes"] == [number]


def test_an_unknown_tenant_fails_at_discovery(
    served: tuple[Serving, requests.Session], settings: IdentitySettings
) -> None:
    with pytest.raises(ValueError, match="check your tenant name"):
        application(served, settings.client_secret, client_id=settings.client_id, tenant="no-such-tenant")


@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_a_buyer_signs_in(
    served: tuple[Serving, requests.Session], identity: IdentityProvider, settings: IdentitySettings, response_mode: str
) -> None:
    serving, browser = served
    app = application(served, settings.landing_client_secret, client_id=settings.landing_client_id, tenant="common")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "response_mode='form_post' is recommended")
        flow = app.initiate_auth_code_flow(
            ["User.Read"], redirect_uri="http://localhost:5000/callback", response_mode=response_mode
        )
    page = browser.get(flow["auth_uri"], cookies={"emulator_account": "buyer"}, allow_redirects=False)
    if response_mode == "query":
        back = {name: values[0] for name, values in parse_qs(urlsplit(page.headers["location"]).query).items()}
    else:
        fields = BeautifulSoup(page.text, "html.parser").find_all("input", type="hidden")
        back = {str(field["name"]): str(field["value"]) for field in fields}
    tokens = app.acquire_token_by_auth_code_flow(flow, back)
    keys = jwt.PyJWKSet.from_dict(browser.get(f"{serving.url}/common/discovery/v2.0/keys").json())
    claims = jwt.decode(
        tokens["id_token"],
        keys[jwt.get_unverified_header(tokens["id_token"])["kid"]],
        algorithms=["RS256"],
        audience=settings.landing_client_id,
        issuer=f"https://login.microsoftonline.com/{BUYER.tenant_id}/v2.0",
    )
    profile = browser.get(f"{serving.url}/v1.0/me", headers={"authorization": f"Bearer {tokens['access_token']}"})

    assert claims["preferred_username"] == BUYER.user_principal_name
    assert profile.json()["mail"] == BUYER.mail
    [account] = app.get_accounts()
    assert account["home_account_id"] == f"{BUYER.object_id}.{BUYER.tenant_id}"
    silent = app.acquire_token_silent(["User.Read"], account=account, force_refresh=True)
    assert silent["token_source"] == "identity_provider"


def test_a_code_of_another_sign_in_fails_its_verifier(
    served: tuple[Serving, requests.Session], settings: IdentitySettings
) -> None:
    _, browser = served
    app = application(served, settings.landing_client_secret, client_id=settings.landing_client_id, tenant="common")

    def start() -> dict[str, Any]:
        flow: dict[str, Any] = app.initiate_auth_code_flow(
            ["User.Read"], redirect_uri="http://localhost:5000/callback", response_mode="form_post"
        )
        return flow

    mine, stolen = start(), start()
    page = browser.get(stolen["auth_uri"], cookies={"emulator_account": "buyer"})
    fields = BeautifulSoup(page.text, "html.parser").find_all("input", type="hidden")
    back = {str(field["name"]): str(field["value"]) for field in fields} | {"state": mine["state"]}

    assert app.acquire_token_by_auth_code_flow(mine, back)["error_codes"] == [501481]


def test_plain_http_for_clients_that_allow_it(identity: IdentityProvider, settings: IdentitySettings) -> None:
    with serve(Starlette(routes=list(identity.routes))) as serving, requests.Session() as session:
        session.trust_env = False
        metadata = session.get(f"{serving.url}/{settings.tenant_id}/.well-known/openid-configuration").json()
        answer = session.post(
            metadata["token_endpoint"],
            data={
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
                "resource": MARKETPLACE_APP_ID,
            },
        ).json()

    assert metadata["token_endpoint"].startswith("http://127.0.0.1:")
    assert identity.verify_access_token(f"Bearer {answer['access_token']}").client_id == settings.client_id
