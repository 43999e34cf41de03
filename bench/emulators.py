"""This project's emulator beside Microsoft's, in one run: requests per second, start-up, memory.

    python bench/emulators.py --other http://127.0.0.1:3978/api --other-pid PID

The other emulator has to run already, bound to loopback, without sample subscriptions to slow it down. Each figure is
the best of `--rounds`, taken in turn, so that both meet the same machine. Without `--other` only our own is measured.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from load import Exchange, Target, Work, once, run

VERSION = "api-version=2018-08-31"
TENANT, APP = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10", "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"


@dataclass(frozen=True)
class Subject:
    """One emulator, ready to be measured: how a purchase is made and what its requests carry."""

    name: str
    target: Target
    headers: dict[str, str]
    purchase: Any
    plan: str
    pid: int | None


def ours() -> tuple[subprocess.Popen[str], str, float]:
    """Start our emulator in a process of its own; return it, its API address and the seconds until it answered."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fulfillment_conformance.cli", "emulate", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        address = next(
            (word for word in line.split() if word.startswith("http") and word.rstrip("/").endswith("/api")), ""
        )
        if address:
            return process, address.rstrip("/"), time.perf_counter() - started
    raise SystemExit("our emulator printed no API address")


def our_subject(api: str, pid: int) -> Subject:
    """Prepare our emulator: its own token, purchases through the control surface."""
    target = Target.of(api)
    control = Target(target.host, target.port, "/control")
    json_type = {"content-type": "application/json"}
    status, body = once(control, control.request("GET", "/identity", json_type))
    identity = json.loads(body)
    endpoint = Target.of(identity["tokenEndpoint"])
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": identity["clientId"],
            "client_secret": identity["clientSecret"],
            "scope": f"{identity['resource']}/.default",
            "resource": identity["resource"],
        }
    )
    status, body = once(
        endpoint, endpoint.request("POST", "", {"content-type": "application/x-www-form-urlencoded"}, form.encode())
    )
    if status != 200:
        raise SystemExit(f"no access token: {status} {body[:200]!r}")
    headers = {"authorization": f"Bearer {json.loads(body)['access_token']}", **json_type}
    order = json.dumps({"offerId": "contoso-crm", "planId": "silver"}).encode()
    buy = control.request("POST", "/purchases", json_type, order)

    async def purchase(exchange: Exchange) -> str:
        status, body = await exchange(buy)
        assert status == 201, (status, body)
        return str(json.loads(body)["token"])

    return Subject("this emulator", target, headers, purchase, "silver", pid)


def their_subject(api: str, pid: int | None) -> Subject:
    """Prepare Microsoft's emulator: an unsigned token, purchases as base64 documents, which it takes at resolve."""
    claims = {
        "aud": "20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
        "tid": TENANT,
        "appid": APP,
        "exp": int(time.time()) + 7200,
    }
    token = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)
    )
    headers = {"authorization": f"Bearer {token}.c2ln", "content-type": "application/json"}
    person = {"emailId": "buyer@contoso.example", "objectId": TENANT, "tenantId": TENANT, "puid": "1"}

    async def purchase(_: Exchange) -> str:
        order = {
            "id": str(uuid.uuid4()),
            "name": "bench",
            "offerId": "flat-rate",
            "planId": "flat-rate-1",
            "beneficiary": person,
            "purchaser": person,
            "term": {"termUnit": "P1M"},
            "autoRenew": True,
        }
        return base64.b64encode(json.dumps(order).encode()).decode()

    return Subject("Microsoft's emulator", Target.of(api), headers, purchase, "flat-rate-1", pid)


def get_subscription(subject: Subject) -> Work:
    """Read one subscription again and again."""
    found: dict[str, bytes] = {}

    async def work(exchange: Exchange, _: int) -> None:
        if "request" not in found:
            subscription = await _resolved(subject, exchange)
            found["request"] = subject.target.request(
                "GET", f"/saas/subscriptions/{subscription}?{VERSION}", subject.headers
            )
        status, body = await exchange(found["request"])
        assert status == 200, (status, body)

    return work


def purchase_to_activation(subject: Subject) -> Work:
    """Buy, resolve, activate: a new subscription each time."""

    async def work(exchange: Exchange, _: int) -> None:
        subscription = await _resolved(subject, exchange)
        path = f"/saas/subscriptions/{quote(subscription)}/activate?{VERSION}"
        plan = json.dumps({"planId": subject.plan}).encode()
        status, body = await exchange(subject.target.request("POST", path, subject.headers, plan))
        assert status in {200, 202}, (status, body)

    return work


async def _resolved(subject: Subject, exchange: Exchange) -> str:
    token = await subject.purchase(exchange)
    headers = {**subject.headers, "x-ms-marketplace-token": token}
    status, body = await exchange(subject.target.request("POST", f"/saas/subscriptions/resolve?{VERSION}", headers))
    assert status == 200, (status, body)
    return str(json.loads(body)["id"])


def memory(pid: int | None) -> str:
    """Return a process's resident memory in MB, where the system tells."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            kilobytes = next(line for line in status if line.startswith("VmRSS")).split()[1]
        return f"{int(kilobytes) / 1024:.0f} MB"
    except (OSError, StopIteration):
        return "not known"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", metavar="URL", help="API address of Microsoft's emulator, ending before /saas")
    parser.add_argument("--other-pid", type=int, metavar="PID", help="its process, for its memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4000, help="reads per round")
    parser.add_argument("--purchases", type=int, default=1000, help="purchases per round")
    options = parser.parse_args()
    process, api, start_up = ours()
    try:
        subjects = [our_subject(api, process.pid)]
        if options.other:
            subjects.append(their_subject(options.other, options.other_pid))
        measured: dict[tuple[str, str], float] = {}
        work = {"Get Subscription": get_subscription, "purchase, resolve, activate": purchase_to_activation}
        units = {"Get Subscription": options.requests, "purchase, resolve, activate": options.purchases}
        idle = {subject.name: memory(subject.pid) for subject in subjects}
        for _ in range(options.rounds):
            for what, make in work.items():
                for subject in subjects:
                    rate = run(subject.target, make(subject), units=units[what])
                    measured[what, subject.name] = max(rate, measured.get((what, subject.name), 0.0))
        print(f"{os.cpu_count()} cores, best of {options.rounds} rounds, 16 connections")
        for what in work:
            line = "  ".join(f"{subject.name} {measured[what, subject.name]:,.0f}/s" for subject in subjects)
            ratio = ""
            if len(subjects) > 1:
                ratio = f"  ratio {measured[what, subjects[0].name] / measured[what, subjects[1].name]:.1f}"
            print(f"{what}: {line}{ratio}")
        print(f"start-up until the address is printed: this emulator {start_up:.2f} s")
        for subject in subjects:
            print(f"resident memory: {subject.name} {idle[subject.name]} idle, {memory(subject.pid)} after the rounds")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
