"""The Fulfillment API v2, as this publisher calls it: from the back end, with every header, bounded and repeatable.

Source pages: pc-saas-fulfillment-subscription-api, pc-saas-fulfillment-operations-api.
"""

import asyncio
import email.utils
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import httpx2

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokens
from fulfillment_conformance.reference_publisher.alarm import Alarm
from fulfillment_conformance.reference_publisher.messages import Operation, Plan, Subscription
from fulfillment_conformance.reference_publisher.settings import Settings

logger = logging.getLogger(__name__)

API_VERSION: Final = "2018-08-31"

SUBJECT: Final = "acceptance of our access token by the Fulfillment API"
"""What the alarm is about."""

Result = Literal["Success", "Failure"]
"""What a publisher reports of an operation. Operations themselves use other words (Succeeded, Failed)."""


class ApiRefused(Exception):  # noqa: N818 - a refusal is an answer
    """The marketplace answered a call with 4xx. `status` is its status; its text is not for buyers' eyes."""

    def __init__(self, call: str, status: int) -> None:
        super().__init__(f"the marketplace answered {status} to {call}")
        self.status = status

    @property
    def not_found(self) -> bool:
        """Whether there is no such thing: documented as 404, seen as 400."""
        return self.status in {400, 404}


class ApiUnavailable(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """The marketplace gave no usable answer, however often it was asked."""

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(f"the marketplace gave no usable answer to {call}: {reason}")


class FulfillmentApi:
    """Client of the Fulfillment API.

    Every call raises `ApiRefused` for 4xx, `ApiUnavailable` when no usable answer came within the attempts allowed, and
    `AccessTokenUnavailable`. Every call may be repeated without a second effect.
    """

    def __init__(
        self,
        settings: Settings,
        http: httpx2.AsyncClient,
        tokens: AccessTokens,
        alarm: Alarm,
        *,
        new_id: Callable[[], str],
    ) -> None:
        """Call with `http` and access tokens from `tokens`; `new_id` gives a fresh GUID for each request.

        `alarm` sounds when the marketplace does not accept our tokens.
        """
        self.tokens = tokens
        self._alarm = alarm
        self._http = http
        self._base = httpx2.URL(settings.api_url)
        self._patience = settings.patience
        self._new_id = new_id

    async def resolve(self, purchase_token: str) -> Subscription:
        """Exchange a decoded purchase token for what was bought."""
        headers = {"x-ms-marketplace-token": purchase_token}
        answer = await self.call("resolve", "POST", self.url("resolve"), headers=headers)
        subscription = Subscription.read_resolved(_object("resolve", answer))
        if not subscription.id:
            raise ApiUnavailable("resolve", "the answer names no subscription")
        return subscription

    async def activate(self, subscription: Subscription) -> None:
        """Start a subscription as it was bought. 2xx means request received, and has no body worth reading."""
        body: dict[str, Any] = {"planId": subscription.plan_id}
        if subscription.quantity is not None:
            body["quantity"] = subscription.quantity
        await self.call("activate", "POST", self.url(subscription.id, "activate"), json=body)

    async def subscription(self, subscription_id: str) -> Subscription:
        """Read one subscription: the authority on its state."""
        answer = await self.call("get subscription", "GET", self.url(subscription_id))
        return Subscription.read(_object("get subscription", answer))

    async def subscriptions(self) -> AsyncIterator[Subscription]:
        """Read all subscriptions of the publisher, page by page, each link exactly as the marketplace gave it."""
        link = self.url()
        followed: set[str] = set()
        while link and link not in followed:
            followed.add(link)
            answer = await self.call("list subscriptions", "GET", link)
            # Without any subscription the body may be empty.
            page = _object("list subscriptions", answer) if answer.content.strip() else {}
            for entry in page.get("subscriptions") or ():
                yield Subscription.read(entry)
            link = str(page.get("@nextLink") or "").strip()

    async def available_plans(self, subscription_id: str) -> Sequence[Plan]:
        """Read the plans to which a subscription can change."""
        answer = await self.call("list available plans", "GET", self.url(subscription_id, "listAvailablePlans"))
        page = _object("list available plans", answer) if answer.content.strip() else {}
        return [Plan.read(entry) for entry in page.get("plans") or ()]

    async def change_plan(self, subscription_id: str, plan_id: str) -> str:
        """Ask for another plan; return the address of the operation, empty when none is given."""
        answer = await self.call("change plan", "PATCH", self.url(subscription_id), json={"planId": plan_id})
        return str(answer.headers.get("operation-location", ""))

    async def change_quantity(self, subscription_id: str, quantity: int) -> str:
        """Ask for another number of seats; return the address of the operation, empty when none is given."""
        answer = await self.call("change quantity", "PATCH", self.url(subscription_id), json={"quantity": quantity})
        return str(answer.headers.get("operation-location", ""))

    async def cancel(self, subscription_id: str) -> str:
        """Ask to cancel; return the address of the operation, empty when the subscription was cancelled already."""
        answer = await self.call("cancel", "DELETE", self.url(subscription_id))
        return str(answer.headers.get("operation-location", ""))

    async def operation(self, subscription_id: str, operation_id: str) -> Operation:
        """Read one operation."""
        url = self.url(subscription_id, "operations", operation_id)
        return Operation.read(_object("get operation", await self.call("get operation", "GET", url)))

    async def operation_at(self, location: str) -> Operation:
        """Read the operation at an address that the marketplace gave, exactly as it stands."""
        return Operation.read(_object("get operation", await self.call("get operation", "GET", location)))

    async def report(self, subscription_id: str, operation_id: str, result: Result) -> None:
        """Tell the marketplace whether a change has been carried out on our side."""
        url = self.url(subscription_id, "operations", operation_id)
        await self.call("update operation", "PATCH", url, json={"status": result})

    def url(self, *parts: str) -> str:
        """Return an address below `/saas/subscriptions`. Ids are encoded: some hold braces, colons and commas."""
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        return f"{self._base}/saas/subscriptions{path}?{urlencode({'api-version': API_VERSION})}"

    def headers(self) -> dict[str, str]:
        """Return the headers of every request; content-type is asked for also where there is no body."""
        return {"accept": "application/json", "content-type": "application/json", "x-ms-requestid": self._new_id()}

    async def call(
        self, call: str, method: str, url: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Make one call, as often as it takes within the attempts allowed, and return its 2xx answer."""
        if not self._leads_to_marketplace(url):
            raise ApiUnavailable(call, "its address leads away from the marketplace, which alone may see our token")
        correlation = {"x-ms-correlationid": self._new_id()}
        token = await self.tokens.current()
        renewed = False
        pause = self._patience.pause
        reason = "not asked"
        for attempt in range(1, self._patience.attempts + 1):
            wait = pause
            try:
                answer = await self.send(method, url, json, {**correlation, **(headers or {})}, token)
                if answer.status_code in {401, 403} and not renewed:
                    # Both have been documented for an expired token. A fresh one decides, once.
                    renewed = True
                    token = await self.tokens.after_refusal(token)
                    answer = await self.send(method, url, json, {**correlation, **(headers or {})}, token)
            except httpx2.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    self._alarm.over(SUBJECT)
                    return answer
                if answer.status_code in {401, 403}:
                    self._alarm.sound(SUBJECT, f"status {answer.status_code}: check tenant, application and offer")
                reason = f"status {answer.status_code}"
                if answer.status_code != 429 and answer.status_code < 500:
                    raise ApiRefused(call, answer.status_code)
                asked = _retry_after(answer)
                wait = pause if asked is None else asked
            logger.warning("attempt %d of %s failed: %s", attempt, call, reason)
            if attempt == self._patience.attempts or wait > self._patience.longest_pause:
                break
            await asyncio.sleep(wait)
            pause *= 2
        raise ApiUnavailable(call, reason)

    async def send(self, method: str, url: str, json: Any, headers: Mapping[str, str], token: str) -> httpx2.Response:
        """Make one attempt of a call and return whatever it is answered."""
        everything = {**self.headers(), **headers, "authorization": f"Bearer {token}"}
        return await self._http.request(method, url, headers=everything, json=json)

    def _leads_to_marketplace(self, url: str) -> bool:
        try:
            target = httpx2.URL(url)
        except httpx2.InvalidURL:
            return False
        return (target.scheme, target.host, target.port) == (self._base.scheme, self._base.host, self._base.port)


def _object(call: str, answer: httpx2.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise ApiUnavailable(call, "the answer is not JSON") from error
    if not isinstance(body, dict):
        raise ApiUnavailable(call, "the answer is not a JSON object")
    return body


def _retry_after(answer: httpx2.Response) -> float | None:
    """Return the seconds that Retry-After asks for, as a number or as a date; None when it does not."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
