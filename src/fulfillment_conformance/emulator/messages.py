"""Requests as the emulator reads them, replies as it writes them; nothing here knows what they are about."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from fulfillment_conformance.marketplace import Refused

BODY_LIMIT = 64 * 1024
"""Bytes that a request body may have; the largest that any operation needs is far below."""


@dataclass(slots=True)
class Request:
    """One request. `headers` has names in lower case and the last value of each; `query` keeps all values."""

    method: str
    origin: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What the path names: `subscription_id`, `operation_id`."""
    trace: dict[str, str] = field(default_factory=dict)
    """The headers by which the answer can be traced."""

    def parameter(self, name: str) -> str | None:
        """Return the one value of a query parameter; None when it is absent.

        Raises:
            Refused: 400, the parameter is given more than once.
        """
        values = self.query.get(name, [])
        if len(values) > 1:
            raise Refused(
                400, "RepeatedParameter", f"Give the query parameter {name} once; it came {len(values)} times."
            )
        return values[0] if values else None


@dataclass(slots=True)
class Reply:
    """One answer: `document` is sent as JSON, or as it is when it is bytes; None sends no body."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return the raw headers, content-type and content-length included, and the body."""
        body = b""
        headers = self.headers
        if self.document is not None:
            raw = isinstance(self.document, bytes)
            body = self.document if raw else json.dumps(self.document, ensure_ascii=False).encode()
            headers = {"content-type": "application/json; charset=utf-8", **headers}
        if self.status != 204:
            headers = {**headers, "content-length": str(len(body))}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()], body

    async def send(self, send: Send) -> None:
        """Write the answer."""
        headers, body = self.encode()
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def error_reply(status: int, code: str, message: str) -> Reply:
    """Return an error in the one shape that Microsoft models: `{"error": {"code", "message"}}`."""
    reply = Reply(status, {"error": {"code": code, "message": message}})
    if status == 401:
        reply.headers["www-authenticate"] = "Bearer"
    return reply


def request_of(scope: Scope) -> Request:
    """Return the request that a connection scope describes, without its body."""
    return Request(
        method=scope["method"],
        origin=origin_of(scope),
        path=scope["path"],
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        ids=scope.get("path_params", {}),
    )


class Resource:
    """The ASGI endpoint of one path. Methods are told apart here, so that 405 can name every allowed one.

    Args:
        methods: who answers each method; empty where nothing is served.
        refuse: makes the answer to a request that reaches none of them.
    """

    def __init__(
        self,
        methods: Mapping[str, Callable[[Request], Awaitable[Reply]]],
        *,
        refuse: Callable[[Request, Refused], Reply],
    ) -> None:
        self._methods = methods
        self._refuse = refuse
        self._allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = request_of(scope)
        try:
            reply = await self._reply(request, receive)
        except Exception:
            breakdown = Refused(500, "InternalServerError", "The emulator broke down on this request; see its log.")
            await self._refuse(request, breakdown).send(send)
            raise
        await reply.send(send)

    async def _reply(self, request: Request, receive: Receive) -> Reply:
        try:
            request.body = await read_body(receive)
        except Refused as refused:
            return self._refuse(request, refused)
        answer = self._methods.get(request.method)
        if answer is not None:
            return await answer(request)
        if not self._methods:
            return self._refuse(request, Refused(404, "PathUnknown", f"Nothing is served at {request.path}."))
        message = f"{request.method} is not served here; allowed: {self._allow}."
        reply = self._refuse(request, Refused(405, "MethodNotAllowed", message))
        reply.headers["allow"] = self._allow
        return reply


async def read_body(receive: Receive) -> bytes:
    """Return the request's body.

    Raises:
        Refused: 413, it is larger than `BODY_LIMIT`.
    """
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT:
            raise Refused(413, "BodyTooLarge", f"The request body is larger than {BODY_LIMIT} bytes; send less.")
    return body


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a request body holds.

    Raises:
        Refused: 400, the body is not JSON in UTF-8, or JSON of another kind.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_no_such_number)
    except (ValueError, RecursionError):
        raise Refused(400, "MalformedBody", "The request body is not valid JSON; send a JSON object.") from None
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise Refused(400, "MalformedBody", f"The request body is JSON but no object (it is {kind}); send an object.")
    return document


def origin_of(scope: Scope) -> str:
    """Return scheme, host and mount point that the request was sent to, without a trailing slash."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
    if not host:
        name, port = scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else name
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def _no_such_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
