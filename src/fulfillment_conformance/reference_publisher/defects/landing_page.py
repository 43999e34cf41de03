"""Landing pages that fail a buyer, or the publisher."""

import asyncio
import dataclasses
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable
from fulfillment_conformance.reference_publisher.landing import purchase_token
from fulfillment_conformance.reference_publisher.messages import Customer, Status, Subscription, text
from fulfillment_conformance.reference_publisher.sessions import Session, User
from fulfillment_conformance.reference_publisher.sign_in import EntraSignIn, SignInFailed


@defect(
    "decodes-the-token-twice",
    breaks=["ACT-004", "LND-003", "LND-028", "LND-029", "POL-005", "RES-003", "RES-025", "TST-003"],
)
def decodes_the_token_twice(publisher: ReferencePublisher) -> None:
    """The token is decoded once more before it is handed over, which turns + into a blank."""

    async def resolve_damaged(token: str) -> Subscription:
        return await publisher.api.resolve(unquote_plus(token))

    replace(publisher.landing, "resolve", resolve_damaged)


@defect("tries-the-token-encoded-first", breaks=["LND-028", "RES-003"])
def tries_the_token_encoded_first(publisher: ReferencePublisher) -> None:
    """The token is handed over as it stands in the address, and decoded only when that is refused."""
    resolve = publisher.landing.resolve

    async def resolve_encoded(token: str) -> Subscription:
        try:
            return await resolve(token.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"))
        except ApiRefused:
            return await resolve(token)

    replace(publisher.landing, "resolve", resolve_encoded)


@defect("fails-without-token", breaks=["LND-027"])
def fails_without_token(publisher: ReferencePublisher) -> None:
    """Whoever opens the landing page without a purchase sees a server error."""
    replace(publisher.landing, "no_purchase", lambda: HTMLResponse("KeyError: 'token'", status_code=500))


@defect("resolves-without-token", breaks=["LND-027"])
def resolves_without_token(publisher: ReferencePublisher) -> None:
    """The marketplace is asked to resolve an empty token when the landing page is opened without one."""
    _resolve_nothing(
        publisher, when=lambda request: not request.scope["query_string"] and publisher.sessions.of(request) is None
    )


@defect("resolves-an-empty-token", breaks=["LND-027"])
def resolves_an_empty_token(publisher: ReferencePublisher) -> None:
    """A parameter `token` without a value is handed over to the marketplace."""
    _resolve_nothing(publisher, when=lambda request: request.query_params.get("token") == "")


def _resolve_nothing(publisher: ReferencePublisher, *, when: Callable[[Request], bool]) -> None:
    open_page = publisher.landing.open

    async def open_and_resolve(request: Request) -> Response:
        if when(request):
            try:
                await publisher.api.resolve("")
            except ApiRefused:
                return publisher.landing.not_identified()
        return await open_page(request)

    replace(publisher.landing, "open", open_and_resolve)


@defect("fails-on-expired-tokens", breaks=["RES-024"])
def fails_on_expired_tokens(publisher: ReferencePublisher) -> None:
    """A token that the marketplace refuses leads to a server error."""
    replace(publisher.landing, "not_identified", lambda: HTMLResponse("resolve failed: 400", status_code=500))


@defect("explains-nothing-about-expired-tokens", breaks=["RES-024"])
def explains_nothing_about_expired_tokens(publisher: ReferencePublisher) -> None:
    """A token that the marketplace refuses leads to a page that does not say what to do."""
    replace(publisher.landing, "not_identified", lambda: HTMLResponse("Error 17", status_code=400))


@defect("activates-before-confirmation", breaks=["ACT-022"])
def activates_before_confirmation(publisher: ReferencePublisher) -> None:
    """Opening the landing page activates the purchase; no buyer has agreed yet, and a link scanner suffices."""
    present = publisher.landing.present

    async def present_activated(session: Session, subscription: Subscription) -> Response:
        if subscription.status is not Status.PENDING:
            return await present(session, subscription)
        async with publisher.accounts.lock(subscription.id):
            account = publisher.landing.set_up(subscription, "", subscription.beneficiary.email)
            await publisher.landing.activate(account, subscription)
        return publisher.landing.purchase_page(session, subscription)

    replace(publisher.landing, "present", present_activated)


@defect("never-activates", breaks=["ACT-004", "LND-029", "POL-005", "TST-003"])
def never_activates(publisher: ReferencePublisher) -> None:
    """The buyer confirms, and the marketplace never hears of it."""

    async def forget(_subscription: Subscription) -> None:
        return None

    replace(publisher.api, "activate", forget)


@defect("activates-another-id-too", breaks=["ACT-021"])
def activates_another_id_too(publisher: ReferencePublisher) -> None:
    """Activate is called with an id that resolve did not return, and then with the right one."""
    activate = publisher.api.activate

    async def activate_both(subscription: Subscription) -> None:
        try:
            url = publisher.api.url(subscription.id[::-1], "activate")
            await publisher.api.call("activate", "POST", url, json={"planId": subscription.plan_id})
        except ApiRefused:
            await activate(subscription)

    replace(publisher.api, "activate", activate_both)


@defect("activates-with-an-empty-object", breaks=["ACT-006"])
def activates_with_an_empty_object(publisher: ReferencePublisher) -> None:
    """Activate has a body, but names neither plan nor seats in it."""

    async def activate_anything(subscription: Subscription) -> None:
        await publisher.api.call("activate", "POST", publisher.api.url(subscription.id, "activate"), json={})

    replace(publisher.api, "activate", activate_anything)


@defect("reads-the-answer-of-activate", breaks=["ACT-026"])
def reads_the_answer_of_activate(publisher: ReferencePublisher) -> None:
    """An activation whose answer has a body that is no JSON is taken for a failure."""
    activate = publisher.landing.activate

    async def activate_and_read(account: Account, subscription: Subscription) -> tuple[Account, str]:
        if account.status is not Status.PENDING:
            return account, ""
        url = publisher.api.url(subscription.id, "activate")
        try:
            answer = await publisher.api.call("activate", "POST", url, json={"planId": subscription.plan_id})
        except (ApiRefused, ApiUnavailable):
            return await activate(account, subscription)
        try:
            _ = answer.json() if answer.content else None
        except ValueError:
            return account, "The activation has failed."
        present = await publisher.follower.find(subscription.id)
        publisher.accounts.save(account.activated())
        return (publisher.follower.follow(present) if present is not None else None) or account, ""

    replace(publisher.landing, "activate", activate_and_read)


@defect("believes-activate", breaks=["ACT-020"])
def believes_activate(publisher: ReferencePublisher) -> None:
    """A subscription counts as active once activate was answered 200; nobody reads it afterwards."""
    activate = publisher.landing.activate

    async def activate_and_believe(account: Account, subscription: Subscription) -> tuple[Account, str]:
        if account.status is not Status.PENDING:
            return account, ""
        try:
            await publisher.api.activate(subscription)
        except ApiRefused:
            return await activate(account, subscription)
        return _active(publisher, account), ""

    replace(publisher.landing, "activate", activate_and_believe)


@defect("shows-failed-activations-as-active", breaks=["ACT-023", "ACT-025"])
def shows_failed_activations_as_active(publisher: ReferencePublisher) -> None:
    """Whatever activate is answered, the customer has access."""
    activate = publisher.landing.activate

    async def activate_regardless(account: Account, subscription: Subscription) -> tuple[Account, str]:
        if not account.activation_accepted:
            account = dataclasses.replace(account, status=Status.PENDING)
        account, trouble = await activate(account, subscription)
        return (_active(publisher, account) if trouble else account), ""

    replace(publisher.landing, "activate", activate_regardless)


def _active(publisher: ReferencePublisher, account: Account) -> Account:
    account = dataclasses.replace(account, status=Status.SUBSCRIBED)
    publisher.accounts.save(account)
    return account


@defect("activates-again-at-every-visit", breaks=["LND-015"])
def activates_again_at_every_visit(publisher: ReferencePublisher) -> None:
    """Opening an active subscription from the marketplace activates it once more."""
    present = publisher.landing.present

    async def present_activated(session: Session, subscription: Subscription) -> Response:
        if subscription.status is Status.SUBSCRIBED:
            try:
                await publisher.api.activate(subscription)
            except ApiRefused:
                return await present(session, subscription)
        return await present(session, subscription)

    replace(publisher.landing, "present", present_activated)


@defect("activates-what-is-suspended", breaks=["LND-035"])
def activates_what_is_suspended(publisher: ReferencePublisher) -> None:
    """A visit for a suspended or cancelled subscription is treated as a new purchase."""
    present = publisher.landing.present

    async def present_as_new(session: Session, subscription: Subscription) -> Response:
        if subscription.status in {Status.SUSPENDED, Status.UNSUBSCRIBED}:
            try:
                await publisher.api.activate(subscription)
            except ApiRefused:
                return publisher.landing.purchase_page(session, subscription)
        return await present(session, subscription)

    replace(publisher.landing, "present", present_as_new)


@defect("fails-on-a-second-confirmation", breaks=["ACT-025", "LND-036"])
def fails_on_a_second_confirmation(publisher: ReferencePublisher) -> None:
    """Confirming the same purchase twice ends in a server error."""
    set_up = publisher.landing.set_up

    def set_up_once(subscription: Subscription, name: str, address: str) -> Account:
        if publisher.accounts.get(subscription.id) is not None:
            raise KeyError("duplicate key")
        return set_up(subscription, name, address)

    replace(publisher.landing, "set_up", set_up_once)


@defect("activates-what-the-form-says", breaks=["ACT-021", "LND-031"])
def activates_what_the_form_says(publisher: ReferencePublisher) -> None:
    """The confirmed subscription is whatever the form names, also if the visitor was never shown it."""

    def agree(session: Session | None, form: Any) -> Subscription | None:
        named = text(form.get("subscriptionId"))
        shown = session.purchases.get(named) if session is not None else None
        return shown or Subscription(id=named, plan_id=text(form.get("planId")), status=Status.PENDING)

    replace(publisher.landing, "agreed", agree)


@defect("hides-what-was-bought", breaks=["LND-011"])
def hides_what_was_bought(publisher: ReferencePublisher) -> None:
    """The page names neither offer nor plan."""
    _rewriting_purchase_page(publisher, lambda html, bought: html.replace(bought.offer_id, "an offer").replace(
        f"<dd>{bought.plan_id}</dd>", "<dd>a plan</dd>"))  # fmt: skip


@defect("hides-the-buyer", breaks=["LND-012"])
def hides_the_buyer(publisher: ReferencePublisher) -> None:
    """The page names neither the buyer nor his organization."""
    page = publisher.landing.purchase_page

    def page_without_people(session: Session, subscription: Subscription, **context: Any) -> Response:
        anonymous = dataclasses.replace(subscription, beneficiary=Customer(), purchaser=Customer())
        return page(dataclasses.replace(session, user=None), anonymous, **context)

    replace(publisher.landing, "purchase_page", page_without_people)


@defect("lets-nothing-be-corrected", breaks=["LND-013"])
def lets_nothing_be_corrected(publisher: ReferencePublisher) -> None:
    """Account details are shown, but cannot be changed."""
    _rewriting_purchase_page(
        publisher,
        lambda html, _bought: html.replace('name="contactName"', 'name="contactName" type="hidden"').replace(
            'name="contactEmail" type="email"', 'name="contactEmail" type="hidden"'
        ),
    )


@defect("shows-the-access-token", breaks=["AUT-021"])
def shows_the_access_token(publisher: ReferencePublisher) -> None:
    """The page holds the access token of the back end, for its scripts to use."""
    page = publisher.landing.present

    async def present_token(session: Session, subscription: Subscription) -> Response:
        response = await page(session, subscription)
        token = await publisher.api.tokens.current()
        body = bytes(response.body) + f'<meta name="token" content="{token}">'.encode()
        return HTMLResponse(body, status_code=response.status_code)

    replace(publisher.landing, "present", present_token)


@defect("shows-names-unescaped", breaks=["GET-038"])
def shows_names_unescaped(publisher: ReferencePublisher) -> None:
    """The subscription's name becomes part of the page as it is, markup included."""
    _rewriting_purchase_page(publisher, lambda html, bought: html.replace(str(escape(bought.name)), bought.name))


def _rewriting_purchase_page(publisher: ReferencePublisher, rewrite: Callable[[str, Subscription], str]) -> None:
    page = publisher.landing.purchase_page

    def rewritten(session: Session, subscription: Subscription, **context: Any) -> Response:
        response = page(session, subscription, **context)
        html = bytes(response.body).decode()
        return HTMLResponse(rewrite(html, subscription), status_code=response.status_code)

    replace(publisher.landing, "purchase_page", rewritten)


@defect("keeps-the-token-in-the-address-bar", breaks=["LND-037"])
def keeps_the_token_in_the_address_bar(publisher: ReferencePublisher) -> None:
    """The page is shown at the address that holds the purchase token."""
    show_in_sight(publisher)


@defect(
    "asks-nobody-to-sign-in",
    breaks=["LND-004", "LND-005", "LND-006", "LND-007", "LND-008", "LND-016", "POL-003", "POL-004"],
)
def asks_nobody_to_sign_in(publisher: ReferencePublisher) -> None:
    """Whoever has the link can set up the purchase and see the account."""
    replace(publisher.landing, "sign_in", None)


@defect("admits-work-accounts-only", breaks=["LND-005"])
def admits_work_accounts_only(publisher: ReferencePublisher) -> None:
    """Sign-in goes to /organizations, which personal Microsoft accounts cannot use."""
    if publisher.sign_in is not None:
        replace(publisher.sign_in, "authority", f"{publisher.settings.login_url}/organizations")


@defect("asks-for-the-directory", breaks=["LND-007", "LND-008", "LND-009", "POL-004"])
def asks_for_the_directory(publisher: ReferencePublisher) -> None:
    """Sign-in asks for Directory.Read.All, which an administrator has to consent to."""
    if publisher.sign_in is not None:
        replace(publisher.sign_in, "scopes", ("email", "Directory.Read.All"))


@defect("accepts-id-tokens-for-others", breaks=["LND-022"])
def accepts_id_tokens_for_others(publisher: ReferencePublisher) -> None:
    """An ID token is believed whatever application it is for."""
    if publisher.sign_in is not None:
        replace(publisher.sign_in, "is_for_us", lambda _claims: True)


@defect("remembers-sign-ins-by-state-alone", breaks=["LND-038"])
def remembers_sign_ins_by_state_alone(publisher: ReferencePublisher) -> None:
    """What belongs to a sign-in is found by its state, whichever browser brings that back."""
    sign_in = publisher.sign_in
    if sign_in is None:
        return
    begin, finish = sign_in.begin, sign_in.finish
    begun: dict[str, dict[str, Any]] = {}

    async def begin_for_anybody(session: Session, *, choose_account: bool = False) -> str:
        address = await begin(session, choose_account=choose_account)
        begun[session.sign_in["state"]] = session.sign_in
        return address

    async def finish_for_anybody(session: Session, answer: Mapping[str, str]) -> User:
        session.sign_in = begun.pop(answer.get("state", ""), session.sign_in)
        return await finish(session, answer)

    replace(sign_in, "begin", begin_for_anybody)
    replace(sign_in, "finish", finish_for_anybody)


@defect("looks-at-no-state", breaks=["LND-038"])
def looks_at_no_state(publisher: ReferencePublisher) -> None:
    """Entra's answer is taken whatever state it has, and neither a nonce nor a code verifier binds it to a browser."""
    if publisher.sign_in is not None:
        _redeeming(publisher.sign_in, lambda _flow, _answer: True, bound=False)


@defect("takes-answers-without-state", breaks=["LND-038"])
def takes_answers_without_state(publisher: ReferencePublisher) -> None:
    """Entra's answer is taken if it has no state; one that it has is looked at, and nothing else binds it."""
    if publisher.sign_in is not None:
        _redeeming(
            publisher.sign_in, lambda flow, answer: answer.get("state") in {None, flow.get("state")}, bound=False
        )


@defect("looks-at-no-nonce", breaks=["LND-039"])
def looks_at_no_nonce(publisher: ReferencePublisher) -> None:
    """An ID token is believed whatever sign-in it was issued for."""
    if publisher.sign_in is not None:
        _redeeming(publisher.sign_in, lambda flow, answer: flow.get("state") == answer.get("state"))


def _redeeming(
    sign_in: EntraSignIn, accepts: Callable[[Mapping[str, Any], Mapping[str, str]], bool], *, bound: bool = True
) -> None:
    """Let codes be exchanged by hand: what msal would check is up to `accepts`, and the nonce up to nobody.

    Unless it is `bound` the sign-in is asked for without nonce and code challenge.
    """
    begin = sign_in.begin

    async def begin_by_hand(session: Session, *, choose_account: bool = False) -> str:
        address = await begin(session, choose_account=choose_account)
        return address if bound else re.sub(r"&(nonce|code_challenge|code_challenge_method)=[^&]*", "", address)

    async def finish(session: Session, answer: Mapping[str, str]) -> User:
        flow, session.sign_in = session.sign_in, {}
        if not accepts(flow, answer):
            raise SignInFailed("The sign-in could not be completed.")
        verifier = {"code_verifier": flow.get("code_verifier", "")} if bound else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            result = await asyncio.to_thread(
                lambda: sign_in._application().acquire_token_by_authorization_code(
                    answer.get("code", ""), list(sign_in.scopes), redirect_uri=sign_in.redirect_uri, data=verifier
                )
            )
        if not isinstance(result.get("id_token_claims"), dict):
            raise SignInFailed("The sign-in was not completed.")
        return sign_in.user(result["id_token_claims"])

    replace(sign_in, "begin", begin_by_hand)
    replace(sign_in, "finish", finish)


@defect("admits-everybody", breaks=["LND-031"])
def admits_everybody(publisher: ReferencePublisher) -> None:
    """A purchase is bound to whoever opens the link, of whatever tenant."""
    replace(publisher.landing, "may_set_up", lambda _user, _subscription: True)


@defect("admits-the-purchaser-only", breaks=["CSP-001", "CSP-006"])
def admits_the_purchaser_only(publisher: ReferencePublisher) -> None:
    """What a reseller has bought cannot be set up by the customer who uses it."""

    may_set_up = publisher.landing.may_set_up

    def purchaser_may(user: User, subscription: Subscription) -> bool:
        return may_set_up(user, dataclasses.replace(subscription, beneficiary=subscription.purchaser))

    replace(publisher.landing, "may_set_up", purchaser_may)


def show_in_sight(publisher: ReferencePublisher) -> None:
    """Let the page be shown at the address that holds the purchase token, instead of one without it."""
    open_page = publisher.landing.open

    async def open_in_sight(request: Request) -> Response:
        token = purchase_token(request.scope["query_string"])
        if token is None or request.method == "HEAD":
            return await open_page(request)
        session = publisher.sessions.of(request) or publisher.sessions.begin()
        session.purchase_token = token
        if publisher.landing.sign_in is not None and session.user is None:
            session.after_sign_in = f"{request.url.path}?{request.url.query}"
            return publisher.sessions.attach(session, RedirectResponse("/signin", status_code=303))
        return publisher.sessions.attach(session, await publisher.landing.show(session))

    replace(publisher.landing, "open", open_in_sight)
