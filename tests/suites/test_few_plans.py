"""Publishers with few plans, or few that they refuse, are judged on what can happen to their customers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.suites.runs import Judged, judge

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.messages import Event, Operation
from fulfillment_conformance.reference_publisher.webhook import Verdict, Webhook
from fulfillment_conformance.stage.opening import Stage

REFUSED_SEATS = 90


def judged(
    folder: Path, claims: dict[str, Any], meddle: Callable[[], None], only: Sequence[str], defects: Sequence[str] = ()
) -> Judged:
    """Judge a reference publisher that was meddled with by some requirements."""
    publisher = {"embedded": True, "timeouts": {"effect": 0.2}, "defects": [*defects]}
    target = {"role": "publisher", "publisher": publisher, "claims": claims}
    return judge(target, folder, *(f"--only={each}" for each in only), meddle=meddle)


def sell(*wanted: str) -> None:
    """Let the publisher under test have these plans only."""
    offers: Any = Stage.__dict__["offers"]

    def fewer(self: Stage) -> Any:
        sold = [(offer, [plan for plan in offer.plans if plan.plan_id in wanted]) for offer in offers.fget(self)]
        return tuple(replace(offer, plans=tuple(plans)) for offer, plans in sold if plans)

    setattr(Stage, "offers", property(fewer))  # noqa: B010


def sell_one_plan() -> None:
    """Sell one flat plan and nothing else."""
    sell("silver")


def sell_one_plan_per_seat() -> None:
    """Sell several flat plans, and one that is priced per seat."""
    sell("silver", "gold", "team")


def test_who_sells_one_plan_is_judged_by_other_events_than_its_change(tmp_path: Path) -> None:
    kept = ["ACT-021", "AUT-010", "HDR-003", "LCY-026", "POL-005", "REG-018", "V1-009", "WHK-003", "WHK-012", "WHK-033"]
    kept += ["OPP-003", "WHK-011"]
    told = judged(tmp_path, {"per_seat": False}, sell_one_plan, [*kept, "EVT-018"])

    assert told.with_outcome("passed") == set(kept)
    assert told.with_outcome("not-applicable") == {"EVT-018"}
    reasons = told.why({"EVT-018"}, "not-applicable")
    assert any("marketplace.offers: offer contoso-crm has no other public plan" in reason for reason in reasons)


def test_a_life_is_that_of_a_plan_that_can_be_changed(tmp_path: Path) -> None:
    ids = ["LCY-026", "POL-005", "REG-018", "TST-003", "WHK-003"]
    told = judged(tmp_path, {}, sell_one_plan_per_seat, ids)

    assert told.with_outcome("passed") == set(ids)


def refuse_a_number_of_seats() -> None:
    """Refuse one number of seats, which the plan would allow."""
    refusal = Webhook.seats_refusal

    async def refuse(self: Webhook, account: Account, operation: Operation) -> str:
        return "not so many" if operation.quantity == REFUSED_SEATS else await refusal(self, account, operation)

    setattr(Webhook, "seats_refusal", refuse)  # noqa: B010


def take_every_number_of_seats() -> None:
    """Leave everything as it is."""


@pytest.mark.parametrize(
    ("meddle", "outcome"), [(refuse_a_number_of_seats, "passed"), (take_every_number_of_seats, "failed")]
)
def test_seats_can_be_what_a_publisher_refuses(tmp_path: Path, meddle: Callable[[], None], outcome: str) -> None:
    told = judged(tmp_path, {"refused_plans": [], "refused_seats": REFUSED_SEATS}, meddle, ["OPP-015"])

    assert told.outcomes == {"OPP-015": outcome}


def test_seats_that_are_refused_are_not_given(tmp_path: Path) -> None:
    claims = {"refused_plans": [], "refused_seats": REFUSED_SEATS}
    told = judged(tmp_path, claims, refuse_a_number_of_seats, ["OPP-015"], defects=["carries-out-what-it-refuses"])

    assert told.outcomes == {"OPP-015": "failed"}
    assert any(f"gives not {REFUSED_SEATS} seats" in reason for reason in told.why({"OPP-015"}))


def test_who_says_that_nothing_is_refused_is_not_asked_to_refuse(tmp_path: Path) -> None:
    told = judged(tmp_path, {"refused_plans": []}, take_every_number_of_seats, ["OPP-015", "EVT-047"])

    assert told.outcomes == {"OPP-015": "passed", "EVT-047": "not-applicable"}  # a lost subscription's change is left


def refuse_by_report() -> None:
    """Answer every change with 200, and report those that are refused as failed."""
    change = Webhook.change

    async def change_and_report(self: Webhook, event: Event, *rest: Any) -> Verdict:
        verdict = await change(self, event, *rest)
        return verdict if verdict.status != 400 else Verdict(then=partial(self.report, event, "Failure"))

    setattr(Webhook, "change", change_and_report)  # noqa: B010


def refuse_by_report_and_not_look_again() -> None:
    """Report refused changes as failed, and believe that they are."""
    refuse_by_report()

    async def report(self: Webhook, event: Event, result: Any) -> None:
        await self._api.report(event.subscription_id, event.operation_id, result)

    setattr(Webhook, "report", report)  # noqa: B010


@pytest.mark.parametrize(
    ("meddle", "profile", "outcome"),
    [
        (refuse_by_report, "documented", "passed"),
        (refuse_by_report, "observed", "passed"),
        (refuse_by_report_and_not_look_again, "observed", "failed"),
    ],
)
def test_a_report_of_failure_may_be_overruled(
    tmp_path: Path, meddle: Callable[[], None], profile: str, outcome: str
) -> None:
    target = {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 1.0}}}
    told = judge(target, tmp_path, "--only=OPP-015", f"--profile={profile}", meddle=meddle)

    assert told.outcomes == {"OPP-015": outcome}
