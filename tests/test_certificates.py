import os
import ssl
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fulfillment_conformance.certificates import FILE_NAME, KEY_FILE_NAME, CertificateAuthority
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.serving import serve


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


def test_a_client_that_was_told_of_the_authority_trusts_its_servers() -> None:
    authority = CertificateAuthority()

    with (
        serve(APP, tls=authority.server_context("127.0.0.1", "localhost")) as serving,
        httpx2.Client(verify=authority.client_context(), trust_env=False) as client,
    ):
        assert client.get(serving.url).text == "hello"
        assert client.get(f"https://localhost:{serving.port}").text == "hello"


def test_a_client_of_another_authority_does_not() -> None:
    with (
        serve(APP, tls=CertificateAuthority().server_context("127.0.0.1")) as serving,
        httpx2.Client(verify=CertificateAuthority().client_context(), trust_env=False) as client,
        pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(serving.url)


def test_a_server_is_not_trusted_under_another_name() -> None:
    authority = CertificateAuthority()

    with (
        serve(APP, tls=authority.server_context("publisher.example")) as serving,
        httpx2.Client(verify=authority.client_context(), trust_env=False) as client,
        pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(serving.url)


def test_the_written_file_is_enough_to_trust_it(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    path = authority.write(tmp_path / "new" / "folder")
    context = ssl.create_default_context(cafile=str(path))

    assert path.is_absolute()
    assert path.read_bytes() == authority.pem
    assert b"PRIVATE KEY" not in authority.pem
    with (
        serve(APP, tls=authority.server_context("127.0.0.1")) as serving,
        httpx2.Client(verify=context, trust_env=False) as client,
    ):
        assert client.get(serving.url).text == "hello"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")

    with pytest.raises(UsageProblem, match=r"cannot write .*file.*folder that can be written to"):
        CertificateAuthority().write(occupied)


def test_an_authority_that_is_kept_is_the_same_the_next_time(tmp_path: Path) -> None:
    first = CertificateAuthority.kept_in(tmp_path)
    again = CertificateAuthority.kept_in(tmp_path)

    assert again.pem == first.pem == (tmp_path / FILE_NAME).read_bytes()
    with serve(APP, tls=again.server_context("127.0.0.1")) as serving:
        assert httpx2.get(serving.url, verify=first.client_context(), trust_env=False).text == "hello"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_the_key_of_a_kept_authority_is_its_owners_alone(tmp_path: Path) -> None:
    CertificateAuthority.kept_in(tmp_path)

    assert (tmp_path / KEY_FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_kept_authority_that_is_broken_says_what_to_do(tmp_path: Path) -> None:
    CertificateAuthority.kept_in(tmp_path)
    (tmp_path / FILE_NAME).write_text("no certificate")

    with pytest.raises(UsageProblem, match="remove fulfillment-conformance-ca"):
        CertificateAuthority.kept_in(tmp_path)
