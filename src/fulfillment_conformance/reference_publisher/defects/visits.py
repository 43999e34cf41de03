"""Landing pages that mix up visits: what a link stands for, whose page is shown, what a second look does."""

import dataclasses
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.follower import Reconciliation
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused
from fulfillment_conformance.reference_publisher.landing import LANDING_PATH
from fulfillment_conformance.reference_publisher.messages import Status, Subscription
from fulfillment_conformance.reference_publisher.pages import notice
from fulfillment_conformance.reference_publisher.sessions import Session


@defect("keeps-a-browsers-first-token", breaks=["RES-025"])
def keeps_a_browsers_first_token(publisher: ReferencePublisher) -> None:
    """Whoever has come with a purchase token before is taken to come with the same one again."""
    keep = publisher.landing.keep

    def keep_first(request: Request, token: str) -> Response:
        session = publisher.sessions.of(request)
        return keep(request, session.purchase_token if session and session.purchase_token else token)

    replace(publisher.landing, "keep", keep_first)


@defect("uses-links-up", breaks=["LND-040"])
def uses_links_up(publisher: ReferencePublisher) -> None:
    """A link can be opened once; whoever looks at it first, a link scanner perhaps, has used it up."""
    keep = publisher.landing.keep
    opened: set[str] = set()

    def keep_once(request: Request, token: str) -> Response:
        if token in opened and publisher.sessions.of(request) is None:
            return notice("This link has been used", "Open the subscription again in the Azure portal.", status=400)
        opened.add(token)
        return keep(request, token)

    replace(publisher.landing, "keep", keep_once)


@defect("fails-on-a-reload", breaks=["LND-001", "LND-040"])
def fails_on_a_reload(publisher: ReferencePublisher) -> None:
    """The same visit again, in the same browser, ends in a server error."""
    keep = publisher.landing.keep

    def keep_anew(request: Request, token: str) -> Response:
        session = publisher.sessions.of(request)
        if session is not None and session.purchase_token == token:
            return HTMLResponse("duplicate visit", 500)
        return keep(request, token)

    replace(publisher.landing, "keep", keep_anew)


@defect("sends-visitors-in-circles", breaks=["LND-027"])
def sends_visitors_in_circles(publisher: ReferencePublisher) -> None:
    """Whoever comes without a token has to sign in, comes back without a token, and has to sign in."""
    replace(publisher.landing, "no_purchase", lambda: RedirectResponse("/signin", status_code=303))


@defect("has-nothing-to-say-without-token", breaks=["LND-027"])
def has_nothing_to_say_without_token(publisher: ReferencePublisher) -> None:
    """Whoever comes without a token sees an empty page."""
    replace(publisher.landing, "no_purchase", lambda: HTMLResponse(""))


@defect("believes-an-id-in-the-address", breaks=["RES-025"])
def believes_an_id_in_the_address(publisher: ReferencePublisher) -> None:
    """A subscription id in the address is as good as a purchase token."""
    open_page = publisher.landing.open

    async def open_by_id(request: Request) -> Response:
        subscription_id = request.query_params.get("subscriptionId", "")
        subscription = await publisher.follower.find(subscription_id) if subscription_id else None
        if subscription is None:
            return await open_page(request)
        session = publisher.sessions.of(request) or publisher.sessions.begin()
        session.purchases[subscription.id] = subscription
        return publisher.sessions.attach(session, await publisher.landing.present(session, subscription))

    replace(publisher.landing, "open", open_by_id)


@defect("activates-on-a-reload", breaks=["ACT-022"])
def activates_on_a_reload(publisher: ReferencePublisher) -> None:
    """Whoever looks at his purchase a second time is taken to have agreed."""
    seen: set[str] = set()

    async def looked_at_again(subscription: Subscription) -> bool:
        again = subscription.id in seen and publisher.accounts.get(subscription.id) is None
        seen.add(subscription.id)
        return again

    _activating(publisher, looked_at_again)


def _activating(publisher: ReferencePublisher, agreed: Callable[[Subscription], Any]) -> None:
    present = publisher.landing.present

    async def present_or_activate(session: Session, subscription: Subscription) -> Response:
        if subscription.status is Status.PENDING and await agreed(subscription):
            async with publisher.accounts.lock(subscription.id):
                account = publisher.landing.set_up(subscription, "", subscription.beneficiary.email)
                await publisher.landing.activate(account, subscription)
        return await present(session, subscription)

    replace(publisher.landing, "present", present_or_activate)


@defect("activates-what-it-finds-in-the-list", breaks=["ACT-022"])
def activates_what_it_finds_in_the_list(publisher: ReferencePublisher) -> None:
    """Whatever is pending when the list is read gets activated, whether its buyer has come or not."""
    reconcile = publisher.follower.reconcile

    async def reconcile_and_activate() -> Reconciliation:
        found = await reconcile()
        async for listed in publisher.api.subscriptions():
            if listed.status is Status.PENDING and publisher.follower.ours(listed):
                await publisher.api.activate(listed)
        return found

    replace(publisher.follower, "reconcile", reconcile_and_activate)


@defect("offers-to-set-up-again", breaks=["LND-015", "LND-035"])
def offers_to_set_up_again(publisher: ReferencePublisher) -> None:
    """Every visit shows the form of a new purchase, and whoever sends it activates."""
    present = publisher.landing.present

    async def present_as_new(session: Session, subscription: Subscription) -> Response:
        response = await present(session, subscription)
        known = subscription.status in {Status.SUBSCRIBED, Status.SUSPENDED}
        return publisher.landing.purchase_page(session, subscription) if known else response

    activate = publisher.landing.activate

    async def activate_anything(account: Account, subscription: Subscription) -> tuple[Account, str]:
        if subscription.status is not Status.PENDING:
            try:
                await publisher.api.activate(subscription)
            except ApiRefused:
                return account, ""
        return await activate(account, subscription)

    replace(publisher.landing, "present", present_as_new)
    replace(publisher.landing, "activate", activate_anything)


@defect("carries-the-token-along", breaks=["LND-037"])
def carries_the_token_along(publisher: ReferencePublisher) -> None:
    """The form is sent to an address that holds the purchase token, and what follows is shown there."""
    page, confirm = publisher.landing.purchase_page, publisher.landing.confirm

    def page_with_token(session: Session, subscription: Subscription, **context: Any) -> Response:
        response = page(session, subscription, **context)
        sends_to = f"{LANDING_PATH}/confirm"
        html = bytes(response.body).decode().replace(
            f'action="{sends_to}"', f'action="{sends_to}?purchase={quote(session.purchase_token, safe="")}"'
        )  # fmt: skip
        return HTMLResponse(html, status_code=response.status_code)

    async def confirm_in_place(request: Request) -> Response:
        response = await confirm(request)
        return HTMLResponse("<p>Your subscription is active.</p>") if response.status_code == 303 else response

    replace(publisher.landing, "purchase_page", page_with_token)
    replace(publisher.landing, "confirm", confirm_in_place)


def _rewriting_accounts_page(publisher: ReferencePublisher, rewrite: Callable[[str, Account], str]) -> None:
    page = publisher.management.manage_page

    async def rewritten(session: Session, account: Account) -> Response:
        response = await page(session, account)
        return HTMLResponse(rewrite(bytes(response.body).decode(), account), status_code=response.status_code)

    replace(publisher.management, "manage_page", rewritten)


@defect("shows-names-unescaped-to-customers", breaks=["GET-038"])
def shows_names_unescaped_to_customers(publisher: ReferencePublisher) -> None:
    """The page of an account holds the subscription's name as it is; that of a purchase holds it escaped."""
    _rewriting_accounts_page(publisher, lambda html, account: html.replace(str(escape(account.name)), account.name))


@defect("escapes-no-quotation-marks", breaks=["GET-038"])
def escapes_no_quotation_marks(publisher: ReferencePublisher) -> None:
    """The name stands in an attribute, with its angle brackets escaped and its quotation marks as they are."""

    def titled(html: str, account: Account) -> str:
        name = account.name.replace("<", "&lt;").replace(">", "&gt;")
        return html.replace("<h1>", f'<h1 title="{name}">')

    _rewriting_accounts_page(publisher, titled)


@defect("shows-addresses-unescaped", breaks=["GET-038"])
def shows_addresses_unescaped(publisher: ReferencePublisher) -> None:
    """The page of a purchase holds the beneficiary's address as it is."""
    page = publisher.landing.purchase_page

    def page_as_it_is(session: Session, subscription: Subscription, **context: Any) -> Response:
        response = page(session, subscription, **context)
        address = subscription.beneficiary.email or "nobody"
        html = bytes(response.body).decode().replace(str(escape(address)), address)
        return HTMLResponse(html, status_code=response.status_code)

    replace(publisher.landing, "purchase_page", page_as_it_is)


@defect("makes-up-for-suspensions-only", breaks=["GET-034"])
def makes_up_for_suspensions_only(publisher: ReferencePublisher) -> None:
    """The list is read for what is in use or suspended; what has been cancelled in the meantime stays in use."""
    differs = publisher.follower.differs

    def differs_in_use(listed: Subscription) -> bool:
        return listed.status is not Status.UNSUBSCRIBED and differs(listed)

    replace(publisher.follower, "differs", differs_in_use)


@defect("sells-one-plan", breaks=["PVO-006"])
def sells_one_plan(publisher: ReferencePublisher) -> None:
    """A plan that the publisher has never heard of is activated as the smallest one that it knows."""
    activate = publisher.api.activate
    known = {"silver", "gold", "trial", "team", "business", "private", "hidden", "multiyear"}

    async def activate_known(subscription: Subscription) -> None:
        plan = subscription.plan_id if subscription.plan_id in known else "silver"
        await activate(dataclasses.replace(subscription, plan_id=plan))

    replace(publisher.api, "activate", activate_known)
