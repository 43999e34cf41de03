"""What goes inside comes back as it would over the wire."""

import asyncio
import threading
from collections.abc import Iterator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from fulfillment_conformance.asgi import header_list, lifespan, whole_body
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import BODY_LIMIT, HttpClient
from fulfillment_conformance.inside import Inside
from fulfillment_conformance.serving import DropConnection, Serving, serve

SHORT = 0.3
"""Seconds that a client waits for what never comes."""


class Peculiar:
    """An application that answers as the path asks."""

    def __init__(self) -> None:
        self.asked: list[tuple[Scope, bytes]] = []
        self.left = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        body = await whole_body(receive)
        self.asked.append((scope, body))
        await getattr(self, scope["path"].strip("/").partition("/")[0].replace("-", "_"))(scope, body, receive, send)

    async def echo(self, scope: Scope, content: bytes, _receive: Receive, send: Send) -> None:
        text = b"|".join([scope["raw_path"], scope["path"].encode(), scope["query_string"], content])
        await _start(send, 200, (b"Content-Type", b"text/plain"), (b"content-length", b"%d" % len(text)))
        await _body(send, text)

    async def pieces(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 201, (b"x-twice", b"1"), (b"X-Twice", b" 2 "))
        for piece in (b"one ", b"", b"two"):
            await _body(send, piece, more=True)
        await _body(send)

    async def nothing(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 204)
        await _body(send)

    async def breaks(self, _scope: Scope, _content: bytes, _receive: Receive, _send: Send) -> None:
        raise LookupError

    async def says_nothing(self, _scope: Scope, _content: bytes, _receive: Receive, _send: Send) -> None:
        pass

    async def breaks_in_the_middle(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200)
        await _body(send, b"half", more=True)
        raise LookupError

    async def stops_in_the_middle(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"content-length", b"9"))
        await _body(send, b"half", more=True)

    async def drops(self, _scope: Scope, _content: bytes, _receive: Receive, _send: Send) -> None:
        raise DropConnection

    async def drops_in_the_middle(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"content-length", b"9"))
        await _body(send, b"half", more=True)
        await asyncio.sleep(0.05)  # or what was written is thrown away with the connection
        raise DropConnection

    async def too_long(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"content-length", b"2"))
        await _body(send, b"longer")

    async def too_short(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"content-length", b"20"))
        await _body(send, b"short")

    async def broken_header(self, _scope: Scope, _content: bytes, _receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"x", b"a\r\nb: c"))
        await _body(send)

    async def endless(self, _scope: Scope, _content: bytes, receive: Receive, send: Send) -> None:
        await _start(send, 200)
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await _body(send, b"x" * 65_536, more=True)
            await asyncio.sleep(0)

    async def never(self, _scope: Scope, _content: bytes, receive: Receive, _send: Send) -> None:
        if (await receive())["type"] == "http.disconnect":
            self.left.set()

    async def never_ends(self, _scope: Scope, _content: bytes, receive: Receive, send: Send) -> None:
        await _start(send, 200, (b"content-length", b"9"))
        await _body(send, b"half", more=True)
        await receive()


async def _start(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _body(send: Send, body: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


@pytest.fixture
def application() -> Peculiar:
    return Peculiar()


@pytest.fixture
def serving(application: Peculiar) -> Iterator[Serving]:
    with serve(application) as running:
        yield running


@pytest.fixture
def inside(serving: Serving) -> Iterator[HttpClient]:
    with HttpClient(inside=Inside(serving)) as client:
        yield client


@pytest.fixture
def outside() -> Iterator[HttpClient]:
    with HttpClient() as client:
        yield client


def _came(exchange: Exchange) -> dict[str, object]:
    headers = [(name.lower(), value) for name, value in exchange.response_headers if name.lower() != "date"]
    dated = any(name.lower() == "date" for name, _ in exchange.response_headers)
    # Of a connection that was cut, the library tells where it stood in the text of its error.
    error = (exchange.error or "").partition(" (")[0]
    error = (
        "late"
        if error in {"ReadTimeout: timed out", "the answer's body did not end in time; reading stopped"}
        else error
    )
    return {
        "status": exchange.status,
        "began": exchange.began,
        "headers": sorted(headers),
        "dated": dated,
        "body": exchange.response_body,
        "error": error,
    }


ANSWERS = [
    ("GET", "/echo/a%20b%2Fc?x=%C3%A9&y", b""),
    ("POST", "/echo", b'{"a": 1}'),
    ("PATCH", "/echo?", b""),
    ("HEAD", "/echo", b""),
    ("DELETE", "/nothing", b""),
    ("GET", "/pieces", b""),
    ("HEAD", "/pieces", b""),
    ("GET", "/breaks", b""),
    ("GET", "/says-nothing", b""),
    ("GET", "/breaks-in-the-middle", b""),
    ("GET", "/stops-in-the-middle", b""),
    ("POST", "/drops", b""),
    ("GET", "/drops-in-the-middle", b""),
    ("GET", "/too-long", b""),
    ("GET", "/too-short", b""),
    ("POST", "/broken-header", b""),
    ("POST", "/never", b""),
    ("GET", "/never-ends", b""),
]


@pytest.mark.parametrize(
    ("method", "path", "content"), ANSWERS, ids=[f"{method} {path}" for method, path, _ in ANSWERS]
)
def test_an_answer_is_the_same_as_over_the_wire(
    application: Peculiar, serving: Serving, inside: HttpClient, outside: HttpClient,
    method: str, path: str, content: bytes,
) -> None:  # fmt: skip
    headers = [("X-One", "1"), ("x-one", "two words"), ("Authorization", "Bearer x")]
    timeout = SHORT if "never" in path else None
    answers = [
        client.send(method, f"{serving.url}{path}", headers=headers, content=content, timeout=timeout)
        for client in (inside, outside)
    ]

    assert _came(answers[0]) == _came(answers[1])
    asked = [({**scope, "headers": header_list(scope["headers"])}, body) for scope, body in application.asked]
    for scope, _ in asked:
        scope.pop("client")
        scope.pop("state")
    assert len(asked) == 2
    assert asked[0] == asked[1]


def test_a_body_without_end_is_not_waited_for(serving: Serving, inside: HttpClient) -> None:
    answer = inside.send("GET", f"{serving.url}/endless")

    assert len(answer.response_body) == BODY_LIMIT
    assert "larger than" in (answer.error or "")


def test_an_application_learns_that_its_caller_has_gone(
    application: Peculiar, serving: Serving, inside: HttpClient
) -> None:
    inside.send("GET", f"{serving.url}/never", timeout=SHORT)

    assert application.left.wait(10)


def test_what_hangs_is_ended_with_the_server(application: Peculiar, serving: Serving, inside: HttpClient) -> None:
    waiting = threading.Thread(target=inside.send, args=("GET", f"{serving.url}/never"))
    waiting.start()
    while not application.asked:
        pass
    serving.stop()
    waiting.join(10)

    assert not waiting.is_alive()
    assert inside.send("GET", f"{serving.url}/echo").status is None


@pytest.mark.parametrize(
    ("method", "path", "headers", "content"),
    [
        ("BREW", "/echo", {}, b""),
        ("GET", "/echo", {"connection": "close"}, b""),
        ("GET", "/echo", {"Expect": "100-continue"}, b""),
        ("POST", "/echo", {"transfer-encoding": "chunked"}, b"x"),
        ("POST", "/echo", {"content-length": "7"}, b"x"),
        ("GET", "/echo", {"x": "\xe9"}, b""),
        ("GET", "/echo", {"x": " a"}, b""),
        ("GET", "/echo", {"x y": "a"}, b""),
        ("GET", "/echo", {"x": "a" * 33_000}, b""),
        ("GET", "http://127.0.0.1:9/echo", {}, b""),
        ("GET", "https://{host}/echo", {}, b""),
    ],
)
def test_what_is_out_of_the_ordinary_goes_over_the_wire(
    serving: Serving, method: str, path: str, headers: dict[str, str], content: bytes
) -> None:
    host = serving.url.partition("//")[2]
    url = path.format(host=host) if "://" in path else serving.url + path
    request = httpx2.Request(
        method,
        url,
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        content=content,
    )
    plain = httpx2.Request("POST", f"{serving.url}/echo", content=b"x")

    assert Inside(serving).takes(plain)
    assert not Inside(serving).takes(request)
