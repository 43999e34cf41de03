from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fulfillment_conformance.reference_publisher import Settings, SignIn

ENVIRONMENT = {
    "PUBLISHER_TENANT_ID": "8D1F3A52-64B0-4C4E-9B4E-0A5F7E2C1D10",
    "PUBLISHER_CLIENT_ID": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
    "PUBLISHER_CLIENT_SECRET": "canary-secret",
}


def test_ids_are_compared_in_lower_case_and_addresses_without_a_slash_at_the_end(settings: Settings) -> None:
    changed = replace(settings, tenant_id=settings.tenant_id.upper(), api_url="http://host/api/")

    assert changed.tenant_id == settings.tenant_id
    assert changed.api_url == "http://host/api"


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant_id": ""},
        {"tenant_id": "common"},
        {"client_id": " "},
        {"client_secret": " "},
        {"operator_key": ""},
        {"api_url": "marketplaceapi.microsoft.com/api"},
        {"api_url": "http://host/api?x=1"},
        {"login_url": "http://login.test"},
        {"public_url": "https://me@host"},
    ],
)
def test_what_cannot_be_used_is_refused_at_once(settings: Settings, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give|leave"):
        replace(settings, **wrong)


def test_a_sign_in_needs_an_application_and_its_secret() -> None:
    with pytest.raises(ValueError, match="GUID"):
        SignIn(client_id="me", client_secret="x")
    with pytest.raises(ValueError, match="blank"):
        SignIn(client_id="d2b84e17-6fa0-4b93-8c5d-f19e3a70c628", client_secret="")


def test_secrets_are_not_shown(settings: Settings) -> None:
    shown = repr(
        replace(
            settings,
            client_secret="canary-1",
            operator_key="canary-2",
            sign_in=SignIn(client_id="d2b84e17-6fa0-4b93-8c5d-f19e3a70c628", client_secret="canary-3"),
        )
    )

    assert "canary" not in shown


@pytest.mark.parametrize(("public_url", "secure"), [("https://publisher.example", True), ("http://127.0.0.1", False)])
def test_cookies_are_for_https_where_browsers_come_by_https(settings: Settings, public_url: str, secure: bool) -> None:
    assert replace(settings, public_url=public_url).secure is secure


@pytest.mark.parametrize(
    ("offers", "offer", "served"),
    [((), "anything", True), (("crm",), "crm", True), (("crm",), "crm-preview", True), (("crm",), "desk", False)],
)
def test_offers_are_ours_also_in_preview(settings: Settings, offers: tuple[str, ...], offer: str, served: bool) -> None:
    assert replace(settings, offers=frozenset(offers)).serves(offer) is served


def test_the_environment_sets_everything_up() -> None:
    settings = Settings.from_environment(
        {
            **ENVIRONMENT,
            "PUBLISHER_API_URL": "http://127.0.0.1:8080/api",
            "PUBLISHER_LOGIN_URL": "https://127.0.0.1:8443",
            "PUBLISHER_CA_FILE": "/tmp/ca.pem",
            "PUBLISHER_OFFERS": "crm, seats",
            "PUBLISHER_REFUSED_PLANS": "gold",
            "PUBLISHER_REINSTATES": "no",
            "PUBLISHER_OPERATOR_KEY": "key",
            "PUBLISHER_SIGN_IN_CLIENT_ID": "d2b84e17-6fa0-4b93-8c5d-f19e3a70c628",
            "PUBLISHER_SIGN_IN_CLIENT_SECRET": "secret",
            "PUBLISHER_PUBLIC_URL": "",
            "UNRELATED": "x",
        }
    )

    assert settings.tenant_id == "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    assert settings.offers == {"crm", "seats"}
    assert settings.refused_plans == {"gold"}
    assert settings.ca_file == Path("/tmp/ca.pem")
    assert settings.sign_in is not None
    assert not settings.reinstates
    assert settings.public_url == "http://127.0.0.1:5000"


def test_the_environment_needs_no_more_than_the_technical_configuration() -> None:
    settings = Settings.from_environment(ENVIRONMENT)

    assert settings.api_url == "https://marketplaceapi.microsoft.com/api"
    assert settings.sign_in is None


def test_microsoft_is_reached_by_the_proxy_of_the_environment() -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "HTTPS_PROXY": "http://127.0.0.1:3128/"})

    assert settings.proxy == "http://127.0.0.1:3128"


def test_an_emulator_on_this_machine_is_reached_directly() -> None:
    local = {"PUBLISHER_LOGIN_URL": "https://127.0.0.1:8443", "HTTPS_PROXY": "http://proxy.example:3128"}

    assert Settings.from_environment({**ENVIRONMENT, **local}).proxy is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"HTTPS_PROXY": "proxy.example:3128"}, "the proxy's address is 'proxy.example:3128'; give an absolute"),
        ({"PUBLISHER_TENANT_ID": " "}, "PUBLISHER_TENANT_ID must be set"),
        ({"PUBLISHER_REINSTATES": "perhaps"}, "PUBLISHER_REINSTATES is 'perhaps'; say yes or no"),
        ({"PUBLISHER_SIGN_IN_CLIENT_ID": "d2b84e17-6fa0-4b93-8c5d-f19e3a70c628"}, "sign-in client secret is blank"),
    ],
)
def test_what_is_wrong_with_the_environment_is_named_without_secrets(change: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        Settings.from_environment({**ENVIRONMENT, **change})
    assert "canary" not in str(refusal.value)
