from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.live.dry_run import as_line, comparable
from fulfillment_conformance.redaction import Redactor

BASE = "https://marketplaceapi.microsoft.com/api/saas/subscriptions"


def test_a_request_is_one_line_without_secrets() -> None:
    exchange = Exchange(
        sender="suite",
        receiver="marketplace",
        method="PATCH",
        url=f"{BASE}/1?api-version=2018-08-31",
        request_headers=(("authorization", "Bearer secret-token"), ("content-type", "application/json")),
        request_body=b'{"planId":\n "gold"}',
        purpose="change plan",
    )
    redactor = Redactor(["secret-token"])

    assert as_line(exchange, redactor) == (f'PATCH {BASE}/1?api-version=2018-08-31 {{"planId": "gold"}}  # change plan')


def test_what_no_two_runs_have_in_common_is_left_out_of_a_comparison() -> None:
    lines = [
        f"GET {BASE}?continuationToken=abc&api-version=1  # next page",
        f"GET {BASE}/1/operations/op-1?api-version=1  # get operation",
        f"GET {BASE}/1/operations/op-2?api-version=1  # get operation",
        f'PATCH {BASE}/1 {{"quantity": 5, "planId": "gold"}}  # change',
        f"POST {BASE}/resolve [purchase-token:0a1b2c3d percent-encoded]  # resolve",
        f"PATCH {BASE}/1 {{no JSON  # change",
    ]

    assert comparable(lines) == [
        f"GET {BASE}?continuationToken=*&api-version=1",
        f"GET {BASE}/1/operations/*?api-version=1",
        f'PATCH {BASE}/1 {{"planId": "gold", "quantity": 5}}',
        f"POST {BASE}/resolve [purchase-token]",
        f"PATCH {BASE}/1 {{no JSON",
    ]
