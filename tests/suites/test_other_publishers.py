"""Publishers that are built otherwise than the reference publisher, rightly or wrongly, are judged as they deserve.

What is a publisher's own choice fails nothing. What hides what a requirement asks about leaves it undecided.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.suites.runs import Judged, judge

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.administration import Administration

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
