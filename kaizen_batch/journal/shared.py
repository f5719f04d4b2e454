"""One open journal for all the runs of a process: one writer, one set of known keys, one call for one question.

The first run that opens a journal recovers it, and the last one that leaves closes it. Runs may be on different loops
and threads.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Lock

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import statements
from kaizen_batch.journal.key_index import KeyIndex
from kaizen_batch.journal.records import Entry, Totals
from kaizen_batch.journal.store import Store
from kaizen_batch.journal.worker import Queued, Worker
from kaizen_batch.limits import Ledger

_open: dict[Path, "SharedJournal"] = {}
_guard = Lock()


class SharedJournal:
    """A journal that this process has open; made and found by `join`.

    `keys` knows the row of each key, `totals` its sums when it was opened, `ledger` the money of all runs.
    """

    def __init__(self, path: Path, creator: str, now: float) -> None:
        self.path = path
        self.store: Store = Store(path)
        self.keys: KeyIndex = KeyIndex()
        self.totals: Totals = Totals()
        self.ledger: Ledger = Ledger()
        self.users = 0
        self._asking: dict[bytes, object] = {}
        self._waiting: dict[bytes, list[Callable[[], None]]] = {}
        self._waiting_guard = Lock()
        self.worker: Worker = Worker(self.store, lambda: self._open_store(creator, now))

    def _open_store(self, creator: str, now: float) -> None:
        for key, row in self.store.open(creator=creator, now=now):
            self.keys.load(key, row)
        self.totals = totals = self.store.totals()
        self.ledger.book(totals.spent_usd, totals.unanswered_usd + totals.at_risk_usd)

    def claim(self, key: bytes) -> bool:
        """Whether nobody asks this now, so that the caller may, and must `release` it."""
        return self._asking.setdefault(key, claim := object()) is claim  # one step for all threads

    def wait(self, key: bytes, on_release: Callable[[], None]) -> bool:
        """Whether somebody still asks this, and will call `on_release` when they are done."""
        with self._waiting_guard:
            if key not in self._asking:
                return False
            self._waiting.setdefault(key, []).append(on_release)
            return True

    def keep(self, name: str, value: object) -> None:
        """Write a JSON-able fact under a name, and return when it is on the disk. Raises: JournalError."""
        waiter = _Waiter()
        self.worker.hand_over(waiter, [((statements.FACT, b"", (name, json.dumps(value))), None)])
        waiter.wait()

    def release(self, key: bytes) -> None:
        """The caller that claimed a key is done with it."""
        with self._waiting_guard:
            del self._asking[key]
            waiting = self._waiting.pop(key, ())
        for wake in waiting:
            wake()


class _Waiter:
    """Who hands one operation over and blocks until it is written."""

    def __init__(self) -> None:
        self._written = Event()
        self._fault: JournalError | None = None

    def written(self, operations: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
        """Called in the journal's thread."""
        self._fault = fault
        self._written.set()

    def wait(self) -> None:
        """Return when it is written. Raises: JournalError."""
        self._written.wait()
        if self._fault is not None:
            raise JournalError(self._fault.message, code=self._fault.code)


def join(path: Path, *, creator: str, now: float) -> "SharedJournal | Future[JournalError | None]":
    """The open journal at a path; while the last run is closing it, the future of that, to wait for and try again."""
    with _guard:
        journal = _open.get(path)
        if journal is not None and not journal.users:
            if not journal.worker.closed.done():
                return journal.worker.closed
            journal = None
        if journal is None:
            journal = _open[path] = SharedJournal(path, creator, now)
        journal.users += 1
        return journal


def leave(journal: SharedJournal) -> bool:
    """Whether this was the last user, who must then wait for `worker.closed` and call `forget`."""
    with _guard:
        journal.users -= 1
        if journal.users:
            return False
    journal.worker.close()
    return True


def forget(journal: SharedJournal) -> None:
    """The journal is closed."""
    with _guard:
        if _open.get(journal.path) is journal:
            del _open[journal.path]


async def undisturbed(closed: "Future[JournalError | None]") -> tuple[JournalError | None, bool]:
    """What the future gives, and whether waiting for it was cancelled; it is waited for all the same."""
    waiting, interrupted = asyncio.wrap_future(closed), False
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            interrupted = True
    return waiting.result(), interrupted


def wake(turn: "asyncio.Future[None]") -> None:
    """It may go on, if it still waits."""
    if not turn.done():
        turn.set_result(None)
