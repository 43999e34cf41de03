import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.serving import serve

EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class StandIn:
    """Answers what it was told to answer, and remembers what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _answers: dict[tuple[str, str], Response] = field(default_factory=dict)

    def says(
        self, method: str, path: str, status: int, body: Any = b"", content_type: str = "application/json"
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._answers[method, path] = Response(content, status, media_type=content_type)

    async def answer(self, request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await request.body()
        self.asked.append(Asked(request.method, path, dict(request.headers), json.loads(body) if body else None))
        return self._answers.get((request.method, path), Response("nothing was arranged here", 418))


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    double = StandIn()
    app = Starlette(routes=[Route("/{rest:path}", double.answer, methods=EVERY_METHOD)])
    with serve(app) as serving:
        double.url = serving.url
        yield double


@pytest.fixture
def exchanges() -> list[Exchange]:
    """What an observer was told; pass its `append` as the observer."""
    return []
