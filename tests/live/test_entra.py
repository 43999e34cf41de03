from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.live.account import APPLICATION, ENVIRONMENT, SECRET, TENANT, Account, account, environ
from tests.live.credentials import FEDERATED, certificate, pipeline_token

from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.live.entra import EntraTokens, certificate_credential
from fulfillment_conformance.live.opening import application_of

MARKETPLACE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
WHO = {"tenant_id": TENANT, "client_id": APPLICATION}


@contextmanager
def with_identity(folder: Path, **identity: Any) -> Iterator[Account]:
    """Run an account whose application proves who it is by other means than a secret."""
    with account(folder, identity={**WHO, **identity}) as acc:
        yield acc


def credentials(folder: Path) -> dict[str, dict[str, Any]]:
    token_file = folder / "token"
    token_file.write_text(pipeline_token())
    return {
        "client_secret": {"client_secret": "${CLIENT_SECRET}"},
        "client_certificate": {"client_certificate": str(certificate(folder))},
        "federated_token": {"federated_token": "${FEDERATED_TOKEN}"},
        "federated_token_file": {"federated_token_file": "token"},
    }


@pytest.mark.parametrize("endpoint", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["client_secret", "client_certificate", "federated_token", "federated_token_file"])
def test_every_credential_gets_a_token_at_both_endpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, endpoint: str
) -> None:
    for name, value in environ().items():
        monkeypatch.setenv(name, value)  # proxy and CA variables that would lead it astray
    given = credentials(tmp_path)[kind]
    monkeypatch.setitem(ENVIRONMENT, "FEDERATED_TOKEN", pipeline_token())
    with with_identity(tmp_path, endpoint=endpoint, **given) as acc:
        register(acc, given)
        with acc.service() as service:
            assert service.client.list_subscriptions().status_code == 200
            claims = jwt.decode(service.tokens(), options={"verify_signature": False})

    assert (claims["aud"], claims["ver"]) == (MARKETPLACE, "1.0" if endpoint == "v1" else "2.0")
    paths = [each.url.partition(TENANT)[2] for each in acc.arrived if TENANT in each.url]
    version = "" if endpoint == "v1" else "/v2.0"
    assert paths == [f"{version}/.well-known/openid-configuration", f"/oauth2{version}/token"]


def register(acc: Account, given: dict[str, Any]) -> None:
    """Register at the stand-in's Entra what the credential is."""
    directory = acc.emulator.identity.directory
    application = directory.fulfillment_application
    changes: dict[str, Any] = {"federated": (FEDERATED,)}
    if "client_certificate" in given:
        changes = {"certificate_pem": Path(given["client_certificate"]).read_bytes()}
    for name, value in changes.items():
        object.__setattr__(application, name, value)


def test_a_token_is_asked_for_once_and_renewed_before_its_end(acc: Account) -> None:
    class Clock:
        now = datetime.now(UTC).timestamp()

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    learned: list[tuple[str, str]] = []
    there = {host: (place.host, place.port) for host, place in acc.target.addresses.items()}
    with HttpClient(tls=trust(acc.target.tls_ca), addresses=there) as http:
        tokens = EntraTokens(application_of(acc.target), http, learn=lambda *told: learned.append(told), clock=clock)
        assert tokens.claims is None
        first = tokens()
        clock.now += 3200
        assert tokens() == first
        clock.now += 200
        second = tokens()

    assert second != first
    assert learned == [(first, "token"), (second, "token")]
    assert tokens.is_own(f"Bearer {second}")
    assert not tokens.is_own(f"Bearer {first}")
    assert not tokens.is_own(None)


def test_a_token_file_is_read_afresh(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(pipeline_token(sub="somebody else"))
    with with_identity(tmp_path, federated_token_file="token") as acc, acc.service() as service:
        register(acc, {})
        with pytest.raises(EnvironmentUnavailable, match="federated-subject-mismatch"):
            service.tokens()
        file.write_text(pipeline_token())
        assert service.tokens()
        file.write_text("")
        with pytest.raises(UsageProblem, match="is empty; let the pipeline write its token there"):
            service.tokens.renew()
        file.unlink()
        with pytest.raises(UsageProblem, match="cannot be read"):
            acc.target.identity.federated_assertion(tmp_path)  # type: ignore[union-attr]


def test_a_tenant_may_go_by_its_domain(acc: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = acc.emulator.identity.directory
    tenant = directory.tenant
    monkeypatch.setattr(directory, "tenant", lambda name: tenant(TENANT if name == "contoso.example" else name))
    acc.target = acc.target.model_copy(
        update={"identity": acc.target.identity.model_copy(update={"tenant_id": "contoso.example"})}  # type: ignore[union-attr]
    )
    with acc.service() as service:
        assert service.client.list_subscriptions().status_code == 200


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (200, {"token_type": "Bearer"}, "unknown"),
        (500, {}, "entra-is-busy"),
        (200, "<html>", "unknown"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_token(acc: Account, status: int, document: Any, said: str) -> None:
    content = document.encode() if isinstance(document, str) else document
    acc.emulator.faults.add(Answers(status, content), call="token")
    with acc.service() as service, pytest.raises(EnvironmentUnavailable, match=said):
        service.tokens()


def test_no_secret_is_shown_when_there_is_no_token(acc: Account) -> None:
    acc.emulator.faults.add(Answers(401, {"error": "invalid_client", "error_codes": [7000215]}), call="token")
    with acc.service() as service, pytest.raises(EnvironmentUnavailable) as refused:
        service.tokens()

    assert SECRET not in str(refused.value)
    assert SECRET not in repr(service.tokens.application)


def test_what_is_wrong_with_a_certificate_file_is_told(tmp_path: Path) -> None:
    good = certificate(tmp_path)
    key = load_pem_private_key(good.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    public = good.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    files = {
        "locked.pem": locked + public[1] + public[2],
        "key-only.pem": public[0],
        "certificate-only.pem": public[1] + public[2],
        "nothing.pem": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    assert set(certificate_credential(tmp_path / "locked.pem", "open sesame")) == {"private_key", "public_certificate"}
    for name, password, said in [
        ("locked.pem", None, "is locked, give client_certificate_password"),
        ("locked.pem", "wrong", "check the password"),
        ("application.pem", "superfluous", "remove client_certificate_password"),
        ("key-only.pem", None, "holds no certificate"),
        ("certificate-only.pem", None, "holds no private key"),
        ("nothing.pem", None, "holds no private key"),
    ]:
        with pytest.raises(UsageProblem, match=said):
            certificate_credential(tmp_path / name, password)
    with pytest.raises(UsageProblem, match=r"expired on .*Certificates & secrets"):
        certificate_credential(good, None, now=datetime.now(UTC) + timedelta(days=365_000))
