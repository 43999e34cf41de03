"""Tests of the suite's HTTP client as msal takes one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.msal_http import MsalSession, NoAnswer
from fulfillment_conformance.serving import serve


async def echo(request: Request) -> JSONResponse:
    said = {"method": request.method, "query": str(request.query_params), "form": (await request.body()).decode()}
    return JSONResponse(said, headers={"X-Said": "Yes"})


async def refuse(_: Request) -> JSONResponse:
    return JSONResponse({"error": "invalid_client"}, 401)


@contextmanager
def session() -> Iterator[tuple[MsalSession, str, list[Exchange]]]:
    asked: list[Exchange] = []
    app = Starlette(routes=[Route("/refuse", refuse), Route("/{path:path}", echo, methods=["GET", "POST"])])
    with serve(app) as serving, HttpClient(observer=asked.append) as http:
        yield MsalSession(http), serving.url, asked


def test_what_msal_asks_goes_out_and_is_observed() -> None:
    with session() as (msal, url, asked):
        read = msal.get(f"{url}/a", params={"x": "1"}, headers={"client-request-id": "7"})
        posted = msal.post(f"{url}/b", data={"scope": "s t", "claims": None}, headers={"x-client-sku": "MSAL.Python"})

    assert json.loads(read.text) == {"method": "GET", "query": "x=1", "form": ""}
    assert json.loads(posted.text) == {"method": "POST", "query": "", "form": "scope=s+t"}
    assert posted.headers["x-said"] == "Yes"
    assert [(each.receiver, each.purpose) for each in asked] == [
        ("identity", "read the tenant's metadata"),
        ("identity", "access token"),
    ]
    assert ("x-client-sku", "MSAL.Python") in asked[1].request_headers


def test_the_error_that_was_answered_last_can_be_read() -> None:
    with session() as (msal, url, _):
        said = [msal.last_error]
        refused = msal.get(f"{url}/refuse")
        said.append(msal.last_error)
        msal.get(f"{url}/a").raise_for_status()
        said.append(msal.last_error)

    assert said == [None, {"error": "invalid_client"}, None]
    with pytest.raises(ValueError, match="401"):
        refused.raise_for_status()


def test_silence_is_told_with_its_exchange() -> None:
    with session() as (_, url, _):
        pass
    with HttpClient() as http, pytest.raises(NoAnswer, match="refused") as silence:
        MsalSession(http).get(f"{url}/a")

    assert silence.value.exchange.url == f"{url}/a"
