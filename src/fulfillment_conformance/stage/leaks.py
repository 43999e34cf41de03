"""What a page must not tell a buyer: traces of a program, texts for developers, secrets, as they are or encoded."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.stage.buyer import Page

MARKED: Final = "XZZY-text-for-developers-only"
"""A text in the marketplace's answers that no buyer must see."""

TRACE: Final = re.compile(
    r"Traceback \(most recent call last\)|Exception in thread|^\s*at [\w.$<>`]+\(.*[:)]"
    r"|\bat (?:async )?[\w.$<>\[\] ]+ \(\S+:\d+:\d+\)|\(\w+\.(?:java|kt|scala):\d+\)|\.php\(\d+\)|\.rb:\d+:in [`']"
    r"|^goroutine \d+ \[",
    re.MULTILINE,
)
"""How Python, Java, .NET, JavaScript, PHP, Ruby and Go begin to tell where in the code something went wrong."""

_RUN: Final = re.compile(rb"[A-Za-z0-9_+/-]{24,}")
_LONGEST: Final = 1 << 20


def told(exchanges: Iterable[Exchange]) -> list[str]:
    """Name what the publisher's answers tell that is for developers only: each thing once, in a few words."""
    found: dict[str, None] = {}
    for exchange in exchanges:
        if exchange.receiver != "publisher":
            continue
        page = Page(Answer(exchange), exchange.url)
        shown = "\n".join([page.html, page.text, *(value for _, value in exchange.response_headers)])
        if MARKED in shown or MARKED in unquote_to_bytes(shown).decode("utf-8", "replace"):
            found["the raw text of an answer"] = None
        if TRACE.search(shown.replace("\N{NO-BREAK SPACE}", " ")):
            found["a trace of the program"] = None
    return list(found)


def holds(exchange: Exchange, secrets: Iterable[str]) -> bool:
    """Whether an answer holds one of some secrets, in its body or a header: as it is, or in base64, perhaps packed."""
    texts = [exchange.response_body, *(value.encode() for _, value in exchange.response_headers)]
    wanted = [secret.encode() for secret in secrets]
    return any(secret in reading for text in texts for reading in _readings(text) for secret in wanted)


def _readings(text: bytes) -> Iterator[bytes]:
    yield text
    plain = unquote_to_bytes(text)
    for run in _RUN.findall(plain):
        standard = run.translate(bytes.maketrans(b"-_", b"+/"))
        try:
            decoded = base64.b64decode(standard + b"=" * (-len(standard) % 4))
        except binascii.Error:
            continue
        yield decoded
        try:
            yield zlib.decompressobj().decompress(decoded, _LONGEST)
        except zlib.error:
            continue
