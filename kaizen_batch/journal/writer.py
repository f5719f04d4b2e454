"""JournalWriter: what a run does with the journal, as awaitable operations that one thread writes in groups."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, shared, statements
from kaizen_batch.journal.integrity import Findings
from kaizen_batch.journal.records import BatchRow, Entry, State, StoredAnswer, Totals, answer_columns, error_column
from kaizen_batch.journal.run_record import RunRecord
from kaizen_batch.journal.shared import SharedJournal, undisturbed
from kaizen_batch.journal.store import Operation
from kaizen_batch.journal.worker import Queued, settle
from kaizen_batch.limits import Ledger
from kaizen_batch.results import ItemError


class JournalWriter(RunRecord):
    """A run's hold on the journal; made by `Journal.writing()`, used on one loop.

    >>> async with Journal("run.db").writing() as journal:
    ...     entry = await journal.look_up(key)
    ...     await journal.begin(key, item=0, request=body, at_risk_usd=0.01)
    ...     await journal.done(key, StoredAnswer(text="Paris"), spent_usd=0.002)

    Any number of them share one open file, on any loops of this process; another process is refused. What was awaited
    is on the disk. What was not, or whose awaiting was cancelled, is written all the same, at the latest when the
    `async with` ends; the operations of one key keep their order. Once the file cannot be written, every waiting and
    later operation raises the same JournalError.
    """

    def __init__(self, path: Path, *, creator: str, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251
        # The clock is the wall's: these times are read by people, and compared over runs.
        super().__init__(clock)
        self.path = path
        self._creator = creator
        self._journal: SharedJournal | None = None
        self._pending: list[Queued] = []
        self._begun: dict[bytes, int] = {}  # the rows of what is under way: quicker to find than in the index of all
        self._unwritten = 0
        self._all_written: asyncio.Event | None = None
        self.opened_at: float = clock()
        self._fault: JournalError | None = None
        self._refusal: JournalError | None = faults.closed(path)

    @property
    def findings(self) -> Findings:
        """What opening the file found."""
        return self._shared.store.findings

    @property
    def totals(self) -> Totals:
        """The sums of the journal when this process opened it."""
        return self._shared.totals

    @property
    def ledger(self) -> Ledger:
        """The money of all runs of this process on this journal."""
        return self._shared.ledger

    @property
    def shared(self) -> SharedJournal:
        """What all runs of this process on this journal have in common."""
        return self._shared

    @property
    def _shared(self) -> SharedJournal:
        if self._journal is None:
            raise faults.closed(self.path)
        return self._journal

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._journal = journal = await self._join()
        self._keys = journal.keys
        try:
            self._refusal = self._fault = await asyncio.shield(asyncio.wrap_future(journal.worker.opened))
            if self._fault is not None:
                raise faults.again(self._fault)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
        if error is None and self._fault is not None:  # something that nobody awaited was not written
            raise faults.again(self._fault)

    async def _join(self) -> SharedJournal:
        while True:
            found = shared.join(self.path, creator=self._creator, now=self._clock())
            if isinstance(found, SharedJournal):
                return found
            await asyncio.shield(asyncio.wrap_future(found))

    def may_know(self, key: bytes) -> bool:
        """Whether `look_up` could find something; False is certain, and nearly free."""
        return self._refusal is not None or self._keys.get(key) > 0

    def look_up(self, key: bytes) -> "asyncio.Future[Entry | None]":
        """What is known of a request, the operations before this one included; None if nothing."""
        if self._refusal is not None:
            raise faults.again(self._refusal)
        if row := self._keys.get(key):
            return self._waiting((statements.LOOK_UP, key, (row,)))
        unknown: asyncio.Future[Entry | None] = self._loop.create_future()
        unknown.set_result(None)
        return unknown

    def claim(self, key: bytes) -> "asyncio.Future[None] | None":
        """None if this run may ask it now, and must `release` it; else a future that is done when another run has."""
        journal = self._shared
        while not journal.claim(key):
            turn: asyncio.Future[None] = self._loop.create_future()
            if journal.wait(key, partial(self._post, shared.wake, turn)):
                return turn
        return None

    def release(self, key: bytes) -> None:
        """This run is done with a key that it has claimed."""
        if self._journal is not None:
            self._journal.release(key)

    def begin(self, key: bytes, *, item: int, request: str, at_risk_usd: float = 0.0) -> "asyncio.Future[None]":
        """A call is about to be sent; awaited, it is on the disk, and the call may go.

        `request` is the body as JSON text, `at_risk_usd` what the call can cost at most.
        """
        self._begun[key] = number = self._row_of(key)
        row = (number, key, "in_flight", self._clock(), item, at_risk_usd, "live", None, request)
        return self._waiting((statements.BEGIN, key, row))

    def submit(self, row: BatchRow, batch: int) -> "asyncio.Future[None]":
        """A request becomes a row of a batch, by its number: it stays so when the journal is opened again."""
        key = row.key
        self._begun[key] = number = self._row_of(key)
        cells = (number, key, "submitted", self._clock(), row.item, row.at_risk_usd, "batch", batch, row.request)
        return self._waiting((statements.BEGIN, key, cells))

    def unsent(self, key: bytes) -> None:
        """The call that began was not sent after all: it counts neither as a call nor as a failure."""
        self._note(statements.UNSENT, key, (self._row_of(key),))
        self._begun.pop(key, None)

    def done(
        self, key: bytes, answer: StoredAnswer, *, spent_usd: float | None = 0.0, via: str = "live"
    ) -> "asyncio.Future[None]":
        """The call was answered and its answer is final; `spent_usd` is what this call cost, None if nobody knows."""
        answered = answer_columns(key, answer)
        unpriced = spent_usd is None
        number = self._row_of(key)
        self._begun.pop(key, None)
        row = (number, key, "done", self._clock(), spent_usd or 0.0, unpriced, via, *answered)
        return self._waiting((statements.DONE, key, row))

    def failed(self, key: bytes, error: ItemError) -> "asyncio.Future[None]":
        """The item failed for good; its calls have been ended before."""
        operation = self._ended(key, error, 0.0)
        self._begun.pop(key, None)
        return self._waiting(operation)

    def end_call(
        self, key: bytes, error: ItemError, *, spent_usd: float | None = 0.0, may_be_billed: bool = False
    ) -> None:
        """A call ended without an answer; not awaited, because a crash before it is written only makes it unknown.

        `may_be_billed` says that the endpoint may have done the work: then the state is `unknown`, else `failed`.
        """
        self._note(*self._ended(key, error, spent_usd, may_be_billed=may_be_billed))

    def unusable(self, key: bytes, error: ItemError, answer: StoredAnswer, *, spent_usd: float | None = 0.0) -> None:
        """A call was answered, and the answer, which is kept, cannot be used; not awaited either."""
        row = (*self._end_of(key, error, spent_usd), *answer_columns(key, answer))
        self._note(statements.ANSWERED, key, row)

    def reject(self, key: bytes, error: ItemError) -> None:
        """The answer of a request that is done cannot be used after all: it has failed."""
        self._note(statements.REJECTED, key, (self._clock(), error_column(error), self._row_of(key)))

    def operate(self, operation: Operation) -> "asyncio.Future[None]":
        """Do something on a batch of a provider; see `kaizen_batch.journal.batches`."""
        if self._refusal is not None:
            raise faults.again(self._refusal)
        return self._waiting(operation)

    async def aclose(self) -> None:
        """Write what is waiting and leave the file, which the last run closes; a cancellation waits until then."""
        if self._journal is None:
            return
        journal, self._journal = self._journal, None
        if self._pending:
            self._send(journal)
        self._refusal = self._refusal or faults.closed(self.path)
        interrupted = await self._wait_written()
        if shared.leave(journal):
            closed, cancelled = await undisturbed(journal.worker.closed)
            interrupted = interrupted or cancelled
            journal.worker.join()
            shared.forget(journal)
            self._fault = self._fault or closed
        if interrupted:
            raise asyncio.CancelledError

    async def _wait_written(self) -> bool:
        """Wait until everything this run has handed over is written; whether that was cancelled meanwhile."""
        interrupted = False
        self._all_written = asyncio.Event()
        while self._unwritten:
            try:
                await self._all_written.wait()
            except asyncio.CancelledError:
                interrupted = True
        return interrupted

    def _row_of(self, key: bytes) -> int:
        """The row of a key, a new one if it has none. Raises: JournalError if the journal is not open."""
        if self._refusal is not None:
            raise faults.again(self._refusal)
        return self._begun.get(key) or self._keys.add(key)

    def _note(self, kind: int, key: bytes, row: tuple[object, ...]) -> None:
        if self._refusal is not None:
            raise faults.again(self._refusal)
        self._put((kind, key, row), None)

    def _waiting(self, operation: Operation) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        self._put(operation, future)
        return future

    def _put(self, operation: Operation, future: "asyncio.Future[Any] | None") -> None:
        # One wake-up of the thread for all that the loop does in one turn.
        if not self._pending:
            self._loop.call_soon(self._hand_over)
        self._pending.append((operation, future))

    def _ended(
        self, key: bytes, error: ItemError, spent_usd: float | None, *, may_be_billed: bool = False
    ) -> Operation:
        row = self._end_of(key, error, spent_usd, "unknown" if may_be_billed else "failed")
        return statements.ENDED, key, (*row, may_be_billed)

    def _end_of(
        self, key: bytes, error: ItemError, spent_usd: float | None, state: State = "failed"
    ) -> tuple[object, ...]:
        unpriced = spent_usd is None
        return self._row_of(key), key, state, self._clock(), error_column(error), spent_usd or 0.0, unpriced

    def _hand_over(self) -> None:
        if self._pending and self._journal is not None:
            self._send(self._journal)

    def _send(self, journal: SharedJournal) -> None:
        pending, self._pending = self._pending, []
        self._unwritten += 1
        journal.worker.hand_over(self, pending)

    def written(self, operations: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
        """Called in the journal's thread once these are written, or have failed."""
        self._post(self._settle, operations, found, fault)

    def _post(self, callback: Callable[..., None], *values: object) -> None:
        with suppress(RuntimeError):  # the loop was closed under us: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *values)

    def _settle(self, operations: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
        if fault is not None:
            self._fault = self._refusal = fault
        settle(operations, found, fault)
        self._unwritten -= 1
        if not self._unwritten and self._all_written is not None:
            self._all_written.set()
