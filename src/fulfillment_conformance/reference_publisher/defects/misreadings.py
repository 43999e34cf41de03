"""Publishers that read answers, actions and addresses as something else than what they are."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Event, Status, Subscription
from fulfillment_conformance.reference_publisher.pages import notice
from fulfillment_conformance.reference_publisher.sessions import Session
from fulfillment_conformance.reference_publisher.webhook import DONE, Verdict


def _reading(publisher: ReferencePublisher, read: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Let every JSON object that the marketplace answers be read as another one."""
    send = publisher.api.send

    async def send_and_misread(method: str, url: str, *rest: Any) -> httpx2.Response:
        answer = await send(method, url, *rest)
        if not answer.is_success or not answer.content.startswith(b"{"):
            return answer
        return httpx2.Response(answer.status_code, json=read(answer.json()), request=answer.request)

    replace(publisher.api, "send", send_and_misread)


@defect("buys-one-seat-of-everything", breaks=["ACT-006"])
def buys_one_seat_of_everything(publisher: ReferencePublisher) -> None:
    """Activate names one seat, whatever was bought."""

    async def activate_one(subscription: Subscription) -> None:
        url = publisher.api.url(subscription.id, "activate")
        await publisher.api.call("activate", "POST", url, json={"planId": subscription.plan_id, "quantity": 1})

    replace(publisher.api, "activate", activate_one)


@defect("reads-states-of-version-1", breaks=["V1-008"])
def reads_states_of_version_1(publisher: ReferencePublisher) -> None:
    """A field of version 1 decides on the state wherever there is one."""
    words = {"Pending": Status.PENDING.value, "Deactivated": Status.UNSUBSCRIBED.value}

    def read(document: dict[str, Any]) -> dict[str, Any]:
        word = words.get(document.get("subscriptionStatus", ""))
        return {**document, "saasSubscriptionStatus": word} if word else document

    _reading(publisher, read)


@defect("believes-the-later-date", breaks=["GET-028"])
def believes_the_later_date(publisher: ReferencePublisher) -> None:
    """What was said with a later lastModified is taken for newer."""
    newest: dict[str, dict[str, Any]] = {}

    def read(document: dict[str, Any]) -> dict[str, Any]:
        if "lastModified" not in document:
            return document
        known = newest.setdefault(document["id"], document)
        if document["lastModified"] >= known["lastModified"]:
            newest[document["id"]] = document
        return newest[document["id"]]

    _reading(publisher, read)


@defect("obeys-actions-of-version-1", breaks=["V1-009"])
def obeys_actions_of_version_1(publisher: ReferencePublisher) -> None:
    """The word Delete, by which version 1 announced a cancellation, ends access."""
    take = publisher.webhook.take

    async def take_delete(event: Event) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if event.action != "Delete" or account is None:
            return await take(event)
        publisher.accounts.save(dataclasses.replace(account, status=Status.UNSUBSCRIBED))
        return DONE

    replace(publisher.webhook, "take", take_delete)


@defect("calls-the-api-from-the-page", breaks=["HDR-021"])
def calls_the_api_from_the_page(publisher: ReferencePublisher) -> None:
    """The account's page reads the subscription by script, in the customer's browser."""
    page = publisher.management.manage_page

    async def page_with_script(session: Session, account: Account) -> Response:
        response = await page(session, account)
        script = f"<script>fetch('{publisher.settings.api_url}/saas/subscriptions/{account.subscription_id}')</script>"
        return HTMLResponse(bytes(response.body).decode() + script, status_code=response.status_code)

    replace(publisher.management, "manage_page", page_with_script)


@defect("fails-for-whoever-does-not-ask-for-html", breaks=["LND-001"])
def fails_for_whoever_does_not_ask_for_html(publisher: ReferencePublisher) -> None:
    """A visit that does not say that it wants HTML ends in a server error."""
    open_page = publisher.landing.open

    async def open_html(request: Request) -> Response:
        if "token" in request.query_params and "text/html" not in request.headers.get("accept", ""):
            return HTMLResponse("KeyError: 'text/html'", status_code=500)
        return await open_page(request)

    replace(publisher.landing, "open", open_html)


@defect("manages-only-what-it-has-set-up", breaks=["AAC-007"])
def manages_only_what_it_has_set_up(publisher: ReferencePublisher) -> None:
    """The landing page knows nothing of accounts that a notification has made."""
    present = publisher.landing.present

    async def present_own(session: Session, subscription: Subscription) -> Response:
        account = publisher.accounts.get(subscription.id)
        if subscription.status is Status.SUBSCRIBED and (account is None or not account.contact_email):
            return notice("We do not know this subscription", "Nobody has set it up.", status=404)
        return await present(session, subscription)

    replace(publisher.landing, "present", present_own)


@defect("breaks-down-in-a-crowd", breaks=["EVT-023", "WHK-005"])
def breaks_down_in_a_crowd(publisher: ReferencePublisher) -> None:
    """More than three notifications at one time are answered 503."""
    decide = publisher.webhook.decide
    inside: list[Request] = []

    async def decide_for_three(request: Request) -> Verdict:
        if len(inside) >= 3:
            return Verdict(status=503, reason="too many calls")
        inside.append(request)
        try:
            if len(inside) > 1:
                await asyncio.sleep(0.2)
            return await decide(request)
        finally:
            inside.remove(request)

    replace(publisher.webhook, "decide", decide_for_three)
