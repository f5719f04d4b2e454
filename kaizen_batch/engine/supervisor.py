"""The machinery of one batch: workers that pull, a bounded window, and a clean end however it comes."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

from kaizen_batch.agents import Agent
from kaizen_batch.engine.pipeline import Pipeline
from kaizen_batch.engine.reorder_buffer import ReorderBuffer
from kaizen_batch.engine.signals import on_stop
from kaizen_batch.engine.source import EXHAUSTED, Source
from kaizen_batch.errors import JournalError, StoppedError
from kaizen_batch.events import BatchFinished, BatchStarted
from kaizen_batch.journal import Journal, JournalWriter, Totals
from kaizen_batch.results import BatchSummary, Result

PROGRESS_INTERVAL_S = 0.5
_WORKERS_PER_PLACE = 2

logger = logging.getLogger(__name__)


class Supervisor:
    """The machinery behind a BatchRun: `max_concurrent` workers pull items and carry each through the pipeline.

    Invariants: every item pulled gives exactly one result; at most `window` items are pulled and not yet read;
    at most `max_concurrent` calls are in flight; when `results` has ended, no worker is left.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        *,
        agent: Agent,
        buffer: ReorderBuffer,
        journal: Path | None = None,
        deadline_s: float | None = None,
        grace_s: float = 0.0,
    ) -> None:
        self._pipeline = pipeline
        self._source = source
        self._agent = agent
        self._journal = journal
        self._deadline_s = deadline_s
        self._grace_s = grace_s
        self._max_concurrent = pipeline.limiter.max_concurrent
        # While one item's row is on its way to the disk, the place of its call should not stand empty.
        self._workers = self._max_concurrent * (_WORKERS_PER_PLACE if journal else 1)
        self._buffer = buffer
        self._active = 0
        self._idle: asyncio.Event | None = None
        self._group: asyncio.TaskGroup | None = None
        self.reading = False
        self._task: asyncio.Task[None] | None = None
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._totals: Totals | None = None
        self._end_with: BaseException | None = None
        self._closing = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._pipeline.limiter.in_flight

    def unread(self) -> list[Result]:
        """Results that were never read: they came after the reader had left, or behind one that is missing."""
        return [result.to_dict() for result in self._buffer.rest()]

    def summary(self) -> BatchSummary:
        """The totals so far."""
        reason, totals = self._pipeline.reason, self._totals
        return self._pipeline.metrics.summary(
            elapsed_s=self._elapsed_s(),
            peak_in_flight=self._pipeline.limiter.peak,
            max_concurrent=self._max_concurrent,
            stopped=f"{type(reason).__name__}: {reason.message}{self._how_to_resume()}" if reason else None,
            priced=self._pipeline.priced,
            twice=(totals.maybe_paid_twice, totals.maybe_paid_twice_usd) if totals else None,
        )

    def _how_to_resume(self) -> str:
        done = self._pipeline.metrics.ok
        where = (
            f"; {done} items of this run are done and saved: run the same batch with journal='{self._journal}' to go on"
        )
        return where if self._journal else ""

    async def results(self) -> AsyncGenerator[Result, None]:
        """Start the workers and yield what they finish; whatever ends this ends them."""
        self._started_at = asyncio.get_running_loop().time()
        self._pipeline.sinks.emit(BatchStarted(self._source.size, self._max_concurrent))
        # The workers live in a task of their own: a TaskGroup must not be entered across a yield, where it
        # would cancel whatever the reader is doing.
        self._task = task = asyncio.create_task(self._supervise())
        buffer = self._buffer
        task.add_done_callback(lambda _: buffer.wake())
        try:
            while True:
                while self._end_with is None and (result := buffer.reserve()) is not None:
                    yield result.to_dict()
                if task.done() or self._end_with is not None:
                    break
                self.reading = True
                try:
                    await buffer.ready()
                finally:
                    self.reading = False
            if self._end_with is not None:
                raise self._end_with
            if not task.cancelled():
                await task
        finally:
            try:
                await self.end()
            finally:
                self._close()

    async def end(self) -> None:
        """End the workers and wait until they are gone, even if this is cancelled meanwhile.

        With a journal the calls in flight have the grace period to come home and be saved; a second cancellation
        ends them at once.
        """
        task, interrupted = self._task, False
        if task is None:
            return
        try:
            await self._drain(task)
        except asyncio.CancelledError:
            interrupted = True
        if not self._closing:  # else the workers are gone, and their connections are being closed
            self._halt()
            task.cancel()
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                interrupted = True
                task.cancel()
        if not task.cancelled():
            task.exception()  # it was or will be raised to the reader
        if interrupted:
            raise asyncio.CancelledError

    def _stop(self, end_with: BaseException) -> None:
        """A signal: end now, whatever the reader is doing; the next time it asks, that is raised. A second: at once."""
        if self._end_with is not None and self._task is not None:
            self._task.cancel()
            return
        self._end_with = end_with
        self._buffer.wake()
        self._ending = asyncio.create_task(self.end())

    async def _drain(self, task: "asyncio.Task[None]") -> None:
        """Start nothing more, and let what is in flight come home; without a journal nobody would keep it."""
        if task.done() or self._journal is None or self._grace_s == 0:
            return
        self._source.exhausted = True
        self._pipeline.drain(StoppedError("the run was ended before its last item"))
        if self._pipeline.metrics.under_way:
            self._idle = asyncio.Event()
            idle = asyncio.ensure_future(self._idle.wait())
            try:
                await asyncio.wait({idle, task}, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                idle.cancel()

    def _halt(self) -> None:
        # An agent may keep its cancellation to itself: then its worker goes on, and must find nothing to do.
        self._source.exhausted = True
        self._pipeline.halt()

    async def _supervise(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                stack.callback(self._pipeline.start(asyncio.get_running_loop()).close)
                if self._journal is not None:
                    await self._open(Journal(self._journal), stack)
                    stack.enter_context(on_stop(self._stop))
                await stack.enter_async_context(self._agent.session())
                stack.callback(setattr, self, "_closing", True)
                self._arm_deadline(stack)
                self._arm_progress(stack)
                self._group = await stack.enter_async_context(asyncio.TaskGroup())
                size = self._source.size
                for _ in range(self._workers if size is None else min(size, self._workers)):
                    self._start_worker()
        except BaseExceptionGroup as group:
            # One cause ended the others; the reader wants it as it was raised.
            raise group.exceptions[0] from group.exceptions[0].__cause__
        finally:
            await self._source.aclose()
        if self._source.error is not None:
            raise self._source.error

    async def _open(self, journal: Journal, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._count_up, journal)  # comes after the writer has closed the file
        writer = await stack.enter_async_context(journal.writing())
        self._pipeline.attach(writer, await asyncio.to_thread(journal.totals))
        writer.begin_run({"total": self._source.size, **self._pipeline.description})
        stack.callback(self._end_run, writer)

    def _end_run(self, writer: JournalWriter) -> None:
        self._report(last=True)
        with suppress(JournalError):
            writer.end_run(self.summary().to_dict())

    async def _count_up(self, journal: Journal) -> None:
        with suppress(JournalError):
            self._totals = await asyncio.to_thread(journal.totals)

    def _arm_deadline(self, stack: AsyncExitStack) -> None:
        if self._deadline_s is not None:
            stack.callback(self._pipeline.end_in(self._deadline_s).cancel)

    def _start_worker(self) -> None:
        assert self._group is not None
        self._active += 1
        self._group.create_task(self._worker())

    async def _worker(self) -> None:
        buffer, source, pipeline, release_slot = self._buffer, self._source, self._pipeline, self._release_slot
        metrics = pipeline.metrics
        pull_ready = None if source.is_async else source.pull_ready
        try:
            while self._active <= self._workers and not source.exhausted:
                if not buffer.try_acquire():
                    await buffer.acquire()
                pulled = pull_ready() if pull_ready is not None else await source.pull()
                if pulled is EXHAUSTED:
                    buffer.release()
                    return
                index, inputs = pulled
                metrics.total += 1
                buffer.put(await pipeline.process(index, inputs, release_slot))
                if self._idle is not None and not metrics.under_way:
                    self._idle.set()
        except BaseException:
            self._halt()
            raise
        finally:
            self._active -= 1

    @contextmanager
    def _release_slot(self) -> Iterator[None]:
        # While an item waits for its next attempt another worker takes its place, so that a few bad calls do
        # not slow the rest. The limiter still bounds the calls, the window the items.
        self._active -= 1
        if self._active < self._workers and not self._source.exhausted:
            self._start_worker()
        try:
            yield
        finally:
            self._active += 1

    def _arm_progress(self, stack: AsyncExitStack) -> None:
        """Tell of the progress from now on, also while no item gets done."""
        loop = asyncio.get_running_loop()

        def tick() -> None:
            self._ticker = loop.call_later(PROGRESS_INTERVAL_S, tick)
            self._report()

        self._ticker = loop.call_later(PROGRESS_INTERVAL_S, tick)
        stack.callback(lambda: self._ticker.cancel())

    def _report(self, *, last: bool = False) -> None:
        waiting_for = self._buffer.waiting_for if self._ended_at is None else None
        self._pipeline.report(self._source.size, self._elapsed_s(), waiting_for=waiting_for, last=last)

    def _close(self) -> None:
        self._ended_at = asyncio.get_running_loop().time()
        self._report()
        summary = self.summary()
        if summary.stopped:
            logger.warning("the run has ended early: %s", summary.stopped)
        self._pipeline.sinks.emit(BatchFinished(summary))

    def _elapsed_s(self) -> float:
        if self._started_at is None:
            return 0.0
        ended = self._ended_at if self._ended_at is not None else asyncio.get_running_loop().time()
        return ended - self._started_at
