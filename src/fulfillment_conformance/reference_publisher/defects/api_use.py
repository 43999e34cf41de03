"""Publishers that call the Fulfillment API in a way that the marketplace does not document, or no longer."""

import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx2

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiUnavailable, Result
from fulfillment_conformance.reference_publisher.messages import Subscription

_VERSION_1_RESOURCE = "62d94f6c-d599-489b-a797-3e10e42fbe22"


def _with_headers(publisher: ReferencePublisher, **changes: str | None) -> None:
    """Let every call carry these headers instead; None leaves one out. Underscores stand for dashes."""
    headers = publisher.api.headers

    def changed() -> dict[str, str]:
        values = {**headers(), **{name.replace("_", "-"): value for name, value in changes.items()}}
        return {name: value for name, value in values.items() if value is not None}

    replace(publisher.api, "headers", changed)


async def _send(publisher: ReferencePublisher, method: str, url: str, **options: Any) -> httpx2.Response:
    """Send one request with an access token, whatever comes of it."""
    token = await publisher.api.tokens.current()
    headers = {**publisher.api.headers(), "authorization": f"Bearer {token}", **options.pop("headers", {})}
    return await publisher.http.request(method, url, headers=headers, **options)


def _report_to(publisher: ReferencePublisher, version: str | None) -> None:
    """Let reports be sent with another api-version first, and then as they should."""
    report = publisher.api.report

    async def report_with_version(subscription_id: str, operation_id: str, result: Result) -> None:
        url = publisher.api.url(subscription_id, "operations", operation_id).partition("?")[0]
        query = f"?{urlencode({'api-version': version})}" if version else ""
        with contextlib.suppress(httpx2.TransportError):
            answer = await _send(publisher, "PATCH", url + query, json={"status": result})
            if answer.is_success:
                return
        await report(subscription_id, operation_id, result)

    replace(publisher.api, "report", report_with_version)


@defect("leaves-out-the-api-version", breaks=["HDR-003"])
def leaves_out_the_api_version(publisher: ReferencePublisher) -> None:
    """Outcomes are reported without api-version."""
    _report_to(publisher, None)


@defect("calls-version-1", breaks=["HDR-003", "REG-020", "V1-001"])
def calls_version_1(publisher: ReferencePublisher) -> None:
    """Outcomes are reported with the api-version of version 1."""
    _report_to(publisher, "2017-04-15")


@defect("sends-no-content-type", breaks=["HDR-006"])
def sends_no_content_type(publisher: ReferencePublisher) -> None:
    """Calls without a body carry no content-type."""
    _with_headers(publisher, content_type=None)


@defect("repeats-request-ids", breaks=["HDR-008"])
def repeats_request_ids(publisher: ReferencePublisher) -> None:
    """Every call has the same x-ms-requestid."""
    _with_headers(publisher, x_ms_requestid="5fd8b0d9-3ab8-4b1a-9d42-74ff0d1f3b0a")


@defect("sends-the-session-mode", breaks=["V1-005"])
def sends_the_session_mode(publisher: ReferencePublisher) -> None:
    """Every call carries the session mode header of version 1."""
    _with_headers(publisher, x_ms_marketplace_session_mode="DryRun")


@defect("sends-if-match", breaks=["V1-006"])
def sends_if_match(publisher: ReferencePublisher) -> None:
    """Every call carries If-Match, as version 1 had it."""
    _with_headers(publisher, if_match="*")


@defect("calls-without-access-token", breaks=["HDR-015"])
def calls_without_access_token(publisher: ReferencePublisher) -> None:
    """Operations are first read without an access token, and with one when that is refused."""
    operation = publisher.api.operation

    async def read_openly(subscription_id: str, operation_id: str) -> Any:
        url = publisher.api.url(subscription_id, "operations", operation_id)
        await publisher.http.get(url, headers=publisher.api.headers())
        return await operation(subscription_id, operation_id)

    replace(publisher.api, "operation", read_openly)


@defect("puts-the-token-in-the-query", breaks=["RES-002"])
def puts_the_token_in_the_query(publisher: ReferencePublisher) -> None:
    """The purchase token is handed over in the address as well as in its header."""
    url = publisher.api.url
    resolve = publisher.api.resolve

    async def resolve_in_query(purchase_token: str) -> Subscription:
        token = urlencode({"token": purchase_token})
        replace(publisher.api, "url", lambda *parts: f"{url(*parts)}&{token}" if parts == ("resolve",) else url(*parts))
        return await resolve(purchase_token)

    replace(publisher.api, "resolve", resolve_in_query)


@defect("starts-subscriptions-by-put", breaks=["REG-020", "V1-003"])
def starts_subscriptions_by_put(publisher: ReferencePublisher) -> None:
    """A subscription is started with the PUT of version 1, and activated when that is refused."""
    activate = publisher.api.activate

    async def put(subscription: Subscription) -> None:
        answer = await _send(
            publisher, "PUT", publisher.api.url(subscription.id), json={"planId": subscription.plan_id}
        )
        if not answer.is_success:
            await activate(subscription)

    replace(publisher.api, "activate", put)


@defect("reads-operations-of-version-1", breaks=["REG-020", "V1-004"])
def reads_operations_of_version_1(publisher: ReferencePublisher) -> None:
    """Operations are read without their subscription, as in version 1, and rightly when that is refused."""
    operation = publisher.api.operation

    async def read_old(subscription_id: str, operation_id: str) -> Any:
        url = f"{publisher.settings.api_url}/saas/operations/{operation_id}?api-version=2018-08-31"
        await _send(publisher, "GET", url)
        return await operation(subscription_id, operation_id)

    replace(publisher.api, "operation", read_old)


@defect("encodes-no-ids", breaks=["HDR-031"])
def encodes_no_ids(publisher: ReferencePublisher) -> None:
    """Ids become part of a path as they are."""

    def url(*parts: str) -> str:
        path = "".join(f"/{part}" for part in parts)
        return f"{publisher.settings.api_url}/saas/subscriptions{path}?api-version=2018-08-31"

    replace(publisher.api, "url", url)


@defect("asks-for-a-token-per-call", breaks=["AUT-027"])
def asks_for_a_token_per_call(publisher: ReferencePublisher) -> None:
    """Every call to the marketplace is preceded by a request for a fresh access token."""
    tokens = publisher.access_tokens
    current = tokens.current

    async def fresh() -> str:
        return await tokens.after_refusal(await current())

    replace(tokens, "current", fresh)


@defect("asks-for-a-token-per-purchase", breaks=["AUT-027"])
def asks_for_a_token_per_purchase(publisher: ReferencePublisher) -> None:
    """Every purchase token is resolved with a fresh access token, which the calls that follow share."""
    tokens = publisher.access_tokens
    resolve = publisher.api.resolve

    async def resolve_afresh(token: str) -> Subscription:
        await tokens.after_refusal(await tokens.current())
        return await resolve(token)

    replace(publisher.api, "resolve", resolve_afresh)


@defect(
    "keeps-expired-tokens",
    breaks=["AUT-010"],
    perhaps=[
        *("AAC-008", "ACT-004", "EVT-037", "GET-038", "HDR-027"),
        *("LND-001", "LND-029", "LST-015", "POL-005", "TST-003"),
    ],
)
def keeps_expired_tokens(publisher: ReferencePublisher) -> None:
    """An access token is renewed once, after the first refusal; the second one is used for ever."""
    tokens = publisher.access_tokens
    current = tokens.current
    after_refusal = tokens.after_refusal
    kept: list[str] = []

    async def keep() -> str:
        if not kept:
            kept.append(await current())
        return kept[-1]

    async def renew_once(refused: str) -> str:
        if len(kept) < 2:
            kept.append(await after_refusal(refused))
        return kept[-1]

    replace(tokens, "current", keep)
    replace(tokens, "after_refusal", renew_once)


@defect("asks-for-the-version-1-resource", breaks=["V1-002"])
def asks_for_the_version_1_resource(publisher: ReferencePublisher) -> None:
    """A token for the former resource is asked for as well, in case it is still needed."""
    settings = publisher.settings
    current = publisher.access_tokens.current
    asked: list[bool] = []

    async def ask_for_both() -> str:
        if not asked:
            asked.append(True)
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
                "resource": _VERSION_1_RESOURCE,
            }
            await publisher.http.post(f"{settings.login_url}/{settings.tenant_id}/oauth2/token", data=form)
        return await current()

    replace(publisher.access_tokens, "current", ask_for_both)


@defect("gives-up-at-500", breaks=["HDR-018", "OPP-020"])
def gives_up_at_500(publisher: ReferencePublisher) -> None:
    """A call that meets a server error is not repeated."""
    _never_repeating(publisher, lambda status: status in {500, 502, 504})


@defect("gives-up-at-429", breaks=["HDR-027"])
def gives_up_at_429(publisher: ReferencePublisher) -> None:
    """A call that comes too fast or meets a busy service is not repeated."""
    _never_repeating(publisher, lambda status: status in {429, 503})


@defect("gives-up-at-silence", breaks=["HDR-032", "OPP-020"])
def gives_up_at_silence(publisher: ReferencePublisher) -> None:
    """A call that is not answered in time is not repeated."""
    _never_repeating(publisher, lambda status: status is None)


def _never_repeating(publisher: ReferencePublisher, applies: Callable[[int | None], bool]) -> None:
    """Let a call end with its first attempt when its status, None for silence, is one of these."""
    send = publisher.api.send

    async def send_once(method: str, url: str, *rest: Any) -> httpx2.Response:
        try:
            answer = await send(method, url, *rest)
        except httpx2.TransportError as error:
            if applies(None):
                raise ApiUnavailable("a call", "it is not repeated") from error
            raise
        if applies(answer.status_code):
            raise ApiUnavailable("a call", "it is not repeated")
        return answer

    replace(publisher.api, "send", send_once)


@defect("reads-the-first-page-only", breaks=["LST-015"])
def reads_the_first_page_only(publisher: ReferencePublisher) -> None:
    """The list ends where its first page ends."""
    _with_pages(publisher, lambda page: {**page, "@nextLink": ""})


@defect("fails-on-an-empty-list", breaks=["LST-016"])
def fails_on_an_empty_list(publisher: ReferencePublisher) -> None:
    """A list without a body makes reconciliation fail."""
    call = publisher.api.call

    async def call_and_read(name: str, method: str, url: str, **options: Any) -> httpx2.Response:
        answer = await call(name, method, url, **options)
        if name == "list subscriptions":
            answer.json()
        return answer

    replace(publisher.api, "call", call_and_read)


@defect("fails-on-unknown-states", breaks=["LST-020"])
def fails_on_unknown_states(publisher: ReferencePublisher) -> None:
    """A status word that is not among the four makes reconciliation fail."""
    known = {"PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"}

    def insist(page: dict[str, Any]) -> dict[str, Any]:
        for entry in page.get("subscriptions") or ():
            if entry["saasSubscriptionStatus"] not in known:
                raise KeyError(entry["saasSubscriptionStatus"])
        return page

    _with_pages(publisher, insist)


def _with_pages(publisher: ReferencePublisher, look: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    call = publisher.api.call

    async def call_and_look(name: str, method: str, url: str, **options: Any) -> httpx2.Response:
        answer = await call(name, method, url, **options)
        if name != "list subscriptions" or not answer.content.strip():
            return answer
        return httpx2.Response(answer.status_code, json=look(answer.json()))

    replace(publisher.api, "call", call_and_look)
