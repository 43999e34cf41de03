"""What a dry run shows: each request that a run would send, in one line, without secrets.

A dry run is a run, with a stand-in of the live service in its place. Its list is therefore what a real run sends, as
long as the live service answers as the stand-in does. `comparable` takes off what no two runs have in common, so that
two lists can be compared: see there for what is left.
"""

import json
import re
from collections.abc import Iterable
from itertools import groupby

from fulfillment_conformance.evidence import redacted
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.redaction import Redactor

_OPERATION = re.compile(r"/operations/[^/? ]+")
_CONTINUATION = re.compile(r"(continuationToken=)[^& ]+")
_PLACEHOLDER = re.compile(r"\[([a-z-]+):[0-9a-f]+( [a-z-]+)?\]")


def as_line(exchange: Exchange, redactor: Redactor) -> str:
    """Return a request as `METHOD URL {body}  # purpose`, redacted."""
    request = redacted(exchange, redactor)["request"]
    body = f" {' '.join(request['body'].split())}" if request["body"] else ""
    return f"{request['method']} {request['url']}{body}  # {exchange.purpose}"


def comparable(lines: Iterable[str]) -> list[str]:
    """Return the requests of a list as far as two runs have them in common.

    Method, host, path, subscription, query and body of each request, in the order in which they were sent. Operation
    ids and continuation tokens, which the service makes up, and the values of secrets are left out. A request that
    repeats the one before it, as when something is waited for, counts once; how often it is repeated depends on how
    quick the service is.
    """
    calls = (_masked(line.partition("  # ")[0]) for line in lines)
    return [call for call, _ in groupby(calls)]


def _masked(call: str) -> str:
    call = _OPERATION.sub("/operations/*", call)
    call = _CONTINUATION.sub(r"\1*", call)
    call = _PLACEHOLDER.sub(r"[\1]", call)
    head, brace, body = call.partition(" {")
    if not brace:
        return call
    try:
        return f"{head} {json.dumps(json.loads('{' + body), sort_keys=True)}"
    except ValueError:
        return call
