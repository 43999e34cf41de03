import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fulfillment_conformance.emulator.identity.clients import ASSERTION_TYPE, Client, authenticate
from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import EntraError
from fulfillment_conformance.emulator.identity.keys import SigningKey, b64url, pooled_key, stranger_key
from fulfillment_conformance.emulator.identity.settings import FederatedCredential, IdentitySettings

CERTIFIED = pooled_key(5)
PEM = CERTIFIED.certificate.public_bytes(serialization.Encoding.PEM)
SETTINGS = IdentitySettings(certificate_pem=PEM, client_secret="s+cret&with %=:ü")
AUDIENCE = f"https://127.0.0.1:8443/{SETTINGS.tenant_id}/oauth2/v2.0/token"


def identify(
    form: dict[str, str], authorization: str | None = None, *, settings: IdentitySettings = SETTINGS
) -> Client:
    return authenticate(
        form,
        authorization,
        directory=Directory(settings),
        tenant=settings.tenant_id,
        audiences=frozenset({AUDIENCE}),
        now=time.time(),
    )


def assertion(
    key: SigningKey = CERTIFIED,
    *,
    algorithm: str = "PS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, str]:
    if header is None:
        header = {"x5t#S256": b64url(key.certificate.fingerprint(hashes.SHA256()))}
    claims = {
        "aud": AUDIENCE,
        "iss": SETTINGS.client_id,
        "sub": SETTINGS.client_id,
        "exp": time.time() + 600,
        "iat": time.time(),
        "jti": "1",
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    token = jwt.encode(claims, key.private_key, algorithm=algorithm, headers=header)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token}


def refused(call: Callable[[], object]) -> int:
    with pytest.raises(EntraError) as error:
        call()
    return error.value.kind.number


def test_a_secret_in_the_form() -> None:
    client = identify({"client_id": SETTINGS.client_id, "client_secret": SETTINGS.client_secret})

    assert client.application.client_id == SETTINGS.client_id
    assert not client.by_certificate


def test_a_secret_by_basic_is_form_encoded_first() -> None:
    pair = f"{SETTINGS.client_id}:{quote(SETTINGS.client_secret)}"
    client = identify({}, f"Basic {base64.b64encode(pair.encode()).decode()}")

    assert client.application.client_id == SETTINGS.client_id


@pytest.mark.parametrize(
    "value", ["%%%", base64.b64encode(b"no colon").decode(), base64.b64encode(b"\xff:\xfe").decode()]
)
def test_a_basic_header_that_cannot_be_read(value: str) -> None:
    assert refused(lambda: identify({}, f"Basic {value}")) == 9002313


def test_the_client_id_is_missing() -> None:
    assert refused(lambda: identify({"client_secret": SETTINGS.client_secret})) == 900144


def test_the_application_does_not_exist() -> None:
    form = {"client_id": "11111111-2222-3333-4444-555555555555", "client_secret": SETTINGS.client_secret}
    assert refused(lambda: identify(form)) == 700016


def test_no_credential() -> None:
    assert refused(lambda: identify({"client_id": SETTINGS.client_id})) == 7000218


def test_a_wrong_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(EntraError) as error:
        identify({"client_id": SETTINGS.client_id, "client_secret": "guessed"})

    assert error.value.kind.number == 7000215
    assert "guessed" not in str(error.value)
    assert SETTINGS.client_secret not in str(error.value)


@pytest.mark.parametrize(
    ("algorithm", "header"),
    [
        ("RS256", {"x5t": b64url(CERTIFIED.certificate.fingerprint(hashes.SHA1()))}),
        ("RS256", {"x5t": b64url(CERTIFIED.certificate.fingerprint(hashes.SHA1())) + "="}),
        ("PS256", {"x5t#S256": b64url(CERTIFIED.certificate.fingerprint(hashes.SHA256()))}),
    ],
)
def test_an_assertion_by_the_registered_certificate(algorithm: str, header: dict[str, str]) -> None:
    client = identify(assertion(algorithm=algorithm, header=header))

    assert client.by_certificate
    assert client.application.client_id == SETTINGS.client_id


def test_an_assertion_may_be_made_out_to_several() -> None:
    assert identify(assertion(aud=["https://elsewhere.example", AUDIENCE.upper()])).by_certificate


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"exp": time.time() - 600}, 700024),
        ({"nbf": time.time() + 3600}, 700024),
        ({"exp": None}, 50027),
        ({"nbf": "soon"}, 50027),
        ({"aud": "https://elsewhere.example"}, 700023),
        ({"aud": None}, 700023),
        ({"iss": "another"}, 700016),
        ({"sub": "another"}, 700021),
    ],
)
def test_an_assertion_with_a_wrong_claim(changes: dict[str, Any], number: int) -> None:
    assert refused(lambda: identify(assertion(**changes))) == number


def test_an_assertion_of_another_application_than_the_form_names() -> None:
    form = {**assertion(iss="another", sub="another"), "client_id": SETTINGS.client_id}
    assert refused(lambda: identify(form)) == 700021


def test_an_assertion_by_another_certificate() -> None:
    assert refused(lambda: identify(assertion(stranger_key()))) == 700027


def test_an_assertion_by_another_key_under_the_registered_thumbprint() -> None:
    header = {"x5t#S256": b64url(CERTIFIED.certificate.fingerprint(hashes.SHA256()))}
    assert refused(lambda: identify(assertion(stranger_key(), header=header))) == 700027


def test_an_assertion_that_names_no_certificate() -> None:
    assert refused(lambda: identify(assertion(header={}))) == 700027


def test_an_assertion_where_no_certificate_is_registered() -> None:
    assert refused(lambda: identify(assertion(), settings=IdentitySettings())) == 700027


def test_a_registered_certificate_without_rsa_key() -> None:
    leaf = trustme.CA().issue_cert("contoso.example")
    pem = leaf.cert_chain_pems[0].bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    header = {"x5t#S256": b64url(certificate.fingerprint(hashes.SHA256()))}
    settings = IdentitySettings(certificate_pem=pem)
    assert refused(lambda: identify(assertion(header=header), settings=settings)) == 700027


def test_an_assertion_that_is_no_jwt() -> None:
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "garbage"}
    assert refused(lambda: identify(form)) == 50027
    assert refused(lambda: identify({**form, "client_id": SETTINGS.client_id})) == 50027


def test_an_assertion_of_another_type() -> None:
    form = {**assertion(), "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}
    assert refused(lambda: identify(form)) == 9002313


PIPELINE = "https://pipelines.example"
FEDERATED = IdentitySettings(
    federated=(
        FederatedCredential(
            issuer=PIPELINE,
            subject="branch:main",
            public_key_pem=CERTIFIED.private_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        ),
        FederatedCredential(issuer=PIPELINE, subject="branch:unchecked"),
    )
)


def of_a_pipeline(key: SigningKey = CERTIFIED, **changes: Any) -> dict[str, str]:
    claims = {"iss": PIPELINE, "sub": "branch:main", "aud": "api://AzureADTokenExchange", **changes}
    form = assertion(key, algorithm="RS256", header={}, **claims)
    return {"client_id": FEDERATED.client_id, **form}


def test_the_token_of_a_pipeline_stands_for_the_application() -> None:
    assert identify(of_a_pipeline(), settings=FEDERATED).application.client_id == FEDERATED.client_id
    assert identify(of_a_pipeline(aud=["x", "api://AzureADTokenExchange"]), settings=FEDERATED).by_certificate
    unchecked = of_a_pipeline(stranger_key(), sub="branch:unchecked")
    assert identify(unchecked, settings=FEDERATED).application.client_id == FEDERATED.client_id


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"iss": "https://others.example"}, 700211),
        ({"aud": "https://pipelines.example"}, 700212),
        ({"sub": "branch:topic"}, 700213),
        ({"exp": 1_000_000}, 700024),
    ],
)
def test_the_token_of_another_pipeline_does_not(changes: dict[str, Any], number: int) -> None:
    assert refused(lambda: identify(of_a_pipeline(**changes), settings=FEDERATED)) == number


def test_neither_does_one_that_its_issuer_has_not_signed_or_that_nobody_has_registered() -> None:
    assert refused(lambda: identify(of_a_pipeline(stranger_key()), settings=FEDERATED)) == 700027
    assert refused(lambda: identify(of_a_pipeline())) == 70021
