import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.live.ledger import DAY, UNDO_COST, BudgetSpent, Ledger

SUBSCRIPTION = "2b1c9f04-7a53-4d18-9e6f-c0a4d8b35e71"


Opens = Callable[..., Ledger]


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Open the one ledger of a test, as often as it is asked for."""
    with ExitStack() as opened:

        def ledger(clock: Clock | None = None, *, day: int = 100, minute: float = 60, api: str = "a") -> Ledger:
            path = tmp_path / "deep" / "ledger.sqlite"
            limits: dict[str, Any] = {"requests_per_day": day, "requests_per_minute": minute}
            return opened.enter_context(Ledger(path, api=api, clock=clock or Clock(), **limits))

        yield ledger


def test_the_budget_is_of_any_24_hours(ledger: Opens) -> None:
    clock = Clock()
    book = ledger(clock, day=3)
    for _ in range(3):
        book.take()
    with pytest.raises(BudgetSpent, match="3 requests in 24 hours"):
        book.take()

    assert book.used() == 3
    clock.now += DAY
    book.take()
    assert book.used() == 1


def test_requests_follow_each_other_at_their_pace(ledger: Opens) -> None:
    clock = Clock()
    book, other = ledger(clock, minute=60), ledger(clock, minute=60)

    assert [book.take(), other.take(), book.take()] == [0.0, 1.0, 2.0]
    clock.now += 10
    assert other.take() == 0.0


def test_nobody_sends_while_the_service_asks_for_patience(ledger: Opens) -> None:
    clock = Clock()
    book, other = ledger(clock), ledger(clock)
    book.hold_off(30)

    assert other.take() == 30.0


def test_some_requests_are_kept_back_for_undoing(ledger: Opens) -> None:
    book = ledger(day=UNDO_COST + 2)
    book.take()
    change = book.begin(SUBSCRIPTION, "planId", before="silver", wanted="gold")
    book.take()
    with pytest.raises(BudgetSpent, match=f"{UNDO_COST} of them kept back for undoing"):
        book.take()
    for _ in range(UNDO_COST):
        book.take(undoing=True)
    with pytest.raises(BudgetSpent):
        book.take(undoing=True)
    book.note(change, state="undone")
    with pytest.raises(BudgetSpent):
        book.take()


def test_a_change_is_there_for_whoever_opens_the_file_next(ledger: Opens) -> None:
    first = ledger().begin(SUBSCRIPTION, "planId", before="silver", wanted="gold")
    second = ledger().begin(SUBSCRIPTION, "quantity", before="10", wanted="11")
    ledger().note(first, operation="op-1")
    ledger(api="another").begin(SUBSCRIPTION, "planId", before="x", wanted="y")

    book = ledger()
    assert [change.number for change in book.open_changes()] == [second.number, first.number]
    assert [(each.before, each.wanted, each.operation) for each in book.changes()] == [
        ("silver", "gold", "op-1"),
        ("10", "11", None),
    ]
    assert book.is_own(SUBSCRIPTION, "op-1")
    assert not book.is_own("another", "op-1")
    assert not book.is_own(SUBSCRIPTION, "op-2")


def test_what_was_undone_or_refused_or_lost_is_no_longer_open(ledger: Opens) -> None:
    book = ledger()
    for state in ("undone", "refused", "lost"):
        book.note(book.begin(SUBSCRIPTION, "planId", before="a", wanted="b"), state=state)

    assert book.open_changes() == []
    assert [change.state for change in book.changes()] == ["undone", "refused", "lost"]


def test_a_file_that_cannot_be_used_is_told(ledger: Opens, tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("no folder")
    with pytest.raises(UsageProblem, match=r"live.ledger .* cannot be used"):
        ledger()
    (tmp_path / "deep").unlink()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ledger.sqlite").write_text("no database at all, but text that is long enough to be one")
    with pytest.raises(UsageProblem, match=r"live.ledger .* cannot be used"):
        ledger()


def taken(book: Ledger) -> int:
    count = 0
    try:
        while True:
            book.take()
            count += 1
    except BudgetSpent:
        return count


def test_threads_share_one_budget(ledger: Opens) -> None:
    counts: list[int] = []
    books = [ledger(day=60) for _ in range(4)]
    threads = [threading.Thread(target=lambda book=book: counts.append(taken(book))) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 60
    assert books[0].used() == 60


WORKER = """
import sys
from pathlib import Path
from typing import Any
from fulfillment_conformance.live.ledger import BudgetSpent, Ledger
book = Ledger(Path(sys.argv[1]), api="a", requests_per_day=80, requests_per_minute=60)
count = 0
try:
    while True:
        book.take()
        count += 1
except BudgetSpent:
    print(count)
"""


def test_processes_share_one_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    counts = [int(worker.communicate(timeout=60)[0]) for worker in workers]

    assert sum(counts) == 80
