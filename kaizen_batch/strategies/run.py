"""One batch under way: workers that pull, a bounded window, results in order, and a clean end."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from kaizen_batch.agents import session_of
from kaizen_batch.events import BatchFinished, BatchProgress, BatchStarted
from kaizen_batch.limits import Slots
from kaizen_batch.results import BatchSummary, ItemResult
from kaizen_batch.strategies.pipeline import Pipeline
from kaizen_batch.strategies.source import EXHAUSTED, Source

PROGRESS_INTERVAL_S = 0.5


class BatchRun:
    """The results of one batch, as they come: an async iterator of dicts that also knows the summary.

    >>> async with agent.stream(rows) as run:
    ...     async for result in run:
    ...         ...
    >>> run.summary.ok

    Iterate once. Nothing is read or called before the first iteration. However the iteration ends (exhausted,
    `break`, an exception, cancellation), no call is started afterwards, and none is left running once `aclose()`
    or the `async with` block is done.
    """

    def __init__(self, workers: "Workers") -> None:
        # The workers know nothing of this object, so that `async for ... in agent.stream(rows)` holds the only
        # reference to the generator: left by `break`, it is finalised at once and not by the next collection.
        self._workers = workers
        self._stream = workers.results()

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self._stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the run: calls in flight are cancelled, and are gone when this returns."""
        await self._workers.end()
        if not self._workers.reading:  # else another task waits in it, and finds its end by itself
            await self._stream.aclose()

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._workers.in_flight

    @property
    def summary(self) -> BatchSummary:
        """The totals so far; final when the iteration has ended."""
        return self._workers.summary()


class Workers:
    """The machinery behind a BatchRun: `max_concurrent` workers pull items and carry each through the pipeline.

    Invariants: every item pulled gives exactly one result; at most `window` items are pulled and not yet read;
    at most `max_concurrent` calls are in flight; when `results` has ended, no worker is left.
    """

    def __init__(self, pipeline: Pipeline, source: Source, *, session: Any, window: int, ordered: bool) -> None:
        self._pipeline = pipeline
        self._source = source
        self._session = session
        self._max_concurrent = pipeline.limiter.max_concurrent
        self._slots = Slots(window)
        self._ready = asyncio.Event()
        self._finished: dict[int, ItemResult] | deque[ItemResult] = {} if ordered else deque()
        self._next = 0
        self._active = 0
        self._group: asyncio.TaskGroup | None = None
        self.reading = False
        self._supervisor: asyncio.Task[None] | None = None
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._progress_at = 0.0

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._pipeline.limiter.in_flight

    def summary(self) -> BatchSummary:
        """The totals so far."""
        reason = self._pipeline.reason
        return self._pipeline.tally.summary(
            elapsed_s=self._elapsed_s(),
            peak_in_flight=self._pipeline.limiter.peak,
            max_concurrent=self._max_concurrent,
            stopped=f"{type(reason).__name__}: {reason.message}" if reason else None,
        )

    async def results(self) -> AsyncGenerator[dict[str, Any], None]:
        """Start the workers and yield what they finish; whatever ends this ends them."""
        self._started_at = asyncio.get_running_loop().time()
        self._pipeline.emit(BatchStarted(self._source.size, self._max_concurrent))
        # The workers live in a task of their own: a TaskGroup must not be entered across a yield, where it
        # would cancel whatever the reader is doing.
        self._supervisor = supervisor = asyncio.create_task(self._supervise())
        supervisor.add_done_callback(lambda _: self._ready.set())
        try:
            while True:
                self._ready.clear()
                while (result := self._take()) is not None:
                    self._slots.release()
                    yield result.to_dict()
                if supervisor.done():
                    break
                self.reading = True
                try:
                    await self._ready.wait()
                finally:
                    self.reading = False
            if not supervisor.cancelled():
                await supervisor
        finally:
            try:
                await self.end()
            finally:
                self._close()

    async def end(self) -> None:
        """Cancel the workers and wait until they are gone, even if this is cancelled meanwhile."""
        supervisor, interrupted = self._supervisor, False
        if supervisor is None:
            return
        supervisor.cancel()
        while not supervisor.done():
            try:
                await asyncio.wait({supervisor})
            except asyncio.CancelledError:
                interrupted = True
        if not supervisor.cancelled():
            supervisor.exception()  # it was or will be raised to the reader
        if interrupted:
            raise asyncio.CancelledError

    async def _supervise(self) -> None:
        try:
            async with session_of(self._session), asyncio.TaskGroup() as self._group:
                size = self._source.size
                for _ in range(self._max_concurrent if size is None else min(size, self._max_concurrent)):
                    self._start_worker()
        except BaseExceptionGroup as group:
            # One cause ended the others; the reader wants it as it was raised.
            raise group.exceptions[0] from group.exceptions[0].__cause__
        finally:
            await self._source.aclose()
        if self._source.error is not None:
            raise self._source.error

    def _start_worker(self) -> None:
        assert self._group is not None
        self._active += 1
        self._group.create_task(self._worker())

    async def _worker(self) -> None:
        try:
            while self._active <= self._max_concurrent:
                await self._slots.acquire()
                pulled = await self._source.pull()
                if pulled is EXHAUSTED:
                    self._slots.release()
                    return
                index, inputs = pulled
                self._pipeline.tally.total += 1
                self._deliver(await self._pipeline.process(index, inputs, self._parked))
        finally:
            self._active -= 1

    @contextmanager
    def _parked(self) -> Iterator[None]:
        # While an item waits for its next attempt another worker takes its place, so that a few bad calls do
        # not slow the rest. The limiter still bounds the calls, the window the items.
        self._active -= 1
        if self._active < self._max_concurrent and not self._source.exhausted:
            self._start_worker()
        try:
            yield
        finally:
            self._active += 1

    def _deliver(self, result: ItemResult) -> None:
        if isinstance(self._finished, dict):
            self._finished[result.index] = result
            if result.index == self._next:
                self._ready.set()
        else:
            self._finished.append(result)
            self._ready.set()
        now = asyncio.get_running_loop().time()
        if now >= self._progress_at + PROGRESS_INTERVAL_S:
            self._report(now)

    def _take(self) -> ItemResult | None:
        if not isinstance(self._finished, dict):
            return self._finished.popleft() if self._finished else None
        result = self._finished.pop(self._next, None)
        if result is not None:
            self._next += 1
        return result

    def _report(self, now: float) -> None:
        self._progress_at = now
        tally = self._pipeline.tally
        failed = tally.failed + tally.not_attempted
        self._pipeline.emit(BatchProgress(tally.done, failed, self._source.size, self.in_flight, self._elapsed_s()))

    def _close(self) -> None:
        self._ended_at = asyncio.get_running_loop().time()
        self._report(self._ended_at)
        self._pipeline.emit(BatchFinished(self.summary()))

    def _elapsed_s(self) -> float:
        if self._started_at is None:
            return 0.0
        ended = self._ended_at if self._ended_at is not None else asyncio.get_running_loop().time()
        return ended - self._started_at
