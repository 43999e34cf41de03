"""Small services that stand in for a target and are not what they seem, and the target files that lead to them."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.serving import Serving, serve

Answer = Callable[[Request], Awaitable[Response]]
ID = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
SECRET = "NEARLY_SILENT_SECRET"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def in_front_of(app: ASGIApp, other: ASGIApp, *prefixes: str) -> ASGIApp:
    """Return an application that hands paths with one of the prefixes to `other`, and the rest to `app`."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = other if scope["type"] == "http" and scope["path"].startswith(prefixes) else app
        await chosen(scope, receive, send)

    return dispatch


@contextmanager
def marketplace_with_api(api: ASGIApp) -> Iterator[Serving]:
    """Serve an emulator whose Fulfillment API is `api`, while control surface and identity provider are honest."""
    with serve(in_front_of(Emulator(Settings()).app, api, "/api")) as serving:
        yield serving


@contextmanager
def marketplace_that_lists_nothing() -> Iterator[Serving]:
    """Serve an emulator that is honest but for its list of subscriptions, which is empty for whoever has a token."""
    emulator = Emulator(Settings()).app

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        lists = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].endswith("/subscriptions")
        await (NEARLY_SILENT_MARKETPLACES["guarded"] if lists else emulator)(scope, receive, send)

    with serve(app) as serving:
        yield serving


def marketplace_target(url: str, *, timeout: float = 5.0) -> dict[str, Any]:
    """Return a target file of a marketplace at an origin, arranged by its control surface.

    `timeout` is how many seconds any answer is waited for.
    """
    place = {"base_url": f"{url}/api", "driver": "control", "control_url": f"{url}/control", "timeout": timeout}
    return {"role": "marketplace", "marketplace": place}


def publisher_target(url: str, *, timeout: float = 5.0) -> dict[str, Any]:
    """Return a target file of a publisher at an origin, whose Microsoft listens at any free port.

    `timeout` is how many seconds any answer is waited for.
    """
    return {
        "role": "publisher",
        "publisher": {
            "landing_page": f"{url}/signup",
            "webhook": f"{url}/webhook",
            "onboarding": [{"post": "/activate", "json": {"token": "{token}"}}],
            "state": {
                "get": "/accounts/{subscription_id}",
                "status": "/status",
                "plan": "/planId",
                "seats": "/quantity",
            },
            "reconcile": {"post": "/reconcile"},
            "timeouts": {"webhook": timeout, "page": timeout, "effect": 0.05},
        },
        "marketplace": {
            "listen": "127.0.0.1:0",
            "identity": {"tenant_id": ID, "client_id": ID, "client_secret": f"${{{SECRET}}}"},
        },
    }


def _service(answer: Answer) -> ASGIApp:
    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


async def _echo(request: Request) -> Response:
    """Give back what came: body, headers with names of the API, and what the query says."""
    kept = {name: value for name, value in request.headers.items() if name.startswith("x-ms-")}
    body = await request.body()
    return Response(body or json.dumps(dict(request.query_params)), media_type="application/json", headers=kept)


async def _takes_writes(request: Request) -> Response:
    """Take every write, and have nothing to read."""
    if request.method in {"GET", "HEAD"}:
        return JSONResponse({"error": {"code": "NotFound", "message": "no"}}, 404)
    return Response(status_code=200)


async def _accepts_changes(request: Request) -> Response:
    """Take every change as if it began an operation, and list nothing ever."""
    if request.method in {"PATCH", "DELETE"}:
        where = f"{request.url.replace(query='').path}/operations/{ID}?api-version=2018-08-31"
        return Response(status_code=202, headers={"Operation-Location": f"http://{request.url.netloc}{where}"})
    return JSONResponse({"subscriptions": [], "operations": [], "plans": []})


async def _guarded(request: Request) -> Response:
    """Refuse whoever brings no bearer token, and say nothing to everybody else."""
    if not request.headers.get("authorization", "").startswith("Bearer ey"):
        return JSONResponse({"error": {"code": "Unauthorized", "message": "no"}}, 401)
    return JSONResponse({})


async def _examples(request: Request) -> Response:
    """Answer with the examples of the documentation, whatever is asked for."""
    if "authorization" not in request.headers:
        return Response(status_code=401)
    subscription = {
        "id": ID,
        "name": "Contoso Cloud Solution",
        "publisherId": "contoso",
        "offerId": "contoso-crm",
        "planId": "silver",
        "quantity": 20,
        "saasSubscriptionStatus": "Subscribed",
        "beneficiary": {"emailId": "test@contoso.com", "objectId": ID, "tenantId": ID, "puid": "1"},
        "purchaser": {"emailId": "test@contoso.com", "objectId": ID, "tenantId": ID, "puid": "1"},
        "term": {"startDate": "2026-03-04", "endDate": "2026-04-03", "termUnit": "P1M"},
        "allowedCustomerOperations": ["Read", "Update", "Delete"],
    }
    operation = {"id": ID, "activityId": ID, "subscriptionId": ID, "action": "ChangePlan", "status": "InProgress"}
    path = request.url.path.rstrip("/")
    if path.endswith("/subscriptions"):
        return JSONResponse({"subscriptions": [subscription]})
    if path.endswith("/resolve"):
        return JSONResponse({"id": ID, "offerId": "contoso-crm", "planId": "silver", "subscription": subscription})
    if path.endswith("/listAvailablePlans"):
        return JSONResponse({"plans": [{"planId": "Platinum001", "displayName": "Platinum", "isPrivate": False}]})
    if path.endswith("/operations"):
        return JSONResponse({"operations": [operation]})
    if request.method == "GET":
        return JSONResponse(operation if "/operations/" in path else subscription)
    return Response(status_code=200)


async def _dead_end(request: Request) -> Response:
    """Show the same page to every buyer, take every notification, and ask Microsoft nothing."""
    if request.method == "GET":
        return Response("<!doctype html><title>Welcome</title><form><button>Go</button></form>", media_type="text/html")
    return Response(status_code=200)


async def _says_subscribed(request: Request) -> Response:
    """Take everything, and say of every account that all is well."""
    if request.url.path.startswith("/accounts/"):
        return JSONResponse({"status": "Subscribed", "planId": "silver", "quantity": 10})
    return PlainTextResponse("done")


NEARLY_SILENT_MARKETPLACES = {
    "echo": _service(_echo),
    "takes-writes": _service(_takes_writes),
    "accepts-changes": _service(_accepts_changes),
    "guarded": _service(_guarded),
    "examples": _service(_examples),
}
"""APIs that tell calls apart, and yet know nothing and do nothing."""

NEARLY_SILENT_PUBLISHERS = {
    "echo": _service(_echo),
    "takes-writes": _service(_takes_writes),
    "guarded": _service(_guarded),
    "dead-end": _service(_dead_end),
    "says-subscribed": _service(_says_subscribed),
}
"""Publishers that take everything, and never ask Microsoft anything."""
