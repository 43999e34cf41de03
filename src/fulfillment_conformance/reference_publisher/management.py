"""Pages of customers who have an account: see it, change plan or seats, cancel.

Changes are asked of the marketplace first (see `changes`); customers of resellers are sent to their reseller.
"""

import functools
import logging
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.accounts import Request as ChangeRequest
from fulfillment_conformance.reference_publisher.changes import Changes
from fulfillment_conformance.reference_publisher.chores import Chores
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Plan, Status, seats, text
from fulfillment_conformance.reference_publisher.pages import notice, page
from fulfillment_conformance.reference_publisher.sessions import Session, Sessions
from fulfillment_conformance.reference_publisher.settings import Settings

logger = logging.getLogger(__name__)

ACCOUNTS_PATH = "/accounts"


class Management:
    """Shows accounts to their customers and takes their wishes."""

    def __init__(
        self,
        settings: Settings,
        api: FulfillmentApi,
        accounts: Accounts,
        follower: Follower,
        changes: Changes,
        sessions: Sessions,
        chores: Chores,
    ) -> None:
        self._settings = settings
        self._api = api
        self._accounts = accounts
        self._follower = follower
        self._changes = changes
        self._sessions = sessions
        self._chores = chores

    @property
    def routes(self) -> Sequence[Route]:
        """The pages of customers."""
        account = f"{ACCOUNTS_PATH}/{{subscription_id}}"
        return [
            Route(ACCOUNTS_PATH, self.overview, methods=["GET"]),
            Route(f"{account}/manage", self.manage, methods=["GET"]),
            Route(f"{account}/plan", self.change_plan, methods=["POST"]),
            Route(f"{account}/seats", self.change_seats, methods=["POST"]),
            Route(f"{account}/cancel", self.cancel, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Show all accounts of the visitor's organization."""
        session = self._sessions.of(request)
        if self._settings.sign_in is not None and (session is None or session.user is None):
            session = session or self._sessions.begin()
            session.after_sign_in = ACCOUNTS_PATH
            return self._sessions.attach(session, RedirectResponse("/signin", status_code=303))
        mine = [account for account in self._accounts.all() if session is not None and session.may_manage(account)]
        return page("accounts.html", title="Your subscriptions", accounts=mine)

    async def manage(self, request: Request) -> Response:
        """Show one account."""
        session, account = self._open(request)
        if session is None or account is None:
            return self._not_yours()
        if account.status is Status.PENDING:  # an activation may take minutes
            await self._refresh(account)
            account = self._accounts.get(account.subscription_id) or account
        return await self.manage_page(session, account)

    async def manage_page(self, session: Session, account: Account) -> Response:
        """Return the page of one account, with what its customer may change."""
        plans = await self._plans(account) if self.changeable(account) else []
        current = next((plan for plan in plans if plan.id == account.plan_id), None)
        return page(
            "manage.html",
            title="Your subscription",
            account=account,
            user=session.user,
            csrf=session.csrf,
            changeable=self.changeable(account),
            cancellable=self.cancellable(account),
            plans=self.offered(account, plans),
            current=current,
        )

    def changeable(self, account: Account) -> bool:
        """Whether the customer can change plan or seats here."""
        return account.status is Status.SUBSCRIBED and account.allows("Update")

    def cancellable(self, account: Account) -> bool:
        """Whether the customer can cancel here."""
        return account.status is not Status.UNSUBSCRIBED and account.allows("Delete")

    def offered(self, account: Account, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Return the plans a customer can change to: available at the marketplace, other than his own, not refused."""
        return [plan for plan in plans if plan.id and plan.id not in {account.plan_id, *self._settings.refused_plans}]

    async def change_plan(self, request: Request) -> Response:
        """Take the wish for another plan."""
        return await self._change(request, "planId")

    async def change_seats(self, request: Request) -> Response:
        """Take the wish for another number of seats."""
        return await self._change(request, "quantity")

    async def cancel(self, request: Request) -> Response:
        """Take the wish to cancel; the account ends when the marketplace says so."""
        session, account = self._open(request)
        form = await request.form()
        if session is None or account is None or not session.sent(form.get("csrf")):
            return self._not_yours()
        if not self.cancellable(account):
            return self._not_here()
        await self._chores.start(functools.partial(self._changes.cancel, account.subscription_id))
        return notice(
            "Your cancellation has been passed on",
            "The marketplace is cancelling the subscription. Your service ends when it has done so.",
            link=(f"{ACCOUNTS_PATH}/{account.subscription_id}/manage", "Back to your subscription"),
        )

    async def _change(self, request: Request, field: str) -> Response:
        session, account = self._open(request)
        form = await request.form()
        if session is None or account is None or not session.sent(form.get("csrf")):
            return self._not_yours()
        if not self.changeable(account):
            return self._not_here()
        wish = self._wish(field, text(form.get(field)))
        if field == "planId" and wish.plan_id not in {
            plan.id for plan in self.offered(account, await self._plans(account))
        }:
            wish = ChangeRequest()
        if wish == ChangeRequest():
            return notice("This change is not possible", "Choose a value that the page offers.", status=422)
        await self._changes.change(account.subscription_id, wish)
        return RedirectResponse(f"{ACCOUNTS_PATH}/{account.subscription_id}/manage", status_code=303)

    def _wish(self, field: str, value: str) -> ChangeRequest:
        if field == "planId":
            return ChangeRequest(plan_id=value)
        quantity = seats(value)
        return ChangeRequest(quantity=quantity if quantity is not None and quantity > 0 else None)

    def _open(self, request: Request) -> tuple[Session | None, Account | None]:
        session = self._sessions.of(request)
        account = self._accounts.get(request.path_params["subscription_id"])
        if session is None or account is None or not session.may_manage(account):
            return None, None
        return session, account

    async def _plans(self, account: Account) -> Sequence[Plan]:
        try:
            return await self._api.available_plans(account.subscription_id)
        except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
            logger.warning("plans cannot be shown at present: %s", problem)
            return []

    async def _refresh(self, account: Account) -> None:
        try:
            await self._follower.refresh(account.subscription_id)
        except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
            logger.warning("the state of a subscription is not known at present: %s", problem)

    def _not_yours(self) -> Response:
        return notice(
            "We cannot show this subscription",
            "Your visit has ended, or the subscription is not your organization's. Open it again in the Azure portal "
            "or the Microsoft 365 admin center and choose “Manage account”.",
            status=403,
        )

    def _not_here(self) -> Response:
        return notice(
            "This change is not possible here",
            "The subscription is not active, or it is managed by the partner who sold it to you.",
            status=409,
        )
