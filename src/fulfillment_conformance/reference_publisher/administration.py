"""Pages of the operator: what the application believes of a subscription, reconciliation, health.

They are for this machine, or for whoever has the operator's key; customers have pages of their own (see `management`).
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.alarm import Alarm
from fulfillment_conformance.reference_publisher.follower import Follower
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable
from fulfillment_conformance.reference_publisher.settings import Settings

KEY_HEADER = "x-operator-key"


class Administration:
    """Answers the operator."""

    def __init__(self, settings: Settings, accounts: Accounts, follower: Follower, alarm: Alarm) -> None:
        self._settings = settings
        self._accounts = accounts
        self._follower = follower
        self._alarm = alarm

    @property
    def routes(self) -> Sequence[Route]:
        """The pages of the operator, and the health page, which tells nothing and is open to all."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/accounts/{subscription_id}", self._for_operator(self.state), methods=["GET"]),
            Route("/admin/reconcile", self._for_operator(self.reconcile), methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Say whether anything needs the operator."""
        troubles = self._alarm.troubles
        return JSONResponse({"status": "needs attention" if troubles else "ok", "troubles": sorted(troubles)})

    async def state(self, request: Request) -> Response:
        """Say what we believe of a subscription; 404 when it has no account."""
        account = self._accounts.get(request.path_params["subscription_id"])
        if account is None:
            return JSONResponse({"error": {"message": "there is no account for this subscription"}}, status_code=404)
        return JSONResponse(self.describe(account))

    def describe(self, account: Account) -> dict[str, Any]:
        """Return an account as JSON, without what is personal."""
        return {
            "subscriptionId": account.subscription_id,
            "offerId": account.offer_id,
            "planId": account.plan_id,
            "quantity": account.quantity,
            "status": account.status.value,
            "access": account.access,
            "tenantId": account.tenant_id,
            "term": {"startDate": account.term.start, "endDate": account.term.end, "termUnit": account.term.unit},
            "autoRenew": account.auto_renew,
            "isFreeTrial": account.is_free_trial,
        }

    async def reconcile(self, _request: Request) -> Response:
        """Read the marketplace's whole list and bring our accounts back in line."""
        try:
            found = await self._follower.reconcile()
        except (ApiUnavailable, ApiRefused, AccessTokenUnavailable) as problem:
            return JSONResponse({"error": {"message": str(problem)}}, status_code=502)
        return JSONResponse({"seen": found.seen, "foreign": found.foreign, "corrected": list(found.corrected)})

    def _for_operator(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self.is_operator(request):
                return JSONResponse({"error": {"message": "this page is for the operator"}}, status_code=403)
            return await page(request)

        return guarded

    def is_operator(self, request: Request) -> bool:
        """Whether the caller has the operator's key, or, where none is set, sits at this very machine.

        Behind a proxy everybody seems to; what a proxy has passed on does not count.
        """
        key = self._settings.operator_key
        if key is not None:
            return hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), key.encode())
        forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via"))
        return not forwarded and request.client is not None and _is_loopback(request.client.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
