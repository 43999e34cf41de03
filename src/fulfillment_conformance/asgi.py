"""What our own small ASGI applications have in common: the lifespan, and reading a request as evidence keeps it."""

from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

from fulfillment_conformance.exchange import HeaderList


async def lifespan(receive: Receive, send: Send) -> None:
    """Answer a server's `lifespan` scope for an application that has nothing to start and nothing to stop."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def whole_body(receive: Receive) -> bytes:
    """Return the body of a request, however long it is."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def url_of(scope: Scope) -> str:
    """Return the address that a request was sent to, path and query as they were written."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return f"{scope['scheme']}://{host}" + (path + (b"?" + query if query else b"")).decode("latin-1")


def header_list(headers: Iterable[tuple[bytes, bytes]]) -> HeaderList:
    """Return headers as an exchange has them, in their order."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
