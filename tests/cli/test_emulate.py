import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.commands import call, ended, start

from fulfillment_conformance.emulator import IdentitySettings
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.http_client import trust

CANARY = "canary-8s7df6g5"


@dataclass
class Emulated:
    """An emulator in a process of its own, and what it said when it was ready."""

    process: "subprocess.Popen[str]"
    said: str

    def __getitem__(self, name: str) -> str:
        found = re.search(rf"^{re.escape(name)} +(.*)$", self.said, re.MULTILINE)
        assert found, f"{name} is missing from:\n{self.said}"
        return found[1]


@contextmanager
def emulating(*options: object, **environ: str) -> Iterator[Emulated]:
    with start("emulate", "--port", 0, *options, environ=environ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        try:
            yield Emulated(process, "".join(lines))
        finally:
            process.kill()


def test_it_serves_what_it_announces(tmp_path: Path) -> None:
    with emulating("--tls-port", 0, "--ca-folder", tmp_path) as emulated:
        tls = trust(Path(emulated["trust for TLS"]))
        with httpx2.Client(verify=tls, trust_env=False) as client:
            page = client.get(emulated["web page"])
            api = client.get(f"{emulated['Fulfillment API']}/saas/subscriptions?api-version=2018-08-31")
            control = client.get(emulated["control surface"])
            metadata = "v2.0/.well-known/openid-configuration"
            identity = client.get(f"{emulated['identity provider']}/{metadata}")
            encrypted = client.get(f"{emulated['the same over TLS']}/{emulated['tenant id']}/{metadata}")
            shown = client.get(f"{emulated['control surface']}/identity").json()

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert api.status_code in {401, 403}
    assert control.json()["protocol"] == 1
    assert identity.json()["token_endpoint"].startswith(emulated["identity provider"])
    assert encrypted.json()["token_endpoint"].startswith("https://")
    assert (shown["tenantId"], shown["clientId"]) == (emulated["tenant id"], emulated["client id"])
    assert Path(emulated["trust for TLS"]).parent == tmp_path.resolve()


def test_the_proxy_answers_for_microsoft_and_tells_what_it_refuses(tmp_path: Path) -> None:
    with emulating("--intercept", 0, "--intercept-allow", "*.example", "--ca-folder", tmp_path) as emulated:
        proxy = emulated["HTTPS_PROXY"].partition(" ")[0]
        tls = trust(Path(emulated["trust for TLS"]))
        with httpx2.Client(proxy=proxy, verify=tls, trust_env=False) as client:
            metadata = client.get(f"https://sts.windows.net/{emulated['tenant id']}/.well-known/openid-configuration")
            with pytest.raises(httpx2.ProxyError):
                client.get("https://example.org/")
        assert emulated.process.stdout is not None
        told = emulated.process.stdout.readline()

    assert metadata.json()["issuer"] == f"https://sts.windows.net/{emulated['tenant id']}/"
    assert told == "proxy              CONNECT https://example.org/: 403, host that is not allowed\n"
    assert Path(emulated["Node.js up to 20"].partition("=--require=")[2]).is_file()


def test_settings_are_in_force_and_named() -> None:
    deviation, another = list(DEVIATIONS)[:2]
    tenant, client_id = "11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    options = ["--profile", "observed", "--seed", 7, "--tenant-id", tenant, "--client-id", client_id.upper()]
    options += ["--webhook", "http://127.0.0.1:9/hook", "--landing-page", "http://127.0.0.1:9/page"]
    options += ["--deviation", deviation, "--deviation", another]
    with emulating(*options) as emulated:
        said = emulated.said

    assert "profile observed, seed 7" in said
    assert (emulated["tenant id"], emulated["client id"]) == (tenant, client_id)
    assert (emulated["webhook"], emulated["landing page"]) == ("http://127.0.0.1:9/hook", "http://127.0.0.1:9/page")
    assert f"{deviation}: {DEVIATIONS[deviation].summary}" in said
    assert f"{another}: {DEVIATIONS[another].summary}" in said


def test_secrets_are_named_by_their_variable_and_never_shown() -> None:
    secrets = {"MY_SECRET": f"{CANARY}-secret", "MY_KEY": f"{CANARY}-key"}
    options = ["--client-secret-env", "MY_SECRET", "--control-key-env", "MY_KEY"]
    with emulating(*options, **secrets) as emulated, httpx2.Client(trust_env=False) as client:
        address = emulated["control surface"].partition(",")[0]
        refused = client.get(address)
        taken = client.get(address, headers={"x-control-key": secrets["MY_KEY"]})
        form = {
            "grant_type": "client_credentials",
            "client_id": emulated["client id"],
            "client_secret": secrets["MY_SECRET"],
            "resource": "20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
        }
        token = client.post(f"{emulated['identity provider']}/oauth2/token", data=form)
        emulated.process.terminate()
        rest = ended(emulated.process)

    assert (refused.status_code, taken.status_code, token.status_code) == (401, 200, 200)
    assert emulated["client secret"] == "from MY_SECRET"
    assert emulated["control surface"].endswith(", key from MY_KEY")
    assert CANARY not in emulated.said + rest.text


def test_not_even_the_secret_for_development_is_shown() -> None:
    with emulating() as emulated:
        pass

    assert emulated["client secret"].startswith("the one for development, shown by GET http://127.0.0.1:")
    assert IdentitySettings().client_secret not in emulated.said


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_asked_to_end_is_its_regular_end(number: signal.Signals) -> None:
    with emulating() as emulated:
        os.kill(emulated.process.pid, number)
        end = ended(emulated.process)

    assert end.code == 0
    assert end.text == "ended\n"


class TestRefusals:
    def test_others_may_not_reach_a_control_surface_without_a_key(self) -> None:
        said = call("emulate", "--host", "0.0.0.0", "--port", 0)

        assert said.code == 4
        assert "--host 0.0.0.0" in said.err
        assert "--control-key-env" in said.err

    def test_a_port_in_use_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = call("emulate", "--port", port)

        assert said.code == 4
        assert f"127.0.0.1:{port} is in use" in said.err

    def test_what_is_no_host_to_allow_is_named(self) -> None:
        said = call("emulate", "--intercept", "--intercept-allow", "https://api.example/")

        assert said.code == 4
        assert "'--intercept-allow': 'https://api.example/': expected a host such as" in said.err

    def test_an_unknown_deviation_names_the_nearest(self) -> None:
        known = next(iter(DEVIATIONS))
        said = call("emulate", "--deviation", f"{known}x")

        assert said.code == 4
        assert f"'{known}x'" in said.err
        assert f"'{known}'" in said.err

    def test_a_certificate_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        said = call("emulate", "--port", 0, "--tls-port", 0, "--ca-folder", tmp_path / "file")

        assert said.code == 4
        assert f"cannot write {tmp_path / 'file'}" in said.err
