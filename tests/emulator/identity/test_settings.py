from uuid import UUID

import pytest

from fulfillment_conformance.emulator.identity import settings as module
from fulfillment_conformance.emulator.identity.settings import (
    BENEFICIARY_TENANT_ID,
    BUYER,
    COLLEAGUE,
    CONSUMERS_TENANT_ID,
    FABRIKAM,
    PERSONAL,
    STRANGER,
    IdentitySettings,
)


def test_the_defaults_are_those_of_the_embedded_demonstration() -> None:
    settings = IdentitySettings()

    assert settings.tenant_id == "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    assert settings.client_id == "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    assert settings.client_secret == "local-development-secret"


def test_no_secret_and_no_address_shows_when_settings_are_printed() -> None:
    printed = repr(IdentitySettings(certificate_pem=b"-----BEGIN")) + repr(FABRIKAM) + repr(BUYER)

    for hidden in ("secret", "BEGIN", "@", BUYER.puid):
        assert hidden not in printed.replace("client_secret", "")


def test_who_belongs_together() -> None:
    assert BUYER.tenant_id == COLLEAGUE.tenant_id == BENEFICIARY_TENANT_ID
    assert PERSONAL.tenant_id == CONSUMERS_TENANT_ID
    assert PERSONAL.mail is None
    assert STRANGER.tenant_id not in {BUYER.tenant_id, PERSONAL.tenant_id, IdentitySettings().tenant_id}
    assert FABRIKAM.tenant_id != IdentitySettings().tenant_id


@pytest.mark.parametrize("name", [name for name in vars(module) if name.endswith("_ID")])
def test_every_id_is_a_guid_in_lower_case(name: str) -> None:
    value = getattr(module, name)

    assert str(UUID(value)) == value
