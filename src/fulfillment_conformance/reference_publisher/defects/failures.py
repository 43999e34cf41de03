"""Publishers that make more of a failure than it is: a storm of calls, a page for developers, access all the same."""

import base64
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from markupsafe import escape
from starlette.responses import HTMLResponse, Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable
from fulfillment_conformance.reference_publisher.messages import Status, Subscription
from fulfillment_conformance.reference_publisher.sessions import Session

STORM = 60
"""How many calls in a row are as good as calls without end."""


def _adding_to_failures(publisher: ReferencePublisher, added: Callable[[], str]) -> None:
    """Let every page that tells of a failure hold something more."""
    for name in ("apology", "not_identified"):
        page = getattr(publisher.landing, name)

        def explained(page: Callable[[], Response] = page) -> Response:
            response = page()
            html = bytes(response.body).decode().replace("</main>", f"<pre>{added()}</pre></main>")
            return HTMLResponse(html, status_code=response.status_code)

        replace(publisher.landing, name, explained)


@defect("shows-what-the-marketplace-answered", breaks=["AUT-029", "LND-041"])
def shows_what_the_marketplace_answered(publisher: ReferencePublisher) -> None:
    """Pages that tell of a failure hold the marketplace's answer, escaped and in full."""
    send, activate, said = publisher.api.send, publisher.landing.activate, [""]

    async def overhear(method: str, url: str, *rest: Any) -> httpx2.Response:
        answer = await send(method, url, *rest)
        said[0] = answer.text if answer.status_code >= 400 else said[0]
        return answer

    async def activate_and_tell(account: Account, subscription: Subscription) -> tuple[Account, str]:
        account, trouble = await activate(account, subscription)
        return account, f"{trouble} {said[0]}" if trouble else ""

    replace(publisher.api, "send", overhear)
    replace(publisher.landing, "activate", activate_and_tell)
    _adding_to_failures(publisher, lambda: str(escape(said[0])))


@defect("shows-where-it-has-failed", breaks=["AUT-028", "LND-041"])
def shows_where_it_has_failed(publisher: ReferencePublisher) -> None:
    """Pages that tell of a failure hold the lines of code that it went through."""
    trace = (
        "Error: no answer\n    at call (/app/src/marketplace.js:31:11)\n    at async landing (/app/src/landing.js:17:5)"
    )
    _adding_to_failures(publisher, lambda: trace)


@defect("shows-its-settings-when-it-fails", breaks=["AUT-021"])
def shows_its_settings_when_it_fails(publisher: ReferencePublisher) -> None:
    """Pages that tell of a failure hold the settings, the client secret among them."""
    _adding_to_failures(publisher, lambda: f"CLIENT_SECRET={publisher.settings.client_secret}")


@defect("keeps-the-access-token-in-a-cookie", breaks=["AUT-021"])
def keeps_the_access_token_in_a_cookie(publisher: ReferencePublisher) -> None:
    """What the application needs for the next request waits in the browser, the access token too, in base64."""
    attach = publisher.sessions.attach

    def attach_everything(session: Session, response: Response) -> Response:
        kept = json.dumps({"csrf": session.csrf, "accessToken": publisher.access_tokens._token})
        response.set_cookie("kept", base64.urlsafe_b64encode(kept.encode()).decode().rstrip("="), path="/")
        return attach(session, response)

    replace(publisher.sessions, "attach", attach_everything)


@defect("gives-access-after-a-403", breaks=["ACT-025"])
def gives_access_after_a_403(publisher: ReferencePublisher) -> None:
    """An activation that the marketplace does not allow is taken for one that is not needed."""

    async def forbidden(ask: Callable[[], Awaitable[None]]) -> bool:
        try:
            await ask()
        except ApiRefused as refusal:
            if refusal.status != 403:
                raise
            return True
        return False

    _giving_access(publisher, forbidden)


@defect("gives-access-after-a-lost-answer", breaks=["ACT-025"])
def gives_access_after_a_lost_answer(publisher: ReferencePublisher) -> None:
    """An activation to which no answer comes is taken for a success."""

    async def lost(ask: Callable[[], Awaitable[None]]) -> bool:
        try:
            await ask()
        except ApiUnavailable as problem:
            if "status" in str(problem):
                raise
            return True
        return False

    _giving_access(publisher, lost)


def _giving_access(
    publisher: ReferencePublisher, all_the_same: Callable[[Callable[[], Awaitable[None]]], Awaitable[bool]]
) -> None:
    """Let an account be active if its activation has failed in this way."""
    call, activate = publisher.api.activate, publisher.landing.activate

    async def activate_or_not(account: Account, subscription: Subscription) -> tuple[Account, str]:
        given: list[bool] = []

        async def ask(subscription: Subscription) -> None:
            given.append(await all_the_same(lambda: call(subscription)))
            if given[-1]:
                raise ApiUnavailable("activate", "it has failed")

        replace(publisher.api, "activate", ask)
        account, trouble = await activate(account, subscription)
        if any(given):
            account, trouble = dataclasses.replace(account, status=Status.SUBSCRIBED), ""
            publisher.accounts.save(account)
        return account, trouble

    replace(publisher.landing, "activate", activate_or_not)


@defect("gives-purchases-up-for-good", breaks=["ACT-025"])
def gives_purchases_up_for_good(publisher: ReferencePublisher) -> None:
    """A purchase whose activation has failed once cannot be activated any more."""
    activate, failed = publisher.landing.activate, set[str]()

    async def activate_once(account: Account, subscription: Subscription) -> tuple[Account, str]:
        if subscription.id in failed:
            return account, "This purchase has failed before."
        account, trouble = await activate(account, subscription)
        if trouble:
            failed.add(subscription.id)
        return account, trouble

    replace(publisher.landing, "activate", activate_once)


@defect("resolves-without-end", breaks=["AUT-027", "AUT-029", "HDR-018"])
def resolves_without_end(publisher: ReferencePublisher) -> None:
    """A purchase token is resolved again and again until the marketplace says what it stands for."""
    resolve = publisher.api.resolve

    async def resolve_on(token: str) -> Subscription:
        for _ in range(STORM):
            try:
                return await resolve(token)
            except (ApiRefused, ApiUnavailable) as problem:
                if isinstance(problem, ApiRefused) and problem.not_found:
                    raise
        return await resolve(token)

    replace(publisher.api, "resolve", resolve_on)


@defect("insists-on-activating", breaks=["AUT-029"])
def insists_on_activating(publisher: ReferencePublisher) -> None:
    """An activation that the marketplace does not allow is tried again and again."""
    activate = publisher.api.activate

    async def activate_on(subscription: Subscription) -> None:
        for _ in range(STORM):
            try:
                return await activate(subscription)
            except ApiRefused as refusal:
                if refusal.status != 403:
                    raise
        return await activate(subscription)

    replace(publisher.api, "activate", activate_on)


@defect("gives-up-at-503", breaks=["HDR-027"])
def gives_up_at_503(publisher: ReferencePublisher) -> None:
    """A call that meets a busy service is not repeated; one that comes too fast is."""
    send = publisher.api.send

    async def send_once(method: str, url: str, *rest: Any) -> httpx2.Response:
        answer = await send(method, url, *rest)
        if answer.status_code == 503:
            raise ApiUnavailable("a call", "it is not repeated")
        return answer

    replace(publisher.api, "send", send_once)


@defect("leaves-the-version-out-of-seat-changes", breaks=["HDR-003"])
def leaves_the_version_out_of_seat_changes(publisher: ReferencePublisher) -> None:
    """Seats are asked for without api-version first, and with it when that is refused."""
    change = publisher.api.change_quantity

    async def change_without(subscription_id: str, quantity: int) -> str:
        url = publisher.api.url(subscription_id).partition("?")[0]
        token = await publisher.api.tokens.current()
        await publisher.api.send("PATCH", url, {"quantity": quantity}, {}, token)
        return await change(subscription_id, quantity)

    replace(publisher.api, "change_quantity", change_without)
