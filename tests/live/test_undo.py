import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.account import DOOMED, FLAT, SEATS, Account, account

from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.exchange import ignore
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.live import undo
from fulfillment_conformance.live.guard import Forbidden
from fulfillment_conformance.live.ledger import Ledger
from fulfillment_conformance.live.opening import LiveService, live_service
from fulfillment_conformance.redaction import Redactor

MOMENTS = 50


class Interrupted(BaseException):
    """What ends a process at any moment: a signal, a power cut, a cancelled pipeline."""


class Moments:
    """Counts the moments at which a process may be interrupted, and interrupts it at one of them.

    Moments are those before and after each write to the disk and each request, so that a request is also cut off after
    the service has carried it out and before its answer is read.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.interrupted_at: int | None = None
        for owner, name in ((Ledger, "take"), (Ledger, "begin"), (Ledger, "note"), (HttpClient, "send")):
            monkeypatch.setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*arguments: Any, **details: Any) -> Any:
            self._pass()
            result = inner(*arguments, **details)
            self._pass()
            return result

        return outer

    def _pass(self) -> None:
        if self.count == self.interrupted_at:
            self.interrupted_at = None
            raise Interrupted
        self.count += 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("account")) as running:
        yield running


def a_run(service: LiveService) -> None:
    """Change plans and seats, some to the end and some not, and put them back in between and at the end."""
    client = service.client
    plan = client.change_plan(FLAT, "gold")
    client.update_operation(FLAT, str(plan.operation_id), "Success")
    seats = client.change_quantity(SEATS, 12)
    client.update_operation(SEATS, str(seats.operation_id), "Success")
    client.change_plan(SEATS, "business")
    client.change_plan(FLAT, "no-such-plan")
    service.undo.everything()
    client.change_quantity(SEATS, 7)
    service.undo.everything()


def whole_length(acc: Account, folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        moments = Moments(patch)
        with service_of(acc, folder / "counted.sqlite") as service:
            a_run(service)
        return moments.count


def service_of(acc: Account, ledger: Path) -> Any:
    return live_service(acc.target, observer=ignore, redactor=Redactor(), ledger=ledger, wait=lambda _seconds: None)


@pytest.fixture(scope="module")
def length(shared: Account, tmp_path_factory: pytest.TempPathFactory) -> int:
    return whole_length(shared, tmp_path_factory.mktemp("counted"))


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_after_an_interruption_everything_comes_back(
    shared: Account, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    before = shared.state()
    moments = Moments(monkeypatch)
    moments.interrupted_at = random.Random(seed).randrange(length)
    with pytest.raises(Interrupted), service_of(shared, tmp_path / "ledger.sqlite") as service:
        a_run(service)

    with service_of(shared, tmp_path / "ledger.sqlite") as later:
        outcomes = later.undo.everything()

        assert {outcome.result for outcome in outcomes} <= {"undone"}
        assert later.http.ledger.open_changes() == []
    assert shared.state() == before
    assert not shared.on_loop(lambda: [shared.emulator.market._pending(record) for record in records(shared)])


def records(acc: Account) -> list[Any]:
    return [record for record in map(acc.emulator.market.find, (FLAT, SEATS)) if record.pending]


def test_an_interrupted_restore_can_be_repeated(
    shared: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shared.state()
    moments = Moments(monkeypatch)
    with service_of(shared, tmp_path / "ledger.sqlite") as service:
        service.client.change_plan(FLAT, "gold")
        service.client.change_quantity(SEATS, 11)
    for seed in range(8):
        moments.count, moments.interrupted_at = 0, random.Random(seed).randrange(12)
        with service_of(shared, tmp_path / "ledger.sqlite") as service:
            try:
                service.undo.everything()
            except Interrupted:
                continue
            break

    moments.interrupted_at = None
    with service_of(shared, tmp_path / "ledger.sqlite") as service:
        service.undo.everything()
        assert service.http.ledger.open_changes() == []
    assert shared.state() == before


def change_both(service: LiveService) -> None:
    seats = service.client.change_quantity(SEATS, 20)
    service.client.update_operation(SEATS, str(seats.operation_id), "Success")
    plan = service.client.change_plan(SEATS, "business")
    service.client.update_operation(SEATS, str(plan.operation_id), "Success")


def test_plans_and_seats_come_back_in_reverse_order(acc: Account) -> None:
    with acc.service() as service:
        change_both(service)
        outcomes = service.undo.everything()

    assert [str(outcome) for outcome in outcomes] == [
        f"subscription {SEATS}: planId 'business' is 'team' again",
        f"subscription {SEATS}: quantity '20' is '10' again",
    ]
    assert acc.state()[SEATS][:2] == ("team", 10)


def test_what_ended_meanwhile_is_lost_and_told(acc: Account) -> None:
    with acc.service() as service:
        accepted = service.client.change_plan(FLAT, "gold")
        service.client.update_operation(FLAT, str(accepted.operation_id), "Success")
        acc.on_loop(lambda: acc.emulator.perform(lambda: acc.emulator.market.unsubscribe(FLAT)))
        outcomes = service.undo.everything()

        assert list(undo.told(outcomes)) == [
            f"subscription {FLAT}: planId 'gold' is not put back to 'silver': the subscription has ended"
        ]
        assert service.undo.everything() == []


def test_what_cannot_be_put_back_stays_open_with_all_before_it(acc: Account) -> None:
    with acc.service(wait=lambda _seconds: None) as service:
        change_both(service)
        planned = acc.emulator.faults.add(Answers(403, {}), call="change_subscription")
        outcomes = service.undo.everything()
        assert [(outcome.result, outcome.why) for outcome in outcomes] == [
            ("open", "the change back was answered 403"),
            ("open", "a later change has to be undone first"),
        ]

        acc.emulator.faults.remove(planned)
        assert [outcome.result for outcome in service.undo.everything()] == ["undone", "undone"]
    assert acc.state()[SEATS][:2] == ("team", 10)


def test_somebody_elses_change_is_waited_for_and_not_for_ever(acc: Account) -> None:
    with acc.service(wait=lambda _seconds: None) as service:
        accepted = service.client.change_plan(FLAT, "gold")
        service.client.update_operation(FLAT, str(accepted.operation_id), "Success")
        acc.emulator.faults.add(Answers(409, {}), call="change_subscription", times=2)
        assert [outcome.result for outcome in service.undo.everything()] == ["undone"]

        accepted = service.client.change_plan(FLAT, "gold")
        service.client.update_operation(FLAT, str(accepted.operation_id), "Success")
        planned = acc.emulator.faults.add(Answers(409, {}), call="change_subscription")
        [outcome] = service.undo.everything()
        assert outcome.result == "open"
        assert "was still under way" in outcome.why or "again and again" in outcome.why
        acc.emulator.faults.remove(planned)
        assert [outcome.result for outcome in service.undo.everything()] == ["undone"]


def test_an_effect_that_shows_late_is_not_taken_for_one_that_never_came(acc: Account) -> None:
    with acc.service(wait=lambda _seconds: None) as service:
        accepted = service.client.change_plan(FLAT, "gold")
        service.client.update_operation(FLAT, str(accepted.operation_id), "Success")
        stale = Rewrites(lambda document: {**document, "planId": "silver"})
        acc.emulator.faults.add(stale, call="get_subscription", times=1)

        assert [outcome.result for outcome in service.undo.everything()] == ["undone"]
    assert acc.state()[FLAT][0] == "silver"


def test_what_is_no_longer_listed_is_not_touched(acc: Account, tmp_path: Path) -> None:
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
    section = acc.target.live
    assert section is not None
    kept = tuple(each for each in section.subscriptions if each.id == DOOMED)
    shorter = acc.target.model_copy(
        update={"live": section.model_copy(update={"subscriptions": kept, "purchase_tokens": ()})}
    )
    count = len(acc.arrived)
    with (
        live_service(shorter, observer=ignore, redactor=Redactor()) as service,
        pytest.raises(Forbidden, match=f"{FLAT} is not listed"),
    ):
        service.undo.everything()

    assert not [each for each in acc.arrived[count:] if FLAT in each.url]
