"""The marketplace suite over HTTP beside a bare client that makes the same requests: what judging adds to them.

    python bench/replay.py

An emulator is served by a process of its own. The suite judges it, and every request that it makes is kept. Then the
emulator is reset, and one httpx2 client makes all of them again, one after the other, while webhook calls are answered
by a server that says 200 to everything. Prints both times and their ratio, and how many answers had the same status.
"""

import argparse
import contextlib
import json
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from emulators import ours
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.run import RunOptions
from fulfillment_conformance.runner import run_suite
from fulfillment_conformance.serving import serve

JSON = {"content-type": "application/json"}
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class KeepingClient:
    """Keeps every request of the suite's clients while the block runs, as it is before anything is redacted."""

    def __init__(self) -> None:
        self.kept: list[Exchange] = []
        self._send = HttpClient.send

    def __enter__(self) -> "KeepingClient":
        send = self._send

        def keeping(client: HttpClient, method: str, url: str, **options: Any) -> Exchange:
            exchange = send(client, method, url, **options)
            self.kept.append(exchange)
            return exchange

        setattr(HttpClient, "send", keeping)  # noqa: B010 - mypy takes no other method in its place
        return self

    def __exit__(self, *_: object) -> None:
        setattr(HttpClient, "send", self._send)  # noqa: B010


async def take(_: Request) -> Response:
    """Answer 200 to every webhook call of the replay."""
    return Response()


class Renamed:
    """What the first run knew under other names: ids and tokens are new each time."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, before: object, now: object) -> None:
        """Compare an answer with what the same request was answered the first time."""
        if isinstance(before, dict) and isinstance(now, dict):
            for key in before.keys() & now.keys():
                self.learn(before[key], now[key])
        elif isinstance(before, list) and isinstance(now, list):
            for one, other in zip(before, now, strict=False):
                self.learn(one, other)
        elif isinstance(before, str) and isinstance(now, str) and before != now:
            self._names[before] = now

    def put_into(self, text: str) -> str:
        """Return a part of a request with the names of today."""
        scheme, blank, token = text.rpartition(" ")
        if token in self._names:
            return f"{scheme}{blank}{self._names[token]}"
        return ID.sub(lambda found: self._names.get(found.group(), found.group()), text)


def replay(kept: Iterable[Exchange]) -> tuple[float, float, int]:
    """Make the requests again with one client.

    Returns:
        The seconds that its requests took, those of them in which this process computed, and how many requests were
        answered with the same status as the first time.
    """
    seconds, computed, same, renamed = 0.0, 0.0, 0, Renamed()
    with httpx2.Client(trust_env=False, timeout=15.0) as client:
        for one in kept:
            put = renamed.put_into
            url, content = put(one.url), put(one.request_body.decode("latin-1")).encode("latin-1")
            headers = [
                (name.encode("latin-1"), put(value).encode("latin-1"))
                for name, value in one.request_headers
                if name.lower() != "content-length"
            ]
            started, before, answer = time.perf_counter(), time.process_time(), None
            with contextlib.suppress(httpx2.HTTPError, httpx2.InvalidURL):
                answer = client.request(one.method, url, headers=headers, content=content or None)
            seconds += time.perf_counter() - started
            computed += time.process_time() - before
            same += one.status == (answer.status_code if answer else None)
            with contextlib.suppress(ValueError):
                renamed.learn(json.loads(one.response_body), json.loads(answer.content if answer else b"null"))
    return seconds, computed, same


def webhook_port(kept: Iterable[Exchange]) -> int:
    """Return the port at which the suite took webhook calls; 0 if it took none."""
    for one in kept:
        if one.method == "PUT" and one.url.endswith("/control/webhook"):
            address = json.loads(one.request_body)["url"]
            if address:
                return urlsplit(address).port or 80
    return 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help="judge only these requirements")
    options = parser.parse_args()
    process, api, _ = ours()
    try:
        with tempfile.TemporaryDirectory() as folder, KeepingClient() as client:
            target = Path(folder, "target.yaml")
            control = f"{api.removesuffix('/api')}/control"
            target.write_text(
                f"role: marketplace\nmarketplace: {{driver: control, base_url: {api}, control_url: {control}}}\n",
                encoding="utf-8",
            )
            started, before = time.perf_counter(), time.process_time()
            code = run_suite(
                RunOptions(target=target, output=Path(folder, "output"), only=options.only), progress="quiet"
            )
            judging, judging_computed = time.perf_counter() - started, time.process_time() - before
        if code:
            raise SystemExit(f"the suite ended with exit code {code}; a speed tells something only of a run without")
        httpx2.post(f"{control}/reset", headers=JSON, trust_env=False).raise_for_status()
        # Calls to other ports, such as the suite's own webhook, would not be the emulator's to answer.
        kept = [one for one in client.kept if urlsplit(one.url).netloc == urlsplit(api).netloc]
        webhook = Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])
        with serve(webhook, port=webhook_port(kept)):
            bare, bare_computed, same = replay(kept)
        print(f"{len(kept)} requests, {same} of them answered with the same status again")
        print(f"elapsed: suite {judging:.1f} s, bare client {bare:.1f} s, ratio {judging / bare:.2f}")
        print(
            f"computed, but for the emulator: suite {judging_computed:.1f} s, bare client {bare_computed:.1f} s, "
            f"ratio {judging_computed / bare_computed:.2f}"
        )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
