"""The recorded HTTP of a run, redacted at the moment of writing: `exchanges.jsonl`, one exchange a line.

A line holds `run`, `number`, `test`, `sender`, `receiver`, `purpose`, `at` (real, UTC), `virtualAt`, `seconds` (real),
`request` (`method`, `url`, `headers`, `body`), `response` (`status`, `headers`, `body`) or null, and `error`. Of an
answer that did not come whole, and so is none, `began` has the same as `response` would. Bodies are text, cut at
`BODY_LIMIT` characters; `bodyCutAt` and the size in bytes, `bodySize`, then stand beside them. Of more than
`MOST_HEADERS` headers the first are kept, with their number, `headersCutAt` and `headersSize`. Each line is flushed, so
a run that dies keeps what it saw.

However much a target sends, the file stays one that can be opened: once it has `PLENTY` bytes, bodies and headers are
cut at a tenth of that.
"""

import json
import shlex
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, HeaderList, header
from fulfillment_conformance.redaction import Redactor

BODY_LIMIT = 65_536
"""Characters of a body that are kept."""

MOST_HEADERS = 500
"""Headers of a message that are kept."""

PLENTY = 64 * 1024 * 1024
"""Bytes of exchanges after which less is kept of each; an honest run has a quarter of that."""

_LESS = 10
_REDACTED_LIMIT = 16 * BODY_LIMIT
_LONGEST_SECRET = 16_384
_MOST_RECENT = 100
_EXCHANGE_KEYS = {"number", "test", "sender", "receiver", "at", "seconds", "request", "response", "error"}
_MADE_BY_CURL = {"host", "content-length", "transfer-encoding", "accept-encoding", "connection", "user-agent", "accept"}


class Recorder:
    """An `Observer` that numbers exchanges and writes them, redacted, to a file as they come.

    Numbers are `prefix` plus a counter from 1, so that several workers can write side by side. `test` is put on each
    line; the plugin keeps it current.
    """

    def __init__(self, path: Path | None, redactor: Redactor, *, prefix: str = "", run: str = "") -> None:
        """Open the file for writing; `path` None numbers without keeping. `run` is the run's name, put on each line.

        Raises:
            UsageProblem: the file cannot be written.
        """
        self.redactor = redactor
        self.test = ""
        self._run = run
        self._prefix = prefix
        self._count = 0
        self._written = 0
        self._lock = threading.Lock()
        self._numbers: list[str] = []
        self._recent: deque[dict[str, Any]] = deque(maxlen=_MOST_RECENT)
        self._file: IO[bytes] | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("wb")
            except OSError as error:
                raise UsageProblem(
                    f"cannot write {path}: {error.strerror or error}; give --output a folder that you may write to"
                ) from error

    def __call__(self, exchange: Exchange) -> None:
        """Number the exchange and write it."""
        with self._lock:
            if not exchange.number:
                self._count += 1
                exchange.number = f"{self._prefix}{self._count}"
            self._numbers.append(exchange.number)
            if self._file is not None:
                share = 1 if self._written < PLENTY else _LESS
                data = redacted(exchange, self.redactor, test=self.test, run=self._run, share=share)
                self._recent.append(data)
                self._written += self._file.write(_line(data))
                self._file.flush()

    def take_numbers(self) -> tuple[str, ...]:
        """Return the numbers of the exchanges since the last call."""
        with self._lock:
            taken, self._numbers = tuple(self._numbers), []
        return taken

    @contextmanager
    def apart(self, name: str) -> Iterator[None]:
        """Book what happens in the block under a name of its own instead of on the test that happens to run."""
        before, numbers = self.test, self.take_numbers()
        self.test = name
        try:
            yield
        finally:
            with self._lock:
                self.test, self._numbers = before, list(numbers)

    def recent(self, numbers: Collection[str]) -> list[dict[str, Any]]:
        """Return those of the exchanges with these numbers that are among the last hundred, as they were written."""
        with self._lock:
            return [exchange for exchange in self._recent if exchange["number"] in numbers]

    def close(self) -> None:
        """Close the file; later exchanges are numbered only."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def redacted(
    exchange: Exchange, redactor: Redactor, *, test: str = "", run: str = "", share: int = 1
) -> dict[str, Any]:
    """Return an exchange as JSON data without secrets and personal data.

    `share` divides how much of a body, and how many headers, are kept.
    """
    # A secret that is found by its place may have been repeated before that place.
    return redactor.settled(lambda: _redacted(exchange, redactor, test, run, share))


def _redacted(exchange: Exchange, redactor: Redactor, test: str, run: str, share: int) -> dict[str, Any]:
    came = {
        **_headers(exchange.response_headers, redactor, share),
        **_body(exchange.response_body, exchange.response_headers, redactor, share),
    }
    response = None if exchange.status is None else {"status": exchange.status, **came}
    began = {} if exchange.began is None else {"began": {"status": exchange.began, **came}}
    return {
        "run": run,
        "number": exchange.number,
        "test": test,
        "sender": exchange.sender,
        "receiver": exchange.receiver,
        "purpose": redactor.text(exchange.purpose),
        "at": exchange.at.isoformat(),
        "virtualAt": exchange.virtual_at.isoformat() if exchange.virtual_at else None,
        "seconds": round(exchange.seconds, 4),
        "request": {
            "method": exchange.method,
            "url": redactor.text(exchange.url),
            **_headers(exchange.request_headers, redactor, share),
            **_body(exchange.request_body, exchange.request_headers, redactor, share),
        },
        "response": response,
        **began,
        "error": redactor.text(exchange.error) if exchange.error else None,
    }


def _line(data: Mapping[str, Any]) -> bytes:
    # A target may send half a surrogate pair, which UTF-8 cannot write; as a JSON escape it survives.
    return (json.dumps(data, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _headers(headers: HeaderList, redactor: Redactor, share: int) -> dict[str, Any]:
    limit = MOST_HEADERS // share
    if len(headers) <= limit:
        return {"headers": redactor.headers(headers)}
    return {"headers": redactor.headers(headers[:limit]), "headersCutAt": limit, "headersSize": len(headers)}


def _body(body: bytes, headers: HeaderList, redactor: Redactor, share: int) -> dict[str, Any]:
    limit = BODY_LIMIT // share
    # A body is redacted first and cut afterwards: cutting first could leave half a secret that nothing recognises.
    content_type = header(headers, "content-type") or ""
    if len(body) <= _REDACTED_LIMIT:
        text = redactor.body(body, content_type)
        if len(text) <= limit:
            return {"body": text}
    else:
        text = redactor.body(_whole_characters(body[:_REDACTED_LIMIT]), content_type)
        # Secrets may have shrunk so much that the cut in the middle of one is in sight.
        text = text[: max(0, len(text) - _LONGEST_SECRET)]
    text = text[:limit]
    return {"body": text, "bodyCutAt": len(text), "bodySize": len(body)}


def _whole_characters(body: bytes) -> bytes:
    """Leave out a UTF-8 character at the end that was cut."""
    for length in range(1, min(4, len(body)) + 1):
        if body[-length] & 0b1100_0000 == 0b1100_0000:
            return body[:-length]
        if body[-length] & 0b1000_0000 == 0:
            break
    return body


def read_exchanges(path: Path) -> Iterator[dict[str, Any]]:
    """Iterate over the exchanges of a run in the order they were written; a last line that was cut off is left out.

    Raises:
        UsageProblem: the file cannot be read, or a line before its end is not an exchange.
    """
    return (exchange for _, exchange in _read_lines(path))


def _read_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    exchange = json.loads(line)
                    if not exchange.keys() >= _EXCHANGE_KEYS:
                        raise ValueError
                except (ValueError, AttributeError) as error:
                    raise UsageProblem(
                        f"{path}:{number} is not a recorded exchange; the file was changed after the run, run again"
                    ) from error
                yield line, exchange
    except OSError as error:
        raise UsageProblem(
            f"cannot read {path}: {error.strerror or error}; give the folder that a run wrote"
        ) from error


def merge(parts: Sequence[Path], whole: Path) -> None:
    """Join the files of several workers into one, ordered by the time of each exchange, and remove the parts.

    The parts go only after the whole is complete. Lines are copied as they are.

    Raises:
        UsageProblem: a part cannot be read.
    """
    lines = [(str(exchange["at"]), line) for part in parts for line, exchange in _read_lines(part)]
    lines.sort(key=itemgetter(0))
    unfinished = whole.with_name(f"{whole.name}.unfinished")
    with unfinished.open("wb") as file:
        file.writelines(line for _, line in lines)
    unfinished.replace(whole)
    for part in parts:
        if part != whole:
            part.unlink()


def curl(exchange: Mapping[str, Any]) -> str:
    """Return a command line that repeats a recorded request; its placeholders show which secrets to fill in."""
    request = exchange["request"]
    words = ["curl", "-i", "-X", request["method"]]
    names = set()
    for name, value in request["headers"]:
        names.add(name.lower())
        if name.lower() not in _MADE_BY_CURL:
            # `name:` would take a header away; an empty one is spelled with a semicolon.
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
    if request["body"]:
        if "content-type" not in names:
            words += ["-H", "content-type:"]
        words += ["--data-raw", request["body"]]
    if any(character in request["url"] for character in "[]{}"):
        words.append("--globoff")
    return shlex.join([*words, request["url"]])
