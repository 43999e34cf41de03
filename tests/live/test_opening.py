from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.account import FLAT, Account, account

from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.live.opening import LiveService, look_over, opened, put_back
from fulfillment_conformance.preflight import Finding, Preflight
from fulfillment_conformance.redaction import Redactor


def test_it_is_looked_over_before_anything_is_judged(acc: Account) -> None:
    told: list[Finding] = []
    with acc.service() as service:
        look_over(service, Preflight(told.append))

    assert [finding.what for finding in told] == [
        "reachable",
        "clock",
        "access token",
        "access token taken",
        "left over",
        "answers",
        "subscriptions",
        "allowed",
    ]
    assert all(finding.good for finding in told)
    seen = {finding.what: finding.seen for finding in told}
    assert seen["subscriptions"] == "4 listed: Subscribed, PendingFulfillmentStart, Subscribed, Subscribed"
    assert seen["left over"] == "nothing"
    assert seen["allowed"].startswith("changes on 3 of 4 subscriptions; 29")


def test_what_an_earlier_run_left_is_put_back_first(acc: Account) -> None:
    told: list[Finding] = []
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
    with acc.service() as service:
        look_over(service, Preflight(told.append))

    assert "1 earlier change undone" in {finding.seen for finding in told}
    assert acc.state()[FLAT][0] == "silver"


def test_nothing_is_judged_while_something_cannot_be_put_back(acc: Account) -> None:
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
        acc.emulator.faults.add(Answers(403, {}), call="change_subscription")
        with pytest.raises(EnvironmentUnavailable, match=r"is not put back to 'silver'.* run restore again"):
            put_back(service)


def test_the_kill_switch_is_the_environments_affair(acc: Account) -> None:
    (acc.file.parent / "STOP").touch()
    with acc.service() as service, pytest.raises(EnvironmentUnavailable, match="kill switch"):
        look_over(service, Preflight())
    assert acc.arrived == []


def change_and(service: LiveService, then: Callable[[], object]) -> None:
    with opened(service, Redactor()):
        service.client.change_plan(FLAT, "gold")
        then()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_everything_is_put_back_at_the_end(acc: Account) -> None:
    with acc.service() as service:
        with pytest.raises(KeyboardInterrupt):
            change_and(service, interrupt)
        assert acc.state()[FLAT][0] == "silver"

        with pytest.raises(EnvironmentUnavailable, match="run restore when"):
            change_and(service, (acc.file.parent / "STOP").touch)


def test_an_account_without_anything_listed_can_still_be_looked_at(tmp_path: Path) -> None:
    told: list[Finding] = []
    with account(tmp_path, {"subscriptions": [], "purchase_tokens": []}) as acc, acc.service() as service:
        look_over(service, Preflight(told.append))

    assert "none listed; `inventory` proposes the section live" in {finding.seen for finding in told}
