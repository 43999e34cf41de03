"""Tests of the words for where a visit went wrong, and for what Entra refused on it."""

import json
from typing import Any

import pytest

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.stage.buyer import Page
from fulfillment_conformance.stage.stumbles import failure_of, refusal_of

TOKEN = "https://login.example/t1/oauth2/v2.0/token"
SIGN_IN = "https://login.example/common/oauth2/v2.0/authorize"


def request(
    url: str,
    status: int | None = 200,
    *,
    method: str = "GET",
    receiver: Party = "publisher",
    purpose: str = "",
    body: Any = b"",
    location: str = "",
) -> Exchange:
    return Exchange(
        sender="buyer",
        receiver=receiver,
        method=method,
        url=url,
        status=status,
        error=None if status is not None else "ConnectError: refused",
        purpose=purpose,
        response_body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        response_headers=(("location", location),) if location else (),
    )


def page(*way: Exchange, problem: str = "") -> Page:
    last = way[-1] if way else request("https://isv.example/", None)
    return Page(Answer(last), last.url, list(way), problem)


@pytest.mark.parametrize(
    ("shown", "failure"),
    [
        (page(request("https://isv.example/signup?token=a")), ""),
        (
            page(request("https://isv.example/signup?token=a", 302), request("https://isv.example/oops", 502)),
            "GET /oops answered 502",
        ),
        (
            page(request("https://isv.example/a", 400), request("https://isv.example/b", 500), problem="no form"),
            "GET /a answered 400",
        ),
        (page(request("https://isv.example", None)), "GET / got no answer: ConnectError: refused"),
        (page(request("https://isv.example/signup"), problem="no form matches '#go'"), "no form matches '#go'"),
        (page(), "no page: ConnectError: refused"),
        (page(request(SIGN_IN, 400, receiver="identity")), "GET /common/oauth2/v2.0/authorize answered 400"),
    ],
)
def test_the_first_request_that_fails_is_named(shown: Page, failure: str) -> None:
    assert failure_of(shown) == failure


@pytest.mark.parametrize(
    ("purpose", "receiver", "counts"),
    [
        ("browser: document", "publisher", True),
        ("browser: xhr", "publisher", True),
        ("browser: fetch", "publisher", True),
        ("browser: image", "publisher", False),
        ("browser: other", "publisher", False),
        ("browser: fetch", "elsewhere", False),
    ],
)
def test_what_a_browser_only_misses_is_no_failure(purpose: str, receiver: Party, counts: bool) -> None:
    missed = request("https://isv.example/there", 404, purpose=purpose, receiver=receiver)
    shown = page(missed, request("https://isv.example/signup", purpose="browser: document"))

    assert failure_of(shown) == ("GET /there answered 404" if counts else "")


REFUSAL = {
    "error": "invalid_resource",
    "error_description": "AADSTS500011: The resource 'x' was not found. Trace ID: 1 Correlation ID: 2",
    "error_codes": [500011],
}
SENT_BACK = "error=access_denied&error_description=AADSTS65004%3A+The+user+did+not+sign+in.+Trace+ID%3A+1&state=s"


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        (
            request(TOKEN, 400, method="POST", receiver="identity", body=REFUSAL),
            "POST /t1/oauth2/v2.0/token: 400 invalid_resource, AADSTS500011: The resource 'x' was not found",
        ),
        (request(TOKEN, 405, receiver="identity"), "GET /t1/oauth2/v2.0/token: 405"),
        (request(TOKEN, 500, receiver="identity", body=[1]), "GET /t1/oauth2/v2.0/token: 500"),
        (
            request(SIGN_IN, 400, receiver="identity", body=b"<p>AADSTS50011: The URI &#39;y&#39; is not known.</p>"),
            "GET /common/oauth2/v2.0/authorize: 400 AADSTS50011: The URI 'y' is not known",
        ),
        *(
            (
                request(SIGN_IN, 302, receiver="identity", location=f"https://isv.example/back{mark}{SENT_BACK}"),
                "GET /common/oauth2/v2.0/authorize: access_denied, AADSTS65004: The user did not sign in",
            )
            for mark in "?#"
        ),
        (
            request(
                SIGN_IN,
                receiver="identity",
                body=b'<input name="error" value="e"><input name="x" value="AADSTS900144: No nonce. Trace ID: 1">',
            ),
            "GET /common/oauth2/v2.0/authorize: AADSTS900144: No nonce",
        ),
        (request(SIGN_IN, 302, receiver="identity", location="https://isv.example/back?code=c&state=s"), ""),
        (request(TOKEN, receiver="identity", body={"access_token": "t"}), ""),
        (request(TOKEN, None, receiver="identity"), ""),
        (request("https://isv.example/", 400, body=REFUSAL), ""),
    ],
)
def test_what_entra_has_refused_is_told_with_its_reason(exchange: Exchange, told: str) -> None:
    assert refusal_of(exchange) == told
