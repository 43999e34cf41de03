from fulfillment_conformance.emulator.settings import API_VERSION, Settings


def test_the_defaults_are_those_of_the_embedded_demonstration() -> None:
    settings = Settings()

    assert (settings.profile, settings.seed, settings.webhook_token_version) == ("documented", 0, 2)
    assert settings.identity.tenant_id == "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    assert settings.identity.client_id == "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    assert API_VERSION == "2018-08-31"


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(control_key="opensesame"))

    assert "opensesame" not in shown
    assert "local-development-secret" not in shown
