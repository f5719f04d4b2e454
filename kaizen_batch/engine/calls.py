"""One call: let in by the limits, sent, timed, and booked, whatever its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kaizen_batch.concurrency.timeouts import TimeLimits, clock_of
from kaizen_batch.config import RunConfig
from kaizen_batch.engine.hedge import HedgeDelay, hedged
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.journaling import Record
from kaizen_batch.engine.source import being_cancelled
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.errors import (
    AgentError,
    EndpointDownError,
    KaizenBatchError,
    NoAnswerError,
    as_batch_error,
)
from kaizen_batch.events import CallFinished, Event, Throttled
from kaizen_batch.limits import Reservation
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError


class Calls:
    """Makes the calls of one run, and books each one: in the tally, on its item, in the journal, with the limits.

    Invariants: no call is sent that the limits have not let in and, with a journal, that it does not have on disk
    as in flight; every call let in leaves its line exactly once; a call whose answer nobody saw (cancelled, torn,
    timed out) is booked as unanswered, and its reservation as spent.
    """

    def __init__(
        self,
        config: RunConfig,
        metrics: RunMetrics,
        *,
        emit: Callable[[Event], None],
        give_up: Callable[[Upstream, KaizenBatchError], None],
        watched: bool,
    ) -> None:
        self.cut_at: float | None = None
        self._sent_at: dict[Item, float] = {}  # the calls in flight, the oldest first
        self._limits: TimeLimits
        self.clock: Callable[[], float]
        self._config = config
        self._metrics = metrics
        self._emit = emit
        self._give_up = give_up
        self._watched = watched
        self._hedge = HedgeDelay(config.hedge_after, metrics.latency) if config.hedge_after else None

    def start(self, loop: asyncio.AbstractEventLoop) -> TimeLimits:
        """Run on this loop; gives the time limits of the calls, to be closed at the end."""
        self.clock = clock_of(loop)
        self._limits = TimeLimits(loop)
        return self._limits

    @property
    def oldest(self) -> tuple[int, float] | None:
        """The item whose call has been in flight longest, and its age in seconds; None if no call is in flight."""
        for item, sent_at in self._sent_at.items():
            return item.index, self.clock() - sent_at
        return None

    def call(self, item: Item, upstream: Upstream, request: Any) -> Coroutine[Any, Any, Completion]:
        """Wait for the limits, then make one attempt. Raises what the agent or the provider raised, as ours.

        What it gives must be awaited at once: it may hold its place in the line already.
        """
        if item.body is None and upstream.sized:
            item.body = upstream.agent.body(request)
        reservation, now = upstream.reservation(request, item.body), self.clock()
        if self._hedge is not None:
            return self._hedged(item, upstream, request, reservation, self._hedge)
        acquired = item.record is None and upstream.queue.try_acquire(reservation, now)
        return self._send(item, upstream, request, reservation, now if acquired else None)

    async def _hedged(
        self, item: Item, upstream: Upstream, request: Any, reservation: Reservation, hedge: HedgeDelay
    ) -> Completion:
        await self._acquire(item, upstream, reservation)
        delay_s = hedge.seconds
        if delay_s is None:
            return await self._send(item, upstream, request, reservation, self.clock())
        first = self._first(item, upstream, request, reservation)
        return await hedged(first, lambda: asyncio.create_task(self._second(item, upstream, request)), delay_s)

    async def _acquire(self, item: Item, upstream: Upstream, reservation: Reservation) -> None:
        """Be let in, and have the call on disk as in flight.

        Both take time, and a place in flight must not stand empty while the disk is busy: so where only places
        are short, the disk comes first. Where a window, a pause or the budget may hold the call for long, it is
        not in flight yet, and the disk comes last.
        """
        record, queue = item.record, upstream.queue
        if record is None:
            await queue.acquire(reservation)
        elif queue.only_crowded(reservation):
            try:
                await record.begin(reservation)
                await queue.acquire(reservation)
            except BaseException:
                record.unsent()
                raise
        else:
            await queue.acquire(reservation)
            await self._begin_or_leave(record, upstream, reservation)

    async def _begin_or_leave(self, record: Record, upstream: Upstream, reservation: Reservation) -> None:
        """Have a call that has been let in on disk as in flight; if that fails, it is not in any more."""
        try:
            await record.begin(reservation)
        except BaseException:
            record.unsent()
            _unsent(reservation)
            upstream.queue.release(reservation)
            raise

    async def _second(self, item: Item, upstream: Upstream, request: Any) -> Completion:
        """The hedge of a call: it takes the next place, before calls that have not begun."""
        reservation = upstream.reservation(request, item.body)
        await upstream.queue.acquire(reservation, ahead=True)
        if item.record is not None:
            await self._begin_or_leave(item.record, upstream, reservation)
        self._metrics.hedges += 1
        item.hedged = True
        return await self._send(item, upstream, request, reservation, self.clock())

    def _first(
        self, item: Item, upstream: Upstream, request: Any, reservation: Reservation
    ) -> "asyncio.Task[Completion]":
        sent = item.calls
        task = asyncio.create_task(self._send(item, upstream, request, reservation, self.clock()))

        def ended(_: Any) -> None:
            if item.calls == sent:  # cancelled before its first step, and so before its `finally`
                _unsent(reservation)
                upstream.queue.release(reservation)

        task.add_done_callback(ended)
        return task

    async def _send(
        self, item: Item, upstream: Upstream, request: Any, reservation: Reservation, sent_at: float | None
    ) -> Completion:
        """One call, and the books about it, let in first if it has no `sent_at`; leaves the line at its end."""
        clock = self.clock
        if sent_at is None:
            await self._acquire(item, upstream, reservation)
            sent_at = clock()
        now = sent_at
        item.calls = attempt = item.calls + 1
        self._metrics.calls += 1
        item.sent_at = self._sent_at[item] = sent_at
        try:
            seconds = upstream.timeout_s if self.cut_at is None else self._time_left(sent_at)
            if seconds is None:
                completion = await upstream.agent.complete(request)
            else:
                with self._limits.until(sent_at + seconds):
                    completion = await upstream.agent.complete(request)
            if not isinstance(completion, Completion):
                raise AgentError(f"complete must return a Completion; it returned a {type(completion).__name__}")
            now = clock()
            self._answered(item, upstream, reservation, completion, sent_at, now)
        except asyncio.CancelledError:
            now = clock()
            item.latency_s = now - sent_at
            failure: KaizenBatchError = NoAnswerError("the call was cancelled", code="cancelled")
            self._unanswered(item, reservation, failure)
            self._notify(item, upstream, request, attempt, sent_at, failure)
            if being_cancelled():
                raise
            # The agent cancelled itself. Let through, it would end this worker and lose the item.
            raise AgentError("the call was cancelled from within", code="cancelled", retryable=True) from None
        except Exception as error:
            now = clock()
            failure = self._classify(error)
            self._notify(item, upstream, request, attempt, sent_at, failure)
            failure = self._call_failed(item, upstream, reservation, failure, sent_at, now)
            raise failure from (error if failure is not error else error.__cause__)
        finally:
            self._sent_at.pop(item, None)
            upstream.queue.release(reservation, now)
        if self._watched:
            self._notify(item, upstream, request, attempt, sent_at, completion, reservation.used_usd)
        return completion

    def _notify(
        self,
        item: Item,
        upstream: Upstream,
        request: Any,
        attempt: int,
        sent_at: float,
        end: Completion | KaizenBatchError,
        cost_usd: float | None = None,
    ) -> None:
        """Tell the sinks, if any of them wants it, how a call has ended."""
        if not self._watched:
            return
        how: dict[str, Any] = {"error": ItemError.of(end)} if isinstance(end, KaizenBatchError) else _answer_of(end)
        self._emit(
            CallFinished(
                index=item.index,
                attempt=attempt,
                model=upstream.name,
                endpoint=upstream.endpoint,
                started_at=sent_at,
                latency_s=self.clock() - sent_at,
                cost_usd=cost_usd,
                request=request,
                **how,
            )
        )

    def _answered(
        self,
        item: Item,
        upstream: Upstream,
        reservation: Reservation,
        completion: Completion,
        sent_at: float,
        now: float,
    ) -> None:
        usage, item.latency_s = completion.usage, now - sent_at
        cost = upstream.answered(reservation, completion, sent_at, now)
        self._metrics.answered(usage, item.latency_s, cost)
        # An answer that does not say what it took may have taken all that was reserved.
        if cost is None and upstream.price is None:
            item.call_usd = None
        else:
            item.call_usd = reservation.usd if cost is None else cost
        if cost is not None:
            item.cost_usd = (item.cost_usd or 0.0) + cost
        if usage is not None:
            item.usage = usage if item.usage is None else item.usage + usage

    def _call_failed(
        self,
        item: Item,
        upstream: Upstream,
        reservation: Reservation,
        failure: KaizenBatchError,
        sent_at: float,
        now: float,
    ) -> KaizenBatchError:
        """Book a call that failed; what that comes to is returned."""
        item.latency_s = now - sent_at
        if failure.may_be_billed:
            self._unanswered(item, reservation, failure)
        elif item.record is not None:
            item.record.ended(failure)
        try:
            pause_s = upstream.failed(reservation, failure, item.index, sent_at, now)
        except EndpointDownError as down:
            failure, pause_s = down, 0.0
        if pause_s > 0:
            self._emit(Throttled(pause_s, ItemError.of(failure)))
        if failure.fatal:
            self._give_up(upstream, failure)  # now, before this call leaves its place to the next
        return failure

    def _unanswered(self, item: Item, reservation: Reservation, failure: KaizenBatchError) -> None:
        """Book a call that was sent and whose answer nobody will see."""
        item.unanswered += 1
        item.unanswered_usd += reservation.usd
        self._metrics.unanswered += 1
        # Of two calls at once the row counts the first as unanswered when the second begins.
        if item.record is not None and not (item.hedged and failure.code == "cancelled"):
            item.record.ended(failure, may_be_billed=True)

    def _classify(self, error: Exception) -> KaizenBatchError:
        failure = as_batch_error(error)
        late = self.cut_at is not None and self.clock() >= self.cut_at
        if late and isinstance(failure, NoAnswerError):
            return NoAnswerError("the batch's time was over before the answer came", code="deadline_exceeded")
        return failure

    def _time_left(self, now: float) -> float:
        """Seconds that a call may take."""
        assert self.cut_at is not None
        left = max(0.0, self.cut_at - now)
        return left if self._config.timeout_s is None else min(left, self._config.timeout_s)


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
