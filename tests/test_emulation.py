"""Tests of the emulator as a program: what it serves, what it says, and what it refuses to begin with."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from fulfillment_conformance import __version__, emulation
from fulfillment_conformance.certificates import FILE_NAME
from fulfillment_conformance.emulation import Place, serve_emulator
from fulfillment_conformance.emulator import IdentitySettings, Settings
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.serving import PortInUse, Serving, serve

TENANT, CLIENT = "2b1c5c02-4b8e-4f61-8a2c-6d9e1b4f7a20", "2b1c5c02-4b8e-4f61-8a2c-6d9e1b4f7a21"
IDENTITY = IdentitySettings(tenant_id=TENANT, client_id=CLIENT, client_secret="s3cret-of-mine")


class Program:
    """The program, ended as soon as it has announced itself and a test has looked at it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.plain: Serving | None = None
        self.look: Callable[[], object] = lambda: None
        self.has_reported = threading.Event()

    def serve_until_signal(self, app: Any, *, host: str, port: int, announce: Callable[[Serving], None]) -> None:
        with serve(app, host=host, port=port) as self.plain:
            announce(self.plain)
            self.look()

    def run(self, settings: Settings | None = None, place: Place | None = None, **more: str) -> dict[str, str]:
        """Run it; returns what each row says."""
        serve_emulator(settings or Settings(), place or Place(port=0), tell=self.tell, **more)
        return {line[:18].strip(): line[19:] for line in self.said[1:-2]}

    def tell(self, line: str) -> None:
        self.said.append(line)
        if line.startswith("proxy "):
            self.has_reported.set()

    def get(self, url: str, tls: ssl.SSLContext | None = None) -> Exchange:
        with HttpClient(tls=tls) as http:
            return http.send("GET", url)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program()
    monkeypatch.setattr(emulation, "serve_until_signal", program.serve_until_signal)
    return program


def test_it_says_where_everything_is(program: Program) -> None:
    rows = program.run(Settings(seed=7, profile="observed", identity=IDENTITY))
    assert program.plain is not None
    url = program.plain.url

    assert program.said[0] == f"fulfillment-conformance {__version__}: emulator, profile observed, seed 7"
    assert program.said[-2:] == ["Ctrl-C ends it.", "ended"]
    assert rows == {
        "web page": f"{url}/",
        "Fulfillment API": f"{url}/api",
        "control surface": f"{url}/control",
        "identity provider": f"{url}/{TENANT}",
        "tenant id": TENANT,
        "client id": CLIENT,
        "client secret": f"the one for development, shown by GET {url}/control/identity",
        "webhook": "none yet; PUT /control/webhook, or --webhook, names one",
        "landing page": "none yet; PUT /control/landing-page, or --landing-page",
        "deviations": "none",
    }


def test_what_it_announces_is_there(program: Program) -> None:
    found: dict[str, int | None] = {}

    def look() -> None:
        rows = {line[:18].strip(): line[19:] for line in program.said}
        for name in ("web page", "control surface"):
            found[name] = program.get(rows[name]).status
        found["identity"] = program.get(f"{rows['identity provider']}/discovery/keys").status

    program.look = look
    program.run()

    assert found == {"web page": 200, "control surface": 200, "identity": 200}


def test_addresses_and_deviations_are_repeated(program: Program) -> None:
    name = next(iter(DEVIATIONS))
    settings = Settings(
        webhook_url="https://isv.example/hook", landing_page_url="https://isv.example/signup", deviations=[name]
    )
    rows = program.run(settings)

    assert rows["webhook"] == "https://isv.example/hook"
    assert rows["landing page"] == "https://isv.example/signup"
    assert rows["deviation"] == f"{name}: {DEVIATIONS[name].summary}"
    assert "deviations" not in rows


def test_secrets_are_named_by_the_variables_that_they_came_from(program: Program) -> None:
    settings = Settings(identity=IDENTITY, control_key="k3y-of-mine")
    rows = program.run(settings, secret_from="MY_SECRET", key_from="MY_KEY")

    assert rows["client secret"] == "from MY_SECRET"
    assert rows["control surface"].endswith("/control, key from MY_KEY")
    assert "of-mine" not in "\n".join(program.said)


def test_it_is_served_over_tls_too(program: Program, tmp_path: Path) -> None:
    seen: list[int | None] = []
    names: list[Any] = []

    def look() -> None:
        rows = {line[:18].strip(): line[19:] for line in program.said}
        url = rows["the same over TLS"]
        seen.append(program.get(f"{url}/control", trust(Path(rows["trust for TLS"]))).status)
        host, port = url.removeprefix("https://").split(":")
        certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode())
        names.extend(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)

    program.look = look
    rows = program.run(place=Place(port=0, tls_port=0, ca_folder=tmp_path))

    assert seen == [200]
    assert rows["the same over TLS"].startswith("https://127.0.0.1:")
    assert rows["trust for TLS"] == str(tmp_path / FILE_NAME)
    assert "HTTPS_PROXY" not in rows
    assert [str(name.value) for name in names] == list(
        dict.fromkeys(["127.0.0.1", "localhost", "::1", socket.gethostname()])
    )
    assert program.get(f"{rows['the same over TLS']}/control").status is None  # it has ended


def test_without_tls_nothing_is_written(program: Program, tmp_path: Path) -> None:
    rows = program.run(place=Place(port=0, ca_folder=tmp_path))

    assert list(tmp_path.iterdir()) == []
    assert not {"the same over TLS", "trust for TLS", "HTTPS_PROXY"} & set(rows)


def test_it_plays_microsofts_own_hosts_behind_a_proxy(program: Program, tmp_path: Path) -> None:
    rows = program.run(place=Place(port=0, intercept_port=0, ca_folder=tmp_path))

    assert rows["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert "marketplaceapi.microsoft.com" in rows["HTTPS_PROXY"]
    assert rows["Node.js up to 20"].startswith("NODE_OPTIONS=--require=")
    assert (tmp_path / FILE_NAME).exists()
    assert "the same over TLS" not in rows


def test_what_its_proxy_refuses_is_told(program: Program, tmp_path: Path) -> None:
    answers: list[bytes] = []

    def look() -> None:
        [row] = [line[19:] for line in program.said if line.startswith("HTTPS_PROXY")]
        port = int(row.partition(" ")[0].rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port), 10)) as connection:
            connection.sendall(b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n")
            answers.append(connection.recv(4096))
        assert program.has_reported.wait(10)

    program.look = look
    program.run(place=Place(port=0, intercept_port=0, ca_folder=tmp_path))

    status = answers[0].split()[1].decode()
    assert int(status) >= 400
    [refusal] = [line for line in program.said if line.startswith("proxy ")]
    assert refusal == f"proxy              CONNECT https://elsewhere.example/: {status}, host that is not allowed"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "isv.example"])
def test_others_reach_no_control_surface_without_a_key(program: Program, host: str) -> None:
    with pytest.raises(UsageProblem, match=rf"--host {host}: other machines could reach .*--control-key-env"):
        program.run(place=Place(host=host, port=0))
    assert program.said == []


def test_with_a_key_it_listens_where_others_reach_it(program: Program, tmp_path: Path) -> None:
    names: list[Any] = []

    def look() -> None:
        rows = {line[:18].strip(): line[19:] for line in program.said}
        port = int(rows["the same over TLS"].rpartition(":")[2])
        certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
        names.extend(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)

    program.look = look
    program.run(Settings(control_key="key"), Place(host="0.0.0.0", port=0, tls_port=0, ca_folder=tmp_path))

    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1", socket.gethostname()]


def test_a_port_that_is_taken_is_said_and_nothing_is_left_open(program: Program, tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            program.run(place=Place(port=port))
        with pytest.raises(PortInUse, match=str(port)):
            program.run(place=Place(port=0, tls_port=port, ca_folder=tmp_path))

    assert program.said == []


def test_a_deviation_that_does_not_exist_is_said(program: Program) -> None:
    with pytest.raises(UsageProblem, match="no-such-deviation"):
        program.run(Settings(deviations=["no-such-deviation"]))


def test_it_is_usually_served_for_this_machine_alone() -> None:
    place = Place()

    assert (place.host, place.port, place.tls_port, place.intercept_port) == ("127.0.0.1", 8080, None, None)
    assert (place.allow, place.ca_folder) == ((), Path())
