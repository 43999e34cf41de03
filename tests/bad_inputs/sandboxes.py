"""Things at the other end of an address that make a run impossible, each for a reason of its own."""

import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator import Emulator, IdentitySettings, Settings
from fulfillment_conformance.serving import serve

SECRET = "canary-right-secret"
Reply = tuple[int, dict[str, str], bytes]


class Sandboxes:
    """Starts what a bad input needs, when it is first named: `address("refused")`."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._known: dict[str, str] = {}

    def address(self, name: str) -> str:
        """Return what stands for `<name>` in a bad input."""
        if name not in self._known:
            made: str = getattr(self, f"_{name.replace('-', '_')}")()
            self._known[name] = made
        return self._known[name]

    # --- nobody there ---

    def _refused(self) -> str:
        """Nobody listens here."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _taken(self) -> str:
        """Another program listens here."""
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def _silent(self) -> str:
        """Connections are taken, and nothing is ever said."""
        return f"http://{self.address('taken')}"

    def _babbling(self) -> str:
        """Something other than HTTP is spoken."""

        class Babble(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(1024)
                self.request.sendall(b"220 mail.contoso.example ESMTP ready\r\n")

        return f"http://127.0.0.1:{self._served(socketserver.ThreadingTCPServer(('127.0.0.1', 0), Babble))}"

    # --- somebody else there ---

    def _login(self) -> str:
        """A login page answers everything."""
        return self._saying(lambda _path: (200, {"content-type": "text/html"}, b"<html><h1>Please sign in</h1></html>"))

    def _outdated(self) -> str:
        """A control surface of another version of the protocol."""
        return self._saying(lambda _path: _json({"name": "old", "version": "1", "protocol": 2, "capabilities": []}))

    def _skewed(self) -> str:
        """A sandbox whose clock is an hour late."""
        late = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)

        def answer(path: str) -> Reply:
            if path.startswith("/control"):
                return _json({"name": "late", "version": "1", "protocol": 1, "capabilities": []})
            return 401, {"date": late}, b""

        return self._saying(answer)

    def _refusing(self) -> str:
        """A sandbox that refuses every access token."""

        def answer(path: str) -> Reply:
            if path == "/control":
                return _json({"name": "strict", "version": "1", "protocol": 1, "capabilities": ["access-tokens"]})
            if path == "/control/access-tokens":
                return 201, {"content-type": "application/json"}, b'{"accessToken": "canary-access-token"}'
            return 403, {}, b""

        return self._saying(answer)

    def _page(self) -> str:
        """A web server that answers, as a publisher does."""
        return self._saying(lambda _path: (200, {"content-type": "text/html"}, b"<html></html>"))

    # --- the emulator ---

    def _sandbox(self) -> str:
        """The emulator, with a secret of its own."""
        return self._emulator(Settings(identity=IdentitySettings(client_secret=SECRET)))

    def _locked(self) -> str:
        """The emulator, with a control key."""
        return self._emulator(Settings(control_key="canary-right-key"))

    def _untrusted(self) -> str:
        """The emulator over TLS, with a certificate of an authority that nobody knows."""
        return self._emulator(Settings(), CertificateAuthority(), "127.0.0.1")

    def _misnamed(self) -> str:
        """The emulator over TLS, with a certificate for another host."""
        return self._emulator(Settings(), self._authority(), "sandbox.example")

    def _encrypted(self) -> str:
        """The emulator over TLS, all as it should be."""
        settings = Settings(identity=IdentitySettings(client_secret=SECRET))
        return self._emulator(settings, self._authority(), "127.0.0.1")

    def _ca(self) -> str:
        """The file of the authority that `misnamed` and `encrypted` have their certificates from."""
        return str(self._authority().write(self._folder))

    def _authority(self) -> CertificateAuthority:
        return CertificateAuthority.kept_in(self._folder)

    def _emulator(self, settings: Settings, authority: CertificateAuthority | None = None, *hosts: str) -> str:
        tls = authority.server_context(*hosts) if authority else None
        return self._stack.enter_context(serve(Emulator(settings).app, tls=tls)).url

    # --- plumbing ---

    def _saying(self, answer: Callable[[str], Reply]) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, answer))
        return f"http://127.0.0.1:{self._served(server)}"

    def _served(self, server: socketserver.TCPServer) -> int:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        port: int = server.server_address[1]
        return port


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, answer: Callable[[str], Reply], *args: Any) -> None:
        self._answer = answer
        super().__init__(*args)

    def _reply(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status, headers, body = self._answer(self.path.split("?")[0])
        self.send_response_only(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply  # noqa: N815 - the base class looks for these

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


def _json(document: object) -> Reply:
    return 200, {"content-type": "application/json"}, json.dumps(document).encode()


@contextmanager
def sandboxes(folder: Path) -> Iterator[Sandboxes]:
    """Open the collection, and stop everything at the end."""
    with ExitStack() as stack:
        yield Sandboxes(stack, folder)
