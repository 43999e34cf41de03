import hashlib
from typing import Any

import jwt
import pytest

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import EntraError
from fulfillment_conformance.emulator.identity.grants import Grants, SignIn
from fulfillment_conformance.emulator.identity.keys import KeyRing, b64url
from fulfillment_conformance.emulator.identity.settings import (
    BUYER,
    FABRIKAM,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    IdentitySettings,
)
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer

REDIRECT = "http://localhost:5000/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters-"
CHALLENGE = b64url(hashlib.sha256(VERIFIER.encode()).digest())
DIRECTORY = Directory(IdentitySettings())
LANDING = DIRECTORY.landing_application


@pytest.fixture
def grants() -> Grants:
    keys = KeyRing(FABRIKAM.tenant_id)
    return Grants(DIRECTORY, keys, TokenIssuer(keys, seed=0))


def sign_in(*scopes: str) -> SignIn:
    return SignIn(user=BUYER, client_id=LANDING.client_id, scopes=scopes or ("openid", "User.Read"), nonce="n-1")


def issue(grants: Grants, *scopes: str, challenge: str | None = CHALLENGE, method: str = "S256") -> dict[str, str]:
    code = grants.issue_code(sign_in(*scopes), redirect_uri=REDIRECT, challenge=challenge, method=method, now=1000.0)
    return {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}


def refused(grants: Grants, form: dict[str, str], *, now: float = 1001.0) -> int:
    with pytest.raises(EntraError) as error:
        grants.redeem_code(LANDING, form, 2, now=now)
    return error.value.kind.number


def unverified(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_code_is_exchanged_for_an_id_token_and_an_access_token(grants: Grants) -> None:
    body = grants.redeem_code(LANDING, issue(grants), 2, now=1001.0)

    assert unverified(body["id_token"])["nonce"] == "n-1"
    assert unverified(body["id_token"])["aud"] == LANDING.client_id
    assert unverified(body["access_token"])["aud"] == GRAPH_APP_ID
    assert unverified(body["access_token"])["scp"] == "openid User.Read"
    assert body["scope"] == "openid User.Read"
    assert body["expires_in"] == 3600
    assert "refresh_token" not in body
    assert "client_info" not in body


def test_version_1_answers_in_strings(grants: Grants) -> None:
    body = grants.redeem_code(LANDING, issue(grants), 1, now=1001.0)

    assert body["expires_in"] == "3600"
    assert unverified(body["id_token"])["ver"] == "1.0"


def test_a_code_is_good_once(grants: Grants) -> None:
    form = issue(grants)
    grants.redeem_code(LANDING, form, 2, now=1001.0)

    assert refused(grants, form) == 54005


def test_a_code_is_good_for_ten_minutes(grants: Grants) -> None:
    form = issue(grants)

    assert refused(grants, form, now=1601.0) == 70008
    assert grants.redeem_code(LANDING, form, 2, now=1600.0)


def test_a_code_that_nobody_issued(grants: Grants) -> None:
    assert refused(grants, {**issue(grants), "code": "guessed"}) == 70000


def test_no_code(grants: Grants) -> None:
    assert refused(grants, {"redirect_uri": REDIRECT}) == 900144


def test_a_code_of_another_application(grants: Grants) -> None:
    form = issue(grants)
    with pytest.raises(EntraError, match="AADSTS70000:"):
        grants.redeem_code(DIRECTORY.fulfillment_application, form, 2, now=1001.0)


@pytest.mark.parametrize("redirect_uri", ["http://localhost:5001/callback", ""])
def test_another_redirect_uri(grants: Grants, redirect_uri: str) -> None:
    assert refused(grants, {**issue(grants), "redirect_uri": redirect_uri}) == 50011


def test_a_wrong_verifier_does_not_use_up_the_code(grants: Grants) -> None:
    form = issue(grants)

    assert refused(grants, {**form, "code_verifier": "guessed"}) == 501481
    assert refused(grants, {"code": form["code"], "redirect_uri": REDIRECT}) == 501481
    assert grants.redeem_code(LANDING, form, 2, now=1001.0)


def test_a_plain_challenge(grants: Grants) -> None:
    form = issue(grants, challenge=VERIFIER, method="plain")

    assert refused(grants, {**form, "code_verifier": CHALLENGE}) == 501481
    assert grants.redeem_code(LANDING, form, 2, now=1001.0)


def test_a_sign_in_without_pkce(grants: Grants) -> None:
    form = issue(grants, challenge=None, method="plain")
    del form["code_verifier"]

    assert grants.redeem_code(LANDING, form, 2, now=1001.0)


def test_client_info_names_user_and_tenant_when_asked_for(grants: Grants) -> None:
    body = grants.redeem_code(LANDING, {**issue(grants), "client_info": "1"}, 2, now=1001.0)

    assert jwt.utils.base64url_decode(body["client_info"]).decode() == (
        f'{{"uid": "{BUYER.object_id}", "utid": "{BUYER.tenant_id}"}}'
    )


def test_no_id_token_without_openid(grants: Grants) -> None:
    assert "id_token" not in grants.redeem_code(LANDING, issue(grants, "User.Read"), 2, now=1001.0)


def test_a_refresh_token_comes_with_offline_access_and_gives_new_tokens(grants: Grants) -> None:
    body = grants.redeem_code(LANDING, issue(grants, "openid", "offline_access", "User.Read"), 2, now=1001.0)
    again = grants.redeem_refresh_token(LANDING, {"refresh_token": body["refresh_token"]}, 2)
    narrower = grants.redeem_refresh_token(
        LANDING, {"refresh_token": body["refresh_token"], "scope": "https://graph.microsoft.com/.default"}, 2
    )

    assert body["scope"] == "openid User.Read"
    assert unverified(again["access_token"])["oid"] == BUYER.object_id
    assert again["refresh_token"] != body["refresh_token"]
    assert unverified(narrower["access_token"])["scp"] == "User.Read"


def test_refresh_tokens_that_are_not_good(grants: Grants) -> None:
    body = grants.redeem_code(LANDING, issue(grants, "offline_access"), 2, now=1001.0)

    with pytest.raises(EntraError, match="AADSTS900144:"):
        grants.redeem_refresh_token(LANDING, {}, 2)
    with pytest.raises(EntraError, match="AADSTS70000:"):
        grants.redeem_refresh_token(LANDING, {"refresh_token": "guessed"}, 2)
    with pytest.raises(EntraError, match="AADSTS70000:"):
        grants.redeem_refresh_token(DIRECTORY.fulfillment_application, {"refresh_token": body["refresh_token"]}, 2)


@pytest.mark.parametrize(
    ("scopes", "audience"),
    [
        (("openid", "profile"), GRAPH_APP_ID),
        (("openid", "https://graph.microsoft.com/User.Read"), GRAPH_APP_ID),
        ((f"{MARKETPLACE_APP_ID}/user_impersonation",), MARKETPLACE_APP_ID),
        ((f"api://{LANDING.client_id}/access",), LANDING.client_id),
    ],
)
def test_scopes_say_whom_a_token_is_for(grants: Grants, scopes: tuple[str, ...], audience: str) -> None:
    assert grants.audience_of(scopes) == audience


def test_scopes_of_an_unknown_resource(grants: Grants) -> None:
    with pytest.raises(EntraError, match=r"AADSTS500011:.*api\.example"):
        grants.audience_of(("openid", "https://api.example/read"))


def test_an_id_token_is_bound_to_its_code(grants: Grants) -> None:
    claims = unverified(grants.id_token(sign_in(), 2, code="the code"))

    assert claims["c_hash"] == b64url(hashlib.sha256(b"the code").digest()[:16])
    assert "c_hash" not in unverified(grants.id_token(sign_in(), 2))
