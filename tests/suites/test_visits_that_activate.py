"""Whoever activates during the visit confirms nothing, and is judged all the same on activating once, after sign-in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.suites.otherwise import buyers_take
from tests.suites.runs import judge

from fulfillment_conformance.reference_publisher.landing import Landing, purchase_token
from fulfillment_conformance.reference_publisher.messages import Status, Subscription
from fulfillment_conformance.reference_publisher.sessions import Session

EMBEDDED = {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 0.5}}}


def activate_once() -> None:
    """Activate during the first of several visits."""
    buyers_take()
    present = Landing.present

    async def activate_and_present(self: Landing, session: Session, subscription: Subscription) -> Response:
        if subscription.status is not Status.PENDING:
            return await present(self, session, subscription)
        async with self._accounts.lock(subscription.id):
            if self._accounts.get(subscription.id) is None:
                await self.activate(self.set_up(subscription, "", ""), subscription)
        return self.purchase_page(session, subscription)

    setattr(Landing, "present", activate_and_present)  # noqa: B010


def insert_an_account_each_time() -> None:
    """Take every visit for the first one."""
    activate_once()
    present = Landing.present

    async def insert_and_present(self: Landing, session: Session, subscription: Subscription) -> Response:
        if self._accounts.get(subscription.id) is not None:
            raise KeyError("duplicate key")
        return await present(self, session, subscription)

    setattr(Landing, "present", insert_and_present)  # noqa: B010


def activate_before_sign_in() -> None:
    """Activate as soon as somebody has opened the address, whoever it is."""
    activate_once()
    open_page = Landing.open

    async def activate_first(self: Landing, request: Request) -> Response:
        token = purchase_token(request.scope["query_string"])
        if token is not None and request.method == "GET":
            subscription = await self._api.resolve(token)
            if subscription.status is Status.PENDING:
                await self._api.activate(subscription)
        return await open_page(self, request)

    setattr(Landing, "open", activate_first)  # noqa: B010


@pytest.mark.parametrize(
    ("meddle", "only", "outcome"),
    [
        (activate_once, "LND-036", "passed"),
        (insert_an_account_each_time, "LND-036", "failed"),
        (activate_once, "ACT-022", "passed"),
        (activate_before_sign_in, "ACT-022", "failed"),
    ],
)
def test_a_visit_activates_once_and_for_whoever_has_signed_in(
    tmp_path: Path, meddle: Callable[[], None], only: str, outcome: str
) -> None:
    told = judge(EMBEDDED, tmp_path, f"--only={only}", meddle=meddle)

    assert told.outcomes == {only: outcome}
