import os
import signal
import subprocess
import sys

import httpx2
import pytest

ENVIRONMENT = {
    "PUBLISHER_TENANT_ID": "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10",
    "PUBLISHER_CLIENT_ID": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
    "PUBLISHER_CLIENT_SECRET": "canary",
    "PUBLISHER_LISTEN": "127.0.0.1:0",
}
COMMAND = [sys.executable, "-m", "fulfillment_conformance.reference_publisher"]


@pytest.mark.skipif(os.name == "nt", reason="a process is interrupted differently there")
def test_it_serves_until_it_is_interrupted() -> None:
    with subprocess.Popen(COMMAND, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert address.endswith("/signup")
        assert process.stdout.readline().startswith("webhook")
        assert httpx2.get(address, trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"PUBLISHER_TENANT_ID": ""}, "PUBLISHER_TENANT_ID must be set"),
        ({"PUBLISHER_LISTEN": "here"}, "PUBLISHER_LISTEN must be host:port"),
        ({"PUBLISHER_LISTEN": "127.0.0.1:99999"}, "cannot listen on"),
        ({"PUBLISHER_DEFECTS": "ignores-the-audiense"}, "the nearest is 'ignores-the-audience'"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(change: dict[str, str], message: str) -> None:
    ended = subprocess.run(
        COMMAND, env={**os.environ, **ENVIRONMENT, **change}, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 4
    assert ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "canary" not in ended.stderr
