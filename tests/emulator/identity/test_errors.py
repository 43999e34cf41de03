import json
import re

from starlette.requests import Request

from fulfillment_conformance.emulator.identity import errors
from fulfillment_conformance.emulator.identity.errors import SECRET_INVALID, TENANT_NOT_FOUND, EntraError, Failure, Kind
from fulfillment_conformance.emulator.identity.keys import KeyRing
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def issuer() -> TokenIssuer:
    return TokenIssuer(KeyRing("3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"), seed=0)


def test_an_error_in_json_has_everything_that_entras_has() -> None:
    answer = Failure(EntraError(SECRET_INVALID, "Invalid client secret."), issuer(), request()).as_json()
    body = json.loads(bytes(answer.body))

    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store, no-cache"
    assert body["error"] == "invalid_client"
    assert body["error_codes"] == [7000215]
    assert body["error_description"].startswith("AADSTS7000215: Invalid client secret. Trace ID: ")
    assert body["trace_id"] in body["error_description"]
    assert body["correlation_id"] in body["error_description"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert answer.headers["x-ms-request-id"] == body["trace_id"]


def test_the_clients_own_request_id_is_the_correlation_id() -> None:
    given = "0b2bb6a6-4f5e-4f5c-9a49-6d3c1a3f2b11"
    answer = Failure(EntraError(TENANT_NOT_FOUND, "No."), issuer(), request(client_request_id=given)).as_json()
    other = Failure(EntraError(TENANT_NOT_FOUND, "No."), issuer(), request(client_request_id="<script>")).as_json()

    assert json.loads(bytes(answer.body))["correlation_id"] == given
    assert "<script>" not in bytes(other.body).decode()


def test_every_number_stands_for_one_error() -> None:
    numbers = [kind.number for kind in vars(errors).values() if isinstance(kind, Kind)]

    assert len(numbers) == len(set(numbers)) > 20
