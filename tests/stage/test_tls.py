"""Tests of looking at how an address is served."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.serving import Serving, serve
from fulfillment_conformance.stage.tls import SECONDS, Handshake, outdated, shake_hands

AUTHORITY = CertificateAuthority()


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    with serve(Starlette(), tls=AUTHORITY.server_context("127.0.0.1", "localhost")) as serving:
        yield serving


def trusting(*, at_most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    context.maximum_version = at_most
    return context


@pytest.mark.parametrize(
    ("at_most", "version"), [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_version_agreed_on_is_told(site: Serving, host: str, at_most: ssl.TLSVersion, version: str) -> None:
    url = f"https://{host}:{site.port}/signup?token=t"

    assert shake_hands(url, trusting(at_most=at_most)) == Handshake(version=version)


def test_a_certificate_that_is_not_trusted_is_a_problem(site: Serving) -> None:
    handshake = shake_hands(site.url, ssl.create_default_context())

    assert handshake.version is None
    assert handshake.problem.startswith("SSLCertVerificationError: ")


def test_a_certificate_for_another_name_is_a_problem() -> None:
    with serve(Starlette(), tls=AUTHORITY.server_context("isv.example")) as elsewhere:
        handshake = shake_hands(elsewhere.url, trusting())

    assert handshake.version is None
    assert "CERTIFICATE_VERIFY_FAILED" in handshake.problem


def test_nobody_there_is_a_problem() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        handshake = shake_hands(f"https://127.0.0.1:{taken.getsockname()[1]}/", trusting())

    assert (handshake.version, handshake.problem.partition(":")[0]) == (None, "ConnectionRefusedError")


def test_an_address_without_a_host_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, object]] = []

    def refuse(address: object, timeout: object) -> None:
        asked.append((address, timeout))
        raise ValueError("no such host")

    monkeypatch.setattr(socket, "create_connection", refuse)

    assert shake_hands("https://", trusting()) == Handshake(problem="ValueError: no such host")
    shake_hands("https://isv.example/signup", trusting())
    shake_hands("https://isv.example:8443/signup", trusting())
    assert asked == [(("", 443), SECONDS), (("isv.example", 443), SECONDS), (("isv.example", 8443), SECONDS)]
    assert SECONDS == 10.0


@pytest.mark.skipif(not (ssl.HAS_TLSv1 and ssl.HAS_TLSv1_1), reason="this machine speaks no old TLS")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_site_that_speaks_only_new_versions_refuses_the_old_ones(site: Serving) -> None:
    context = outdated()

    assert context is not None
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    assert shake_hands(site.url, context).version is None


@pytest.mark.skipif(not (ssl.HAS_TLSv1 and ssl.HAS_TLSv1_1), reason="this machine speaks no old TLS")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_site_that_speaks_an_old_version_is_found_out() -> None:
    old = AUTHORITY.server_context("127.0.0.1")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    context = outdated()
    assert context is not None

    with serve(Starlette(), tls=old) as site:
        assert shake_hands(site.url, context) == Handshake(version="TLSv1.1")


@pytest.mark.parametrize("lacking", ["HAS_TLSv1", "HAS_TLSv1_1"])
def test_a_machine_without_old_versions_cannot_ask_for_them(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    monkeypatch.setattr(ssl, "HAS_TLSv1", True)
    monkeypatch.setattr(ssl, "HAS_TLSv1_1", True)
    monkeypatch.setattr(ssl, lacking, False)

    assert outdated() is None
