"""The recorded HTTP of a run, redacted at the moment of writing: `exchanges.jsonl`, one exchange a line.

A line holds `number`, `test`, `sender`, `receiver`, `purpose`, `at` (real, UTC), `virtualAt`, `seconds` (real), `request`
(`method`, `url`, `headers`, `body`), `response` (`status`, `headers`, `body`) or null, and `error`. Bodies are text, cut at
`BODY_LIMIT` characters with their true size beside them. Each line is flushed, so a run that dies keeps what it saw.
"""

import json
import shlex
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange, HeaderList, header
from fulfillment_conformance.redaction import Redactor

BODY_LIMIT = 65_536
"""Characters of a body that are kept."""


class Recorder:
    """An `Observer` that numbers exchanges and writes them, redacted, to a file as they come.

    Numbers are `prefix` plus a counter from 1, so that several workers can write side by side. `test` is put on each
    line; the plugin keeps it current.
    """

    def __init__(self, path: Path | None, redactor: Redactor, *, prefix: str = "") -> None:
        """Open the file for writing; `path` None numbers without keeping.

        Raises:
            UsageProblem: the file cannot be written.
        """
        self.redactor = redactor
        self.test = ""
        self._prefix = prefix
        self._count = 0
        self._lock = threading.Lock()
        self._numbers: list[str] = []
        self._file: IO[str] | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("w", encoding="utf-8", newline="\n")
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
                self._file.write(json.dumps(redacted(exchange, self.redactor, test=self.test), ensure_ascii=False))
                self._file.write("\n")
                self._file.flush()

    def take_numbers(self) -> tuple[str, ...]:
        """Return the numbers of the exchanges since the last call."""
        with self._lock:
            taken, self._numbers = tuple(self._numbers), []
        return taken

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


def redacted(exchange: Exchange, redactor: Redactor, *, test: str = "") -> dict[str, Any]:
    """Return an exchange as JSON data without secrets and personal data."""
    response = None
    if exchange.status is not None:
        response = {
            "status": exchange.status,
            "headers": redactor.headers(exchange.response_headers),
            **_body(exchange.response_body, exchange.response_headers, redactor),
        }
    return {
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
            "headers": redactor.headers(exchange.request_headers),
            **_body(exchange.request_body, exchange.request_headers, redactor),
        },
        "response": response,
        "error": redactor.text(exchange.error) if exchange.error else None,
    }


def _body(body: bytes, headers: HeaderList, redactor: Redactor) -> dict[str, Any]:
    # A body is redacted whole and cut afterwards: cutting first could leave half a secret that no pattern knows.
    kept = body if len(body) <= 16 * BODY_LIMIT else body[: 16 * BODY_LIMIT]
    text = redactor.body(kept, header(headers, "content-type") or "")
    if len(text) <= BODY_LIMIT and kept is body:
        return {"body": text}
    return {"body": text[:BODY_LIMIT], "bodyCutAt": BODY_LIMIT, "bodySize": len(body)}


def read_exchanges(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the exchanges of a run in the order they were written; a last line that was cut off is left out."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def merge(parts: list[Path], whole: Path) -> None:
    """Join the files of several workers into one, ordered by the time of each exchange, and remove the parts."""
    exchanges = [exchange for part in parts for exchange in read_exchanges(part)]
    exchanges.sort(key=lambda exchange: str(exchange["at"]))
    with whole.open("w", encoding="utf-8", newline="\n") as file:
        for exchange in exchanges:
            file.write(json.dumps(exchange, ensure_ascii=False) + "\n")
    for part in parts:
        part.unlink()


def curl(exchange: Mapping[str, Any]) -> str:
    """Return a command line that repeats a recorded request; its placeholders show which secrets to fill in."""
    request = exchange["request"]
    words = ["curl", "-i", "-X", request["method"]]
    for name, value in request["headers"]:
        if name.lower() not in {"host", "content-length", "accept-encoding", "connection", "user-agent", "accept"}:
            words += ["-H", f"{name}: {value}"]
    if request["body"]:
        words += ["--data-raw", request["body"]]
    return shlex.join([*words, request["url"]])
