"""The supervisor of a run: it opens what the run needs, starts the workers, and ends the run however that comes."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

from kaizen_batch.concurrency.sync import cancelled_by_ctrl_c
from kaizen_batch.engine.calls import Calls
from kaizen_batch.engine.journaling import describe
from kaizen_batch.engine.pipeline import Pipeline
from kaizen_batch.engine.reorder_buffer import ReorderBuffer
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.engine.signals import on_stop, signal_text
from kaizen_batch.engine.source import being_cancelled
from kaizen_batch.engine.workers import Workers
from kaizen_batch.errors import DeadlineError, JournalError, StoppedError
from kaizen_batch.events import BatchFinished, BatchStarted
from kaizen_batch.journal import Journal, JournalWriter
from kaizen_batch.results import BatchSummary, Result
from kaizen_batch.results.texts.numbers import count, duration

PROGRESS_INTERVAL_S = 0.5
_ONE_TURN = range(1_000)  # after so many results at once the loop gets its turn

logger: logging.Logger = logging.getLogger(__name__)


class Supervisor:
    """The machinery behind a BatchRun.

    How a run ends: the input is exhausted; the reader leaves (`end`); the deadline, the budget or a fatal error stops
    it, and every further item is `not_attempted`; or a signal stops it. In all cases no further call is started. With a
    journal, calls in flight have the grace period to finish and be saved; then they are cancelled.

    Invariants: every item pulled gives exactly one result; at most as many items as the buffer holds are pulled and not
    yet read; when `results` has ended, no worker is left.
    """

    def __init__(self, run: RunState, buffer: ReorderBuffer) -> None:
        self._run = run
        self._buffer = buffer
        self.reading: bool = False
        self._task: asyncio.Task[None] | None = None
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._end_with: BaseException | None = None
        self._closing = False
        self._missing: tuple[int, float] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return self._run.metrics.in_flight

    @property
    def inputs(self) -> object:
        """The inputs of the result that was read last, if the agent wants them kept."""
        return self._buffer.inputs

    @property
    def has_next(self) -> bool:
        """Whether the next result is there."""
        return self._buffer.has_next

    def unread(self) -> Iterator[tuple[Result, object]]:
        """Results that were never read, with their inputs: they came after the reader had left, or behind a gap."""
        return ((result.to_dict(), inputs) for result, inputs in self._buffer.rest())

    def summary(self) -> BatchSummary:
        """The totals so far."""
        return self._run.summary(self._elapsed_s())

    async def results(self) -> AsyncGenerator[Result, None]:
        """Start the workers and yield what they finish; whatever ends this ends them."""
        run, buffer = self._run, self._buffer
        self._started_at = asyncio.get_running_loop().time()
        run.sinks(BatchStarted(run.source.size, run.limits.max_concurrent))
        # The workers live in a task of their own: a TaskGroup must not be entered across a yield, where it
        # would cancel whatever the reader is doing.
        self._task = task = asyncio.create_task(self._supervise())
        task.add_done_callback(lambda _: buffer.wake())
        try:
            while True:
                for _ in _ONE_TURN:
                    if self._end_with is not None or (result := buffer.take()) is None:
                        break
                    yield result.to_dict()
                else:
                    await self._waiting(asyncio.sleep(0))  # else a large backlog would keep calls from ending
                    continue
                if task.done() or self._end_with is not None:
                    break
                await self._waiting(buffer.ready())
            await self._outcome(task)
        except asyncio.CancelledError as error:
            if saved := self._run.saved():  # a traceback of Ctrl-C shows it
                error.add_note(saved)
            raise
        finally:
            try:
                await self.end()
            finally:
                self._close()

    async def _outcome(self, task: "asyncio.Task[None]") -> None:
        """Raise what has ended the run, if anything has."""
        if self._end_with is not None:
            raise self._end_with
        if not task.cancelled():
            await task

    async def _waiting(self, until: Coroutine[object, object, None]) -> None:
        self.reading = True
        try:
            await until
        finally:
            self.reading = False

    async def end(self) -> None:
        """End the workers and wait until they are gone, even if this is cancelled meanwhile.

        With a journal the calls in flight have the grace period to finish and be saved; a second cancellation ends them
        at once.
        """
        task, interrupted = self._task, False
        if task is None:
            return
        try:
            await self._drain(task)
        except asyncio.CancelledError:
            interrupted = True
        if not self._closing:  # else the workers are gone, and their connections are being closed
            self._run.halt()
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
        """A signal: end now, whatever the reader is doing, and raise this when it asks again. A second: at once."""
        if self._end_with is not None and self._task is not None:
            self._task.cancel()
            return
        if isinstance(end_with, KeyboardInterrupt) and (saved := self._run.saved()):
            end_with.args = (saved,)
        self._end_with = end_with
        self._buffer.wake()
        self._ending = asyncio.create_task(self.end())

    async def _drain(self, task: "asyncio.Task[None]") -> None:
        """Start nothing more, and let the calls in flight finish; without a journal nobody would keep their answers."""
        run = self._run
        saves = run.config.journal is not None and run.config.grace_s > 0
        interrupted = self._end_with is not None or being_cancelled()
        if task.done() or not (saves or interrupted):
            return
        run.drain(StoppedError(self._why()), interrupted=interrupted)
        if not saves:
            return
        if interrupted and run.metrics.under_way:
            logger.warning(
                "stopping: waiting up to %g s for in-flight calls; interrupt again to stop now", run.config.grace_s
            )
        if run.metrics.under_way:
            idle = asyncio.ensure_future(run.idle.wait())
            try:
                await asyncio.wait({idle, task}, timeout=run.config.grace_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                idle.cancel()

    def _why(self) -> str:
        """Why the run ends before its last item, other than by itself."""
        if isinstance(self._end_with, SystemExit):
            return signal_text(self._end_with)
        if isinstance(self._end_with, KeyboardInterrupt) or cancelled_by_ctrl_c():
            return "you pressed Ctrl-C"
        return "the program cancelled the run" if being_cancelled() else "the results were not read to the end"

    async def _supervise(self) -> None:
        run = self._run
        try:
            async with AsyncExitStack() as stack:
                if run.config.journal is not None:
                    await self._open(Journal(run.config.journal), stack)
                    stack.enter_context(on_stop(self._stop))
                await stack.enter_async_context(run.agent.session())
                stack.callback(setattr, self, "_closing", True)
                self._arm_deadline(stack)
                self._arm_progress(stack)
                calls = Calls(run, asyncio.get_running_loop())
                stack.callback(calls.close)
                group = await stack.enter_async_context(asyncio.TaskGroup())
                Workers(run, Pipeline(run, calls), self._buffer, group).start()
        except BaseExceptionGroup as errors:
            # One cause ended the others; the reader wants it as it was raised.
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        finally:
            await run.source.aclose()
        if run.source.error is not None:
            raise run.source.error

    async def _open(self, journal: Journal, stack: AsyncExitStack) -> None:
        run = self._run
        stack.push_async_callback(self._count_up, journal)  # comes after the writer has closed the file
        writer = await stack.enter_async_context(journal.writing())
        run.attach(writer)
        if run.since is not None and self._started_at is not None:
            self._started_at -= max(0.0, writer.now() - run.since)
        await self._seed_windows(journal)
        writer.begin_run({"total": run.source.size, **describe(run.agent, run.config)})
        stack.callback(self._end_run, writer)

    async def _seed_windows(self, journal: Journal) -> None:
        """Have the rate windows count what earlier processes sent a moment ago, once for each journal."""
        # The journal does not say which of several endpoints a call went to: it counts at each.
        every = (rate for upstream in self._run.upstreams for rate in upstream.rates)
        rates = [rate for rate in every if rate.span_s and journal.path not in rate.seeded]
        if not rates:
            return
        now_s = datetime.now(UTC).timestamp()
        span_s = max(rate.span_s for rate in rates)
        sent = await asyncio.to_thread(journal.sent_since, now_s - span_s, now_s)
        offset_s = asyncio.get_running_loop().time() - now_s
        with self._run.agent.upstream_limits.lock:
            for rate in rates:  # another run may have done it meanwhile
                rate.seed([(at + offset_s, tokens) for at, tokens in sent], journal.path)

    def _end_run(self, writer: JournalWriter) -> None:
        self._run.sample(self._run.progress(self._elapsed_s(), self._waiting_for()), last=True)
        with suppress(JournalError):
            writer.end_run(self.summary().to_dict())

    async def _count_up(self, journal: Journal) -> None:
        with suppress(JournalError):
            self._run.totals = await asyncio.to_thread(journal.totals)

    def _arm_deadline(self, stack: AsyncExitStack) -> None:
        """End the run when its time is over; calls that are in flight then have the grace period left."""
        run, loop, seconds = self._run, asyncio.get_running_loop(), self._run.config.deadline_s
        if seconds is not None:
            run.cut_at = loop.time() + seconds + run.config.grace_s
            over = DeadlineError(f"the {seconds:g} s limit was reached")
            stack.callback(loop.call_later(seconds, run.stop, over).cancel)

    def _arm_progress(self, stack: AsyncExitStack) -> None:
        """Report the progress from now on, also while no item finishes."""
        loop, timers = asyncio.get_running_loop(), list[asyncio.TimerHandle]()

        def tick() -> None:
            timers[:] = [loop.call_later(PROGRESS_INTERVAL_S, tick)]
            self._run.give_up_unreachable(loop.time())
            self._report()

        timers.append(loop.call_later(PROGRESS_INTERVAL_S, tick))
        stack.callback(lambda: timers[0].cancel())

    def _report(self) -> None:
        run = self._run
        if run.sinks or run.journal is not None:
            progress = run.progress(self._elapsed_s(), self._waiting_for() if self._ended_at is None else None)
            run.sample(progress)
            run.sinks(progress)

    def _waiting_for(self) -> str | None:
        """What holds up the workers while the buffer is full: a result that is not there yet, or its reader."""
        missing, now = self._buffer.missing, asyncio.get_running_loop().time()
        if missing is None:
            self._missing = None
            return "the reader of the results" if self._buffer.waits_for_reader else None
        if self._missing is None or self._missing[0] != missing:
            self._missing = (missing, self._run.metrics.sent_at(missing, now))
        return f"item {count(missing)}, {duration(now - self._missing[1])}"

    def _close(self) -> None:
        self._ended_at = asyncio.get_running_loop().time()
        self._report()
        summary = self.summary()
        # A traceback of Ctrl-C or of a cancellation says it; SystemExit ends a process without a word.
        if summary.stopped and (not self._run.interrupted or isinstance(self._end_with, SystemExit)):
            logger.warning("the run has ended early: %s", summary.stopped)
        self._run.sinks(BatchFinished(summary))

    def _elapsed_s(self) -> float:
        if self._started_at is None:
            return 0.0
        ended = self._ended_at if self._ended_at is not None else asyncio.get_running_loop().time()
        return ended - self._started_at
