"""Services that only ever say one thing, whatever they are asked, on every path and by every method.

They stand for the sandbox that is not there: a suite that passes one of them measures nothing. Each answers the
Fulfillment API, the control surface and the identity provider alike. `SILENT_SERVICES` names them.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.asgi import lifespan

Speak = Callable[[Receive, Send], Awaitable[None]]

SILENT_SERVICES: Final[dict[str, ASGIApp]] = {}
"""Every silent service by its name."""


def _service(name: str) -> Callable[[Speak], ASGIApp]:
    """Make an application of the one thing that a service says, and list it under `name`."""

    def make(speak: Speak) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await lifespan(receive, send)
            elif scope["type"] == "http":
                await speak(receive, send)

        app.__name__ = app.__qualname__ = speak.__name__
        app.__doc__ = speak.__doc__
        SILENT_SERVICES[name] = app
        return app

    return make


@_service("empty-object")
async def empty_object(_: Receive, send: Send) -> None:
    """Says 200 with `{}`."""
    await _say(send, 200, b"{}", content_type="application/json")


@_service("no-content")
async def no_content(_: Receive, send: Send) -> None:
    """Says 204."""
    await _say(send, 204)


@_service("bad-request")
async def bad_request(_: Receive, send: Send) -> None:
    """Says 400: refuses everything, as a service does that never understands."""
    await _say(send, 400, b'{"error":{"code":"BadRequest","message":"no"}}', content_type="application/json")


@_service("forbidden")
async def forbidden(_: Receive, send: Send) -> None:
    """Says 403: refuses everybody."""
    await _say(send, 403, b'{"error":{"code":"Forbidden","message":"no"}}', content_type="application/json")


@_service("not-found")
async def not_found(_: Receive, send: Send) -> None:
    """Says 404: as a server does under a wrong base address."""
    await _say(send, 404, b'{"error":{"code":"NotFound","message":"no"}}', content_type="application/json")


@_service("server-error")
async def server_error(_: Receive, send: Send) -> None:
    """Says 500."""
    await _say(send, 500, b'{"error":{"code":"InternalServerError","message":"no"}}', content_type="application/json")


@_service("login-page")
async def login_page(_: Receive, send: Send) -> None:
    """Says 200 with an HTML page, as a proxy does that wants a person to sign in."""
    await _say(send, 200, b"<!doctype html><title>Sign in</title><p>Sign in to continue.", content_type="text/html")


@_service("redirect")
async def redirect(_: Receive, send: Send) -> None:
    """Says 302, and where it leads says it again."""
    await _say(send, 302, location="/")


@_service("hang")
async def hang(receive: Receive, _: Send) -> None:
    """Takes the request and never says anything, until the caller gives up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Send, status: int, body: bytes = b"", **headers: str) -> None:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if status != 204:
        fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
