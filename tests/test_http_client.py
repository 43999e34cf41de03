import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fulfillment_conformance import http_client, http_transport
from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.http_client import BODY_LIMIT, MISSES, MOST_HEADERS, HttpClient, connection_failed, trust

Serve = Callable[[Callable[[socket.socket], None]], str]
"""Takes what to do with each connection, and returns the address to connect to."""

SHORT = 0.4
"""Seconds that an exchange gets where the other side never comes to an end."""
SOON = 3.0
"""Seconds that must suffice for it, on a busy machine."""
LONG = 20.0


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Listen on loopback and let a function deal with each connection."""
    listeners: list[socket.socket] = []

    def start(deal: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(connection,), daemon=True).start()

        def attend(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                deal(connection)

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def seen() -> list[Exchange]:
    return []


@pytest.fixture
def _connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is between two requests."""
    monkeypatch.setattr(http_transport, "_IDLE_SECONDS", 300.0)


@pytest.fixture
def client(seen: list[Exchange]) -> Iterator[HttpClient]:
    with HttpClient(observer=seen.append, timeout=LONG) as client:
        yield client


def read_request(connection: socket.socket) -> bytes:
    """Read up to the end of a request's headers, and the body that its length announces."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    announced = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while announced and len(body) < int(announced[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    """Deal with a connection by one answer, and close it."""

    def deal(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return deal


def ok(body: bytes = b"", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_an_exchange_is_described_and_observed(client: HttpClient, serve: Serve, seen: list[Exchange]) -> None:
    requests: list[bytes] = []

    def deal(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(ok(b'{"a": 1}', b"Content-Type: application/json", b"x-twice: 1", b"X-Twice: 2"))

    url = serve(deal)
    exchange = client.send(
        "POST", f"{url}/a?b=c", headers={"x-ms-requestid": "1"}, content=b"hello", receiver="publisher", purpose="try"
    )

    assert seen == [exchange]
    assert (exchange.method, exchange.url, exchange.request_body) == ("POST", f"{url}/a?b=c", b"hello")
    assert (exchange.sender, exchange.receiver, exchange.purpose) == ("suite", "publisher", "try")
    assert (exchange.status, exchange.response_body, exchange.error) == (200, b'{"a": 1}', None)
    assert header(exchange.response_headers, "content-type") == "application/json"
    assert [value for name, value in exchange.response_headers if name.lower() == "x-twice"] == ["1", "2"]
    assert 0 < exchange.seconds < LONG
    head = requests[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert head.endswith("\r\n\r\nhello")
    sent = dict(line.lower().split(": ", 1) for line in head.split("\r\n\r\n")[0].split("\r\n")[1:])
    assert sent == {name.lower(): value.lower() for name, value in exchange.request_headers}
    assert sent["accept-encoding"] == "identity"
    assert sent["user-agent"] == "fulfillment-conformance"
    assert "cookie" not in sent


def test_headers_given_replace_the_defaults_and_may_repeat(client: HttpClient, serve: Serve) -> None:
    exchange = client.send(
        "GET", serve(answering(ok())), headers=[("Accept", "text/html"), ("authorization", "a"), ("authorization", "b")]
    )

    assert [value for name, value in exchange.request_headers if name.lower() == "accept"] == ["text/html"]
    assert [value for name, value in exchange.request_headers if name.lower() == "authorization"] == ["a", "b"]


def test_an_unobserved_exchange_is_kept_from_the_observer(
    client: HttpClient, serve: Serve, seen: list[Exchange]
) -> None:
    assert client.send("GET", serve(answering(ok())), observed=False).status == 200
    assert seen == []


def test_a_redirect_is_an_answer_like_any_other(client: HttpClient, serve: Serve, seen: list[Exchange]) -> None:
    url = serve(answering(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"))

    exchange = client.send("GET", url)

    assert exchange.status == 302
    assert header(exchange.response_headers, "location") == "/elsewhere"
    assert len(seen) == 1


def test_cookies_are_for_whoever_plays_a_browser(client: HttpClient, serve: Serve) -> None:
    url = serve(answering(ok(b"", b"set-cookie: session=1; path=/")))

    client.send("GET", url)

    assert header(client.send("GET", url).request_headers, "cookie") is None


def test_proxies_of_the_machine_are_not_asked(
    client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert client.send("GET", serve(answering(ok()))).status == 200


def test_a_host_name_can_be_sent_elsewhere_and_is_still_asked_for_by_its_name(serve: Serve) -> None:
    address = urlsplit(serve(answering(ok(b"here"))))
    assert address.hostname is not None
    assert address.port is not None
    with HttpClient(addresses={"marketplace.example": (address.hostname, address.port)}) as client:
        exchange = client.send("GET", "http://Marketplace.example/x")

    assert (exchange.status, exchange.response_body) == (200, b"here")
    assert header(exchange.request_headers, "host") == "marketplace.example"


def test_an_answer_without_length_ends_with_the_connection(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it")))

    assert (exchange.status, exchange.response_body, exchange.error) == (200, b"all of it", None)


def test_a_connection_that_the_server_closed_is_not_used_again(client: HttpClient, serve: Serve) -> None:
    closed = threading.Semaphore(0)

    def deal(connection: socket.socket) -> None:
        answering(ok(b"x"))(connection)
        connection.close()
        closed.release()

    url = serve(deal)
    for _ in range(3):
        assert client.send("GET", url).status == 200
        assert closed.acquire(timeout=LONG), "the server has not closed the connection"


# --- kept connections that end ---


class Keeping:
    """A server that keeps connections open, and cuts some instead of answering.

    It notes for each request which one it was on its connection; `cuts` says by that number, from 1, whether the
    connection ends without a byte of an answer.
    """

    def __init__(self, cuts: Callable[[int], bool], *, beginning: bytes = b"") -> None:
        self.requests: list[tuple[str, int]] = []
        self._cuts = cuts
        self._beginning = beginning

    def __call__(self, connection: socket.socket) -> None:
        number = 0
        while request := read_request(connection):
            number += 1
            self.requests.append((request.split(b" ")[0].decode(), number))
            if self._cuts(number):
                connection.sendall(self._beginning)
                return
            connection.sendall(ok(b"x"))


def second(number: int) -> bool:
    return number == 2


@pytest.mark.usefixtures("_connections_are_kept")
def test_a_get_whose_kept_connection_ended_is_sent_once_more_on_a_fresh_one(
    client: HttpClient, serve: Serve, seen: list[Exchange]
) -> None:
    server = Keeping(second)
    url = serve(server)

    first, exchange = client.send("GET", url, purpose="look"), client.send("GET", url, purpose="look")

    assert (first.status, first.purpose) == (200, "look")
    assert (exchange.status, exchange.response_body, exchange.error) == (200, b"x", None)
    assert exchange.purpose == "look; sent twice, for the server closed a kept connection as the first went out"
    assert seen == [first, exchange]
    assert server.requests == [("GET", 1), ("GET", 2), ("GET", 1)]


@pytest.mark.usefixtures("_connections_are_kept")
def test_the_connection_for_the_second_request_is_made_for_it_even_if_others_are_kept(
    client: HttpClient, serve: Serve
) -> None:
    together = threading.Barrier(2)
    server = Keeping(second)

    def deal(connection: socket.socket) -> None:
        connection.recv(1, socket.MSG_PEEK)
        together.wait(LONG)
        server(connection)

    def attend_later(connection: socket.socket) -> None:
        (server if len(server.requests) >= 2 else deal)(connection)

    url = serve(attend_later)
    threads = [threading.Thread(target=client.send, args=("GET", url)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert server.requests == [("GET", 1), ("GET", 1)], "two connections are kept"
    assert client.send("GET", url).status == 200
    assert server.requests[2:] == [("GET", 2), ("GET", 1)]


@pytest.mark.usefixtures("_connections_are_kept")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT", "HEAD"])
def test_no_other_request_is_sent_twice(client: HttpClient, serve: Serve, seen: list[Exchange], method: str) -> None:
    server = Keeping(second)
    url = serve(server)

    client.send("GET", url)
    exchange = client.send(method, url, content=b"" if method == "HEAD" else b"{}")

    assert exchange.status is None
    assert (exchange.error or "").startswith("KeptConnectionEnded: RemoteProtocolError: ")
    assert exchange.purpose == ""
    assert len(seen) == 2
    assert server.requests == [("GET", 1), (method, 2)]


def test_a_request_that_fails_on_a_fresh_connection_is_not_sent_again(client: HttpClient, serve: Serve) -> None:
    server = Keeping(lambda number: True)
    url = serve(server)

    for sent in (1, 2):
        exchange = client.send("GET", url)

        assert exchange.status is None
        assert (exchange.error or "").startswith("RemoteProtocolError")
        assert len(server.requests) == sent


@pytest.mark.usefixtures("_connections_are_kept")
def test_a_server_that_fails_on_the_fresh_connection_too_gave_no_answer(
    client: HttpClient, serve: Serve, seen: list[Exchange]
) -> None:
    begun: list[int] = []
    server = Keeping(lambda number: number == 2 or len(begun) > 1)

    def deal(connection: socket.socket) -> None:
        begun.append(1)
        server(connection)

    url = serve(deal)
    client.send("GET", url)
    exchange = client.send("GET", url)

    assert exchange.status is None
    assert (exchange.error or "").startswith("RemoteProtocolError")
    assert "sent twice" in exchange.purpose
    assert server.requests == [("GET", 1), ("GET", 2), ("GET", 1)]
    assert len(seen) == 2


@pytest.mark.usefixtures("_connections_are_kept")
def test_an_answer_that_has_begun_is_an_answer(client: HttpClient, serve: Serve) -> None:
    server = Keeping(second, beginning=b"HTTP/1.1 200")
    url = serve(server)

    client.send("GET", url)
    exchange = client.send("GET", url)

    assert exchange.status is None
    assert (exchange.error or "").startswith("RemoteProtocolError")
    assert len(server.requests) == 2


@pytest.mark.usefixtures("_connections_are_kept")
def test_a_kept_connection_that_stays_silent_is_waited_for_and_not_asked_again(
    client: HttpClient, serve: Serve
) -> None:
    given_up = threading.Event()
    server = Keeping(second)

    def deal(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok(b"x"))
        server.requests.append(("GET", 1))
        given_up.wait(LONG)

    url = serve(deal)
    client.send("GET", url)
    exchange = client.send("GET", url, timeout=SHORT)
    given_up.set()

    assert (exchange.error or "").startswith("ReadTimeout")
    assert len(server.requests) == 1


@pytest.mark.usefixtures("_connections_are_kept")
def test_whoever_counts_requests_is_asked_before_the_second(serve: Serve, seen: list[Exchange]) -> None:
    class SpentError(Exception):
        pass

    class Counting(HttpClient):
        def about_to_repeat(self) -> None:
            raise SpentError

    server = Keeping(second)
    url = serve(server)
    with Counting(observer=seen.append, timeout=LONG) as client:
        client.send("GET", url)
        with pytest.raises(SpentError):
            client.send("GET", url)

    assert [each.status for each in seen] == [200, None]
    assert (seen[1].error or "").startswith("KeptConnectionEnded: ")
    assert len(server.requests) == 2


# --- nobody there, or nobody who speaks HTTP ---


def test_nobody_listens(client: HttpClient, seen: list[Exchange]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    exchange = client.send("GET", f"http://127.0.0.1:{port}/")

    assert exchange.status is None
    assert connection_failed(exchange)
    assert seen == [exchange]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp://127.0.0.1/", "UnsupportedProtocol"),
        ("nothing of the kind", "UnsupportedProtocol"),
        ("", "UnsupportedProtocol"),
        ("http://[::1/", "InvalidURL"),
        ("http://127.0.0.1:port/", "InvalidURL"),
        ("http://256.256.256.256/", "InvalidURL"),
        ("http://\x00/", "InvalidURL"),
        ("http://" + "a" * 70_000, "InvalidURL"),
        ("http://nobody.invalid/", "ConnectError"),
    ],
)
def test_an_address_that_leads_nowhere(client: HttpClient, seen: list[Exchange], url: str, error: str) -> None:
    exchange = client.send("GET", url)

    assert exchange.status is None
    assert (exchange.error or "").startswith(f"{error}: ")
    assert seen == [exchange]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("G T", {}),
        ("", {}),
        ("GET", {"x": "line\nbreak"}),
        ("GET", {"x": "nul\x00"}),
        ("GET", {"näme": "x"}),
        ("GET", {"na me": "x"}),
    ],
)
def test_what_http_cannot_say_is_not_sent(
    client: HttpClient, serve: Serve, seen: list[Exchange], method: str, headers: dict[str, str]
) -> None:
    exchange = client.send(method, serve(answering(ok())), headers=headers)

    assert exchange.status is None
    assert exchange.error
    assert seen == [exchange]


def test_header_values_outside_latin_1_go_out_as_utf_8(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok())), headers={"x-name": "日本", "x-other": "é"})

    assert exchange.status == 200
    assert header(exchange.request_headers, "x-name") == "日本".encode().decode("latin-1")
    assert header(exchange.request_headers, "x-other") == "é"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 abc what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"<html>",
    ],
)
def test_what_is_no_http_answer_is_no_answer(
    client: HttpClient, serve: Serve, seen: list[Exchange], answer: bytes
) -> None:
    exchange = client.send("GET", serve(answering(answer)))

    assert exchange.status is None
    assert exchange.error
    assert "RemoteProtocolError" in exchange.error
    assert not connection_failed(exchange), "somebody did take the request in"
    assert seen == [exchange]


def test_a_connection_reset_before_the_answer(client: HttpClient, serve: Serve) -> None:
    def reset(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    exchange = client.send("GET", serve(reset))

    assert exchange.status is None
    assert (exchange.error or "").startswith(("ReadError", "RemoteProtocolError"))
    assert not connection_failed(exchange)


# --- answers that break off ---


def test_a_body_that_breaks_off_keeps_what_came(client: HttpClient, serve: Serve) -> None:
    url = serve(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"))

    exchange = client.send("GET", url)

    assert (exchange.status, exchange.began, exchange.response_body) == (None, 200, b"half")
    assert (exchange.error or "").startswith("RemoteProtocolError")


def test_a_connection_reset_in_the_middle_of_a_body_keeps_what_came(client: HttpClient, serve: Serve) -> None:
    arrived = threading.Event()

    def reset(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        arrived.wait(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    exchange = client.send("GET", serve(reset))

    assert (exchange.status, exchange.began, exchange.response_body) == (None, 200, b"half")
    assert exchange.error


# --- answers that never end ---


def never_says_anything(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drips(beginning: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    """Say the beginning, then a drop at a time, for ever."""

    def deal(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(beginning)
        connection.settimeout(0.05)
        while True:
            connection.sendall(drop)
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return

    return deal


@pytest.mark.parametrize(
    "deal",
    [
        pytest.param(never_says_anything, id="silence"),
        pytest.param(drips(b"", b"H"), id="status line"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), id="headers"),
        pytest.param(drips(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"), id="informational"),
    ],
)
def test_an_answer_that_never_begins_is_given_up_in_time(
    client: HttpClient, serve: Serve, seen: list[Exchange], deal: Callable[[socket.socket], None]
) -> None:
    exchange = client.send("GET", serve(deal), timeout=SHORT)

    assert exchange.status is None
    assert (exchange.error or "").startswith(("ReadTimeout", "RemoteProtocolError"))
    assert exchange.seconds < SOON
    assert seen == [exchange]


@pytest.mark.parametrize(
    "beginning",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"],
    ids=["without length", "with length"],
)
def test_a_body_that_drips_is_given_up_in_time(client: HttpClient, serve: Serve, beginning: bytes) -> None:
    exchange = client.send("GET", serve(drips(beginning, b"drop ")), timeout=SHORT)

    assert (exchange.status, exchange.began) == (None, 200)
    assert exchange.response_body.startswith(b"drop drop ")
    assert (exchange.error or "").startswith(("ReadTimeout", "the answer's body did not end in time"))
    assert SHORT <= exchange.seconds < SOON


def test_a_body_that_pauses_longer_than_the_limit_is_given_up_in_time(client: HttpClient, serve: Serve) -> None:
    def pause(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nfirst")
        never_says_anything(connection)

    exchange = client.send("GET", serve(pause), timeout=SHORT)

    assert (exchange.status, exchange.began, exchange.response_body) == (None, 200, b"first")
    assert (exchange.error or "").startswith("ReadTimeout")
    assert exchange.seconds < SOON


def test_the_clients_own_limit_holds_where_none_is_given(serve: Serve) -> None:
    with HttpClient(timeout=SHORT) as client:
        assert client.send("GET", serve(never_says_anything)).seconds < SOON


def test_a_request_that_nobody_reads_is_given_up_in_time(client: HttpClient, serve: Serve) -> None:
    given_up = threading.Event()

    def ignore(_: socket.socket) -> None:
        given_up.wait(SOON)

    exchange = client.send("POST", serve(ignore), content=b"x" * 50_000_000, timeout=SHORT)
    given_up.set()

    assert exchange.status is None
    assert (exchange.error or "").startswith("WriteTimeout")
    assert exchange.seconds < SOON


def test_a_server_that_never_answers_is_waited_for_shortly_after_a_while(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "SHORTEST", SHORT / 8)
    with HttpClient(timeout=SHORT) as client:
        url = serve(never_says_anything)
        for _ in range(MISSES):
            assert client.send("GET", url).seconds >= SHORT
        assert client.send("GET", url).seconds < SHORT
        assert client.send("GET", url, timeout=1.5 * SHORT).seconds >= 1.5 * SHORT, "another limit was shortened"
        assert client.send("GET", serve(never_says_anything)).seconds >= SHORT, "another server's time was shortened"


def test_a_server_that_needs_its_time_keeps_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "SHORTEST", 0.0)

    def slow(connection: socket.socket) -> None:
        if b"GET /never" in read_request(connection):
            never_says_anything(connection)
        threading.Event().wait(SHORT / 4)
        connection.sendall(ok(b"late"))

    url = serve(slow)
    with HttpClient(timeout=SHORT) as client:
        for path in ("/late", *["/never"] * MISSES, "/late"):
            exchange = client.send("GET", url + path)

    assert exchange.response_body == b"late"


def test_a_limit_of_one_exchange_does_not_shorten_the_next(client: HttpClient, serve: Serve) -> None:
    client.send("GET", serve(never_says_anything), timeout=SHORT)

    assert client.send("GET", serve(answering(ok(b"here")))).response_body == b"here"


# --- answers that are too much ---


def test_an_endless_body_is_read_to_the_limit_only(client: HttpClient, serve: Serve) -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    exchange = client.send("GET", serve(pour))

    assert (exchange.status, exchange.began) == (None, 200)
    assert len(exchange.response_body) == BODY_LIMIT
    assert exchange.error == f"the answer's body is larger than {BODY_LIMIT} bytes; reading stopped"
    assert sent < 4 * BODY_LIMIT


def test_a_body_of_just_the_limit_is_whole(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok(b"x" * BODY_LIMIT))))

    assert len(exchange.response_body) == BODY_LIMIT
    assert exchange.error is None


def test_endless_headers_are_no_answer(client: HttpClient, serve: Serve) -> None:
    def pour(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"x: " + b"y" * 60_000 + b"\r\n")

    exchange = client.send("GET", serve(pour))

    assert exchange.status is None
    assert (exchange.error or "").startswith("RemoteProtocolError")


def test_very_many_headers_are_no_answer(client: HttpClient, serve: Serve) -> None:
    many = [b"x-%d: y" % number for number in range(MOST_HEADERS)]

    exchange = client.send("GET", serve(answering(ok(b"", *many))))

    assert (exchange.status, exchange.began) == (None, 200)
    assert exchange.error == f"the answer has {MOST_HEADERS + 1} headers; reading stopped"
    assert len(exchange.response_headers) == MOST_HEADERS


def test_large_headers_are_read(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok(b"", b"x-large: " + b"y" * 60_000))))

    assert exchange.status == 200
    assert len(header(exchange.response_headers, "x-large") or "") == 60_000


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "encode"), [(b"gzip", gzip.compress), (b"X-GZIP", gzip.compress), (b"deflate", zlib.compress)]
)
def test_a_body_that_is_compressed_unasked_is_read(
    client: HttpClient, serve: Serve, encoding: bytes, encode: Callable[[bytes], bytes]
) -> None:
    exchange = client.send("GET", serve(answering(ok(encode(b'{"a": 1}'), b"content-encoding: " + encoding))))

    assert exchange.response_body == b'{"a": 1}'
    assert exchange.error is None


def test_a_body_that_inflates_to_more_than_the_limit_is_cut(client: HttpClient, serve: Serve) -> None:
    bomb = gzip.compress(b"\x00" * (20 * BODY_LIMIT))

    exchange = client.send("GET", serve(answering(ok(bomb, b"content-encoding: gzip"))))

    assert len(bomb) < BODY_LIMIT
    assert len(exchange.response_body) == BODY_LIMIT
    assert exchange.error == f"the answer's body inflates to more than {BODY_LIMIT} bytes; reading stopped"


def test_half_of_a_compressed_body_is_no_answer(client: HttpClient, serve: Serve) -> None:
    packed = gzip.compress(b"x" * 1000)

    exchange = client.send("GET", serve(answering(ok(packed[: len(packed) // 2], b"content-encoding: gzip"))))

    assert (exchange.status, exchange.began) == (None, 200)
    assert exchange.error == "the answer's body ends in the middle of its gzip"


def test_a_body_that_only_claims_to_be_compressed_is_kept_as_it_is(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok(b"plain", b"content-encoding: gzip"))))

    assert (exchange.status, exchange.began, exchange.response_body) == (None, 200, b"plain")
    assert (exchange.error or "").startswith("the answer's body is not valid gzip")


def test_an_encoding_that_nobody_knows_is_kept_as_it_is(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok(b"?", b"content-encoding: rot13"))))

    assert (exchange.response_body, exchange.error) == (b"?", None)


def test_bytes_that_are_no_text_are_kept(client: HttpClient, serve: Serve) -> None:
    exchange = client.send("GET", serve(answering(ok(b"\xff\xfe\x00", b"x-strange: \xe9\xff"))))

    assert exchange.response_body == b"\xff\xfe\x00"
    assert header(exchange.response_headers, "x-strange") == "éÿ"


# --- threads ---


def test_limits_of_different_threads_do_not_mix(client: HttpClient, serve: Serve) -> None:
    slow, quick = serve(never_says_anything), serve(answering(ok(b"quick")))
    waiting = threading.Thread(target=client.send, args=("GET", slow), kwargs={"timeout": SHORT})
    waiting.start()

    assert client.send("GET", quick).response_body == b"quick"
    waiting.join(SOON)
    assert not waiting.is_alive()


# --- TLS ---


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def encrypted(serve: Serve, authority: CertificateAuthority) -> str:
    context = authority.server_context("127.0.0.1")

    def deal(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as wrapped:
            answering(ok(b"secret"))(wrapped)

    return serve(deal).replace("http://", "https://")


def test_a_certificate_of_an_authority_that_is_trusted(
    encrypted: str, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with HttpClient(tls=trust(authority.write(tmp_path)), timeout=LONG) as client:
        assert client.send("GET", encrypted).response_body == b"secret"


def test_a_further_authority_is_trusted_beside_the_systems(encrypted: str, authority: CertificateAuthority) -> None:
    context = trust(also=authority.pem)

    with HttpClient(tls=context, timeout=LONG) as client:
        assert client.send("GET", encrypted).response_body == b"secret"
    assert context is not trust(), "what one client trusts besides must not reach another"


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: str, client: HttpClient) -> None:
    exchange = client.send("GET", encrypted)

    assert exchange.status is None
    assert "CERTIFICATE_VERIFY_FAILED" in (exchange.error or "")
    assert connection_failed(exchange), "no request was sent"


def test_a_handshake_that_never_ends_is_given_up_in_time(client: HttpClient, serve: Serve) -> None:
    url = serve(never_says_anything).replace("http://", "https://")

    exchange = client.send("GET", url, timeout=SHORT)

    assert exchange.status is None
    assert exchange.seconds < SOON


def test_the_authorities_of_the_system_are_read_once() -> None:
    assert trust() is trust()


def test_variables_of_the_machine_do_not_decide_whom_a_client_trusts(
    encrypted: str, authority: CertificateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(authority.write(tmp_path))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, file)

    with HttpClient(timeout=LONG) as client:
        assert client.send("GET", encrypted).status is None


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_file_without_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(UsageProblem, match=r"tls_ca .*ca\.pem: .*name a PEM file"):
        trust(file)


def test_time_is_measured(client: HttpClient, serve: Serve) -> None:
    def late(connection: socket.socket) -> None:
        read_request(connection)
        time.sleep(0.1)
        connection.sendall(ok())

    assert 0.1 <= client.send("GET", serve(late)).seconds < SOON
