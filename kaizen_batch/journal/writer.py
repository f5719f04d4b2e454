"""The engine's face of the journal: awaitable operations, written in groups by one thread."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import faults, schema
from kaizen_batch.journal.records import Entry, StoredAnswer, answer_columns, error_column
from kaizen_batch.journal.seen import SeenKeys
from kaizen_batch.journal.store import Operation, Store
from kaizen_batch.journal.worker import Queued, Worker
from kaizen_batch.results import ItemError

_SAMPLE_EACH = 0.001


class JournalWriter:
    """A run's hold on the journal; made by `Journal.writing()`, used on one loop.

    >>> async with Journal("run.db").writing() as journal:
    ...     entry = await journal.look_up(key)
    ...     await journal.begin(key, item=0, request=body, at_risk_usd=0.01)
    ...     await journal.done(key, Answer(text="Paris"), spent_usd=0.002)

    What was awaited is on the disk. What was not, or whose awaiting was cancelled, is written all the same, at the
    latest when the `async with` ends; the operations of one key keep their order. Once the file cannot be written,
    every waiting and later operation raises the same JournalError.
    """

    def __init__(self, path: Path, *, creator: str, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251
        # The clock is the wall's: these times are read by people, and compared over runs.
        self._store = Store(path)
        self._creator = creator
        self._clock = clock
        self._seen = SeenKeys()
        self._pending: list[Queued] = []
        self.opened_at: float = clock()
        self._run = os.urandom(32)
        self._sample_at_s = 0.0
        self._worker: Worker | None = None
        self._fault: JournalError | None = None
        self._refusal: JournalError | None = faults.closed(path)

    @property
    def commits(self) -> int:
        """How many transactions were written."""
        return self._store.commits

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(self._store, self._open_store, self._written)
        try:
            self._refusal = self._fault = await asyncio.shield(self._worker.opened)
            if self._fault is not None:
                raise _again(self._fault)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
        if error is None and self._fault is not None:  # something that nobody awaited was not written
            raise _again(self._fault)

    def _open_store(self) -> None:
        self._store.open(creator=self._creator, now=self._clock())
        for key in self._store.stored_keys():
            self._seen.add(key)

    def may_know(self, key: bytes) -> bool:
        """Whether `look_up` could find something; False is certain, and nearly free."""
        return key in self._seen or self._refusal is not None

    def look_up(self, key: bytes) -> "asyncio.Future[Entry | None]":
        """What is known of a request, the operations before this one included; None if nothing."""
        if self.may_know(key):
            return self._waiting((schema.LOOK_UP, key, (key,)))
        unknown: asyncio.Future[Entry | None] = self._loop.create_future()
        unknown.set_result(None)
        return unknown

    def begin(self, key: bytes, *, item: int, request: str, at_risk_usd: float = 0.0) -> "asyncio.Future[None]":
        """A call is about to be sent; awaited, it is on the disk, and the call may go.

        `request` is the body as JSON text, `at_risk_usd` what the call can cost at most.
        """
        row = (key, "in_flight", self._clock(), item, request, at_risk_usd, None, None, *schema.NO_ANSWER)
        return self._waiting((schema.CALL, key, row))

    def done(self, key: bytes, answer: StoredAnswer, *, spent_usd: float = 0.0) -> "asyncio.Future[None]":
        """The call was answered and its answer is final; `spent_usd` is what this one call cost."""
        row = (key, "done", self._clock(), None, None, None, None, spent_usd, *answer_columns(answer))
        return self._waiting((schema.CALL, key, row))

    def failed(
        self,
        key: bytes,
        error: ItemError,
        *,
        answer: StoredAnswer | None = None,
        spent_usd: float = 0.0,
        may_be_billed: bool = False,
    ) -> "asyncio.Future[None]":
        """The item failed for good; the arguments are those of `end_call`, if the call's end was not told yet."""
        return self._waiting(self._ended(key, error, answer, spent_usd, may_be_billed))

    def end_call(
        self,
        key: bytes,
        error: ItemError,
        *,
        answer: StoredAnswer | None = None,
        spent_usd: float = 0.0,
        may_be_billed: bool = False,
    ) -> None:
        """A call ended without a result; not awaited, because a crash before it is written only makes it unknown.

        `answer` is what came and cannot be used, `may_be_billed` says that none came though the endpoint may have
        done the work: the state is `unknown` then, else `failed`.
        """
        if self._refusal is not None:
            raise _again(self._refusal)
        self._put(self._ended(key, error, answer, spent_usd, may_be_billed), None)

    def begin_run(self, description: dict[str, Any]) -> None:
        """A run begins on this journal; `description` is JSON-able and holds no secret."""
        self._note(schema.RUN_BEGUN, description)

    def sample(self, figures: dict[str, Any], elapsed_s: float, *, last: bool = False) -> None:
        """How far the run is; passed over where it comes too soon for a run of this length, unless it is the `last`."""
        if last or elapsed_s >= self._sample_at_s:
            # A thousandth of the time so far: an hour makes 3,000 samples, a day 6,200.
            self._sample_at_s = elapsed_s * (1 + _SAMPLE_EACH)
            self._note(schema.RUN_SAMPLED, figures)

    def end_run(self, summary: dict[str, Any]) -> None:
        """The run is over."""
        self._note(schema.RUN_ENDED, summary)

    def _note(self, kind: int, about: dict[str, Any]) -> None:
        if self._refusal is not None:
            raise _again(self._refusal)
        self._put((kind, self._run, (self._run, self._clock(), json.dumps(about))), None)

    async def aclose(self) -> None:
        """Writes what is waiting, closes the file and gives the lock back; a cancellation waits until that is done."""
        if self._worker is None:
            return
        worker, self._worker = self._worker, None
        worker.hand_over(self._take_pending())
        self._refusal = self._refusal or faults.closed(self._store.path)
        await worker.aclose()

    def _waiting(self, operation: Operation) -> "asyncio.Future[Any]":
        if self._refusal is not None:
            raise _again(self._refusal)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._put(operation, future)
        return future

    def _put(self, operation: Operation, future: "asyncio.Future[Any] | None") -> None:
        # One wake-up of the thread for all that the loop does in one turn.
        if not self._pending:
            self._loop.call_soon(self._hand_over)
        self._pending.append((operation, future))
        self._seen.add(operation[1])

    def _ended(
        self, key: bytes, error: ItemError, answer: StoredAnswer | None, spent_usd: float, may_be_billed: bool
    ) -> Operation:
        state = "unknown" if may_be_billed and answer is None else "failed"
        row = (key, state, self._clock(), None, None, None, error_column(error), spent_usd)
        return schema.CALL, key, (*row, *(schema.NO_ANSWER if answer is None else answer_columns(answer)))

    def _hand_over(self) -> None:
        if self._pending and self._worker is not None:
            self._worker.hand_over(self._take_pending())

    def _take_pending(self) -> list[Queued]:
        pending, self._pending = self._pending, []
        return pending

    def _written(self, group: Sequence[Queued], found: dict[int, Entry], fault: JournalError | None) -> None:
        if fault is not None:
            self._fault = self._refusal = fault
        for place, (_, future) in enumerate(group):
            if future is None or future.done():
                continue
            if fault is not None:
                future.set_exception(_again(fault))
            else:
                future.set_result(found.get(place))


def _again(fault: JournalError) -> JournalError:
    # A new one for each who waits: an exception raised twice grows the traceback of both.
    return JournalError(fault.message, code=fault.code)
