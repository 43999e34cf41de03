"""Publishers that remember what they have refused, or refuse what comes late, are judged by what they do otherwise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.suites.otherwise import EMBEDDED, judged, part_the_webhook
from tests.suites.runs import judge

from fulfillment_conformance.reference_publisher import fulfillment
from fulfillment_conformance.reference_publisher.access_tokens import AccessTokens
from fulfillment_conformance.reference_publisher.fulfillment import FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Event, Status
from fulfillment_conformance.reference_publisher.signing_keys import SigningKeys
from fulfillment_conformance.reference_publisher.webhook import Verdict, Webhook
from fulfillment_conformance.stage import embedded


def remember_refusals() -> None:
    """Answer an operation that was refused once in the same way for ever, as the marketplace itself does."""
    take, refused = Webhook.take, dict[str, Verdict]()

    async def take_anew(self: Webhook, event: Event) -> Verdict:
        if event.operation_id not in refused:
            verdict = await take(self, event)
            if not 400 <= verdict.status < 500:
                return verdict
            refused[event.operation_id] = verdict
        return refused[event.operation_id]

    setattr(Webhook, "take", take_anew)  # noqa: B010


def refuse_every_change() -> None:
    """Refuse whatever asks for another plan or other seats."""
    remember_refusals()
    take = Webhook.take

    async def refuse(self: Webhook, event: Event) -> Verdict:
        return Verdict(status=400) if event.action.startswith("Change") else await take(self, event)

    setattr(Webhook, "take", refuse)  # noqa: B010


@pytest.mark.parametrize(("meddle", "outcome"), [(remember_refusals, "passed"), (refuse_every_change, "undecided")])
def test_a_refusal_may_be_for_good(tmp_path: Path, meddle: Callable[[], None], outcome: str) -> None:
    told = judged(tmp_path, meddle, "WHK-009", "WHK-045")

    assert told.outcomes == {"WHK-009": outcome, "WHK-045": outcome}


def refuse_a_late_suspension() -> None:
    """Refuse a Suspend that neither the operation nor the subscription confirms."""
    take = Webhook.take

    async def take_what_is_so(self: Webhook, event: Event) -> Verdict:
        if event.action == "Suspend" and await self.operation(event) is None:
            subscription = await self.subscription(event)
            if subscription is not None and subscription.status is Status.SUBSCRIBED:
                return Verdict(status=400, reason="nothing confirms this")
        return await take(self, event)

    setattr(Webhook, "take", take_what_is_so)  # noqa: B010


def refuse_every_suspension() -> None:
    """Refuse every Suspend, so that one that comes late is refused as well."""
    take = Webhook.take

    async def refuse(self: Webhook, event: Event) -> Verdict:
        return Verdict(status=400) if event.action == "Suspend" else await take(self, event)

    setattr(Webhook, "take", refuse)  # noqa: B010


@pytest.mark.parametrize(
    ("meddle", "outcome"), [(refuse_a_late_suspension, "passed"), (refuse_every_suspension, "undecided")]
)
def test_what_comes_late_may_be_refused(tmp_path: Path, meddle: Callable[[], None], outcome: str) -> None:
    told = judged(tmp_path, meddle, "WHK-034", "GET-034")

    assert told.outcomes["GET-034"] == outcome


def look_three_times() -> None:
    """Look at a subscription when its term is renewed, and twice afterwards."""
    few = replace(embedded.PATIENCE, look_again=(0.0, 0.05))
    setattr(embedded, "PATIENCE", few)  # noqa: B010


@pytest.mark.parametrize("profile", ["documented", "observed"])
def test_the_first_look_that_shows_another_term_shows_its_dates(tmp_path: Path, profile: str) -> None:
    told = judge(EMBEDDED, tmp_path, "--only=EVT-046", f"--profile={profile}", meddle=look_three_times)

    assert told.outcomes == {"EVT-046": "passed"}


def have_another_process() -> None:
    """Let the webhook be another process, which has had an access token of its own since the first purchase."""
    activate, others = FulfillmentApi.activate, part_the_webhook()

    async def activate_and_wake_the_other(self: FulfillmentApi, *bought: Any) -> None:
        await activate(self, *bought)
        await others[0].current()

    setattr(FulfillmentApi, "activate", activate_and_wake_the_other)  # noqa: B010


def keep_the_first_token() -> None:
    """Let that process use its first access token whatever is said to it."""
    have_another_process()
    acquire = AccessTokens._acquire

    async def acquire_once(self: AccessTokens) -> str:
        return self._token or await acquire(self)

    setattr(AccessTokens, "_acquire", acquire_once)  # noqa: B010


@pytest.mark.parametrize(("meddle", "outcome"), [(have_another_process, "passed"), (keep_the_first_token, "undecided")])
def test_every_process_is_asked_to_renew_its_token(tmp_path: Path, meddle: Callable[[], None], outcome: str) -> None:
    told = judged(tmp_path, meddle, "AUT-010")

    assert told.outcomes == {"AUT-010": outcome}


def believe_every_subscribe() -> None:
    """Give access whenever a Subscribe comes, whatever the subscription has become since."""
    take = Webhook.take

    async def take_at_its_word(self: Webhook, event: Event) -> Verdict:
        account = self._accounts.get(event.subscription_id)
        if event.action != "Subscribe" or account is None:
            return await take(self, event)
        self._accounts.save(replace(account, status=Status.SUBSCRIBED))
        return Verdict()

    setattr(Webhook, "take", take_at_its_word)  # noqa: B010


def test_a_late_subscribe_revives_nothing(tmp_path: Path) -> None:
    told = judged(tmp_path, believe_every_subscribe, "WHK-034")

    assert told.with_outcome("failed") == {"WHK-034"}
    assert any("Subscribe after Unsubscribe: cancelled as before" in reason for reason in told.why({"WHK-034"}))


def begin_anew_at_a_renewal() -> None:
    """Give the plan and the seats of the purchase to whoever renews."""
    take = Webhook.take
    bought: dict[str, Any] = {}

    async def take_and_begin_anew(self: Webhook, event: Event) -> Verdict:
        account = self._accounts.get(event.subscription_id)
        if account is not None:
            bought.setdefault(account.subscription_id, (account.plan_id, account.quantity))
        verdict = await take(self, event)
        renewed = self._accounts.get(event.subscription_id)
        if event.action == "Renew" and renewed is not None:
            plan_id, quantity = bought[event.subscription_id]
            self._accounts.save(replace(renewed, plan_id=plan_id, quantity=quantity))
        return Verdict() if event.action == "Renew" else verdict

    setattr(Webhook, "take", take_and_begin_anew)  # noqa: B010


def test_a_renewal_leaves_plan_and_seats_as_they_are(tmp_path: Path) -> None:
    told = judged(tmp_path, begin_anew_at_a_renewal, "REG-018", "WHK-003")

    assert told.with_outcome("failed") == {"REG-018", "WHK-003"}


def repeat_without_waiting() -> None:
    """Repeat a call at once, whatever Retry-After says."""
    setattr(fulfillment, "_retry_after", lambda _: 0.0)  # noqa: B010


def test_who_is_told_to_wait_waits(tmp_path: Path) -> None:
    told = judged(tmp_path, repeat_without_waiting, "HDR-027")

    assert told.outcomes == {"HDR-027": "failed"}
    assert "repeated after 0." in str(told.why({"HDR-027"}))


def fetch_keys_now_and_then() -> None:
    """Ask for signing keys at most every second, as libraries do every half minute."""

    def may_fetch(self: SigningKeys) -> bool:
        return self._clock() - (self._fetched_at or 0.0) > 1.0

    setattr(SigningKeys, "may_fetch", may_fetch)  # noqa: B010


def test_a_new_key_is_given_the_time_to_be_fetched(tmp_path: Path) -> None:
    told = judged(tmp_path, fetch_keys_now_and_then, "WHK-049")

    assert told.outcomes == {"WHK-049": "passed"}
