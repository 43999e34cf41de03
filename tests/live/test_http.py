import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from tests.live.account import DOOMED, FLAT, SEATS, UNLISTED, Account, account, subscriptions

from fulfillment_conformance import http_transport
from fulfillment_conformance.emulator.faults import Answers, BreaksOff
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.live.guard import Forbidden
from fulfillment_conformance.live.http import Halted
from fulfillment_conformance.live.ledger import BudgetSpent
from fulfillment_conformance.live.opening import LiveService


class Waits:
    """Notes how long somebody would have slept, and how the ledger's pace would have gone on meanwhile."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds


def fault(acc: Account, status: int, *, call: str, times: int = 1, retry_after: str | None = None) -> None:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    acc.emulator.faults.add(Answers(status, {}, headers), call=call, times=times)


def paths(acc: Account) -> list[str]:
    return [f"{each.method} {each.url.partition('?')[0].rpartition('/saas/subscriptions')[2]}" for each in acc.arrived]


def test_what_is_not_allowed_is_never_sent(acc: Account) -> None:
    with acc.service() as service:
        tried: list[Callable[[], object]] = [
            lambda: service.client.get_subscription(UNLISTED),
            lambda: service.client.cancel(FLAT),
            lambda: service.client.change_quantity(FLAT, 5),
            lambda: service.client.activate(FLAT),
            lambda: service.client.request("DELETE", f"/{UNLISTED}", "x"),
            lambda: service.client.follow("https://evil.example/api/saas/subscriptions?x=y"),
        ]
        for forbidden in tried:
            with pytest.raises(Forbidden):
                forbidden()

    assert not [path for path in paths(acc) if path.startswith(("PATCH", "DELETE", "POST /")) or UNLISTED in path]


def test_a_change_is_looked_at_and_written_down_before_it_is_sent(acc: Account) -> None:
    with acc.service() as service:
        accepted = service.client.change_plan(FLAT, "gold")
        [change] = service.http.ledger.open_changes()

    assert accepted.status_code == 202
    assert (change.subscription, change.field, change.before, change.wanted) == (FLAT, "planId", "silver", "gold")
    assert change.operation == accepted.operation_id
    assert paths(acc)[-2:] == [f"GET /{FLAT}", f"PATCH /{FLAT}"]


def test_a_refused_change_leaves_nothing_to_undo(acc: Account) -> None:
    with acc.service() as service:
        assert service.client.change_plan(FLAT, "no-such-plan").status_code == 400
        assert service.client.change_plan(FLAT, "gold", token=None).status_code == 401

        assert [change.state for change in service.http.ledger.changes()] == ["refused", "refused"]


def test_the_result_of_a_change_that_was_not_answered_stays_open(acc: Account) -> None:
    fault(acc, 500, call="change_subscription")
    with acc.service() as service:
        assert service.client.change_plan(FLAT, "gold").status_code == 500

        assert [change.state for change in service.http.ledger.changes()] == ["begun"]


def test_an_operation_of_its_own_may_be_ended_and_nobody_elses(acc: Account) -> None:
    operation = acc.on_loop(
        lambda: acc.emulator.perform(lambda: acc.emulator.market.customer_changes_quantity(SEATS, 12))
    )
    with acc.service() as service:
        accepted = service.client.change_plan(FLAT, "gold")
        assert service.client.update_operation(FLAT, str(accepted.operation_id), "Success").status_code == 200
        with pytest.raises(Forbidden, match="was not begun by the suite"):
            service.client.update_operation(SEATS, operation.id, "Failure")


def test_an_offer_that_is_not_the_listed_one_is_not_changed(tmp_path: Path) -> None:
    listed = [{**each, "offer": "contoso-seats-preview"} if each["id"] == FLAT else each for each in subscriptions()]
    with account(tmp_path, {"subscriptions": listed}) as acc, acc.service() as service:
        with pytest.raises(Forbidden, match="is of offer 'contoso-crm-preview', and the target file lists it under"):
            service.client.change_plan(FLAT, "gold")
        assert acc.state()[FLAT][0] == "silver"


def test_what_does_not_show_is_not_changed(tmp_path: Path) -> None:
    both = ["read", "change-plan", "change-quantity"]
    listed = [{**each, "may": both} if each["id"] == FLAT else each for each in subscriptions()]
    with account(tmp_path, {"subscriptions": listed}) as acc, acc.service() as service:
        with pytest.raises(Forbidden, match="does not show, so it could not be put back"):
            service.client.change_quantity(FLAT, 5)
        fault(acc, 500, call="get_subscription")
        with pytest.raises(EnvironmentUnavailable, match="Get Subscription answered 500; nothing was changed"):
            service.client.change_plan(FLAT, "gold")


def test_undoing_changes_nothing_but_what_the_ledger_names(acc: Account) -> None:
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
        with service.http.undoing():
            tried: list[Callable[[], object]] = [
                lambda: service.client.change_plan(FLAT, "platinum"),
                lambda: service.client.change_quantity(SEATS, 10),
                lambda: service.client.cancel(DOOMED),
            ]
            for forbidden in tried:
                with pytest.raises(Forbidden, match="only puts back what the ledger names"):
                    forbidden()


def test_a_kill_switch_stops_everything_undoing_too(acc: Account) -> None:
    with acc.service() as service:
        service.client.change_plan(FLAT, "gold")
        (acc.file.parent / "STOP").touch()
        count = len(acc.arrived)
        with pytest.raises(Halted, match=r"kill switch .*STOP exists"):
            service.client.list_subscriptions()
        with pytest.raises(Halted):
            service.undo.everything()

        assert len(acc.arrived) == count
        (acc.file.parent / "STOP").unlink()
        assert [outcome.result for outcome in service.undo.everything()] == ["undone"]
    assert acc.state()[FLAT][0] == "silver"


def test_a_kill_switch_ends_a_wait(acc: Account) -> None:
    switch = acc.file.parent / "STOP"
    with acc.service(wait=lambda _seconds: switch.touch()) as service:
        service.client.list_subscriptions()
        service.http.ledger.hold_off(60)
        with pytest.raises(Halted):
            service.client.list_subscriptions()


def test_retry_after_is_honoured_and_the_request_sent_again(acc: Account) -> None:
    waits = Waits()
    with acc.service(wait=waits) as service:
        service.client.list_subscriptions()
        fault(acc, 429, call="list_subscriptions", retry_after="7")
        assert service.client.list_subscriptions().status_code == 200
        assert 6.5 <= waits.seconds <= 7.0
        fault(acc, 503, call="get_subscription", retry_after="3")
        assert service.client.get_subscription(FLAT).status_code == 200
    assert waits.seconds > 9.5


def test_a_date_in_retry_after_is_understood(acc: Account) -> None:
    waits = Waits()
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    with acc.service(wait=waits) as service:
        service.client.list_subscriptions()
        fault(acc, 429, call="list_subscriptions", retry_after=until)
        service.client.list_subscriptions()

    assert 15 <= waits.seconds <= 20


def test_patience_has_an_end(acc: Account) -> None:
    waits = Waits()
    with acc.service(wait=waits) as service:
        service.client.list_subscriptions()
        fault(acc, 429, call="list_subscriptions", times=9, retry_after="nonsense")
        assert service.client.list_subscriptions().status_code == 429
        fault(acc, 429, call="get_subscription", retry_after="3600")
        with pytest.raises(EnvironmentUnavailable, match="asked for patience"):
            service.client.get_subscription(FLAT)


def test_a_change_that_cannot_be_sent_is_not_open(acc: Account) -> None:
    waits = Waits()
    with acc.service(wait=waits) as service:
        begin = service.http.ledger.begin

        def begin_and_halt(*arguments: Any, **details: Any) -> Any:
            (acc.file.parent / "STOP").touch()
            return begin(*arguments, **details)

        service.http.ledger.begin = begin_and_halt  # type: ignore[method-assign]
        with pytest.raises(Halted):
            service.client.change_plan(FLAT, "gold")

        assert [change.state for change in service.http.ledger.changes()] == ["refused"]


def test_another_token_is_asked_for_once_after_401(acc: Account) -> None:
    with acc.service() as service:
        service.client.list_subscriptions()
        old = service.tokens()
        fault(acc, 401, call="get_subscription")
        assert service.client.get_subscription(FLAT).status_code == 200
        assert service.tokens() != old
        fault(acc, 401, call="get_subscription", times=5)
        assert service.client.get_subscription(FLAT).status_code == 401
        asked = sum("oauth2" in each.url for each in acc.arrived)
        assert service.client.get_subscription(FLAT).status_code == 401
        assert service.client.get_subscription(FLAT, token="a-test-wants-401").status_code == 401

    assert asked == 3
    assert sum("oauth2" in each.url for each in acc.arrived) == asked


def test_whoever_connects_by_himself_is_sent_to_the_same_place_and_counted(acc: Account) -> None:
    there = acc.target.addresses["marketplaceapi.microsoft.com"]
    with acc.service() as service:
        used = service.http.ledger.used()
        assert service.http.place_of("marketplaceapi.microsoft.com", 443) == (there.host, there.port)
        assert service.http.ledger.used() == used + 1
        with pytest.raises(Forbidden, match="neither the API's host"):
            service.http.place_of("evil.example", 443)
        (acc.file.parent / "STOP").touch()
        with pytest.raises(Halted):
            service.http.place_of("login.microsoftonline.com", 443)


@contextmanager
def workers(acc: Account, count: int, work: Any) -> Iterator[None]:
    # Whoever is late would find the budget spent before it has opened anything.
    opened = threading.Barrier(count)

    def run() -> None:
        with acc.service() as service:
            opened.wait(60)
            work(service)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield


@pytest.fixture
def _connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is between two requests."""
    monkeypatch.setattr(http_transport, "_IDLE_SECONDS", 300.0)


@pytest.mark.usefixtures("_connections_are_kept")
def test_a_request_that_is_sent_twice_is_counted_twice(acc: Account) -> None:
    with acc.service() as service:
        service.client.list_subscriptions()
        acc.emulator.faults.add(BreaksOff(), call="get_subscription", times=1)
        before = service.http.ledger.used()

        answer = service.client.get_subscription(FLAT)

        assert answer.status_code == 200
        assert service.http.ledger.used() - before == 2
        assert "sent twice" in answer.exchange.purpose


@pytest.mark.usefixtures("_connections_are_kept")
def test_a_request_is_not_sent_twice_if_that_is_more_than_the_day_has_left(tmp_path: Path) -> None:
    seen: list[Exchange] = []
    # Two for the token, one for the list, and one to be cut off.
    with account(tmp_path, {"requests_per_day": 4}) as acc, acc.service(observer=seen.append) as service:
        service.client.list_subscriptions()
        acc.emulator.faults.add(BreaksOff(), call="get_subscription", times=1)

        with pytest.raises(BudgetSpent):
            service.client.get_subscription(FLAT)

        assert service.http.ledger.used() == 4
        assert (seen[-1].method, seen[-1].status) == ("GET", None)
        assert (seen[-1].error or "").startswith("KeptConnectionEnded")


def test_a_change_is_never_sent_twice(acc: Account) -> None:
    acc.emulator.faults.add(BreaksOff(), call="change_subscription", times=1)
    with acc.service() as service:
        answer = service.client.change_plan(FLAT, "gold")

        assert answer.status_code is None
        assert [path for path in paths(acc) if path.startswith("PATCH")] == [f"PATCH /{FLAT}"]
        assert [change.state for change in service.http.ledger.changes()] == ["begun"]


def test_parallel_workers_never_exceed_the_budget(tmp_path: Path) -> None:
    spent = []

    def work(service: LiveService) -> None:
        try:
            while True:
                service.client.get_subscription(FLAT)
        except BudgetSpent as refused:
            spent.append(refused)

    with account(tmp_path, {"requests_per_day": 60}) as acc, workers(acc, 4, work):
        assert len(spent) == 4
        assert len(acc.arrived) == 60
