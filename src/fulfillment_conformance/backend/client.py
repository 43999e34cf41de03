"""The Fulfillment API v2 as a publisher's back end calls it: all headers and bodies in the test's hand.

A call is right by default; a test that wants a fault says which part is faulty. Answers are never judged here.
"""

import json as json_module
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from fulfillment_conformance.answers import Answer, OperationAnswer, SubscriptionAnswer
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.http_client import HttpClient

API_VERSION: Final = "2018-08-31"

LONGEST_HOLD: Final = 10.0
"""Seconds that one 429 may ask to wait; whoever asks for more is not waited for."""
HOLDS: Final = 180.0
"""Seconds that all of them may ask for, in the whole run."""
SENT_AGAIN: Final = 3
"""How often one call that was answered 429 is sent again."""


class _Default:
    """Marks an argument that was not given, where None means "leave it out"."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = _Default()


class FulfillmentClient:
    """Calls one Fulfillment API. Every method takes the same keyword arguments to make the call faulty.

    Keyword arguments of all methods:
        token: access token instead of the publisher's own; None leaves the authorization header out.
        authorization: whole value of the authorization header instead.
        headers: headers added or replaced; a value of None leaves the header out.
        api_version: value of the query parameter instead of 2018-08-31; None leaves it out.
        query: further query parameters.
        json: body instead of the one the method sends; `content` gives its bytes.
    """

    def __init__(
        self,
        base_url: str,
        *,
        http: HttpClient,
        access_token: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Call the API below `base_url` (which ends before `/saas`) with tokens from `access_token`.

        A call that is answered 429 with Retry-After was put off, not judged: it is sent again after that time, given to
        `sleep`, as far as the limits of this module allow.
        """
        self.base_url = base_url.rstrip("/")
        self._sleep = sleep
        self._held = 0.0
        self._http = http
        self._access_token = access_token

    def as_(self, access_token: str) -> "FulfillmentClient":
        """Return a client of the same API that presents another token, as another publisher would."""
        return FulfillmentClient(self.base_url, http=self._http, access_token=lambda: access_token, sleep=self._sleep)

    def access_token(self) -> str:
        """Return the access token that calls present unless they are told otherwise."""
        return self._access_token()

    def resolve(self, purchase_token: str | None, **faults: Any) -> "ResolveAnswer":
        """POST resolve with the purchase token in its header; None leaves the header out."""
        headers = {"x-ms-marketplace-token": purchase_token} | dict(faults.pop("headers", {}))
        return ResolveAnswer(self._call("POST", "/resolve", "resolve", headers=headers, **faults))

    def activate(
        self,
        subscription_id: str,
        *,
        plan: str | _Default | None = DEFAULT,
        quantity: int | _Default | None = DEFAULT,
        **faults: Any,
    ) -> Answer:
        """POST activate; without `plan` and `quantity` there is no body."""
        body = _body(planId=plan, quantity=quantity)
        path = f"/{_part(subscription_id)}/activate"
        return Answer(self._call("POST", path, "activate", **{"json": body} | faults))

    def list_subscriptions(self, *, continuation: str | None = None, **faults: Any) -> "ListAnswer":
        """GET the first page of all subscriptions, or the one that a continuation token leads to."""
        query = ({} if continuation is None else {"continuationToken": continuation}) | dict(faults.pop("query", {}))
        return ListAnswer(self._call("GET", "", "list subscriptions", query=query, **faults))

    def follow(self, url: str, purpose: str = "follow link", **faults: Any) -> "ListAnswer":
        """GET an absolute URL that the API itself gave, exactly as it stands."""
        return ListAnswer(self._send("GET", url, purpose, **faults))

    def get_subscription(self, subscription_id: str, **faults: Any) -> SubscriptionAnswer:
        """GET one subscription."""
        return SubscriptionAnswer(self._call("GET", f"/{_part(subscription_id)}", "get subscription", **faults))

    def list_available_plans(self, subscription_id: str, *, plan: str | None = None, **faults: Any) -> Answer:
        """GET the plans that the subscription can change to; `plan` filters by id."""
        query = ({} if plan is None else {"planId": plan}) | dict(faults.pop("query", {}))
        path = f"/{_part(subscription_id)}/listAvailablePlans"
        return Answer(self._call("GET", path, "list available plans", query=query, **faults))

    def change_plan(self, subscription_id: str, plan: str | _Default | None, **faults: Any) -> "AcceptedAnswer":
        """PATCH the subscription with a new plan."""
        return self._patch(subscription_id, "change plan", _body(planId=plan), faults)

    def change_quantity(self, subscription_id: str, quantity: Any, **faults: Any) -> "AcceptedAnswer":
        """PATCH the subscription with a new number of seats."""
        return self._patch(subscription_id, "change quantity", _body(quantity=quantity), faults)

    def cancel(self, subscription_id: str, **faults: Any) -> "AcceptedAnswer":
        """DELETE the subscription."""
        return AcceptedAnswer(self._call("DELETE", f"/{_part(subscription_id)}", "cancel", **faults))

    def list_operations(self, subscription_id: str, **faults: Any) -> "OperationListAnswer":
        """GET the outstanding operations."""
        path = f"/{_part(subscription_id)}/operations"
        return OperationListAnswer(self._call("GET", path, "list operations", **faults))

    def get_operation(self, subscription_id: str, operation_id: str, **faults: Any) -> OperationAnswer:
        """GET one operation."""
        path = f"/{_part(subscription_id)}/operations/{_part(operation_id)}"
        return OperationAnswer(self._call("GET", path, "get operation", **faults))

    def update_operation(
        self, subscription_id: str, operation_id: str, status: str | _Default | None, **faults: Any
    ) -> Answer:
        """PATCH an operation with Success or Failure."""
        path = f"/{_part(subscription_id)}/operations/{_part(operation_id)}"
        return Answer(self._call("PATCH", path, "update operation", **{"json": _body(status=status)} | faults))

    def request(self, method: str, path: str, purpose: str, **faults: Any) -> Answer:
        """Send any method to any path below `/saas/subscriptions`."""
        return Answer(self._call(method, path, purpose, **faults))

    def _patch(self, subscription_id: str, purpose: str, body: Any, faults: dict[str, Any]) -> "AcceptedAnswer":
        return AcceptedAnswer(self._call("PATCH", f"/{_part(subscription_id)}", purpose, **{"json": body} | faults))

    def _call(
        self,
        method: str,
        path: str,
        purpose: str,
        *,
        api_version: str | None = API_VERSION,
        query: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> Exchange:
        parameters = dict(query or {})
        if api_version is not None:
            parameters["api-version"] = api_version
        url = f"{self.base_url}/saas/subscriptions{path}"
        if parameters:
            url += "?" + urlencode(parameters, quote_via=quote)
        return self._send(method, url, purpose, **rest)

    def _send(
        self,
        method: str,
        url: str,
        purpose: str,
        *,
        token: str | _Default | None = DEFAULT,
        authorization: str | _Default | None = DEFAULT,
        headers: Mapping[str, str | None] | None = None,
        json: Any = DEFAULT,
        content: bytes | None = None,
    ) -> Exchange:
        all_headers: dict[str, str | None] = {"content-type": "application/json"}
        if not isinstance(authorization, _Default):
            all_headers["authorization"] = authorization
        elif not isinstance(token, _Default):
            all_headers["authorization"] = None if token is None else f"Bearer {token}"
        else:
            all_headers["authorization"] = f"Bearer {self._access_token()}"
        all_headers |= {name.lower(): value for name, value in (headers or {}).items()}
        if content is None:
            content = b"" if isinstance(json, _Default) else json_module.dumps(json).encode()

        def send(purpose: str) -> Exchange:
            given = {name: value for name, value in all_headers.items() if value is not None}
            return self._http.send(method, url, headers=given, content=content, purpose=purpose)

        exchange = send(purpose)
        for _ in range(SENT_AGAIN):
            seconds = _put_off(exchange)
            if seconds is None or self._held + seconds > HOLDS:
                break
            self._held += seconds
            self._sleep(seconds)
            exchange = send(f"{purpose}, again after 429")
        return exchange


class ResolveAnswer(Answer):
    """An answer of resolve."""

    @property
    def subscription(self) -> SubscriptionAnswer:
        """The nested subscription object, readable like an answer of Get Subscription."""
        return _Nested(self)


class _Nested(SubscriptionAnswer):
    """The `subscription` object inside another answer."""

    def __init__(self, outer: Answer) -> None:
        super().__init__(outer.exchange)
        self._outer = outer

    def __getitem__(self, key: str | int) -> Any:
        return self._outer["subscription"][key]


class ListAnswer(Answer):
    """One page of subscriptions."""

    @property
    def entries(self) -> list[Any]:
        """The readings of the listed subscriptions; an empty body lists none."""
        return list(self["subscriptions"])

    @property
    def next_link(self) -> str | None:
        """The link to the next page, or None on the last."""
        link = self["@nextLink"].value
        return link if isinstance(link, str) and link else None


class OperationListAnswer(Answer):
    """The outstanding operations of a subscription."""

    @property
    def entries(self) -> list[Any]:
        """The readings of the listed operations, of a bare array too: which shape is right is the matter of OPL-001."""
        return list(self["operations"]) or list(self.body)


class AcceptedAnswer(Answer):
    """An answer that, when it is 202, points to an operation."""

    @property
    def operation_location(self) -> str | None:
        """The URL in the header Operation-Location."""
        value = self.header("Operation-Location").value
        return value if isinstance(value, str) else None

    @property
    def operation_id(self) -> str | None:
        """The last segment of that URL's path, or None."""
        location = self.operation_location
        return location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1] if location else None


def _put_off(exchange: Exchange) -> float | None:
    """Return for how many seconds a call was put off; None where it was not, or not in a way to keep to."""
    asked = header(exchange.response_headers, "retry-after") if exchange.status == 429 else None
    if asked is None or not asked.strip().isdecimal() or len(asked.strip()) > 3:
        return None
    seconds = float(asked)
    return seconds if seconds <= LONGEST_HOLD else None


def _part(value: str) -> str:
    return quote(value, safe="")


def _body(**fields: Any) -> Any:
    given = {name: value for name, value in fields.items() if not isinstance(value, _Default)}
    return given or DEFAULT
