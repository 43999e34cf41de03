"""Publishers that are built otherwise than the reference publisher, rightly or wrongly, are judged as they deserve.

What is a publisher's own choice fails nothing. What hides what a requirement asks about leaves it undecided.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.suites.runs import Judged, judge

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.administration import Administration
from fulfillment_conformance.reference_publisher.fulfillment import FulfillmentApi
from fulfillment_conformance.reference_publisher.messages import Subscription

EMBEDDED = {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 0.2}}}


def judged(folder: Path, meddle: Callable[[], None], *only: str) -> Judged:
    """Judge a reference publisher that was meddled with by some requirements."""
    return judge(EMBEDDED, folder, *(f"--only={each}" for each in only), meddle=meddle)


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
