"""The one thread that touches the file, so that no loop ever waits for the disk."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from threading import Thread
from typing import Any, NamedTuple, Protocol, TypeAlias

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults
from kaizen_batch.journal.records import Entry
from kaizen_batch.journal.statements import LOOK_UP
from kaizen_batch.journal.store import Operation, Store

Queued: TypeAlias = "tuple[Operation, Any]"
"""An operation, and the future of whoever awaits it, or None."""

# A sync to the disk costs as much CPU as forty rows, and a wake-up of the loop more than that. So under load groups are
# written at most so often; what comes after a silence, or alone, is written at once.
_LINGER_S = 0.004
_LOADED = 16  # operations of a group from which on the next one waits as long as it may


class Owner(Protocol):
    """Who handed operations over, and hears what came of them, in the journal's thread."""

    def written(self, operations: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
        """These were written, or failed with the fault; `found` has what was looked up, by place."""


class _Batch(NamedTuple):
    owner: Owner
    operations: Sequence[Queued]


class Worker:
    """Opens the store, writes what it is handed, closes it; everything that waits becomes one group.

    While one group is synced to the disk the next one gathers, so the groups grow with the load. Any number of runs, on
    any number of loops, hand operations over, and share the groups. `opened` and `closed` get None, or the error that
    ended it. After the first error nothing more is tried: the file is as the last good transaction left it.
    """

    def __init__(self, store: Store, open_store: Callable[[], None]) -> None:
        self._store = store
        self._open_store = open_store
        self._inbox: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self.opened: Future[JournalError | None] = Future()
        self.closed: Future[JournalError | None] = Future()
        self._thread = Thread(target=self._run, name="kaizen-batch journal", daemon=True)
        self._thread.start()

    def hand_over(self, owner: Owner, operations: Sequence[Queued]) -> None:
        """Give the thread something to write."""
        self._inbox.put(_Batch(owner, operations))

    def close(self) -> None:
        """Write all that was handed over and close the file; `closed` says when that is done. Called once."""
        self._inbox.put(None)

    def join(self) -> None:
        """Wait for the thread, which ends at once when `closed` is set."""
        self._thread.join()

    def _run(self) -> None:
        fault = self._attempt(self._open_store)
        self.opened.set_result(fault)
        for group in self._groups():
            found: dict[int, Entry] = {}
            operations = [operation for batch in group for operation, _ in batch.operations]
            fault = fault or self._attempt(self._store.apply, operations, found)
            start = 0
            for batch in group:
                batch.owner.written(batch.operations, _part(found, start, len(batch.operations)), fault)
                start += len(batch.operations)
        self.closed.set_result(self._attempt(self._store.close))

    def _groups(self) -> Iterator[list[_Batch]]:
        last: _Batch | None
        not_before = 0.0
        while True:
            waiting = [last := self._inbox.get()]
            _rest_until(not_before)
            with suppress(queue.Empty):
                while last is not None:
                    waiting.append(last := self._inbox.get_nowait())
            if group := [batch for batch in waiting if batch is not None]:
                yield group
                not_before = time.monotonic() + _LINGER_S * _writes(group) / _LOADED
            if last is None:
                return

    def _attempt(self, action: Callable[..., object], *values: object) -> JournalError | None:
        try:
            action(*values)
        except Exception as error:  # the thread lives on after any error: someone waits for it
            return faults.of_any(self._store.path, error)
        return None


def _writes(group: Sequence[_Batch]) -> int:
    """How many operations of a group write, counted up to `_LOADED`."""
    writing = (batch for batch in group for operation, _ in batch.operations if operation[0] != LOOK_UP)
    return sum(1 for _ in islice(writing, _LOADED))


def _part(found: dict[int, Entry], start: int, size: int) -> dict[int, Entry]:
    if not found:
        return found
    return {place - start: entry for place, entry in found.items() if start <= place < start + size}


def _rest_until(moment: float) -> None:
    rest_s = moment - time.monotonic()
    if rest_s > 0:
        time.sleep(rest_s)  # noqa: TID251 - this thread is nobody's loop


def settle(operations: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
    """Give those who await the operations what was found, or the fault; on their own loop."""
    for place, (_, future) in enumerate(operations):
        if future is None or future.done():
            continue
        if fault is not None:
            future.set_exception(faults.again(fault))
        else:
            future.set_result(found.get(place))
