"""schemathesis behind one door: calls that it makes up from the description of the API.

It generates and follows links; it judges nothing. Each call it wants to make is handed to a function of the suite's,
which sends it as all others are sent, recorded and bounded, and its answer goes back to schemathesis, whose next calls
may rest on it. The same seed and the same answers give the same calls.

This module alone knows schemathesis. What it uses of it beyond the documented interface is the engine and its events,
so the version is pinned exactly.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from schemathesis import Config, GenerationMode, engine, openapi
from schemathesis.engine import events
from schemathesis.generation.meta import REQUEST_SHAPE_PROBES
from starlette.types import Receive, Scope, Send

from fulfillment_conformance import hypothesis_home
from fulfillment_conformance.answers import read_json
from fulfillment_conformance.asgi import header_list, whole_body
from fulfillment_conformance.errors import SuiteFault
from fulfillment_conformance.exchange import Exchange, HeaderList, to_remember

Phase = Literal["examples", "coverage", "fuzzing", "stateful"]
PHASES: Final[tuple[Phase, ...]] = ("examples", "coverage", "fuzzing", "stateful")
"""The description's own examples; one call for each edge of each schema; random calls; random walks along the links."""

_NUMBER = "x-number-of-the-call"
_LONGEST = 256 * 1024  # bytes of an answer that schemathesis gets and keeps; all of them, of an honest one
_MOST_HEADERS = 200
_OF_THE_CONNECTION = frozenset(
    {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length", "transfer-encoding", "cookie"}
)
_OF_SCHEMATHESIS = "x-schemathesis-testcaseid"  # random, whatever the seed is
_LEFT_OUT = _OF_THE_CONNECTION | {_OF_SCHEMATHESIS}

_WITH_TRACKING_IDS: Final = "getSubscription"
_TRACKING_IDS: Final = tuple({"$ref": f"#/components/parameters/{name}"} for name in ("RequestId", "CorrelationId"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """A request that schemathesis wants to make.

    Attributes:
        method: HTTP method.
        path: below the base address, beginning with `/saas`, percent-encoded.
        query: raw query, without the question mark.
        headers: what the call itself says, without credentials, what belongs to the connection, and the number that
            schemathesis gives it.
        body: its bytes.
    """

    method: str
    path: str
    query: str
    headers: HeaderList
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedCall:
    """A call that was made, and what is known of it.

    Attributes:
        operation: `operationId` of the operation that it was made up for.
        valid: whether it keeps to the description; another method than the described ones does not.
        about: what is special about it, in schemathesis's words.
        exchange: the request as it was sent, and its answer.
    """

    operation: str
    valid: bool
    about: str
    exchange: Exchange


def generate(
    document: Mapping[str, Any],
    phase: Phase,
    *,
    send: Callable[[MadeUp], Exchange],
    seed: int,
    folder: Path,
    examples: int = 5,
    steps: int = 6,
) -> Iterator[GeneratedCall]:
    """Let schemathesis make calls, and tell of each after a group of them.

    Args:
        document: the OpenAPI description.
        phase: which kind of calls.
        send: makes a call; the answer of an exchange without status counts as 504.
        seed: where all choices come from.
        folder: where hypothesis, which makes the choices, may keep what it wants to.
        examples: how many random calls of each kind there are for an operation, and how many random walks.
        steps: how long a walk is.

    Raises:
        SuiteFault: schemathesis could not go on.
    """
    hypothesis_home.settle(folder)
    relay = _Relay(send)
    schema = openapi.from_dict(
        _slim(document),
        config=Config.from_dict(
            {
                "seed": seed,
                "workers": 1,
                "cache": {"enabled": False},
                "checks": {"enabled": False},
                "generation": {
                    "max-examples": examples,
                    "database": "none",
                    "no-shrink": True,
                    "allow-x00": False,
                    "with-security-parameters": False,
                },
                "phases": {name: {"enabled": name == phase, **_SETTINGS.get(name, {})} for name in PHASES}
                | {"stateful": {"enabled": phase == "stateful", "max-steps": steps, "inference": {"algorithms": []}}},
            }
        ),
    )
    schema.app = relay
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            yield from _calls(event, relay.exchanges)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            raise SuiteFault(f"schemathesis could not generate calls: {_said(event)}")


def _slim(document: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a description for generation: one origin, and the tracking ids of every call tried on one operation only."""
    slim = {**copy.deepcopy(dict(document)), "servers": [{"url": "/"}]}
    for item in slim["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and operation["operationId"] != _WITH_TRACKING_IDS:
                operation["parameters"] = [each for each in operation["parameters"] if each not in _TRACKING_IDS]
    return slim


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can spell and no encoding can write."""
_SETTINGS: Mapping[str, Mapping[str, Any]] = {"coverage": {"unexpected-methods": ["put"]}}


class _Relay:
    """An ASGI application that passes each request on and gives the answer back."""

    def __init__(self, send: Callable[[MadeUp], Exchange]) -> None:
        self._send = send
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])  # which is how an application says that it has no lifespan
        body = await whole_body(receive)
        headers = header_list(scope["headers"])
        made_up = MadeUp(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii"),
            query=scope["query_string"].decode("ascii"),
            headers=tuple((name, value) for name, value in headers if name not in _LEFT_OUT),
            body=body,
        )
        # This blocks schemathesis's loop until the answer is there; with one worker, nothing else waits on it.
        exchange = self._send(made_up)
        came = exchange.response_body[:_LONGEST] if exchange.status is not None else b""
        came = came if _is_usable(read_json(came)) else b""
        self.exchanges.append(to_remember(exchange))
        answered = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in exchange.response_headers[:_MOST_HEADERS]
            if name.lower() not in {*_OF_THE_CONNECTION, "content-encoding"}
        ]
        number = str(len(self.exchanges) - 1).encode()
        status = exchange.status or 504
        await send(
            {"type": "http.response.start", "status": status, "headers": [*answered, (_NUMBER.encode(), number)]}
        )
        await send({"type": "http.response.body", "body": came})


def _is_usable(document: Any) -> bool:
    """Whether schemathesis can use what an answer says in further calls: it breaks off over an id that is no text."""
    if isinstance(document, dict):
        ids = (value for name, value in document.items() if name.lower().endswith("id"))
        return all(isinstance(each, str) for each in ids) and all(map(_is_usable, [*document, *document.values()]))
    if isinstance(document, list):
        return all(map(_is_usable, document))
    return not (isinstance(document, str) and _SURROGATE.search(document))


def _calls(finished: events.ScenarioFinished, exchanges: list[Exchange]) -> Iterator[GeneratedCall]:
    recorder = finished.recorder
    for case_id, node in recorder.cases.items():
        interaction = recorder.interactions.get(case_id)
        if interaction is None or interaction.response is None:
            continue
        [number] = interaction.response.headers[_NUMBER]
        case = node.value
        data = case.meta.phase.data if case.meta is not None else None
        probe = getattr(data, "scenario", None) in REQUEST_SHAPE_PROBES
        yield GeneratedCall(
            operation=case.operation.definition.raw["operationId"],
            valid=not probe and (case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE),
            about=getattr(data, "description", None) or finished.phase.value,
            exchange=exchanges[int(number)],
        )


def _said(event: events.NonFatalError | events.FatalError) -> str:
    if isinstance(event, events.FatalError):
        return f"{type(event.exception).__name__}: {event.exception}"
    return str(event.info.message if hasattr(event.info, "message") else event.info)
