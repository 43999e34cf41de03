"""Tests of what must not be on a buyer's page: texts for developers, traces, secrets in whatever form."""

import base64
import json
import zlib

import pytest

from fulfillment_conformance.exchange import Exchange, Party
from fulfillment_conformance.stage.leaks import MARKED, holds, told

RAW, TRACE = "the raw text of an answer", "a trace of the program"
SECRET = "s3cret-with-\xfc"


def answer(body: str | bytes, receiver: Party = "publisher", **headers: str) -> Exchange:
    return Exchange(
        sender="buyer",
        receiver=receiver,
        method="GET",
        url="https://isv.example/signup",
        status=200,
        response_body=body.encode() if isinstance(body, str) else body,
        response_headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()),
    )


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<p>Please try again later.</p>", []),
        (f"<pre>{MARKED}</pre>", [RAW]),
        ("Traceback (most recent call last):\n  File", [TRACE]),
        ("<pre>Error: no\n    at call (/app/src/market.js:31:11)</pre>", [TRACE]),
        ("<pre>Error: no<br> &nbsp; &nbsp;at async Object.&lt;anonymous&gt; (file:///app/x.mjs:3:1)</pre>", [TRACE]),
        ("   at Contoso.Market.Resolve(String token) in /src/Market.cs:line 12", [TRACE]),
        ("java.io.IOException\n\tat com.contoso.Market.resolve(Market.java:42)", [TRACE]),
        ("#0 /var/www/html/market.php(12): resolve()", [TRACE]),
        ("app/models/market.rb:12:in `resolve'", [TRACE]),
        ("goroutine 1 [running]:", [TRACE]),
        (f"{MARKED}\nTraceback (most recent call last):", [RAW, TRACE]),
        ("Look at the offer (there are 3) at Contoso, at home (Monday: 9 to 5).", []),
        ("Write to us at Contoso (UK) 10:30:00.", []),
    ],
)
def test_texts_for_developers_are_found(page: str, found: list[str]) -> None:
    assert told([answer(page)]) == found


def test_headers_and_addresses_tell_as_well() -> None:
    assert told([answer("", location=f"/error?why={MARKED}")]) == [RAW]


def test_what_others_answer_is_no_page_of_the_publisher() -> None:
    assert told([answer(MARKED, "identity")]) == []


@pytest.mark.parametrize(
    "encoded",
    [
        SECRET.encode(),
        base64.b64encode(f"what stands before it is longer: {SECRET}".encode()),
        base64.urlsafe_b64encode(json.dumps({"a": SECRET, "b": "??>>??>>??>>"}, ensure_ascii=False).encode()).rstrip(
            b"="
        ),
        b"." + base64.urlsafe_b64encode(zlib.compress(f"{SECRET}, packed as a session".encode())) + b".Zx1.sig",
        base64.b64encode(f"percent-encoded, {SECRET}".encode()).replace(b"=", b"%3D"),
    ],
)
def test_a_secret_is_found_in_body_and_cookie(encoded: bytes) -> None:
    assert holds(answer(b'<meta content="' + encoded + b'">'), [SECRET])
    assert holds(answer(b"", set_cookie=f"session={encoded.decode()}; Path=/"), ["another", SECRET])


def test_what_is_no_secret_is_none() -> None:
    noise = "QUJD" * 20 + " " + "A" * 4097
    assert not holds(answer(noise, set_cookie="session=eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.x"), [SECRET])
