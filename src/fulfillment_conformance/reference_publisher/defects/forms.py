"""Publishers that believe what a browser sends, or whoever sends it."""

import dataclasses
from collections.abc import Callable
from urllib.parse import urlencode

from markupsafe import escape
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Subscription, seats, text
from fulfillment_conformance.reference_publisher.sessions import Session, User

Agreed = Callable[[Session, FormData], Subscription | None]


def _agreeing(publisher: ReferencePublisher, agreed: Agreed) -> None:
    """Let a form of the session itself confirm what `agreed` makes of it."""

    def agreed_to(session: Session | None, form: FormData) -> Subscription | None:
        if session is None or session.user is None or not session.sent(form.get("csrf")):
            return None
        return agreed(session, form)

    replace(publisher.landing, "agreed", agreed_to)


def _shown(session: Session, form: FormData) -> Subscription | None:
    return session.purchases.get(text(form.get("subscriptionId")))


@defect("believes-the-form-about-the-plan", breaks=["ACT-006"])
def believes_the_form_about_the_plan(publisher: ReferencePublisher) -> None:
    """The purchase is looked at, the plan is taken from the form."""

    def agreed(session: Session, form: FormData) -> Subscription | None:
        bought = _shown(session, form)
        return None if bought is None else dataclasses.replace(bought, plan_id=text(form.get("planId")))

    _agreeing(publisher, agreed)


@defect("believes-the-form-about-seats", breaks=["ACT-006"])
def believes_the_form_about_seats(publisher: ReferencePublisher) -> None:
    """The purchase is looked at, the number of seats is taken from the form."""

    def agreed(session: Session, form: FormData) -> Subscription | None:
        bought = _shown(session, form)
        return None if bought is None else dataclasses.replace(bought, quantity=seats(form.get("quantity")))

    _agreeing(publisher, agreed)


def _remembering(publisher: ReferencePublisher) -> dict[str, Subscription]:
    """Return what anybody has opened, by subscription id, the latest last."""
    opened: dict[str, Subscription] = {}
    present = publisher.landing.present

    async def present_and_remember(session: Session, subscription: Subscription) -> Response:
        opened.pop(subscription.id, None)
        opened[subscription.id] = subscription
        return await present(session, subscription)

    replace(publisher.landing, "present", present_and_remember)
    return opened


@defect("confirms-what-anybody-has-opened", breaks=["ACT-021", "LND-031"])
def confirms_what_anybody_has_opened(publisher: ReferencePublisher) -> None:
    """Whoever has signed in can confirm every purchase that somebody has opened."""
    opened = _remembering(publisher)
    _agreeing(publisher, lambda _session, form: opened.get(text(form.get("subscriptionId"))))


@defect("confirms-the-latest-purchase", breaks=["ACT-021"])
def confirms_the_latest_purchase(publisher: ReferencePublisher) -> None:
    """The whole application has one purchase in hand, and who confirms, confirms that."""
    opened = _remembering(publisher)
    _agreeing(publisher, lambda _session, _form: next(reversed(opened.values())))


@defect("names-the-purchase-in-the-forms-address", breaks=["ACT-021", "LND-031"])
def names_the_purchase_in_the_forms_address(publisher: ReferencePublisher) -> None:
    """The form is sent to an address with the subscription's id, and that id is believed."""
    page, confirm = publisher.landing.purchase_page, publisher.landing.confirm

    def page_with_address(session: Session, subscription: Subscription, **context: object) -> Response:
        response = page(session, subscription, **context)  # type: ignore[arg-type]
        html = bytes(response.body).decode().replace("/confirm", f"/confirm?subscription={subscription.id}")
        return HTMLResponse(html.replace('name="subscriptionId"', 'name="shown"'), status_code=response.status_code)

    async def confirm_by_address(request: Request) -> Response:
        named = await publisher.follower.find(request.query_params.get("subscription", ""))
        replace(publisher.landing, "agreed", lambda _session, _form: named)
        return await confirm(request)

    replace(publisher.landing, "purchase_page", page_with_address)
    replace(publisher.landing, "confirm", confirm_by_address)


@defect("lets-everybody-manage-everything", breaks=["LND-042"])
def lets_everybody_manage_everything(publisher: ReferencePublisher) -> None:
    """Whoever has signed in can change and cancel every subscription."""
    management = publisher.management

    def open_any(request: Request) -> tuple[Session | None, Account | None]:
        account = publisher.accounts.get(request.path_params["subscription_id"])
        session = publisher.sessions.of(request)
        return (session, account) if session is not None and session.user is not None else (None, None)

    replace(management, "_open", open_any)


@defect("admits-every-personal-account", breaks=["LND-031"])
def admits_every_personal_account(publisher: ReferencePublisher) -> None:
    """A personal account has no tenant of its own, so that nothing is asked of it."""

    def may_set_up(user: User, subscription: Subscription) -> bool:
        return user.personal or user.belongs_to(subscription)

    replace(publisher.landing, "may_set_up", may_set_up)


@defect("takes-personal-accounts-for-colleagues", breaks=["LND-031"])
def takes_personal_accounts_for_colleagues(publisher: ReferencePublisher) -> None:
    """Who is of the buyer's tenant is admitted; all personal accounts are of one."""

    def may_set_up(user: User, subscription: Subscription) -> bool:
        return user.tenant_id in {subscription.beneficiary.tenant_id, subscription.purchaser.tenant_id}

    replace(publisher.landing, "may_set_up", may_set_up)


@defect("takes-sign-in-names-for-addresses", breaks=["LND-021"])
def takes_sign_in_names_for_addresses(publisher: ReferencePublisher) -> None:
    """The contact address is the user principal name, also of those who have another mail address."""
    if publisher.sign_in is None:
        return
    user = publisher.sign_in.user
    replace(
        publisher.sign_in,
        "user",
        lambda claims: dataclasses.replace(user(claims), email=text(claims.get("preferred_username"))),
    )


@defect("switches-accounts-through-the-application-of-the-api", breaks=["REG-012"])
def switches_accounts_through_the_application_of_the_api(publisher: ReferencePublisher) -> None:
    """Who wants to use another account is sent to Entra in the name of the application that calls the API."""
    if publisher.sign_in is None:
        return
    page = publisher.management.manage_page
    asked = {
        "client_id": publisher.settings.client_id,
        "response_type": "code",
        "scope": "openid",
        "prompt": "select_account",
        "redirect_uri": publisher.sign_in.redirect_uri,
    }
    switch = escape(f"{publisher.sign_in.authority}/oauth2/v2.0/authorize?{urlencode(asked)}")

    async def page_with_switch(session: Session, account: Account) -> Response:
        response = await page(session, account)
        link = f'<p><a href="{switch}">Use another account</a></p></main>'
        html = bytes(response.body).decode().replace("</main>", link)
        return HTMLResponse(html, status_code=response.status_code)

    replace(publisher.management, "manage_page", page_with_switch)
