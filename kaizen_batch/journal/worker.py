"""The one thread that touches the file, so that the loop never waits for the disk."""

import asyncio
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, TypeAlias

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults
from kaizen_batch.journal.records import Entry
from kaizen_batch.journal.store import Operation, Store

Queued: TypeAlias = "tuple[Operation, asyncio.Future[Any] | None]"
Written: TypeAlias = Callable[[Sequence[Queued], dict[int, Entry], JournalError | None], None]


# A sync to the disk costs as much CPU as forty rows, and a wake-up of the loop more than that. So groups are written
# at most so often; what comes after a silence is written at once.
_LINGER_S = 0.001


class Worker:
    """Opens the store, writes what it is handed, closes it; everything that waits becomes one group.

    While one group is synced to the disk the next one gathers, so the groups grow with the load. `written` is called
    on the loop, once for each group; `opened` and `closed` get None, or the error that ended it. After the first
    error nothing more is tried: the file is as the last good transaction left it.
    """

    def __init__(self, store: Store, open_store: Callable[[], None], written: Written) -> None:
        self._store = store
        self._open_store = open_store
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[Sequence[Queued] | None] = queue.SimpleQueue()
        self.opened: asyncio.Future[JournalError | None] = self._loop.create_future()
        self.closed: asyncio.Future[JournalError | None] = self._loop.create_future()
        self._thread = Thread(target=self._run, name="kaizen-batch journal", daemon=True)
        self._thread.start()

    def hand_over(self, queued_operations: Sequence[Queued]) -> None:
        """Gives the thread something to write."""
        self._inbox.put(queued_operations)

    async def aclose(self) -> None:
        """Waits until all is written and closed, also when it is cancelled meanwhile. Called once."""
        self._inbox.put(None)
        cancelled: asyncio.CancelledError | None = None
        while not self.closed.done():
            try:
                await asyncio.shield(self.closed)
            except asyncio.CancelledError as error:
                cancelled = error
        self._thread.join()
        if cancelled is not None:
            raise cancelled

    def _run(self) -> None:
        fault = self._attempt(self._open_store)
        self._post(self._settle, self.opened, fault)
        for group in self._groups():
            found: dict[int, Entry] = {}
            fault = fault or self._attempt(self._store.apply, [operation for operation, _ in group], found)
            self._post(self._written, group, found, fault)
        self._post(self._settle, self.closed, self._attempt(self._store.close))

    def _groups(self) -> Iterator[list[Queued]]:
        last: Sequence[Queued] | None = ()
        not_before = 0.0
        while last is not None:
            waiting = [last := self._inbox.get()]
            _rest_until(not_before)
            with suppress(queue.Empty):
                while last is not None:
                    waiting.append(last := self._inbox.get_nowait())
            if group := [queued for queued_operations in waiting if queued_operations for queued in queued_operations]:
                yield group
                not_before = time.monotonic() + _LINGER_S

    def _attempt(self, action: Callable[..., None], *values: Any) -> JournalError | None:
        try:
            action(*values)
        except Exception as error:  # whatever it is, the thread lives on: someone waits for it
            return faults.of_any(self._store.path, error)
        return None

    def _post(self, callback: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed under us: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *values)

    @staticmethod
    def _settle(future: "asyncio.Future[JournalError | None]", fault: JournalError | None) -> None:
        future.set_result(fault)


def _rest_until(moment: float) -> None:
    rest_s = moment - time.monotonic()
    if rest_s > 0:
        time.sleep(rest_s)  # noqa: TID251 - this thread is nobody's loop
