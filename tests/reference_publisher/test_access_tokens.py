import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.reference_publisher import Settings
from fulfillment_conformance.reference_publisher.access_tokens import (
    AccessTokens,
    AccessTokenUnavailable,
    EntraSession,
)
from fulfillment_conformance.reference_publisher.alarm import Alarm
from fulfillment_conformance.serving import serve

pytestmark = pytest.mark.anyio

TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"


class Entra:
    """As much of Entra as msal asks for."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.lifetime = 3600
        self.refusal: Response | None = None

    async def metadata(self, _request: Request) -> Response:
        base = f"{self.url}/{TENANT}"
        return JSONResponse(
            {
                "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            }
        )

    async def token(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        self.requests.append({"content-type": request.headers["content-type"], **form})
        if self.refusal is not None:
            return self.refusal
        token = f"token-{len(self.requests)}"
        return JSONResponse({"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token})


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[tuple[Entra, Path]]:
    double = Entra()
    authority = CertificateAuthority()
    routes = [
        Route(f"/{TENANT}/v2.0/.well-known/openid-configuration", double.metadata),
        Route(f"/{TENANT}/oauth2/v2.0/token", double.token, methods=["POST"]),
    ]
    with serve(Starlette(routes=routes), tls=authority.server_context("127.0.0.1")) as serving:
        double.url = serving.url
        yield double, authority.write(tmp_path)


@pytest.fixture
def alarm() -> Alarm:
    return Alarm()


@pytest.fixture
def tokens(settings: Settings, entra: tuple[Entra, Path], alarm: Alarm) -> AccessTokens:
    double, ca_file = entra
    return AccessTokens(replace(settings, login_url=double.url, ca_file=ca_file), alarm)


@pytest.fixture(autouse=True)
def misleading_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "/nowhere")


async def test_a_token_is_asked_for_once_and_kept(tokens: AccessTokens, entra: tuple[Entra, Path]) -> None:
    assert set(await asyncio.gather(*(tokens.current() for _ in range(10)))) == {"token-1"}

    [form] = entra[0].requests
    assert form["content-type"] == "application/x-www-form-urlencoded"
    assert form["grant_type"] == "client_credentials"
    assert form["client_id"] == "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    assert form["client_secret"] == "a secret"
    assert form["scope"] == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7/.default"


async def test_a_token_that_is_about_to_expire_is_renewed(tokens: AccessTokens, entra: tuple[Entra, Path]) -> None:
    entra[0].lifetime = 60

    assert [await tokens.current(), await tokens.current()] == ["token-1", "token-2"]


async def test_a_refused_token_is_renewed_once_for_everybody(tokens: AccessTokens, entra: tuple[Entra, Path]) -> None:
    refused = await tokens.current()

    assert set(await asyncio.gather(*(tokens.after_refusal(refused) for _ in range(5)))) == {"token-2"}
    assert len(entra[0].requests) == 2


async def test_a_refusal_alarms_and_is_over_as_soon_as_entra_is_content(
    tokens: AccessTokens, entra: tuple[Entra, Path], alarm: Alarm
) -> None:
    body = {"error": "invalid_client", "error_description": "canary", "error_codes": [7000222]}
    for status in (400, 401):
        entra[0].refusal = JSONResponse(body, status)
        with pytest.raises(AccessTokenUnavailable) as refusal:
            await tokens.current()
        assert str(refusal.value) == "Entra refuses us an access token: invalid_client AADSTS7000222"
    assert "canary" not in json.dumps(alarm.troubles)
    assert alarm.troubles

    entra[0].refusal = None
    assert await tokens.current() == "token-3"
    assert not alarm.troubles


@pytest.mark.parametrize("answer", [Response("<html>", 503), Response("not json", 200), Response("", 500)])
async def test_an_entra_that_is_out_of_order_is_one_error(
    tokens: AccessTokens, entra: tuple[Entra, Path], answer: Response
) -> None:
    entra[0].refusal = answer

    with pytest.raises(AccessTokenUnavailable):
        await tokens.current()


async def test_an_entra_that_cannot_be_reached_or_trusted_is_one_error(
    settings: Settings, entra: tuple[Entra, Path], alarm: Alarm
) -> None:
    for login_url in (entra[0].url, "https://127.0.0.1:9"):
        with pytest.raises(AccessTokenUnavailable):
            await AccessTokens(replace(settings, login_url=login_url), alarm).current()


async def test_requests_to_entra_have_a_time_limit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def send(_session: object, _request: object, **options: Any) -> requests.Response:
        seen.update(options)
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests.Session, "send", send)
    with EntraSession(settings) as session, pytest.raises(requests.ConnectTimeout):
        session.get("https://login.test")
    assert seen["timeout"] == settings.patience.request
    assert not seen["proxies"]
