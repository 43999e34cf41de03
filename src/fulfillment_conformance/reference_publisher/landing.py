"""The landing page: where Microsoft sends a buyer with a purchase token, to set up a purchase or to manage one.

    GET  /signup?token=...   keep the token on the server, send the browser to the same page without it
    GET  /signup             sign in, resolve, show what was bought (or the account, when it is in use already)
    POST /signup/confirm     the buyer agrees: activate

Nothing happens to the purchase before the buyer has confirmed, so link scanners and prefetching browsers do no harm.
Source page: azure-ad-transactable-saas-landing-page.
"""

import functools
import logging
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.chores import Chores
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi
from fulfillment_conformance.reference_publisher.management import Management
from fulfillment_conformance.reference_publisher.messages import Status, Subscription, seats, text
from fulfillment_conformance.reference_publisher.pages import notice, page
from fulfillment_conformance.reference_publisher.sessions import Session, Sessions, User
from fulfillment_conformance.reference_publisher.settings import Settings
from fulfillment_conformance.reference_publisher.sign_in import EntraSignIn

logger = logging.getLogger(__name__)

LANDING_PATH: Final = "/signup"

_TOKEN = re.compile(r"[!-~]{1,8192}")
"""What can be handed over in a header: visible ASCII without blanks."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")

_REOPEN = (
    "Open the subscription again in the Azure portal or the Microsoft 365 admin center and choose "
    "“Configure account” or “Manage account”. That brings you back here with a fresh link."
)


def purchase_token(query: bytes) -> str | None:
    """Return the purchase token in a query string, percent-decoded exactly once; None when there is none.

    A plus sign stays a plus sign: tokens are base64 and hold no blanks, so form decoding could only damage them.
    Bytes that are no text become characters that no purchase token has.
    """
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"token":
            return unquote_to_bytes(value).decode("utf-8", "replace")
    return None


def without_token(query: bytes) -> str:
    """Return a query string without the purchase token: our own parameters stay."""
    return b"&".join(part for part in query.split(b"&") if part and not part.startswith(b"token=")).decode("latin-1")


class Landing:
    """Receives buyers."""

    def __init__(
        self,
        settings: Settings,
        api: FulfillmentApi,
        accounts: Accounts,
        follower: Follower,
        management: Management,
        sessions: Sessions,
        sign_in: EntraSignIn | None,
        chores: Chores,
    ) -> None:
        self.sign_in = sign_in
        self._settings = settings
        self._api = api
        self._accounts = accounts
        self._follower = follower
        self._management = management
        self._sessions = sessions
        self._chores = chores

    @property
    def routes(self) -> list[Route]:
        """Where buyers are received."""
        return [
            Route(LANDING_PATH, self.open, methods=["GET"]),
            Route(f"{LANDING_PATH}/confirm", self.confirm, methods=["POST"]),
        ]

    async def open(self, request: Request) -> Response:
        """Receive a buyer, or somebody who only looks."""
        if request.method == "HEAD":
            return Response(media_type="text/html")
        token = purchase_token(request.scope["query_string"])
        if token is not None:
            return self.keep(request, token)
        session = self._sessions.of(request)
        if session is None or not session.purchase_token:
            return self.no_purchase()
        if self.sign_in is not None and session.user is None:
            session.after_sign_in = LANDING_PATH
            return RedirectResponse("/signin", status_code=303)
        return await self.show(session)

    def keep(self, request: Request, token: str) -> Response:
        """Keep the token in the session and take it out of the address bar."""
        session = self._sessions.of(request) or self._sessions.begin()
        session.purchase_token = token
        query = without_token(request.scope["query_string"])
        response = RedirectResponse(f"{LANDING_PATH}?{query}" if query else LANDING_PATH, status_code=303)
        return self._sessions.attach(session, response)

    def no_purchase(self) -> Response:
        """Guide somebody who came without a token."""
        return notice(
            "Which subscription is it about?",
            "This page sets up a subscription that was bought in the Microsoft commercial marketplace. "
            "It was opened without a purchase, or this browser does not keep cookies.",
            _REOPEN,
        )

    def not_identified(self) -> Response:
        """Guide somebody whose token the marketplace does not accept."""
        return notice(
            "We could not identify this purchase",
            "The link that brought you here has expired or is damaged.",
            _REOPEN,
            status=400,
        )

    def apology(self) -> Response:
        """Apologize for what is not the buyer's fault."""
        return notice(
            "Please try again in a few minutes",
            "We cannot reach the Microsoft commercial marketplace at present. Your purchase is not lost, and nothing "
            "has been activated or charged.",
            status=503,
            link=(LANDING_PATH, "Try again"),
        )

    async def show(self, session: Session) -> Response:
        """Resolve the session's token and show what it stands for."""
        try:
            subscription = await self.resolve(session.purchase_token)
        except ApiRefused as refusal:
            return self.not_identified() if refusal.not_found else self.apology()
        except (ApiUnavailable, AccessTokenUnavailable):
            return self.apology()
        if session.user is not None and not self.may_set_up(session.user, subscription):
            return notice(
                "This purchase belongs to another organization",
                "You are signed in with an account of an organization that neither uses nor pays for it.",
                status=403,
                link=("/signin?switch=1", "Sign in with another account"),
            )
        session.purchases[subscription.id] = subscription
        return await self.present(session, subscription)

    async def resolve(self, token: str) -> Subscription:
        """Exchange the token for the purchase, at the back end only."""
        if not _TOKEN.fullmatch(token):
            raise ApiRefused("resolve", 400)  # the marketplace could not even be asked
        return await self._api.resolve(token)

    def may_set_up(self, user: User, subscription: Subscription) -> bool:
        """Whether a purchase may be bound to who has signed in."""
        return user.belongs_to(subscription)

    async def present(self, session: Session, subscription: Subscription) -> Response:
        """Show the page that fits the state of a subscription."""
        if subscription.status is Status.PENDING:
            account = self._accounts.get(subscription.id)
            if account is not None and account.activation_accepted:
                return await self._management.manage_page(session, account)
            return self.purchase_page(session, subscription)
        async with self._accounts.lock(subscription.id):
            account = self._follower.follow(subscription)
        if subscription.status is Status.UNSUBSCRIBED:
            return notice(
                "This subscription has been cancelled",
                "It cannot be used or activated again. Your data is kept for at least seven days; write to us if you "
                "need it. To use the service again, buy a new subscription in the Microsoft commercial marketplace.",
            )
        if account is None:
            return notice("We cannot show this subscription yet", "Its state is not known to us.", _REOPEN)
        return await self._management.manage_page(session, account)

    def purchase_page(
        self,
        session: Session,
        subscription: Subscription,
        *,
        trouble: str = "",
        status: int = 200,
        contact_name: str | None = None,
        contact_email: str | None = None,
    ) -> Response:
        """Show what was bought, and ask for consent and contact details."""
        user = session.user
        return page(
            "purchase.html",
            status=status,
            title="Set up your subscription",
            subscription=subscription,
            user=user,
            csrf=session.csrf,
            trouble=trouble,
            contact_name=(user.name if user else "") if contact_name is None else contact_name,
            contact_email=_known_address(session, subscription) if contact_email is None else contact_email,
        )

    async def confirm(self, request: Request) -> Response:
        """Set up the account that the buyer has agreed to, and activate the subscription."""
        session = self._sessions.of(request)
        form = await request.form()
        subscription = self.agreed(session, form)
        if session is None or subscription is None:
            return notice(
                "This form is not valid any more",
                "It does not belong to your present visit, or it does not show what was bought.",
                _REOPEN,
                status=403,
            )
        name = text(form.get("contactName"))
        address = text(form.get("contactEmail")) or _known_address(session, subscription)
        if not _ADDRESS.fullmatch(address):
            return self.purchase_page(
                session,
                subscription,
                trouble="Please give an e-mail address at which we can reach you.",
                status=422,
                contact_name=name,
                contact_email=address,
            )
        async with self._accounts.lock(subscription.id):
            account = self.set_up(subscription, name, address)
            account, trouble = await self.activate(account, subscription)
        if trouble:
            return self.purchase_page(
                session, subscription, trouble=trouble, status=502, contact_name=name, contact_email=address
            )
        if account.status is Status.PENDING:
            await self._chores.start(functools.partial(self._follower.look_again, subscription.id, _has_started))
        return RedirectResponse(f"/accounts/{subscription.id}/manage", status_code=303)

    def agreed(self, session: Session | None, form: FormData) -> Subscription | None:
        """Return the purchase that a form confirms, if it is one that this very session was shown, unchanged."""
        if session is None or not session.sent(form.get("csrf")) or (self.sign_in is not None and session.user is None):
            return None
        subscription = session.purchases.get(text(form.get("subscriptionId")))
        if subscription is None:
            return None
        as_shown = (
            text(form.get("planId")) == subscription.plan_id and seats(form.get("quantity")) == subscription.quantity
        )
        return subscription if as_shown else None

    def set_up(self, subscription: Subscription, name: str, address: str) -> Account:
        """Return the buyer's account, made now unless it exists: confirming twice makes one account."""
        account = self._accounts.get(subscription.id)
        if account is None:
            account = Account.opened(subscription, contact_name=name, contact_email=address)
            self._accounts.save(account)
        return account

    async def activate(self, account: Account, subscription: Subscription) -> tuple[Account, str]:
        """Activate a pending subscription; return its account, and what to tell the buyer if it did not work.

        200 only means that the request was received, so the state is read afterwards. 400 may mean that it has been
        activated already, 404 that it was cancelled meanwhile: the state tells. No failure leaves an active account.
        """
        if account.status is not Status.PENDING or account.activation_accepted:
            return account, ""
        trouble = ""
        try:
            await self._api.activate(subscription)
            account = account.activated()
            self._accounts.save(account)
        except ApiRefused as refusal:
            logger.warning("an activation was refused: %s", refusal)
            trouble = (
                "The marketplace did not accept the activation. Please try again, or reopen the subscription there."
            )
        except (ApiUnavailable, AccessTokenUnavailable) as problem:
            logger.warning("an activation failed: %s", problem)
            return account, "The marketplace cannot be reached at present. Please try again in a few minutes."
        try:
            present = await self._follower.find(subscription.id)
        except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
            logger.warning("the state after an activation is not known yet: %s", problem)
            return account, trouble
        if present is not None:
            account = self._follower.follow(present) or account
        return account, "" if account.status is not Status.PENDING else trouble


def _has_started(subscription: Subscription) -> bool:
    return subscription.status is not Status.PENDING


def _known_address(session: Session, subscription: Subscription) -> str:
    if session.user is not None and session.user.email:
        return session.user.email
    return subscription.beneficiary.email or subscription.purchaser.email
