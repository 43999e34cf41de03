"""Tests of how a publisher's back end comes by its access tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.asgi import lifespan
from fulfillment_conformance.backend.tokens import Application, by_msal, in_version
from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator.identity import IdentityProvider, IdentitySettings
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import BODY_LIMIT, HttpClient, trust
from fulfillment_conformance.serving import serve

ENTRA = "https://login.example/tenant/oauth2"


@pytest.mark.parametrize("given", [f"{ENTRA}/token", f"{ENTRA}/v2.0/token"])
def test_both_versions_of_a_token_endpoint_are_found_from_either(given: str) -> None:
    assert in_version(given, 1) == f"{ENTRA}/token"
    assert in_version(given, 2) == f"{ENTRA}/v2.0/token"


@pytest.mark.parametrize("given", ["https://login.example/token", "https://login.example/oauth2/v3/token"])
def test_an_address_of_another_kind_stays_as_it_is(given: str) -> None:
    assert in_version(given, 1) == in_version(given, 2) == given


@dataclass
class Entra:
    """An identity provider on https, with what it has been asked."""

    application: Application
    http: HttpClient
    asked: list[Exchange]


@contextmanager
def entra(folder: Path, app: ASGIApp | None = None, **changes: Any) -> Iterator[Entra]:
    """Serve the emulator's identity provider, or another application, as the authority of a publisher's application."""
    settings = IdentitySettings()
    authority = CertificateAuthority()
    asked: list[Exchange] = []
    routes = Starlette(routes=list(IdentityProvider(settings, seed=1).routes))
    with (
        serve(app or routes, tls=authority.server_context("127.0.0.1")) as serving,
        HttpClient(observer=asked.append, tls=trust(authority.write(folder)), timeout=5.0) as http,
    ):
        application = Application(
            tenant_id=settings.tenant_id,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            authority=f"https://127.0.0.1:{serving.port}/{settings.tenant_id}",
        )
        yield Entra(replace(application, **changes), http, asked)


def test_msal_gets_a_token_through_the_client_that_is_given(tmp_path: Path) -> None:
    with entra(tmp_path) as it:
        token = by_msal(it.application, it.http)()

    assert jwt.decode(token, options={"verify_signature": False})["azp"] == it.application.client_id
    assert [(each.method, each.receiver, each.status) for each in it.asked] == [
        ("GET", "identity", 200),
        ("POST", "identity", 200),
    ]


def test_what_entra_says_of_a_wrong_secret_is_passed_on(tmp_path: Path) -> None:
    with entra(tmp_path, client_secret="wrong") as it, pytest.raises(EnvironmentUnavailable) as refused:
        by_msal(it.application, it.http)()

    assert "AADSTS7000215" in str(refused.value)
    assert "check tenant_id, client_id and client_secret" in str(refused.value)


def test_a_tenant_that_is_unknown_is_named(tmp_path: Path) -> None:
    unknown = "11111111-2222-3333-4444-555555555555"
    with entra(tmp_path) as it:
        application = replace(
            it.application, tenant_id=unknown, authority=f"{str(it.application.authority).rpartition('/')[0]}/{unknown}"
        )
        with pytest.raises(EnvironmentUnavailable, match=unknown):
            by_msal(application, it.http)()


async def too_much(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with twice as much as anybody should read."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(2 * BODY_LIMIT // 65536):
        await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
    return await send({"type": "http.response.body"})


def test_an_identity_provider_that_says_too_much_is_left(tmp_path: Path) -> None:
    with (
        entra(tmp_path, too_much) as it,
        pytest.raises(EnvironmentUnavailable, match="check authority, network") as end,
    ):
        by_msal(it.application, it.http)()

    assert it.application.client_secret not in str(end.value)
    assert len(it.asked) == 1
    assert len(it.asked[0].response_body) <= BODY_LIMIT
