from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import IdentityProvider, IdentitySettings


@pytest.fixture
def settings() -> IdentitySettings:
    return IdentitySettings()


@pytest.fixture
def identity(settings: IdentitySettings) -> IdentityProvider:
    return IdentityProvider(settings, seed=7)


@pytest.fixture
def entra(identity: IdentityProvider) -> Iterator[TestClient]:
    """A client of the identity provider's routes that follows no redirect."""
    app = Starlette(routes=list(identity.routes))
    with TestClient(app, base_url="https://login.emulator.example:8443", follow_redirects=False) as client:
        yield client
