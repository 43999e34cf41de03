"""Keeping accounts in step with the marketplace: Get Subscription is the authority on every state.

Source pages: pc-saas-fulfillment-life-cycle, pc-saas-fulfillment-subscription-api § Get subscription.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Operation, Status, Subscription
from fulfillment_conformance.reference_publisher.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a look at the whole list found: entries seen, of other offers, and accounts brought back in line."""

    seen: int
    foreign: int
    corrected: tuple[str, ...]


class Follower:
    """Reads subscriptions and makes accounts follow them."""

    def __init__(self, settings: Settings, api: FulfillmentApi, accounts: Accounts) -> None:
        self._settings = settings
        self._api = api
        self._accounts = accounts

    def follow(self, subscription: Subscription, *, handled: str = "") -> Account | None:
        """Make the account follow a subscription just read, and return it; the caller holds the account's lock.

        A subscription without an account gets one while it is in use: its purchase was activated by the marketplace, or
        we have missed something. A pending one waits for its buyer, a cancelled one needs none, and one of another
        application's offer is not ours; for these the result is None.
        """
        account = self._accounts.get(subscription.id)
        if account is None:
            if not self.opens(subscription):
                return None
            account = Account.opened(subscription)
        account = account.following(subscription)
        if handled:
            account = account.having_handled(handled)
        self._accounts.save(account)
        return account

    def opens(self, subscription: Subscription) -> bool:
        """Whether a subscription in this state has an account without a buyer's visit."""
        return subscription.status in {Status.SUBSCRIBED, Status.SUSPENDED} and self.ours(subscription)

    def ours(self, subscription: Subscription) -> bool:
        """Whether a subscription is to an offer of this application; the list shows all of the publisher's offers."""
        return self._settings.serves(subscription.offer_id)

    async def find(self, subscription_id: str) -> Subscription | None:
        """Read a subscription; None when the marketplace knows none such."""
        try:
            return await self._api.subscription(subscription_id)
        except ApiRefused as refusal:
            if refusal.not_found:
                return None
            raise

    async def find_operation(self, subscription_id: str, operation_id: str) -> Operation | None:
        """Read an operation; None when the marketplace knows none such."""
        try:
            operation = await self._api.operation(subscription_id, operation_id)
        except ApiRefused as refusal:
            if refusal.not_found:
                return None
            raise
        return replace(operation, id=operation_id)  # whatever the answer calls it, it is the one that was asked for

    async def refresh(self, subscription_id: str) -> Subscription | None:
        """Read a subscription, make its account follow, and return what was read."""
        async with self._accounts.lock(subscription_id):
            subscription = await self.find(subscription_id)
            if subscription is not None:
                self.follow(subscription)
            return subscription

    async def look_again(self, subscription_id: str, until: Callable[[Subscription], bool]) -> None:
        """Follow a subscription at growing intervals until it is as expected, or the last look is taken."""
        for wait in self._settings.patience.look_again:
            await asyncio.sleep(wait)
            try:
                subscription = await self.refresh(subscription_id)
            except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
                logger.warning("a later look at a subscription failed: %s", problem)
                continue
            if subscription is None or until(subscription):
                return

    async def settle(self, subscription_id: str, operation_id: str) -> None:
        """Watch an operation whose event we have answered until the marketplace has ended it, then follow.

        Whatever we accepted or refused, and whatever became of our report: in the end Get Subscription says what is so.
        """
        for wait in self._settings.patience.look_again:
            await asyncio.sleep(wait)
            try:
                operation = await self.find_operation(subscription_id, operation_id)
                if operation is not None and not operation.ended:
                    continue
                subscription = await self._settled(subscription_id, operation_id)
            except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
                logger.warning("a later look at an operation failed: %s", problem)
                continue
            if subscription is None or operation is None or not operation.succeeded or operation.shown_by(subscription):
                return

    async def _settled(self, subscription_id: str, operation_id: str) -> Subscription | None:
        async with self._accounts.lock(subscription_id):
            subscription = await self.find(subscription_id)
            account = self._accounts.get(subscription_id)
            if account is not None:
                self._accounts.save(account.settled(operation_id))
            if subscription is not None:
                self.follow(subscription)
            return subscription

    async def reconcile(self) -> Reconciliation:
        """Read the whole list and bring every account of our own offers back in line.

        The list only says where to look: what an account becomes is read afresh under its lock.
        """
        seen, foreign, corrected = 0, 0, []
        async for listed in self._api.subscriptions():
            seen += 1
            if not self.ours(listed):
                foreign += 1
            elif self.differs(listed):
                before = self._accounts.get(listed.id)
                await self.refresh(listed.id)
                if self._accounts.get(listed.id) != before:
                    corrected.append(listed.id)
        return Reconciliation(seen=seen, foreign=foreign, corrected=tuple(corrected))

    def differs(self, listed: Subscription) -> bool:
        """Whether the account of a listed subscription is not as the list shows it."""
        account = self._accounts.get(listed.id)
        if account is None:
            return self.opens(listed)
        return account.following(listed) != account
