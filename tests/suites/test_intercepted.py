"""A publisher that has Microsoft's addresses built in is judged as it is: behind a proxy, trusting one more authority.

It is the reference publisher as a program of its own, told nothing but its applications, `HTTPS_PROXY` and a CA file.
As many rows are judged as make it use all of Microsoft's hosts that it knows; `FC_INTERCEPTED=all` judges every row.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.commands import start
from tests.suites.runs import Judged, judge

from fulfillment_conformance.certificates import CertificateAuthority

SIGN_IN_CLIENT = "d2b84e17-6fa0-4b93-8c5d-f19e3a70c628"
IDENTITY = {
    "tenant_id": "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10",
    "client_id": "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20",
    "client_secret": "${FC_TEST_SECRET}",
    "landing_page_client_id": SIGN_IN_CLIENT,
    "landing_page_client_secret": "${FC_TEST_SECRET}",
}
SECRET = "canary-intercepted"

ROWS = ("ACT-004", "AUT-001", "LND-004", "WHK-018")
"""Activation, access tokens, sign-in, notifications with genuine and forged tokens."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def target(proxy: int, own: int, **intercept: Any) -> dict[str, Any]:
    site = f"http://127.0.0.1:{own}"
    return {
        "role": "publisher",
        "publisher": {
            "landing_page": f"{site}/signup",
            "webhook": f"{site}/webhook",
            "onboarding": [{"submit": "form", "fields": {"contactEmail": "buyer@contoso-customer.example"}}],
            "state": {
                "get": "/accounts/{subscription_id}",
                "status": "/status",
                "plan": "/planId",
                "seats": "/quantity",
                "tenant": "/tenantId",
                "term_end": "/term/endDate",
            },
            "self_service": {
                "change_plan": [{"submit": "#change-plan", "fields": {"planId": "{plan}"}}],
                "change_seats": [{"submit": "#change-seats", "fields": {"quantity": "{seats}"}}],
                "cancel": [{"submit": "#cancel"}],
            },
            "reconcile": {"post": "/admin/reconcile"},
            "timeouts": {"effect": 5},
        },
        "marketplace": {"listen": f"127.0.0.1:{proxy}", "intercept": intercept or True, "identity": IDENTITY},
        "claims": {"sells_auto_activation": True, "sign_in": True, "refused_plans": ["multiyear"]},
    }


@contextmanager
def publisher(proxy: int, own: int, ca_file: Path) -> Iterator[None]:
    environ = {
        "PUBLISHER_TENANT_ID": IDENTITY["tenant_id"],
        "PUBLISHER_CLIENT_ID": IDENTITY["client_id"],
        "PUBLISHER_CLIENT_SECRET": SECRET,
        "PUBLISHER_SIGN_IN_CLIENT_ID": SIGN_IN_CLIENT,
        "PUBLISHER_SIGN_IN_CLIENT_SECRET": SECRET,
        "PUBLISHER_LISTEN": f"127.0.0.1:{own}",
        "PUBLISHER_PUBLIC_URL": f"http://127.0.0.1:{own}",
        "PUBLISHER_OFFERS": "contoso-crm,contoso-seats",
        "PUBLISHER_REFUSED_PLANS": "multiyear",
        "PUBLISHER_CA_FILE": str(ca_file),
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy}",
    }
    with start(environ=environ, module="fulfillment_conformance.reference_publisher") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("landing page")
        try:
            yield
        finally:
            process.kill()


def exchanges(judged: Judged) -> list[dict[str, Any]]:
    lines = (judged.folder / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def give_secret() -> None:
    """Put the secret into the environment of the run, whose process may descend from one that was there before."""
    os.environ["FC_TEST_SECRET"] = SECRET


def test_a_publisher_with_microsofts_addresses_built_in_is_conformant(tmp_path: Path) -> None:
    proxy, own = free_port(), free_port()
    keys = tmp_path / ".fulfillment-conformance"
    CertificateAuthority.kept_in(keys)
    only = [] if os.environ.get("FC_INTERCEPTED") == "all" else [f"--only={row}" for row in ROWS]
    with publisher(proxy, own, keys / "fulfillment-conformance-ca.pem"):
        judged = judge(target(proxy, own), tmp_path, *only, meddle=give_secret)

    assert judged.exit_code == 0, judged.why(judged.with_outcome("failed"))
    assert not judged.with_outcome("failed")
    assert only == [] or judged.with_outcome("passed") >= set(ROWS)
    hosts = {each["request"]["url"].split("/")[2] for each in exchanges(judged) if each["sender"] == "publisher"}
    assert hosts == {"login.microsoftonline.com", "marketplaceapi.microsoft.com"}
    assert SECRET not in (judged.folder / "exchanges.jsonl").read_text(encoding="utf-8")
