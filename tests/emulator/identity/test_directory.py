import pytest

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.settings import (
    BENEFICIARY_TENANT_ID,
    CONSUMERS_TENANT_ID,
    FABRIKAM,
    FORMER_MARKETPLACE_APP_ID,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    IdentitySettings,
)

SETTINGS = IdentitySettings()
DIRECTORY = Directory(SETTINGS)


@pytest.mark.parametrize(
    "segment", [SETTINGS.tenant_id, FABRIKAM.tenant_id, BENEFICIARY_TENANT_ID, "common", "organizations", "consumers"]
)
def test_tenants_that_exist_are_found_without_regard_to_case(segment: str) -> None:
    assert DIRECTORY.tenant(segment.upper()) == segment


@pytest.mark.parametrize("segment", ["", "contoso.onmicrosoft.com", "00000000-0000-0000-0000-000000000000"])
def test_other_tenants_are_not(segment: str) -> None:
    assert DIRECTORY.tenant(segment) is None


def test_the_fulfillment_application_exists_in_its_own_tenant_only() -> None:
    assert DIRECTORY.application(SETTINGS.client_id, SETTINGS.tenant_id) is DIRECTORY.fulfillment_application
    assert DIRECTORY.application(SETTINGS.client_id.upper(), SETTINGS.tenant_id) is DIRECTORY.fulfillment_application
    assert DIRECTORY.application(SETTINGS.client_id, "common") is None
    assert DIRECTORY.application(SETTINGS.client_id, FABRIKAM.tenant_id) is None


def test_the_landing_pages_application_can_be_used_everywhere() -> None:
    for tenant in (SETTINGS.tenant_id, BENEFICIARY_TENANT_ID, "common"):
        assert DIRECTORY.application(SETTINGS.landing_client_id, tenant) is DIRECTORY.landing_application


def test_one_application_may_serve_both_purposes() -> None:
    settings = IdentitySettings(
        landing_client_id=SETTINGS.client_id.upper(), landing_redirect_uris=("https://contoso.example/signin",)
    )
    directory = Directory(settings)
    application = directory.application(settings.client_id, "common")

    assert application is directory.fulfillment_application is directory.landing_application
    assert application.client_secret == settings.client_secret
    assert application.redirect_uris == ("https://contoso.example/signin",)


def test_ids_are_written_in_lower_case_as_entra_does() -> None:
    directory = Directory(IdentitySettings(tenant_id=SETTINGS.tenant_id.upper(), client_id=SETTINGS.client_id.upper()))

    assert directory.fulfillment_application.tenant_id == SETTINGS.tenant_id
    assert directory.fulfillment_application.client_id == SETTINGS.client_id
    assert directory.tenant(SETTINGS.tenant_id) == SETTINGS.tenant_id


@pytest.mark.parametrize(
    ("name", "audience"),
    [
        (MARKETPLACE_APP_ID, MARKETPLACE_APP_ID),
        (FORMER_MARKETPLACE_APP_ID, FORMER_MARKETPLACE_APP_ID),
        ("https://graph.microsoft.com", GRAPH_APP_ID),
        ("https://graph.microsoft.com/", GRAPH_APP_ID),
        (f"api://{SETTINGS.client_id}", SETTINGS.client_id),
        ("https://marketplaceapi.microsoft.com", None),
        ("", None),
    ],
)
def test_resources_are_found_by_id_or_address(name: str, audience: str | None) -> None:
    assert DIRECTORY.resource(name) == audience


@pytest.mark.parametrize(
    ("tenant", "names"),
    [
        ("common", ["buyer", "colleague", "personal", "stranger"]),
        ("organizations", ["buyer", "colleague", "stranger"]),
        ("consumers", ["personal"]),
        (CONSUMERS_TENANT_ID, ["personal"]),
        (BENEFICIARY_TENANT_ID, ["buyer", "colleague"]),
        (SETTINGS.tenant_id, []),
    ],
)
def test_who_can_sign_in_where(tenant: str, names: list[str]) -> None:
    assert [user.name for user in DIRECTORY.users_of(tenant)] == names
