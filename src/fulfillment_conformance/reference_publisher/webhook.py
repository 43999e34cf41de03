"""The connection webhook: what the marketplace tells us about a subscription, verified before anything is believed.

The order is the one of pc-saas-fulfillment-webhook: validate the token, read the event, ask the marketplace itself (Get
Operation, Get Subscription), compare, carry out with the marketplace's values, answer, and only then report Success.
"""

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.changes import Changes
from fulfillment_conformance.reference_publisher.chores import Chore, Chores
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi, Result
from fulfillment_conformance.reference_publisher.messages import Event, Operation, Status, Subscription
from fulfillment_conformance.reference_publisher.settings import Settings
from fulfillment_conformance.reference_publisher.signing_keys import KeysUnavailable
from fulfillment_conformance.reference_publisher.tokens import TokenRefused, WebhookTokens

logger = logging.getLogger(__name__)

WEBHOOK_PATH: Final = "/webhook"

EXPECTED: Final = {
    "Subscribe": Status.SUBSCRIBED,
    "Renew": Status.SUBSCRIBED,
    "Suspend": Status.SUSPENDED,
    "Unsubscribe": Status.UNSUBSCRIBED,
}
"""The state that each notice announces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an event is answered with, and what is left to do once the answer is out."""

    status: int = 200
    reason: str = ""
    then: Chore | None = None


DONE: Final = Verdict()

Handler = Callable[[Event, Operation | None, Subscription], Awaitable[Verdict]]


class Webhook:
    """Receives notifications.

    Attributes:
        handlers: what is done for each action, once token and operation have been verified. Any other action is
            answered 200 without effect: Microsoft may add some.
    """

    def __init__(
        self,
        settings: Settings,
        tokens: WebhookTokens,
        api: FulfillmentApi,
        accounts: Accounts,
        follower: Follower,
        changes: Changes,
        chores: Chores,
    ) -> None:
        self.tokens = tokens
        self._settings = settings
        self._api = api
        self._accounts = accounts
        self._follower = follower
        self._changes = changes
        self._chores = chores
        self.handlers: dict[str, Handler] = {
            "ChangePlan": self.change,
            "ChangeQuantity": self.change,
            "Reinstate": self.reinstate,
            **dict.fromkeys(EXPECTED, self.notice),
        }

    @property
    def routes(self) -> list[Route]:
        """Where notifications are received; methods other than POST are answered 405."""
        return [Route(WEBHOOK_PATH, self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Answer one call of the webhook.

        200: taken in. 4xx: refused, which also rejects a change. 5xx: not decided; the marketplace tries again.
        """
        try:
            async with asyncio.timeout(self._settings.patience.webhook):
                verdict = await self.decide(request)
        except (TimeoutError, KeysUnavailable, ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
            logger.warning("a notification could not be decided on: %s", problem or type(problem).__name__)
            verdict = Verdict(
                status=503, reason="This notification cannot be checked at present; please send it again."
            )
        return self.answer(verdict)

    async def decide(self, request: Request) -> Verdict:
        """Validate, read, verify and carry out one call."""
        try:
            await self.tokens.validate(request.headers.getlist("authorization"))
        except TokenRefused as refusal:
            logger.warning("a webhook call was refused: %s", refusal)
            return Verdict(status=401, reason=str(refusal))
        try:
            event = self.read(await request.body())
        except ValueError as error:  # broken JSON and broken UTF-8 are ValueErrors as well
            return Verdict(status=400, reason=f"this is not a notification: {error}")
        return await self.take(event)

    def read(self, body: bytes) -> Event:
        """Read a notification; ValueError when it is none."""
        try:
            return Event.read(json.loads(body))
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    async def take(self, event: Event) -> Verdict:
        """Verify one event against the marketplace and carry it out."""
        handler = self.handlers.get(event.action)
        if handler is None:
            logger.warning("a notification announces an action that this application does not know")
            return DONE
        async with self._accounts.lock(event.subscription_id):
            if self.already_handled(event):
                return DONE
            operation, subscription = await asyncio.gather(self.operation(event), self.subscription(event))
            if subscription is None:
                return Verdict(status=404, reason="the marketplace knows no such subscription")
            if operation is not None and (contradiction := self.contradiction(event, operation)):
                return Verdict(status=400, reason=contradiction)
            return await handler(event, operation, subscription)

    def already_handled(self, event: Event) -> bool:
        """Whether an event has had its effect. Events are told apart by operation id; activity ids may be shared."""
        account = self._accounts.get(event.subscription_id)
        return account is not None and event.operation_id in account.handled

    async def operation(self, event: Event) -> Operation | None:
        """Read the operation that an event names; None when the marketplace does not find it."""
        return await self._follower.find_operation(event.subscription_id, event.operation_id)

    async def subscription(self, event: Event) -> Subscription | None:
        """Read the subscription that an event names; None when the marketplace does not find it."""
        return await self._follower.find(event.subscription_id)

    def contradiction(self, event: Event, operation: Operation) -> str:
        """Return in what an operation differs from the event that names it; empty when in nothing that matters.

        Of plan and seats only the one that is being changed is compared: the other comes in many forms.
        """
        if operation.subscription_id and operation.subscription_id.lower() != event.subscription_id.lower():
            return "the operation belongs to another subscription"
        if operation.action != event.action:
            return "the operation is of another kind"
        if event.action == "ChangePlan" and event.plan_id and operation.plan_id != event.plan_id:
            return "the operation asks for another plan"
        if event.action == "ChangeQuantity" and event.quantity is not None and operation.quantity != event.quantity:
            return "the operation asks for another number of seats"
        return ""

    async def change(self, event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        """Carry out or refuse a change of plan or seats. The requested value is the operation's."""
        settle = functools.partial(self._follower.settle, event.subscription_id, event.operation_id)
        if operation is None:
            return Verdict(status=404, reason="the marketplace knows no such operation")
        if operation.ended:  # late, or repeated: nothing is left to accept
            self._follower.follow(subscription, handled=event.operation_id)
            return Verdict(then=settle)
        if subscription.status is not Status.SUBSCRIBED:
            self._follower.follow(subscription)
            return Verdict(status=409, reason="only a Subscribed subscription can be changed", then=settle)
        account = self._follower.follow(subscription)
        if account is None:
            return Verdict(status=404, reason="the subscription is not one of this application's offers")
        if reason := await self.refusal(account, operation, subscription):
            return Verdict(status=400, reason=reason, then=settle)
        self.carry_out(account, operation)
        return Verdict(then=functools.partial(self.report, event, "Success"))

    async def refusal(self, account: Account, operation: Operation, subscription: Subscription) -> str:
        """Return why a change cannot be carried out; empty when it can.

        What the marketplace already has cannot be refused: after a refusal it may announce the way back. Neither can
        what we asked for ourselves.
        """
        if operation.shown_by(subscription) or account.asked_for(operation):
            return ""
        if operation.action == "ChangePlan":
            return self.plan_refusal(operation.plan_id)
        return await self.seats_refusal(account, operation)

    def plan_refusal(self, plan_id: str) -> str:
        """Return why customers cannot change to a plan; plans that we have never heard of are welcome."""
        if not plan_id:
            return "the operation names no plan"
        return (
            "this application does not offer a change to that plan" if plan_id in self._settings.refused_plans else ""
        )

    async def seats_refusal(self, account: Account, operation: Operation) -> str:
        """Return why a number of seats cannot be set: it has to lie within the limits of the plan."""
        quantity = operation.quantity
        if quantity is None or quantity < 1:
            return "the operation names no number of seats"
        plans = await self._api.available_plans(account.subscription_id)
        plan = next((plan for plan in plans if plan.id == account.plan_id), None)
        if plan is not None and plan.minimum is not None and quantity < plan.minimum:
            return f"the plan has at least {plan.minimum} seats"
        if plan is not None and plan.maximum is not None and quantity > plan.maximum:
            return f"the plan has at most {plan.maximum} seats"
        return ""

    def carry_out(self, account: Account, operation: Operation) -> None:
        """Do what an operation asks for, and note that its event has been handled, in one step."""
        self._accounts.save(account.accepting(operation).having_handled(operation.id))

    async def reinstate(self, event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        """Take up service again after a payment, or cancel if we cannot; there is no way to refuse it.

        Get Subscription may say `Suspended` until the operation ends, so it is the operation that proves the event.
        """
        waiting = subscription.status is Status.SUSPENDED
        if waiting and operation is None:
            return Verdict(status=404, reason="the marketplace knows no such operation")
        known = self._accounts.get(event.subscription_id)
        if not self._settings.reinstates and known is not None and known.status is Status.SUSPENDED:
            self._accounts.save(known.having_handled(event.operation_id))
            return Verdict(then=functools.partial(self._changes.cancel, event.subscription_id))
        account = self._follower.follow(subscription, handled="" if waiting else event.operation_id)
        if account is None or operation is None or operation.ended or not waiting:
            return DONE
        self.carry_out(account, operation)
        return Verdict(then=functools.partial(self.report, event, "Success"))

    async def notice(self, event: Event, _operation: Operation | None, subscription: Subscription) -> Verdict:
        """Follow what has already happened. Nothing is reported: these events cannot be accepted or refused.

        The operation need not be found: Get Subscription confirms a true event, a false or late one moves nothing.
        """
        shown = self.shown(event, self._accounts.get(event.subscription_id))
        confirmed = subscription.status is EXPECTED[event.action]
        self._follower.follow(subscription, handled=event.operation_id if confirmed else "")
        if shown(subscription):
            return DONE
        return Verdict(then=functools.partial(self._follower.look_again, event.subscription_id, shown))

    def shown(self, event: Event, before: Account | None) -> Callable[[Subscription], bool]:
        """Return the test whether a subscription shows what an event announces: a state, after Renew a new term."""

        def test(subscription: Subscription) -> bool:
            if event.action == "Renew" and before is not None and subscription.term.end == before.term.end:
                return False
            return subscription.status is EXPECTED[event.action]

        return test

    async def report(self, event: Event, result: Result) -> None:
        """Report an outcome, and see the operation to its end whatever the answer to the report.

        The marketplace answers 409 when it has already ended, and live services have answered 400 and 500 as well.
        """
        try:
            await self._api.report(event.subscription_id, event.operation_id, result)
        except (ApiRefused, ApiUnavailable, AccessTokenUnavailable) as problem:
            logger.warning("the outcome of an operation could not be reported: %s", problem)
        await self._follower.settle(event.subscription_id, event.operation_id)

    def answer(self, verdict: Verdict) -> Response:
        """Return a verdict as an HTTP answer; what is left to do begins once it has been sent."""
        body: dict[str, Any] = {"error": {"message": verdict.reason}} if verdict.reason else {}
        headers = {"www-authenticate": "Bearer"} if verdict.status == 401 else {}
        later = BackgroundTask(self._chores.start, verdict.then) if verdict.then is not None else None
        return JSONResponse(body, status_code=verdict.status, headers=headers, background=later)
