import pytest

from fulfillment_conformance.backend.tokens import in_version

ENTRA = "https://login.example/tenant/oauth2"


@pytest.mark.parametrize("given", [f"{ENTRA}/token", f"{ENTRA}/v2.0/token"])
def test_both_versions_of_a_token_endpoint_are_found_from_either(given: str) -> None:
    assert in_version(given, 1) == f"{ENTRA}/token"
    assert in_version(given, 2) == f"{ENTRA}/v2.0/token"


@pytest.mark.parametrize("given", ["https://login.example/token", "https://login.example/oauth2/v3/token"])
def test_an_address_of_another_kind_stays_as_it_is(given: str) -> None:
    assert in_version(given, 1) == in_version(given, 2) == given
