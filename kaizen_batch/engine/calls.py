"""One call: admitted by the limits, sent, timed and booked, however it ends."""

import asyncio
import math
from typing import Any

from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.concurrency.timeouts import Alarm, clock_of
from kaizen_batch.engine.hedge import HedgeDelay, hedged
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.journaling import Record
from kaizen_batch.engine.model_names import is_same_model
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.engine.source import being_cancelled
from kaizen_batch.errors import (
    AgentError,
    EndpointDownError,
    KaizenBatchError,
    NoAnswerError,
)
from kaizen_batch.events import CallFinished, Throttled
from kaizen_batch.limits import Reservation
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError

_CallEnd = Completion | KaizenBatchError


class Calls:
    """Makes the calls of one run and books each one: in the metrics, on its item, in the journal, with the limits.

    Invariants: no call is sent that the limits have not admitted and, with a journal, that it does not have on disk as
    in flight; every call that was admitted is released exactly once; a call whose answer nobody saw (cancelled, torn,
    timed out) is booked as unanswered, and its reservation as spent.
    """

    def __init__(self, run: RunState, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._metrics = run.metrics
        self._clock = clock_of(loop)
        self._cut_at = run.cut_at
        self._alarm = Alarm(loop, self._look)
        self._alarm.set(self._cut_at)
        self._late: set[Reservation] = set()  # of calls that were cancelled because their time was over
        self._hedges: dict[Reservation, asyncio.Task[Completion] | None] = {}  # tasks of calls that have their own
        self._watched = run.sinks.wants_calls
        self._hedge = HedgeDelay(run.config.hedge_after, run.metrics.latency) if run.config.hedge_after else None

    def close(self) -> None:
        """No call is under way any more."""
        self._alarm.close()

    async def hedged(self, item: Item) -> Completion:
        """Like `send`, but a call that takes long is sent a second time, and the first answer counts."""
        assert self._hedge is not None
        reservation = item.upstream.reservation(item.request, item.body, item.reservation)
        await self._acquire(item, reservation)
        first = self._first(item, reservation)
        try:
            return await hedged(first, lambda: asyncio.create_task(self._second(item)), self._hedge)
        finally:
            self._hedge.look()

    def _first(self, item: Item, reservation: Reservation) -> "asyncio.Task[Completion]":
        sent, queue = item.attempt, item.upstream.queue
        task = self._hedges[reservation] = asyncio.create_task(self.send(item, reservation))

        def ended(_: object) -> None:
            del self._hedges[reservation]
            if item.attempt == sent:  # cancelled before its first step, and so before its `finally`
                _unsent(reservation)
                queue.release(reservation)

        task.add_done_callback(ended)
        return task

    async def _second(self, item: Item) -> Completion:
        """The hedge of a call: it takes the next slot, before calls that have not begun."""
        reservation = item.upstream.reservation(item.request, item.body, item.reservation)
        await item.upstream.queue.acquire(reservation, ahead=True)
        if item.record is not None:
            await self._begin_or_release(item.record, item, reservation)
        self._metrics.hedges += 1
        item.hedged = True
        self._hedges[reservation] = asyncio.current_task()
        try:
            return await self.send(item, reservation)
        finally:
            del self._hedges[reservation]

    async def _acquire(self, item: Item, reservation: Reservation) -> None:
        """Be admitted, and have the call on disk as in flight.

        Both take time, and a slot must not stay empty while the disk is busy: so where only slots are short, the disk
        comes first. Where a window, a pause or the budget may hold the call for long, it is not in flight yet, and the
        disk comes last.
        """
        record, queue = item.record, item.upstream.queue
        if record is None:
            await queue.acquire(reservation)
        elif queue.waits_only_for_a_slot(reservation):
            try:
                await record.begin(reservation)
                await queue.acquire(reservation)
            except BaseException:
                record.unsent()
                raise
        else:
            await queue.acquire(reservation)
            await self._begin_or_release(record, item, reservation)

    async def _begin_or_release(self, record: Record, item: Item, reservation: Reservation) -> None:
        """Have a call that was admitted on disk as in flight; if that fails, it does not hold its slot any longer."""
        try:
            await record.begin(reservation)
        except BaseException:
            record.unsent()
            _unsent(reservation)
            item.upstream.queue.release(reservation)
            raise

    async def send(self, item: Item, reservation: Reservation | None = None) -> Completion:
        """Wait for the limits, then make one call. Raises: what the agent or the provider raised, as an error of ours.

        `reservation` is that of a call which was admitted already.
        """
        upstream, clock, metrics = item.upstream, self._clock, self._metrics
        now = clock()
        if reservation is None:
            reservation = upstream.reservation(item.request, item.body, item.reservation)
            if item.record is not None or not upstream.queue.try_acquire(reservation, now):
                await self._acquire(item, reservation)
                now = clock()
        release, ended_at = upstream.queue.release, None
        if upstream.members:
            upstream = upstream.members[reservation.endpoint]
        item.reservation = reservation
        reservation.sent_at = now
        item.attempt = attempt = item.attempt + 1
        ends_at = now + upstream.timeout_s
        if ends_at < self._alarm.at:
            self._alarm.set(ends_at)
        metrics.calls += 1
        metrics.calls_in_flight[reservation] = item.index, ends_at, item.task, item.inputs
        try:
            completion = await upstream.agent.complete(item.request)
            ended_at = clock()
            self._answered(item, reservation, completion, ended_at)
        except asyncio.CancelledError as error:
            end = self._cancelled(item, reservation, attempt, error)
            raise end from end.__cause__
        except GeneratorExit:  # perhaps the garbage collector's, while this thread holds the lock
            release = upstream.queue.abandon
            raise
        except Exception as error:
            failure = self._failed(item, reservation, attempt, error)
            raise failure from failure.__cause__
        finally:
            metrics.calls_in_flight.pop(reservation, None)
            release(reservation, ended_at)
        if self._watched:
            self._report(item, reservation, attempt, completion)
        return completion

    def _look(self, now: float) -> float:
        """Cancel the calls whose time is over; the moment at which the next one's is."""
        next_at = math.inf
        for reservation, (_, ends_at, task, _) in tuple(self._metrics.calls_in_flight.items()):
            if now < min(ends_at, self._cut_at):
                next_at = min(next_at, ends_at)
            elif reservation not in self._late and (task := self._hedges.get(reservation, task)) is not None:
                self._late.add(reservation)
                task.cancel()
        return min(next_at, self._cut_at) if now < self._cut_at else next_at

    def _was_late(self, reservation: Reservation) -> bool:
        """Whether a call was cancelled because its time was over, and for no other reason; asked once, by its task."""
        if reservation not in self._late:
            return False
        self._late.remove(reservation)
        task = asyncio.current_task()
        return task is not None and task.uncancel() == 0

    def _report(self, item: Item, reservation: Reservation, attempt: int, end: _CallEnd) -> None:
        """Tell the sinks, if any of them wants it, how a call has ended."""
        if not self._watched:
            return
        upstream = item.upstream.at(reservation)
        how: dict[str, Any] = {"error": ItemError.of(end)} if isinstance(end, KaizenBatchError) else _answer_of(end)
        self._run.sinks(
            CallFinished(
                index=item.index,
                attempt=attempt,
                model=upstream.name,
                endpoint=upstream.endpoint,
                started_at=reservation.sent_at,
                latency_s=self._clock() - reservation.sent_at,
                cost_usd=None if "error" in how else reservation.used_usd,
                request=item.request,
                **how,
            )
        )

    def _answered(self, item: Item, reservation: Reservation, completion: Completion, now: float) -> None:
        if not isinstance(completion, Completion):
            raise AgentError(f"complete must return a Completion; it returned a {type(completion).__name__}")
        upstream, usage, model = item.upstream, completion.usage, completion.model
        item.reservation, item.latency_s = reservation, now - reservation.sent_at
        if model is not None and model != upstream.name:
            self._count_other(getattr(item.request, "model", upstream.name), model)
        cost = upstream.answered(reservation, completion, now)
        self._metrics.answered(usage, item.latency_s, cost)
        if cost is not None:
            item.cost_usd = (item.cost_usd or 0.0) + cost
        if usage is not None:
            item.usage = usage if item.usage is None else item.usage + usage
        if self._late:
            self._was_late(reservation)

    def _count_other(self, asked: str | None, model: str) -> None:
        if asked is not None and not is_same_model(asked, model):
            self._metrics.answered_by_other(model)

    def _cancelled(
        self, item: Item, reservation: Reservation, attempt: int, end: asyncio.CancelledError
    ) -> BaseException:
        """Book a call that was cancelled: by its time limit, by the run, which is returned, or by the agent itself."""
        if self._was_late(reservation):
            return self._failed(item, reservation, attempt, TimeoutError())
        item.latency_s = self._clock() - reservation.sent_at
        self._metrics.ends()
        failure = NoAnswerError("the call was cancelled", code="cancelled")
        self._unanswered(item, reservation, failure)
        self._report(item, reservation, attempt, failure)
        if being_cancelled():
            return end
        # Let through, it would end this worker and lose the item.
        return AgentError("the call was cancelled from within", code="cancelled", retryable=True)

    def _failed(self, item: Item, reservation: Reservation, attempt: int, error: Exception) -> KaizenBatchError:
        """Book a call that failed; returns what that comes to."""
        now, run = self._clock(), self._run
        self._was_late(reservation)
        self._metrics.ends()
        failure = self._classify(error, now)
        item.latency_s = now - reservation.sent_at
        self._report(item, reservation, attempt, failure)
        if failure.may_be_billed:
            self._unanswered(item, reservation, failure)
        elif item.record is not None:
            item.record.ended(failure)
        try:
            pause_s = item.upstream.failed(reservation, failure, item.index, now)
        except EndpointDownError as down:
            failure, pause_s = down, 0.0
        if pause_s > 0 and run.sinks:
            run.sinks(Throttled(pause_s, ItemError.of(failure)))
        if failure.fatal:
            run.give_up(item.upstream, failure)  # now, before this call passes its slot on
        if failure is not error:
            failure.__cause__ = error
        return failure

    def _unanswered(self, item: Item, reservation: Reservation, failure: KaizenBatchError) -> None:
        """Book a call that was sent and whose answer nobody will see."""
        item.unanswered += 1
        item.unanswered_usd += reservation.usd
        self._metrics.unanswered += 1
        # Of two calls at once the row counts the first as unanswered when the second begins.
        if item.record is not None and not (item.hedged and failure.code == "cancelled"):
            item.record.ended(failure, may_be_billed=True)

    def _classify(self, error: Exception, now: float) -> KaizenBatchError:
        failure = as_batch_error(error)
        if now >= self._cut_at and isinstance(failure, NoAnswerError):
            return NoAnswerError("the batch's time was over before the answer came", code="deadline_exceeded")
        return failure


def _answer_of(completion: Completion) -> dict[str, Any]:
    return {
        "usage": completion.usage,
        "finish_reason": completion.finish_reason,
        "response_model": completion.model,
        "answer": completion.text,
    }


def _unsent(reservation: Reservation) -> None:
    """Should the run end now: this call took nothing."""
    reservation.used_tokens, reservation.used_usd = 0, 0.0
