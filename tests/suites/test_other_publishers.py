"""Publishers that are built otherwise than the reference publisher, rightly or wrongly, are judged as they deserve.

What is a publisher's own choice fails nothing. What hides what a requirement asks about leaves it undecided.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.suites.otherwise import EMBEDDED, judged, part_the_webhook
from tests.suites.runs import judge

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.accounts import Account, Accounts
from fulfillment_conformance.reference_publisher.administration import Administration
from fulfillment_conformance.reference_publisher.fulfillment import FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Subscription
from fulfillment_conformance.reference_publisher.webhook import Verdict, Webhook


def show_words_of_its_own() -> None:
    """Let the state page speak of running, paused and closed accounts."""
    words = {"Subscribed": "running", "Suspended": "paused", "Unsubscribed": "closed"}
    describe = Administration.describe

    def describe_otherwise(self: Administration, account: Account) -> Mapping[str, Any]:
        status = account.status.value
        return {**describe(self, account), "status": words.get(status, status)}

    setattr(Administration, "describe", describe_otherwise)  # noqa: B010


def test_words_that_nobody_has_explained_decide_nothing(tmp_path: Path) -> None:
    told = judged(tmp_path, show_words_of_its_own, "EVT-026", "EVT-027", "EVT-034")
    undecided = {"EVT-027", "EVT-034"}

    assert told.with_outcome("passed") == {"EVT-026"}
    assert told.with_outcome("undecided") == undecided
    for each in told.why(undecided, "undecided"):
        assert "publisher.state.words: the account shows the status " in each
        assert "say there which of them it means" in each


def follow_whoever_calls() -> None:
    """Let the webhook look at no token, and show of every event that it has come."""
    show_words_of_its_own()
    describe, seen = Administration.describe, set[str]()

    async def decide(self: Webhook, request: Request) -> Verdict:
        seen.add(str((await request.json())["subscriptionId"]))
        return Verdict()

    def describe_otherwise(self: Administration, account: Account) -> Mapping[str, Any]:
        shown = describe(self, account)
        return {**shown, "status": f"told something, {shown['status']}"} if account.subscription_id in seen else shown

    setattr(Webhook, "decide", decide)  # noqa: B010
    setattr(Administration, "describe", describe_otherwise)  # noqa: B010


def test_another_word_is_an_effect_where_nothing_genuine_has_happened(tmp_path: Path) -> None:
    told = judged(tmp_path, follow_whoever_calls, "WHK-024")

    assert told.outcomes == {"WHK-024": "failed"}
    assert "status changed from 'running' to 'told something, running'" in str(told.requirements)


def repeat_seats_as_text() -> None:
    """Activate with the seats as text, empty for flat plans, as resolve gives them under `observed`."""

    async def activate(self: FulfillmentApi, subscription: Subscription) -> None:
        seats = "" if subscription.quantity is None else str(subscription.quantity)
        body = {"planId": subscription.plan_id, "quantity": seats}
        await self.call("activate", "POST", self.url(subscription.id, "activate"), json=body)

    setattr(FulfillmentApi, "activate", activate)  # noqa: B010


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_seats_may_be_repeated_in_the_form_that_resolve_has_them_in(tmp_path: Path, profile: str) -> None:
    ids = ["ACT-004", "ACT-006", "GET-033"]
    only = [f"--only={each}" for each in ids]
    told = judge(EMBEDDED, tmp_path, *only, f"--profile={profile}", meddle=repeat_seats_as_text)

    assert told.with_outcome("passed") == set(ids)


def repeat_another_number_of_seats() -> None:
    """Activate with a seat more than were bought."""

    async def activate(self: FulfillmentApi, subscription: Subscription) -> None:
        body = {"planId": subscription.plan_id, "quantity": str((subscription.quantity or 0) + 1)}
        await self.call("activate", "POST", self.url(subscription.id, "activate"), json=body)

    setattr(FulfillmentApi, "activate", activate)  # noqa: B010


def test_text_that_is_another_number_is_no_repetition(tmp_path: Path) -> None:
    told = judge(EMBEDDED, tmp_path, "--only=ACT-006", "--profile=observed", meddle=repeat_another_number_of_seats)

    assert told.with_outcome("failed") == {"ACT-006"}


def fail_before_a_token_is_looked_at() -> None:
    """Let every notification end in a server error, whoever it comes from."""

    async def decide(self: Webhook, request: Request) -> Verdict:
        raise LookupError(f"nobody knows {request.url}")

    setattr(Webhook, "decide", decide)  # noqa: B010


def test_a_webhook_that_takes_nothing_does_not_show_whether_it_believes_a_token(tmp_path: Path) -> None:
    told = judged(tmp_path, fail_before_a_token_is_looked_at, "REG-016", "WHK-004", "WHK-012")

    assert told.outcomes == {"REG-016": "undecided", "WHK-004": "failed", "WHK-012": "undecided"}
    assert "(WHK-004), and nothing says that it is their token: 500, and without a token 500" in str(told.requirements)


def keep_another_token_for_the_webhook() -> None:
    """Let the webhook have an access token of its own, as one does that is a process of its own."""
    part_the_webhook()


def take_notifications_on_trust() -> None:
    """Let that webhook take what it cannot look up because it has no access token."""
    keep_another_token_for_the_webhook()
    take = Webhook.take

    async def take_anyhow(self: Webhook, event: Any) -> Verdict:
        try:
            return await take(self, event)
        except AccessTokenUnavailable:
            return Verdict()

    setattr(Webhook, "take", take_anyhow)  # noqa: B010


def answer_at_once_and_queue() -> None:
    """Let that webhook answer 200 to what it cannot look up, and try again by itself until it can."""
    keep_another_token_for_the_webhook()
    take = Webhook.take

    async def take_later(self: Webhook, event: Any) -> Verdict:
        async def again() -> None:
            while True:
                await asyncio.sleep(0.05)
                try:
                    verdict = await take(self, event)
                except AccessTokenUnavailable:
                    continue
                if verdict.then is not None:
                    await verdict.then()
                return

        try:
            return await take(self, event)
        except AccessTokenUnavailable:
            return Verdict(then=again)

    setattr(Webhook, "take", take_later)  # noqa: B010


@pytest.mark.parametrize(
    ("meddle", "outcome"),
    [
        (keep_another_token_for_the_webhook, "passed"),
        (take_notifications_on_trust, "failed"),
        (answer_at_once_and_queue, "passed"),
    ],
)
def test_a_webhook_may_have_an_access_token_of_its_own(
    tmp_path: Path, meddle: Callable[[], None], outcome: str
) -> None:
    told = judged(tmp_path, meddle, "AUT-010", "AUT-028")  # the former lets the webhook get its token

    assert told.outcomes == {"AUT-010": "passed", "AUT-028": outcome}


def read_now_and_then() -> None:
    """Take no change, and follow what Get Subscription says whenever the account is looked at, as if by a timer."""
    state = Administration.state

    async def refuse(self: Webhook, *_: Any) -> str:
        return "no change is possible here"

    async def follow_and_show(self: Administration, request: Request) -> Response:
        subscription_id = request.path_params["subscription_id"]
        if self._accounts.get(subscription_id) is not None:
            await self._follower.refresh(subscription_id)
        return await state(self, request)

    setattr(Webhook, "refusal", refuse)  # noqa: B010
    setattr(Administration, "state", follow_and_show)  # noqa: B010


def test_who_reads_subscriptions_now_and_then_follows_no_forged_call(tmp_path: Path) -> None:
    target = {**EMBEDDED, "claims": {"refuses_changes": True}}
    kept = ["V1-009", "WHK-018", "WHK-033"]
    told = judge(target, tmp_path, *(f"--only={each}" for each in kept), meddle=read_now_and_then)

    assert told.with_outcome("passed") == set(kept), told.why(set(kept))


def show_late() -> None:
    """Let the state page show each account half a second after it has changed."""
    shown: dict[str, Account] = {}
    save = Accounts.save

    def save_and_show_late(self: Accounts, account: Account) -> None:
        save(self, account)
        asyncio.get_running_loop().call_later(0.5, shown.__setitem__, account.subscription_id, account)

    async def state(self: Administration, request: Request) -> Response:
        account = shown.get(request.path_params["subscription_id"])
        return JSONResponse(self.describe(account) if account else {}, status_code=200 if account else 404)

    setattr(Accounts, "save", save_and_show_late)  # noqa: B010
    setattr(Administration, "state", state)  # noqa: B010


def test_accounts_may_be_shown_late(tmp_path: Path) -> None:
    target = {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 4.0}}}
    kept = ["CHQ-006", "EVT-028"]
    told = judge(target, tmp_path, *(f"--only={each}" for each in kept), meddle=show_late)

    assert told.with_outcome("passed") == set(kept), told.why(set(kept))


def call_ids_in_capitals() -> None:
    """Let every call name GUIDs in capitals, as databases write them that keep them as such."""
    url = FulfillmentApi.url

    def in_capitals(self: FulfillmentApi, *parts: str) -> str:
        return url(self, *(part.upper() if len(part) == 36 else part for part in parts))

    setattr(FulfillmentApi, "url", in_capitals)  # noqa: B010


def test_ids_may_be_written_in_capitals(tmp_path: Path) -> None:
    told = judged(tmp_path, call_ids_in_capitals, "ACT-004", "ACT-021", "WHK-039")

    assert told.with_outcome("passed") == {"ACT-004", "ACT-021", "WHK-039"}
