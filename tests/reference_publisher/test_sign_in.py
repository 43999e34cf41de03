import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msal
import pytest
import requests

from fulfillment_conformance.reference_publisher import Settings, SignIn
from fulfillment_conformance.reference_publisher.sessions import Session, User
from fulfillment_conformance.reference_publisher.sign_in import EntraSignIn, SignInFailed

pytestmark = pytest.mark.anyio

CLIENT = "d2b84e17-6fa0-4b93-8c5d-f19e3a70c628"
TENANT = "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"


def metadata(_application: object, url: str, **_options: Any) -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    base = "https://login.test/common"
    answer._content = (
        f'{{"issuer": "https://login.microsoftonline.com/{{tenantid}}/v2.0", '
        f'"authorization_endpoint": "{base}/oauth2/v2.0/authorize", "token_endpoint": "{base}/oauth2/v2.0/token"}}'
    ).encode()
    assert url.startswith(base)
    return answer


@pytest.fixture
def sign_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> EntraSignIn:
    monkeypatch.setattr(requests.Session, "get", metadata)
    application = SignIn(client_id=CLIENT, client_secret="secret")
    return EntraSignIn(replace(settings, sign_in=application), application)


@pytest.fixture
def session() -> Session:
    return Session(key="k", csrf="c", started=0.0)


def genuine(**changes: Any) -> dict[str, Any]:
    claims = {
        "aud": CLIENT,
        "tid": TENANT,
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "exp": time.time() + 3600,
        "name": "Adele Vance",
        "email": "adele@customer.example",
        "preferred_username": "adele.v@customer.example",
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


async def test_buyers_of_every_tenant_are_asked_for_no_more_than_who_they_are(
    sign_in: EntraSignIn, session: Session
) -> None:
    address = urlsplit(await sign_in.begin(session))
    query = {name: values[0] for name, values in parse_qs(address.query).items()}

    assert address.path == "/common/oauth2/v2.0/authorize"
    assert set(query["scope"].split()) == {"openid", "profile", "email"}
    assert query["redirect_uri"] == "http://127.0.0.1:5000/signin/callback"
    assert query["client_id"] == CLIENT
    assert query["code_challenge_method"] == "S256"
    assert "prompt" not in query
    assert query["state"] == session.sign_in["state"]

    again = parse_qs(urlsplit(await sign_in.begin(session, choose_account=True)).query)
    assert again["prompt"] == ["select_account"]


async def test_an_entra_out_of_reach_is_explained(
    sign_in: EntraSignIn, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "get", fail)
    with pytest.raises(SignInFailed, match="cannot be reached"):
        await sign_in.begin(session)


async def test_an_answer_is_exchanged_once(
    sign_in: EntraSignIn, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def exchange(_self: object, flow: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        given.append((flow, answer))
        return {"id_token_claims": genuine()}

    monkeypatch.setattr(msal.ConfidentialClientApplication, "acquire_token_by_auth_code_flow", exchange)
    session.sign_in = {"state": "s"}

    user = await sign_in.finish(session, {"code": "c", "state": "s"})

    assert user == User(tenant_id=TENANT, name="Adele Vance", email="adele@customer.example")
    assert given == [({"state": "s"}, {"code": "c", "state": "s"})]
    assert session.sign_in == {}


@pytest.mark.parametrize(
    "answer", [{}, {"code": "c", "state": "another"}, {"error": "access_denied", "state": "s"}, {"state": "s"}]
)
async def test_an_answer_to_nothing_signs_nobody_in(
    sign_in: EntraSignIn, session: Session, answer: dict[str, str]
) -> None:
    session.sign_in = {"state": "s", "code_verifier": "v"}
    with pytest.raises(SignInFailed):
        await sign_in.finish(session, answer)
    with pytest.raises(SignInFailed):
        await sign_in.finish(session, {"code": "c", "state": ""})


async def test_an_answer_without_identity_signs_nobody_in(
    sign_in: EntraSignIn, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        msal.ConfidentialClientApplication, "acquire_token_by_auth_code_flow", lambda *_: {"access_token": "x"}
    )
    with pytest.raises(SignInFailed):
        await sign_in.finish(session, {})


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": None},
        {"tid": None},
        {"tid": "3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"},
        {"iss": "https://evil.example/v2.0"},
        {"exp": time.time() - 600},
        {"exp": None},
        {"exp": "later"},
    ],
)
async def test_an_id_token_that_is_not_for_us_is_refused(sign_in: EntraSignIn, changed: dict[str, Any]) -> None:
    with pytest.raises(SignInFailed, match="not meant for this application"):
        sign_in.user(genuine(**changed))


async def test_a_user_without_mail_is_known_by_the_name_he_signs_in_with(sign_in: EntraSignIn) -> None:
    assert sign_in.user(genuine(email=None)).email == "adele.v@customer.example"
    assert sign_in.user(genuine(email=None, preferred_username=None, name=None)) == User(tenant_id=TENANT)
