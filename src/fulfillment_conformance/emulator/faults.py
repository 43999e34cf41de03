"""Bad days at Microsoft, on purpose: what is done to single calls before, instead of, or after their answer.

A test plans a fault for the next calls of a kind. All calls meet the plan at one place, around the whole emulator, and
each call that was disturbed says so in the evidence. What is not planned for passes untouched.
"""

import asyncio
import contextlib
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fulfillment_conformance.asgi import whole_body
from fulfillment_conformance.emulator.fulfillment import PATHS, PREFIX
from fulfillment_conformance.emulator.messages import Reply
from fulfillment_conformance.serving import DropConnection

NOTE: Final = "fulfillment_conformance.note"
"""Key of a connection's scope under which a fault says what it did, for the evidence."""

_GLANCE_SECONDS: Final = 0.01

_IDENTITY: Final = {
    "metadata": re.compile(r"/[^/]+(/v2\.0)?/\.well-known/openid-configuration"),
    "keys": re.compile(r"/[^/]+/discovery(/v2\.0)?/keys"),
    "token": re.compile(r"/[^/]+/oauth2(/v2\.0)?/token"),
}


def _pattern(path: str) -> re.Pattern[str]:
    named = re.escape(PREFIX + path).replace(r"\{subscription_id\}", "(?P<subscription>[^/]+)")
    return re.compile(named.replace(r"\{operation_id\}", ".+"))


_FULFILLMENT: Final = tuple((_pattern(path), methods) for path, methods in PATHS.items())


def call_of(method: str, path: str) -> tuple[str, str]:
    """Return the kind of a call and the subscription it is about; both are empty for what cannot be disturbed.

    The subscription's id is in small letters, however it is spelled: a GUID is the same in capitals.

    Kinds are the operations of `fulfillment.OPERATIONS`, and `metadata`, `keys`, `token` of the identity provider.
    """
    for pattern, methods in _FULFILLMENT:
        found = pattern.fullmatch(path)
        if found is not None and method in methods:
            return methods[method], (found.groupdict().get("subscription") or "").lower()
    return next((kind for kind, pattern in _IDENTITY.items() if pattern.fullmatch(path)), ""), ""


class Fault(ABC):
    """Something that happens to a call. Its text says what, for people."""

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Deal with one call; `app` is what would have answered it."""


@dataclass(frozen=True, slots=True)
class Answers(Fault):
    """The call is answered so, and the marketplace never hears of it. `document` is sent as JSON, bytes as they are."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        waits = f", Retry-After {self.headers['retry-after']}" if "retry-after" in self.headers else ""
        return f"answered {self.status}{waits} on purpose"

    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer without the application."""
        await whole_body(receive)
        await Reply(self.status, self.document, dict(self.headers)).send(send)


@dataclass(frozen=True, slots=True)
class BreaksOff(Fault):
    """The connection ends without an answer. Needs an application that `serving.serve` serves."""

    def __str__(self) -> str:
        return "connection cut on purpose"

    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Cut the connection."""
        await whole_body(receive)
        raise DropConnection(str(self))


@dataclass(frozen=True, slots=True)
class KeepsSilent(Fault):
    """Nothing comes for so many seconds. Who is still there afterwards gets the usual answer.

    `carried_out` says whether the call has its effect before the silence, so that only its answer is late, or after it.
    """

    seconds: float
    carried_out: bool = False

    def __str__(self) -> str:
        return f"kept waiting for {self.seconds:g} s on purpose"

    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, unless the caller hangs up."""
        body = await whole_body(receive)
        answer: list[Message] = []
        if self.carried_out:
            answer = await _answer_of(app, scope, body)
        if await _hung_up(receive, self.seconds):
            scope[NOTE] = f"{self}; the caller hung up before"
            return
        for message in answer or await _answer_of(app, scope, body):
            await send(message)


@dataclass(frozen=True, slots=True)
class Waits(Fault):
    """The call is dealt with when something else has happened, or after so many seconds."""

    until: Callable[[], bool]
    seconds: float

    def __str__(self) -> str:
        return f"kept waiting for something else, at most for {self.seconds:g} s, on purpose"

    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and pass the call on."""
        body = await whole_body(receive)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                while not self.until():
                    await asyncio.sleep(_GLANCE_SECONDS)
        for message in await _answer_of(app, scope, body):
            await send(message)


@dataclass(frozen=True, slots=True)
class Rewrites(Fault):
    """The call has its usual effect, and its answer is another one.

    `change` gets the JSON document of the answer, None where there is none, and returns the one to send: a document, or
    bytes to send as they are. Answers that are not 2xx pass untouched.
    """

    change: Callable[[Any], Any]
    what: str = "answer"

    def __str__(self) -> str:
        return f"{self.what} changed on purpose"

    async def meet(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and send something else."""
        start, *rest = await _answer_of(app, scope, await whole_body(receive))
        body = b"".join(message.get("body", b"") for message in rest)
        if 200 <= start["status"] < 300:
            document = self.change(json.loads(body) if body.strip() else None)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            start = {**start, "headers": [*others, (b"content-length", str(len(body)).encode())]}
        await send(start)
        await send({"type": "http.response.body", "body": body})


@dataclass(slots=True, eq=False)
class Planned:
    """A fault in wait. `met` counts the calls that it has begun to happen to, `begun` is set with the first of them."""

    fault: Fault
    call: str
    subscription_id: str | None = None
    times: int | None = None
    bearing: str | None = None
    met: int = 0
    begun: threading.Event = field(default_factory=threading.Event)

    def concerns(self, call: str, subscription_id: str, authorization: str | None) -> bool:
        """Whether a call is one of those that it waits for."""
        return (
            (self.times is None or self.met < self.times)
            and self.call in {call, "*"}
            and self.subscription_id in {None, subscription_id}
            and self.bearing in {None, authorization}
        )


class FaultPlan:
    """The faults planned at present, in the order in which they were planned; the first that fits happens."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []

    def add(
        self,
        fault: Fault,
        *,
        call: str,
        subscription_id: str | None = None,
        times: int | None = None,
        bearing: str | None = None,
    ) -> Planned:
        """Plan a fault, and return it with its count.

        Args:
            fault: what happens.
            call: which kind of call it happens to, as `call_of` names them; `*` is any of them.
            subscription_id: only calls about this subscription.
            times: only the next so many calls; None: until it is removed.
            bearing: only calls with this value of the Authorization header.
        """
        planned = Planned(fault, call, subscription_id, times, bearing)
        self._planned.append(planned)
        return planned

    def remove(self, planned: Planned) -> None:
        """Take a fault out of the plan; calls that it has begun to happen to are not spared."""
        self._planned.remove(planned)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return an application whose calls meet the plan before `app`."""

        async def planned(scope: Scope, receive: Receive, send: Send) -> None:
            found = self._for(scope) if self._planned and scope["type"] == "http" else None
            if found is None:
                await app(scope, receive, send)
                return
            found.met += 1
            found.begun.set()
            scope[NOTE] = str(found.fault)
            await found.fault.meet(app, scope, receive, send)

        return planned

    def _for(self, scope: Scope) -> Planned | None:
        call, subscription_id = call_of(scope["method"], scope["path"])
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), None)
        fitting = (each for each in self._planned if call and each.concerns(call, subscription_id, given))
        return next(fitting, None)


async def _answer_of(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    answer: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, send)
    return answer


async def _hung_up(receive: Receive, seconds: float) -> bool:
    """Wait for so long, or until the caller has gone; return whether he has."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
