"""Changes that a customer asks for on our own pages: the marketplace is asked first, and its notification decides.

Source page: pc-saas-fulfillment-life-cycle § changes initiated by the publisher.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Accounts, Request
from fulfillment_conformance.reference_publisher.chores import Chores
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Operation
from fulfillment_conformance.reference_publisher.settings import Settings

logger = logging.getLogger(__name__)

BUSY = 409
"""The marketplace is still occupied with another operation of the subscription."""


class Changes:
    """Asks the marketplace for changes and watches what becomes of them. The account changes with the notification."""

    def __init__(
        self, settings: Settings, api: FulfillmentApi, accounts: Accounts, follower: Follower, chores: Chores
    ) -> None:
        self._patience = settings.patience
        self._api = api
        self._accounts = accounts
        self._follower = follower
        self._chores = chores

    async def change(self, subscription_id: str, request: Request) -> None:
        """Ask for another plan, or for another number of seats; never for both in one call.

        The request is noted before the call: its notification may arrive before the answer.
        """
        async with self._accounts.lock(subscription_id):
            account = self._accounts.get(subscription_id)
            if account is not None:
                self._accounts.save(account.asking(request))
        await self._chores.start(functools.partial(self._pursue, subscription_id, request))

    async def cancel(self, subscription_id: str) -> None:
        """Ask to cancel, and see it through."""
        await self._see_through(subscription_id, functools.partial(self._api.cancel, subscription_id))

    async def cancel_soon(self, subscription_id: str) -> None:
        """Ask to cancel in the background."""
        await self._chores.start(functools.partial(self.cancel, subscription_id))

    async def _pursue(self, subscription_id: str, request: Request) -> None:
        if request.plan_id is not None:
            ask = functools.partial(self._api.change_plan, subscription_id, request.plan_id)
        else:
            ask = functools.partial(self._api.change_quantity, subscription_id, request.quantity or 0)
        notice = await self._see_through(subscription_id, ask)
        async with self._accounts.lock(subscription_id):
            account = self._accounts.get(subscription_id)
            if account is not None:
                self._accounts.save(account.answered(request, notice))

    async def _see_through(self, subscription_id: str, ask: Callable[[], Awaitable[str]]) -> str:
        """Ask, poll the operation to its end, and return what the customer should know."""
        try:
            location = await self.ask(ask)
            operation = await self.poll(location) if location else None
        except (ApiRefused, ApiUnavailable, AccessTokenUnavailable) as problem:
            logger.warning("a change that a customer asked for failed: %s", problem)
            return "The marketplace did not accept your last request. Nothing has changed."
        if operation is not None and operation.ended and not operation.succeeded:
            return "Your last request could not be carried out. Nothing has changed."
        if operation is None:
            await self._follower.refresh(subscription_id)
        return ""

    async def ask(self, ask: Callable[[], Awaitable[str]]) -> str:
        """Ask; while the marketplace is busy with another operation, wait and ask again."""
        for _ in range(self._patience.attempts - 1):
            try:
                return await ask()
            except ApiRefused as refusal:
                if refusal.status != BUSY:
                    raise
            await asyncio.sleep(self._patience.poll)
        return await ask()

    async def poll(self, location: str) -> Operation:
        """Read the operation until it has ended, for as long as our patience lasts."""
        operation = await self._api.operation_at(location)
        waited = 0.0
        while not operation.ended and waited < self._patience.poll_for:
            await asyncio.sleep(self._patience.poll)
            waited += self._patience.poll
            operation = await self._api.operation_at(location)
        return operation
