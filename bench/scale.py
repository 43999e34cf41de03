"""Cost of a request with 1,000 to 1,000,000 subscriptions, through the ASGI application in this process.

    python bench/scale.py [--up-to 1000000]

The core is filled directly; then each operation goes through the whole emulator (routing, token, wire), no socket.
Prints microseconds a request at each size, and the ratio of the last size to the first.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.offers import BENEFICIARY
from fulfillment_conformance.marketplace import Purchase

VERSION = b"api-version=2018-08-31"
REQUESTS = 2000


async def call(emulator: Emulator, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> int:
    """Make one ASGI call and return the status."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": VERSION,
        "root_path": "",
        "headers": headers,
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 1),
    }
    await emulator.app(scope, receive, send)
    return statuses[0]


async def timed(work: Callable[[int], Awaitable[int]]) -> float:
    """Return the microseconds of one call, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for number in range(REQUESTS):
            status = await work(number)
            assert status < 400, status
        best = min(best, (time.perf_counter() - started) / REQUESTS)
    return best * 1e6


async def measure(sizes: list[int]) -> None:
    """Fill the emulator step by step and print a line for each size."""
    emulator = Emulator(Settings())
    bearer = f"Bearer {emulator.identity.access_token()}".encode()
    headers = [(b"authorization", bearer), (b"content-type", b"application/json"), (b"host", b"127.0.0.1:8080")]
    order = Purchase(offer_id="contoso-crm", plan_id="silver", beneficiary=BENEFICIARY)
    ids: list[str] = []
    tokens: list[str] = []
    rows: list[dict[str, float]] = []
    for size in sizes:
        while len(ids) < size:
            subscription, token = emulator.market.purchase(order)
            ids.append(subscription.id)
            if len(tokens) < REQUESTS:
                tokens.append(token)
        step = max(1, len(ids) // REQUESTS)

        def get(number: int, step: int = step) -> Awaitable[int]:
            return call(emulator, "GET", f"/api/saas/subscriptions/{ids[number * step % len(ids)]}", headers)

        def resolve(number: int) -> Awaitable[int]:
            token = tokens[number % len(tokens)].encode()
            return call(
                emulator, "POST", "/api/saas/subscriptions/resolve", [*headers, (b"x-ms-marketplace-token", token)]
            )

        row = {"get": await timed(get), "resolve": await timed(resolve)}
        started = time.perf_counter()
        for _ in range(20):
            await call(emulator, "GET", "/api/saas/subscriptions", headers)
        row["list page"] = (time.perf_counter() - started) / 20 * 1e6
        rows.append(row)
        print(f"{size:>9,} subscriptions: " + "  ".join(f"{name} {value:,.0f} µs" for name, value in row.items()))
    print("ratio last to first: " + "  ".join(f"{name} {rows[-1][name] / rows[0][name]:.2f}" for name in rows[0]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--up-to", type=int, default=1_000_000)
    options = parser.parse_args()
    asyncio.run(measure([size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= options.up_to]))


if __name__ == "__main__":
    main()
