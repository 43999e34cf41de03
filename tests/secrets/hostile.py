"""Targets that repeat whatever secret they have heard, in headers, bodies, addresses and errors, in every spelling."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.secrets.canaries import spellings

_SECRET_FIELDS = {
    "token",
    "accessToken",
    "access_token",
    "clientSecret",
    "client_secret",
    "client_assertion",
    "id_token",
}
PERSON = "canary.person@contoso-customer.example"
"""An address that nobody told the suite of."""


class Heard:
    """The secrets that went by so far."""

    def __init__(self, *told: str) -> None:
        self._told = told
        self.begin()

    def begin(self) -> None:
        """Forget what was heard in an earlier run, whose secrets the next one cannot know."""
        self.secrets: dict[str, None] = dict.fromkeys(self._told)
        self._ids: set[str] = set()
        self._turn = 0

    def take(self, value: object) -> None:
        """Remember a value, unless it is so short that it was made up by a test."""
        if isinstance(value, str) and len(value) >= 20 and value not in self._ids:
            self.secrets[value] = None

    def request(self, headers: dict[str, str], query: str, body: bytes) -> None:
        """Remember what a request carries."""
        for name in ("authorization", "x-ms-marketplace-token", "x-control-key"):
            self.take(headers.get(name, "").removeprefix("Bearer "))
        for text in (query, body.decode("utf-8", "replace")):
            for name, value in parse_qsl(text):
                if name in _SECRET_FIELDS:
                    self.take(value)

    def answer(self, body: bytes) -> None:
        """Remember what an answer gives out."""
        try:
            document = json.loads(body)
        except ValueError:
            return
        if isinstance(document, dict):
            if isinstance(document.get("subscriptionId"), str):
                self._ids.add(document["subscriptionId"])  # no secret, not even where a test tries it as a token
            for name, value in document.items():
                if name in _SECRET_FIELDS:
                    self.take(value)
            landing = document.get("landingPageUrl")
            for _, value in parse_qsl(landing.partition("?")[2]) if isinstance(landing, str) else ():
                self.take(value)

    def echo(self) -> str:
        """Say a long-known secret and the newest one in every spelling, alone and run together with other text."""
        self._turn += 1
        known = list(self.secrets)
        chosen = dict.fromkeys((known[self._turn % len(known)], known[-1]))
        return " ".join(f"x{one}y {one}" for secret in chosen for one in sorted(spellings(secret)))

    def whisper(self) -> str:
        """Say one secret in one spelling, fit for a header."""
        known = list(self.secrets)
        spelled = sorted(spellings(known[-1 - self._turn % min(2, len(known))]))
        return re.sub(r"[^\x20-\x7e]", "", spelled[self._turn % len(spelled)])[:6000]


def echoing(app: ASGIApp, heard: Heard) -> Starlette:
    """Wrap a marketplace so that every answer repeats what it has heard."""
    count = 0

    async def answer(request: Request) -> Response:
        nonlocal count
        count += 1
        body = await request.body()
        heard.request(dict(request.headers), request.url.query, body)
        status, headers, content = await _ask(app, request, body)
        heard.answer(content)
        echo = heard.echo()
        kept = [(name, value) for name, value in headers if name != b"content-length"]
        kept.append((b"x-echo", heard.whisper().encode()))
        newest = quote(list(heard.secrets)[-1], safe="")
        kept.append((b"x-debug-url", f"https://user:{newest}@debug.example/".encode()))
        if request.url.path.startswith("/api") and count % 7 == 0:
            page = f"<html><title>Error</title><p>{echo}</p><a href='/?token={newest}'>x</a></html>"
            return Response(page.encode(), 500, {"content-type": "text/html", "x-echo": "see body"})
        if content.startswith(b"{"):
            document: dict[str, Any] = json.loads(content)
            if "error" in document and isinstance(document["error"], dict):
                document["error"]["message"] = f"refused {echo}"
            elif request.url.path.startswith("/api"):
                document["echo"] = {"text": echo, "key": list(heard.secrets)[-1]}
                document["name"] = echo[:400]
            content = json.dumps(document).encode()
        response = Response(content, status)
        response.raw_headers = [*kept, (b"content-length", str(len(content)).encode())]
        return response

    routes = [Route("/{path:path}", answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])]
    return Starlette(routes=routes)


async def _ask(app: ASGIApp, request: Request, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    start: dict[str, Any] = {}
    chunks: list[bytes] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            chunks.append(message.get("body", b""))

    scope = {
        key: value for key, value in request.scope.items() if key not in {"path_params", "endpoint", "app", "router"}
    }
    await app(scope, receive, send)
    return start["status"], list(start.get("headers", [])), b"".join(chunks)


def gossiping_publisher(heard: Heard, cookie: str) -> Starlette:
    """Return a publisher that takes everything, does nothing, and repeats all it has heard."""

    def wrap(answer: Callable[[Request, str], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            heard.request(dict(request.headers), request.url.query, await request.body())
            echo = heard.echo()
            response = answer(request, echo)
            response.headers["x-echo"] = heard.whisper()
            response.set_cookie("session", cookie, httponly=True)
            response.set_cookie("theme", "dark")
            return response

        return endpoint

    def signup(request: Request, echo: str) -> Response:
        token = request.query_params.get("token", "")
        form = f'<form method="post" action="/welcome"><input type="hidden" name="token" value="{quote(token)}"></form>'
        return HTMLResponse(f"<html><body><p>{echo}</p><p>{PERSON} {cookie}</p>{form}</body></html>")

    def welcome(_request: Request, echo: str) -> Response:
        return HTMLResponse(f"<html><script>const seen = {json.dumps(echo)}, session = '{cookie}';</script></html>")

    def webhook(request: Request, echo: str) -> Response:
        status = 200 if request.method == "POST" else 405
        return JSONResponse({"message": echo, "session": cookie, "contact": PERSON}, status)

    def account(_request: Request, echo: str) -> Response:
        return JSONResponse({"status": echo[:300], "planId": cookie, "quantity": PERSON})

    return Starlette(
        routes=[
            Route("/signup", wrap(signup)),
            Route("/welcome", wrap(welcome), methods=["GET", "POST"]),
            Route("/webhook", wrap(webhook), methods=["GET", "POST"]),
            Route("/accounts/{id}", wrap(account)),
        ]
    )
