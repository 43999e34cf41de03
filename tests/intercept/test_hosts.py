import pytest
from tests.intercept.conftest import TENANT, Intercepted

from fulfillment_conformance.intercept import MICROSOFT


def test_metadata_of_both_versions_is_exactly_where_microsoft_has_it(intercepted: Intercepted) -> None:
    entra = "https://login.microsoftonline.com"
    with intercepted.client() as client:
        one = client.get(f"{entra}/{TENANT}/.well-known/openid-configuration").json()
        two = client.get(f"{entra}/{TENANT}/v2.0/.well-known/openid-configuration").json()

    assert one["issuer"] == f"https://sts.windows.net/{TENANT}/"
    assert one["jwks_uri"] == f"{entra}/{TENANT}/discovery/keys"
    assert two["issuer"] == f"{entra}/{TENANT}/v2.0"
    assert two["jwks_uri"] == f"{entra}/{TENANT}/discovery/v2.0/keys"
    assert two["token_endpoint"] == f"{entra}/{TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize("host", sorted(host for host, (party, _) in MICROSOFT.items() if party == "identity"))
def test_every_host_of_entra_names_the_same_endpoints(intercepted: Intercepted, host: str) -> None:
    if host == "graph.microsoft.com":
        return
    with intercepted.client() as client:
        metadata = client.get(f"https://{host}/{TENANT}/.well-known/openid-configuration").json()

    assert metadata["jwks_uri"] == f"https://login.microsoftonline.com/{TENANT}/discovery/keys"


def test_each_host_serves_its_own_and_nothing_else(intercepted: Intercepted) -> None:
    paths = {
        "marketplaceapi.microsoft.com": "/api/saas/subscriptions?api-version=2018-08-31",
        "login.microsoftonline.com": f"/{TENANT}/discovery/v2.0/keys",
        "graph.microsoft.com": "/v1.0/me",
    }
    with intercepted.client() as client:
        served = {
            (host, owner): client.get(f"https://{host}{path}").status_code != 404
            for host in paths
            for owner, path in paths.items()
        }

    assert served == {(host, owner): host == owner for host in paths for owner in paths}
    assert {call.url.partition("?")[0] for call in intercepted.reached} == {
        f"https://{host}{path}".partition("?")[0] for host, path in paths.items()
    }


@pytest.mark.parametrize("host", sorted(MICROSOFT))
@pytest.mark.parametrize("path", ["/control", "/control/identity", "/"])
def test_no_host_shows_the_control_surface_or_the_web_page(intercepted: Intercepted, host: str, path: str) -> None:
    with intercepted.client() as client:
        answer = client.get(f"https://{host}{path}")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Nothing is served at {path} of {host}."
    assert intercepted.reached == []
    [told] = intercepted.told
    assert (told.url, told.status, told.purpose) == (f"https://{host}{path}", 404, f"{host} does not serve this")


def test_a_request_in_a_tunnel_to_microsoft_that_names_another_host_is_not_served(intercepted: Intercepted) -> None:
    with intercepted.client() as client:
        answer = client.get("https://graph.microsoft.com/v1.0/me", headers={"host": "elsewhere.example"})

    assert answer.status_code == 404
    [told] = intercepted.told
    assert (told.receiver, told.purpose) == ("elsewhere", "not one of Microsoft's hosts")


def test_links_of_the_fulfillment_api_lead_to_microsofts_address(intercepted: Intercepted) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
        "client_secret": "local-development-secret",
        "resource": "20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
    }
    with intercepted.client() as client:
        token = client.post(f"https://login.microsoftonline.com/{TENANT}/oauth2/token", data=form).json()
        headers = {"authorization": f"Bearer {token['access_token']}"}
        listed = client.get(
            "https://marketplaceapi.microsoft.com/api/saas/subscriptions?api-version=2018-08-31", headers=headers
        )

    assert listed.status_code == 200
    assert [call.receiver for call in intercepted.reached] == ["identity", "marketplace"]
