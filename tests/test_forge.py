import base64
import hmac
import json
import time
from typing import Any

import httpx2
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fulfillment_conformance.emulator.identity import (
    MARKETPLACE_APP_ID,
    IdentityProvider,
    IdentitySettings,
    TokenVersion,
)
from fulfillment_conformance.emulator.identity.keys import pooled_key, stranger_key
from fulfillment_conformance.emulator.identity.tokens import issuer
from fulfillment_conformance.forge import (
    AccessTokenForge,
    Forge,
    Forgery,
    by_hmac,
    by_key,
    compact,
    literally,
    strangers_site,
)
from fulfillment_conformance.serving import serve

SETTINGS = IdentitySettings()
LEEWAY = 300


@pytest.fixture(scope="module")
def identity() -> IdentityProvider:
    return IdentityProvider(SETTINGS)


@pytest.fixture(scope="module")
def keys(identity: IdentityProvider) -> dict[str, jwt.PyJWK]:
    """The keys that the publisher's tenant publishes, by kid."""
    with TestClient(Starlette(routes=list(identity.routes))) as client:
        entries = client.get(f"/{SETTINGS.tenant_id}/discovery/v2.0/keys").json()
    return {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(entries).keys}


def violations(authorization: str, keys: dict[str, jwt.PyJWK]) -> set[str]:
    """Return the requirements on a notification's token that it breaks, each judged by itself.

    This is what a correct publisher checks, written with PyJWT and without a line of the forge.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not token:
        return {"WHK-012"}
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {"WHK-012"}
    broken: set[str] = set()
    key = keys.get(header.get("kid", ""))
    times: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
    try:
        if key is None:
            broken.add("WHK-018")
        else:
            jwt.decode(token, key, algorithms=["RS256"], options=times)
    except jwt.PyJWTError:
        broken.add("WHK-018")
    now = time.time()
    begins, ends = claims.get("nbf", now), claims.get("exp")
    tenant = SETTINGS.tenant_id
    rules = {
        "WHK-015": claims.get("aud") == SETTINGS.client_id,
        "WHK-016": claims.get("azp", claims.get("appid")) == MARKETPLACE_APP_ID,
        "WHK-017": claims.get("tid") == tenant,
        "WHK-019": isinstance(ends, int | float) and now < ends + LEEWAY,
        "WHK-020": isinstance(begins, int | float) and begins - LEEWAY <= now,
        "WHK-021": claims.get("iss") in {issuer(1, tenant), issuer(2, tenant)},
    }
    return broken | {rule for rule, kept in rules.items() if not kept}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", Forge.names(expected="refused"))
def test_a_hostile_token_breaks_exactly_what_it_is_said_to(
    identity: IdentityProvider, keys: dict[str, jwt.PyJWK], name: str, version: TokenVersion
) -> None:
    forgery = Forge(identity, version=version).make(name)
    broken = [violations(value, keys) for value in forgery.authorization] or [{"WHK-014"}]
    claimed = set(forgery.requirements) - {"WHK-024"}

    for each in broken:
        assert each == claimed if len(broken) == 1 else each


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", Forge.names(expected="accepted"))
def test_a_genuine_token_breaks_nothing(
    identity: IdentityProvider, keys: dict[str, jwt.PyJWK], name: str, version: TokenVersion
) -> None:
    [authorization] = Forge(identity, version=version).make(name).authorization

    assert violations(authorization, keys) == set()


def test_both_versions_are_what_they_are_called(identity: IdentityProvider) -> None:
    forge = Forge(identity)
    one, two = (
        jwt.decode(case.authorization[0].removeprefix("Bearer "), options={"verify_signature": False})
        for case in (forge.genuine_version_1(), forge.genuine_version_2())
    )

    assert (one["ver"], two["ver"]) == ("1.0", "2.0")
    assert one["appid"] == two["azp"] == MARKETPLACE_APP_ID
    assert "azp" not in one
    assert "appid" not in two


@pytest.mark.parametrize("name", Forge.names())
def test_every_case_says_why_and_what_it_concerns(identity: IdentityProvider, name: str) -> None:
    forgery = Forge(identity).make(name)

    assert forgery.name == name
    assert forgery.reason.endswith(".")
    assert forgery.requirements
    assert all(requirement.startswith("WHK-") for requirement in forgery.requirements)
    assert "eyJ" not in repr(forgery)


def test_every_rule_on_tokens_has_a_case_that_breaks_it_alone() -> None:
    for rule in ("WHK-012", "WHK-014", "WHK-015", "WHK-016", "WHK-017", "WHK-018", "WHK-019", "WHK-020", "WHK-021"):
        assert Forge.names(expected="refused", requirement=rule), rule
    assert Forge.names(requirement="WHK-999") == []


def test_a_token_under_another_signature_says_what_the_genuine_one_says(
    identity: IdentityProvider, keys: dict[str, jwt.PyJWK]
) -> None:
    forge = Forge(identity)
    genuine = forge.genuine()
    forgery = forge.under_another_signature(genuine)

    assert forgery.authorization[0].rpartition(".")[0] == genuine.authorization[0].rpartition(".")[0]
    assert violations(genuine.authorization[0], keys) == set()
    assert violations(forgery.authorization[0], keys) == {"WHK-018"}


@pytest.mark.parametrize(("version", "other"), [(1, "2.0"), (2, "1.0")])
def test_the_same_cases_are_made_in_tokens_of_the_other_version(
    identity: IdentityProvider, version: TokenVersion, other: str
) -> None:
    forgery = Forge(identity, version=version).of_the_other_version().make("from-another-client")
    claims = jwt.decode(forgery.authorization[0].removeprefix("Bearer "), options={"verify_signature": False})

    assert claims["ver"] == other
    assert claims["appid" if other == "1.0" else "azp"] == Forge.ANOTHER_CLIENT


def test_a_case_that_does_not_exist(identity: IdentityProvider) -> None:
    with pytest.raises(KeyError, match="unheard-of"):
        Forge(identity).make("unheard-of")


def test_cases_can_be_called_by_name_in_code(identity: IdentityProvider) -> None:
    forgery = Forge(identity).unsigned()

    assert isinstance(forgery, Forgery)
    assert forgery.expected == "refused"
    assert forgery.requirements == ("WHK-018", "WHK-024")
    assert forgery.authorization[0].endswith(".")


def test_headers_can_be_missing_or_sent_twice(identity: IdentityProvider) -> None:
    forge = Forge(identity)

    assert forge.no_header().authorization == ()
    assert len(forge.two_forged_headers().authorization) == 2
    assert len(forge.genuine_after_a_forged_header().authorization) == 2


def test_hs256_forgeries_verify_for_whoever_lets_the_header_choose(
    identity: IdentityProvider, keys: dict[str, jwt.PyJWK]
) -> None:
    forge = Forge(identity)
    published = keys[identity.keys.signing_key.kid]
    pem, der = (
        published.key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    )
    [certificate] = identity.keys.signing_key.jwk["x5c"]

    for case, secret in (
        (forge.hs256_with_the_public_key_in_pem(), pem),
        (forge.hs256_with_the_public_key_in_der(), der),
        (forge.hs256_with_the_published_certificate(), certificate.encode()),
    ):
        token = case.authorization[0].removeprefix("Bearer ")
        signed, _, signature = token.rpartition(".")
        assert jwt.get_unverified_header(token)["alg"] == "HS256"
        assert jwt.get_unverified_header(token)["kid"] == published.key_id
        assert base64.urlsafe_b64decode(signature + "=") == hmac.digest(secret, signed.encode(), "sha256")


def test_a_kid_that_injects_matches_its_secret(identity: IdentityProvider) -> None:
    token = Forge(identity).kid_that_is_sql().authorization[0].removeprefix("Bearer ")
    signed, _, signature = token.rpartition(".")

    assert base64.urlsafe_b64decode(signature + "=") == by_hmac(b"injected")(signed.encode())
    assert "'injected'" in jwt.get_unverified_header(token)["kid"]


def test_a_key_in_the_header_verifies_for_whoever_trusts_it(identity: IdentityProvider) -> None:
    token = Forge(identity).key_in_the_header().authorization[0].removeprefix("Bearer ")
    brought = jwt.PyJWK({**jwt.get_unverified_header(token)["jwk"], "alg": "RS256"})

    assert jwt.decode(token, brought, algorithms=["RS256"], audience=SETTINGS.client_id)


def test_the_strangers_site_serves_what_the_tokens_point_at(identity: IdentityProvider) -> None:
    with serve(strangers_site()) as site, httpx2.Client(trust_env=False) as client:
        forge = Forge(identity, strangers_url=site.url)
        token = forge.key_set_of_a_stranger().authorization[0].removeprefix("Bearer ")
        keys = client.get(jwt.get_unverified_header(token)["jku"]).json()
        pointed = jwt.get_unverified_header(forge.certificate_of_a_stranger().authorization[0].split(" ")[1])["x5u"]
        certificate = x509.load_pem_x509_certificate(client.get(pointed).content)

    assert jwt.decode(token, jwt.PyJWKSet.from_dict(keys).keys[0], algorithms=["RS256"], audience=SETTINGS.client_id)
    assert certificate == stranger_key().certificate


def test_claims_can_be_given_twice(identity: IdentityProvider) -> None:
    token = Forge(identity).audience_twice().authorization[0].removeprefix("Bearer ")
    payload = base64.urlsafe_b64decode(token.split(".")[1] + "==").decode()
    pairs: list[tuple[str, object]] = json.loads(payload, object_pairs_hook=lambda found: found)

    assert [value for name, value in pairs if name == "aud"] == [SETTINGS.client_id, Forge.ANOTHER_CLIENT]


def test_numbers_can_be_beyond_every_number(identity: IdentityProvider) -> None:
    token = Forge(identity).end_beyond_every_number().authorization[0].removeprefix("Bearer ")
    payload = base64.urlsafe_b64decode(token.split(".")[1] + "==").decode()

    assert '"exp": 1e999' in payload


def test_tokens_follow_a_rotation() -> None:
    identity = IdentityProvider()
    forge = Forge(identity)
    identity.rotate_keys()
    header = jwt.get_unverified_header(forge.genuine_version_2().authorization[0].removeprefix("Bearer "))

    assert header["kid"] == identity.keys.signing_key.kid


def test_kids_can_be_invented_in_any_number(identity: IdentityProvider, keys: dict[str, jwt.PyJWK]) -> None:
    forgeries = Forge(identity).invented_kids(50)
    kids = {jwt.get_unverified_header(each.authorization[0].split(" ")[1])["kid"] for each in forgeries}

    assert len(kids) == len({each.name for each in forgeries}) == 50
    assert violations(forgeries[0].authorization[0], keys) == {"WHK-018"}


class TestCompact:
    def test_by_key_is_what_pyjwt_verifies(self) -> None:
        token = compact({"alg": "RS256"}, {"a": 1}, by_key(pooled_key(0)))

        assert jwt.decode(token, pooled_key(0).public_key, algorithms=["RS256"]) == {"a": 1}

    def test_by_hmac_is_what_pyjwt_verifies(self) -> None:
        secret = b"a secret that is long enough for HS256"
        token = compact({"alg": "HS256"}, {"a": 1}, by_hmac(secret))

        assert jwt.decode(token, secret, algorithms=["HS256"]) == {"a": 1}

    def test_text_is_taken_as_it_is(self) -> None:
        assert compact("{", "not json", literally(b"x")) == "ew.bm90IGpzb24.eA"


class TestAccessTokenForge:
    @pytest.fixture
    def genuine(self, identity: IdentityProvider) -> str:
        return identity.access_token()

    @pytest.mark.parametrize("name", AccessTokenForge.names(expected="refused"))
    def test_no_forgery_verifies(
        self, genuine: str, keys: dict[str, jwt.PyJWK], identity: IdentityProvider, name: str
    ) -> None:
        forgery = AccessTokenForge(genuine).make(name)

        assert len(forgery.authorization) == (0 if name == "no-header" else 1)
        for authorization in forgery.authorization:
            assert violations(authorization, keys) & {"WHK-012", "WHK-018"}

    def test_the_genuine_one_does(self, genuine: str, identity: IdentityProvider) -> None:
        [authorization] = AccessTokenForge(genuine).genuine().authorization

        assert authorization == f"Bearer {genuine}"
        assert identity.verify_access_token(authorization)

    def test_claims_are_the_genuine_ones_but_for_the_fault(self, genuine: str) -> None:
        forge = AccessTokenForge(genuine)
        claims = jwt.decode(genuine, options={"verify_signature": False})

        for case in (forge.unsigned(), forge.signed_by_a_stranger_under_a_known_kid(), forge.key_in_the_header()):
            token = case.authorization[0].removeprefix("Bearer ")
            assert jwt.decode(token, options={"verify_signature": False}) == claims
        assert genuine.startswith(forge.signature_truncated().authorization[0].removeprefix("Bearer "))

    @pytest.mark.parametrize("opaque", ["", "opaque", "a.b.c", "W10.W10.AA"])
    def test_a_token_that_is_no_jwt_cannot_be_forged(self, opaque: str) -> None:
        with pytest.raises(ValueError, match="not a signed JWT"):
            AccessTokenForge(opaque)

    def test_every_case_concerns_access_tokens(self, genuine: str) -> None:
        for name in AccessTokenForge.names():
            assert set(AccessTokenForge(genuine).make(name).requirements) <= {"AUT-011", "AUT-012"}
