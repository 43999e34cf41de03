"""The eleven operations of the Fulfillment API v2 over HTTP: what is asked, what the core says, how it is answered.

Every answer, errors included, carries `x-ms-requestid` and `x-ms-correlationid`, echoed or made up. The order of checks
is: path, method, access token, api-version, ids in the path, body, and then the marketplace's own rules.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.routing import Route

from fulfillment_conformance.emulator.documents import GUID
from fulfillment_conformance.emulator.identity.verification import AccessTokenRefused, NoServicePrincipal
from fulfillment_conformance.emulator.messages import Reply, Request, Resource, error_reply, read_object
from fulfillment_conformance.emulator.settings import API_VERSION, Profile
from fulfillment_conformance.emulator.wire import Wire
from fulfillment_conformance.marketplace import UNSET, Caller, Ids, Marketplace, Operation, Refused

Answer = Callable[[Request], Reply]
Wrapper = Callable[[Request, Answer], Reply]

PREFIX: Final = "/api/saas/subscriptions"

PATHS: Final[Mapping[str, Mapping[str, str]]] = {
    "": {"GET": "list_subscriptions"},
    "/": {"GET": "list_subscriptions"},
    "/resolve": {"POST": "resolve"},
    "/{subscription_id}": {"GET": "get_subscription", "PATCH": "change_subscription", "DELETE": "cancel"},
    "/{subscription_id}/activate": {"POST": "activate"},
    "/{subscription_id}/listAvailablePlans": {"GET": "list_available_plans"},
    "/{subscription_id}/operations": {"GET": "list_operations"},
    "/{subscription_id}/operations/{operation_id}": {"GET": "get_operation", "PATCH": "settle_operation"},
}
"""Every path below `PREFIX`, with the operation behind each method."""

OPERATIONS: Final = tuple(dict.fromkeys(name for methods in PATHS.values() for name in methods.values()))
"""The names of the operations; `change_subscription` is two of the eleven, a plan and a seat change."""

_TRACE_ID = re.compile(r"[\x21-\x7e]{1,256}")
_JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_SEATS_AS_TEXT = re.compile(r" *[0-9]{1,9} *")
_ONE_TEXT_FOR_ALL = (
    "The access token is missing, invalid or expired, or its application is not the one in the technical details of "
    "the offer."
)
"""What the live service says to whomever it does not let in (LB-51), in our words."""


class FulfillmentApi:
    """The operations. Each check and each operation is a method of its own, so that a deviation can replace one.

    Args:
        market: the core.
        wire: how its facts are written.
        caller: says who calls, from the value of the Authorization header; raises `AccessTokenRefused`, or `Refused`
            for an application that no offer is registered with.
        perform: runs a command on the core at the present time and sees to what it causes.
        ids: source of request ids.
        origin: says where this service is for whoever sent a request; absolute links begin with it.
        profile: whose error bodies are sent.
    """

    def __init__(
        self,
        *,
        market: Marketplace,
        wire: Wire,
        caller: Callable[[str | None], Caller],
        perform: Callable[[Callable[[], Reply]], Reply],
        ids: Ids,
        origin: Callable[[Request], str],
        profile: Profile = "documented",
    ) -> None:
        self._market = market
        self._wire = wire
        self._caller = caller
        self._perform = perform
        self._ids = ids
        self._observed = profile == "observed"
        self._origin = origin
        self._answers: dict[str, Answer] = {name: self._answer_of(name) for name in OPERATIONS}

    def routes(self) -> list[Route]:
        """Return the routes, one for each path, and one for everything else below `/api`."""
        known = [
            Route(
                PREFIX + path,
                Resource({method: self._endpoint(name) for method, name in methods.items()}, refuse=self.refuse),
            )
            for path, methods in PATHS.items()
        ]
        return [*known, Route("/api/{rest:path}", Resource({}, refuse=self.refuse))]

    def wrap(self, operation: str, wrapper: Wrapper) -> None:
        """Let `wrapper` answer an operation from now on; it gets the request and whoever answered so far."""
        inner = self._answers[operation]
        self._answers[operation] = lambda request: wrapper(request, inner)

    def answer(self, operation: str, request: Request) -> Reply:
        """Carry out one operation of `OPERATIONS` and return its answer."""
        return self._answers[operation](request)

    def refuse(self, request: Request, refused: Refused) -> Reply:
        """Return the answer to a request that reaches no operation."""
        self.trace(request)
        reply = error_reply(refused.status, refused.code, refused.message)
        reply.headers |= request.trace
        return reply

    # --- checks that all operations share ---

    def authenticate(self, request: Request) -> Caller:
        """Return who calls. Refuses with 401, or 403 where the application's registration is incomplete."""
        try:
            return self._caller(request.headers.get("authorization"))
        except AccessTokenRefused as refused:
            status = 403 if self._observed or isinstance(refused, NoServicePrincipal) else 401
            raise Refused(status, type(refused).__name__, f"{refused}.") from None

    def check_version(self, request: Request) -> None:
        """Refuse a call that is not made to the one version served here."""
        version = request.parameter("api-version")
        if version is None:
            raise Refused(400, "ApiVersionMissing", f"Add the query parameter api-version={API_VERSION}.")
        if version != API_VERSION:
            raise Refused(400, "ApiVersionUnknown", f"There is no api-version {version!r}; use {API_VERSION}.")

    def read_document(self, request: Request) -> dict[str, Any]:
        """Return the JSON object in the body. A body may lack a content type, but not have another one than JSON."""
        content_type = request.headers.get("content-type")
        if content_type is not None and not _JSON_TYPE.fullmatch(content_type):
            raise Refused(400, "ContentTypeUnknown", f"The body is {content_type!r}; send application/json.")
        return read_object(request.body)

    # --- the operations ---

    def resolve(self, request: Request, caller: Caller) -> Reply:
        """POST /resolve: exchange a purchase token."""
        subscription = self._market.resolve(caller, request.headers.get("x-ms-marketplace-token"))
        return Reply(200, self._wire.resolved(subscription))

    def activate(self, request: Request, caller: Caller) -> Reply:
        """POST /{id}/activate: the plan and seats in the body, if any, are the purchased ones.

        Seats may be text, and empty for flat plans, as on the page of 06/2020 and as resolve may have given them.
        """
        plan_id, quantity = None, None
        if request.body.strip():
            document = self.read_document(request)
            plan_id, quantity = _plan_in(document), _quantity_in(_with_number_of_seats(document))
        self._market.activate(
            caller,
            request.ids["subscription_id"],
            plan_id=UNSET if plan_id is None else plan_id,
            quantity=UNSET if quantity is None else quantity,
        )
        return Reply(200)

    def list_subscriptions(self, request: Request, caller: Caller) -> Reply:
        """GET /: all subscriptions of the publisher, page by page."""
        page = self._market.page(caller, continuation=request.parameter("continuationToken") or None)
        document: dict[str, Any] = {"subscriptions": [self._wire.subscription(each) for each in page.subscriptions]}
        if page.continuation is not None:
            document["@nextLink"] = self._link(request, continuationToken=page.continuation)
        return Reply(200, document)

    def get_subscription(self, request: Request, caller: Caller) -> Reply:
        """GET /{id}."""
        return Reply(200, self._wire.subscription(self._market.subscription(caller, request.ids["subscription_id"])))

    def list_available_plans(self, request: Request, caller: Caller) -> Reply:
        """GET /{id}/listAvailablePlans."""
        plans = self._market.available_plans(
            caller, request.ids["subscription_id"], plan_id=request.parameter("planId") or None
        )
        return Reply(200, self._wire.plans(plans))

    def change_subscription(self, request: Request, caller: Caller) -> Reply:
        """PATCH /{id}: change the plan or the seats, never both in one call; null counts as not given."""
        document = self.read_document(request)
        plan_id, quantity = _plan_in(document), _quantity_in(document)
        subscription_id = request.ids["subscription_id"]
        if plan_id is not None and quantity is not None:
            raise Refused(400, "PlanAndQuantity", "Change either planId or quantity; they cannot change in one call.")
        if plan_id is not None:
            return self._accepted(request, self._market.change_plan(caller, subscription_id, plan_id))
        if quantity is not None:
            return self._accepted(request, self._market.change_quantity(caller, subscription_id, quantity))
        raise Refused(400, "NothingToChange", "The body names neither planId nor quantity; send one of them.")

    def cancel(self, request: Request, caller: Caller) -> Reply:
        """DELETE /{id}."""
        operation = self._market.cancel(caller, request.ids["subscription_id"])
        return Reply(200) if operation is None else self._accepted(request, operation)

    def list_operations(self, request: Request, caller: Caller) -> Reply:
        """GET /{id}/operations."""
        operations = self._market.pending_operations(caller, request.ids["subscription_id"])
        return Reply(200, {"operations": [self._wire.listed_operation(each) for each in operations]})

    def get_operation(self, request: Request, caller: Caller) -> Reply:
        """GET /{id}/operations/{operationId}."""
        operation = self._market.operation(caller, request.ids["subscription_id"], request.ids["operation_id"])
        return Reply(200, self._wire.operation(operation))

    def settle_operation(self, request: Request, caller: Caller) -> Reply:
        """PATCH /{id}/operations/{operationId}: the publisher's verdict on a change."""
        status = self.read_document(request).get("status")
        if not isinstance(status, str):
            raise Refused(400, "StatusMissing", f"status is {status!r}; send the string Success or Failure.")
        try:
            self._market.settle(caller, request.ids["subscription_id"], request.ids["operation_id"], status=status)
        except Refused as refused:
            if refused.status == 409 and self._observed:  # LB-08
                raise Refused(409, refused.code, request.trace["x-ms-requestid"]) from None
            raise
        return Reply(200)

    # --- what every answer has ---

    def trace(self, request: Request) -> None:
        """Give the request the two ids by which it is traced: its own, or new ones."""
        for name in ("x-ms-requestid", "x-ms-correlationid"):
            given = request.headers.get(name, "")
            request.trace[name] = given if _TRACE_ID.fullmatch(given) else self._ids.guid()

    def _endpoint(self, operation: str) -> Callable[[Request], Awaitable[Reply]]:
        async def endpoint(request: Request) -> Reply:
            return self.answer(operation, request)

        return endpoint

    def _answer_of(self, operation: str) -> Answer:
        def act(request: Request) -> Reply:
            self.trace(request)
            try:
                caller = self.authenticate(request)
                self.check_version(request)
                request.ids = {name: _guid(name, value) for name, value in request.ids.items()}
                reply: Reply = getattr(self, operation)(request, caller)
            except Refused as refused:
                reply = self.error(refused)
            reply.headers |= request.trace
            return reply

        return lambda request: self._perform(lambda: act(request))

    def error(self, refused: Refused) -> Reply:
        """Return the body of a refusal; who may not call hears one text for all causes under `observed` (LB-51)."""
        if self._observed and refused.status == 403:
            return Reply(403, _ONE_TEXT_FOR_ALL)
        return error_reply(refused.status, refused.code, refused.message)

    def _accepted(self, request: Request, operation: Operation) -> Reply:
        path = f"/{operation.subscription_id}/operations/{quote(operation.id, safe='')}"
        return Reply(202, headers={"Operation-Location": self._link(request, path)})

    def _link(self, request: Request, path: str = "", **parameters: str) -> str:
        return f"{self._origin(request)}{PREFIX}{path}?{urlencode({'api-version': API_VERSION, **parameters})}"


def _plan_in(document: Mapping[str, Any]) -> str | None:
    plan_id = document.get("planId")
    if plan_id is not None and not isinstance(plan_id, str):
        raise Refused(400, "PlanIdInvalid", f"planId is {plan_id!r}; send the id of a plan as a string.")
    return plan_id


def _with_number_of_seats(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a body with its quantity as a number if it is numeric text, and with none if it is blank."""
    seats = document.get("quantity")
    if not isinstance(seats, str):
        return document
    if not seats.strip():
        return {**document, "quantity": None}
    return {**document, "quantity": int(seats)} if _SEATS_AS_TEXT.fullmatch(seats) else document


def _quantity_in(document: Mapping[str, Any]) -> int | None:
    quantity = document.get("quantity")
    if quantity is not None and (not isinstance(quantity, int) or isinstance(quantity, bool)):
        raise Refused(400, "QuantityInvalid", f"quantity is {quantity!r}; send a number of seats as an integer.")
    return quantity


def _guid(name: str, value: str) -> str:
    if not GUID.fullmatch(value):
        what = name.replace("_", " ")
        raise Refused(400, "IdInvalid", f"The {what} in the path is {value!r}; send a GUID.")
    return value.lower()
