"""What was sent to the live service and changed there, on disk and shared by all processes of a machine.

One SQLite file holds the budget (a row for every request), the pace (when the next request may go) and the undo plan (a
row for every change, written and synchronised before the change is sent). SQLite locks it for every system alike, and
a process that dies in the middle leaves it as it was before or after.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.interruptions import MissingCapability

DAY: Final = 86_400.0
UNDO_COST: Final = 30
"""Requests that are kept back for undoing one change: reading, changing, and waiting for the operation's end."""

ChangeState = Literal["begun", "refused", "undone", "lost"]
"""`begun`: sent, or about to be; it may be in force. `refused`: the service said no. `undone`: put back. `lost`: the
subscription has ended meanwhile, so there is nothing left to put back."""

_TABLES = """
CREATE TABLE IF NOT EXISTS requests (at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS requests_at ON requests (at);
CREATE TABLE IF NOT EXISTS pace (next_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, api TEXT NOT NULL, subscription TEXT NOT NULL, field TEXT NOT NULL,
    before TEXT NOT NULL, wanted TEXT NOT NULL, state TEXT NOT NULL, operation TEXT, undo_operation TEXT
);
"""


class BudgetSpent(MissingCapability):
    """The requests of these 24 hours are used up, but for those kept back for undoing."""

    def __init__(self, limit: int, kept: int) -> None:
        back = f", {kept} of them kept back for undoing" if kept else ""
        super().__init__(
            "budget", f": {limit} requests in 24 hours are what live.requests_per_day allows{back}; raise it, or wait"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one field: `planId` or `quantity`. Values are text, whichever way the service writes them.

    `operation` and `undo_operation` are the ids that the service gave the change and its undoing, as far as known.
    """

    number: int
    at: datetime
    subscription: str
    field: str
    before: str
    wanted: str
    state: ChangeState
    operation: str | None = None
    undo_operation: str | None = None


class Ledger:
    """The file. Threads and processes may use it at once; each call is one transaction."""

    def __init__(
        self,
        path: Path,
        *,
        api: str,
        requests_per_day: int,
        requests_per_minute: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the file, made if need be.

        Args:
            path: where it is.
            api: the base address whose changes are meant; those at other addresses are left alone.
            requests_per_day: how many requests 24 hours may see.
            requests_per_minute: how fast they may follow each other.
            clock: seconds since 1970.

        Raises:
            UsageProblem: the file cannot be used.
        """
        self.path = path
        self._api = api
        self._limit = requests_per_day
        self._spacing = 60.0 / requests_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One connection for all threads, since the last one that closes has to synchronise the whole file.
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise UsageProblem(
                f"live.ledger {path} cannot be used: {error}; name a file in a folder that can be written to"
            ) from error

    def close(self) -> None:
        """Close the file; once more does nothing."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- budget and pace ---

    def take(self, *, undoing: bool = False) -> float:
        """Take one request out of the budget and return how many seconds to wait before it is sent.

        For each change that has begun some are kept back; `undoing` means that the request is a part of undoing one.

        Raises:
            BudgetSpent: there is none left; nothing was taken.
        """
        with self._transaction() as database:
            now = self._clock()
            (used,) = database.execute("SELECT count(*) FROM requests WHERE at > ?", (now - DAY,)).fetchone()
            (begun,) = database.execute("SELECT count(*) FROM changes WHERE state = 'begun'").fetchone()
            kept = 0 if undoing else begun * UNDO_COST
            if used + 1 + kept > self._limit:
                raise BudgetSpent(self._limit, kept)
            database.execute("DELETE FROM requests WHERE at <= ?", (now - DAY,))
            database.execute("INSERT INTO requests VALUES (?)", (now,))
            found = database.execute("SELECT next_at FROM pace").fetchone()
            # A clock that was set back must not hold everything up for as long as it was wrong.
            turn = max(now, min(found[0], now + DAY)) if found else now
            self._set_pace(database, turn + self._spacing)
            return turn - now

    def used(self) -> int:
        """Return how many requests the last 24 hours saw."""
        with self._transaction() as database:
            row = database.execute("SELECT count(*) FROM requests WHERE at > ?", (self._clock() - DAY,)).fetchone()
            return int(row[0])

    def hold_off(self, seconds: float) -> None:
        """Let nobody send anything for so many seconds: the service asked for it."""
        with self._transaction() as database:
            found = database.execute("SELECT next_at FROM pace").fetchone()
            self._set_pace(database, max(found[0] if found else 0.0, self._clock() + seconds))

    def _set_pace(self, database: sqlite3.Connection, next_at: float) -> None:
        database.execute("DELETE FROM pace")
        database.execute("INSERT INTO pace VALUES (?)", (next_at,))

    # --- the undo plan ---

    def begin(self, subscription: str, field: str, *, before: str, wanted: str) -> Change:
        """Write down a change before it is sent; it is on the disk when this returns."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        row = (at.isoformat(), self._api, subscription, field, before, wanted, "begun")
        with self._transaction(synchronised=True) as database:
            number = database.execute(
                "INSERT INTO changes (at, api, subscription, field, before, wanted, state) VALUES (?,?,?,?,?,?,?)", row
            ).lastrowid
        assert number is not None
        return Change(
            number=number, at=at, subscription=subscription, field=field, before=before, wanted=wanted, state="begun"
        )

    def note(
        self,
        change: Change,
        *,
        state: ChangeState | None = None,
        operation: str | None = None,
        undo_operation: str | None = None,
    ) -> None:
        """Write down what became of a change; what is not given stays."""
        with self._transaction(synchronised=True) as database:
            database.execute(
                "UPDATE changes SET state = coalesce(?, state), operation = coalesce(?, operation), "
                "undo_operation = coalesce(?, undo_operation) WHERE number = ?",
                (state, operation, undo_operation, change.number),
            )

    def open_changes(self) -> list[Change]:
        """Return the changes that may be in force, the latest first: the order in which they are undone."""
        return [change for change in reversed(self.changes()) if change.state == "begun"]

    def changes(self) -> list[Change]:
        """Return all changes, in the order in which they were begun."""
        query = (
            "SELECT number, at, subscription, field, before, wanted, state, operation, undo_operation FROM changes "
            "WHERE api = ? ORDER BY number"
        )
        with self._transaction() as database:
            rows = database.execute(query, (self._api,)).fetchall()
        return [_change(row) for row in rows]

    def is_own(self, subscription: str, operation: str) -> bool:
        """Whether an operation of a subscription is one that the suite began."""
        return any(
            operation in {change.operation, change.undo_operation}
            for change in self.changes()
            if change.subscription == subscription
        )

    # --- inside ---

    @contextmanager
    def _transaction(self, *, synchronised: bool = False) -> Iterator[sqlite3.Connection]:
        database = self._database
        assert database is not None, "the ledger is closed"
        with self._lock:
            # A request that is counted and then lost in a power cut does no harm; a change that is would.
            database.execute(f"PRAGMA synchronous={'FULL' if synchronised else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _change(row: sqlite3.Row) -> Change:
    values: dict[str, Any] = dict(row)
    return Change(**values | {"at": datetime.fromisoformat(values["at"])})
