"""One item's way from input to result: prepare, look up, admit, call, judge, parse, save. A run carries many."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from typing import Any

from kaizen_batch.agents import Agent, parsed, prepared
from kaizen_batch.concurrency.timeouts import TimeLimits
from kaizen_batch.config import RunConfig
from kaizen_batch.engine.calls import Calls
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.journaling import Record, announce, completion_of, describe, may_be_longer
from kaizen_batch.engine.outcomes import Outcomes
from kaizen_batch.engine.sinks import Sinks
from kaizen_batch.engine.upstream import Upstream
from kaizen_batch.errors import (
    DeadlineError,
    ItemTooLargeError,
    JournalError,
    KaizenBatchError,
    NotAttemptedError,
    OutputError,
    StoppedError,
    as_batch_error,
)
from kaizen_batch.events import EventSink, RetryScheduled, Throttled, wants_calls, wants_items
from kaizen_batch.journal import Entry, JournalWriter, StoredAnswer, Totals
from kaizen_batch.journal.canonical import key_of
from kaizen_batch.limits import AdaptiveConcurrencyLimiter, Admission, Budget, ConcurrencyLimiter, Limit
from kaizen_batch.limits.retries import AbortRun, Attempts, FailItem, RetryBudget
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError, ItemResult

ReleaseSlot = Callable[[], AbstractContextManager[None]]
"""Entered while an item waits for something other than its own call, so that another item takes its place."""


class Pipeline:
    """Carries single items of one run; it holds what they share: limits, retries, counts, the end of the run.

    `process` returns a result for every item, whatever happens to it; only cancellation passes through.
    """

    def __init__(
        self,
        agent: Agent,
        config: RunConfig,
        *,
        sinks: tuple[EventSink, ...],
        batch: bool,
    ) -> None:
        limiter = AdaptiveConcurrencyLimiter if config.adaptive else ConcurrencyLimiter
        self.limiter = limiter(config.max_concurrent)
        self.budget = Budget(config.budget_usd) if config.budget_usd is not None else None
        shared: list[Limit] = [self.limiter, *([self.budget] if self.budget else [])]
        self.admission = Admission(shared)
        self.metrics = RunMetrics()
        self.stopped = asyncio.Event()
        self.reason: KaizenBatchError | None = None
        self._upstreams = [Upstream(agent, config, self.admission, self.limiter)]
        for fallback in agent.fallbacks:
            common = {"max_concurrent": config.max_concurrent, "budget_usd": config.budget_usd}
            own = (fallback.config or config).model_copy(update=common)
            self._upstreams.append(Upstream(fallback, own, self.admission, self.limiter, is_fallback=True))
        self._config = config
        self._retries = RetryBudget(config.retry.budget)
        self.journal: JournalWriter | None = None
        self._in_progress: dict[bytes, asyncio.Future[ItemResult] | None] = {}
        self.sinks = Sinks(sinks)
        self._calls = Calls(
            config, self.metrics, emit=self.sinks.emit, give_up=self._give_up, watched=any(map(wants_calls, sinks))
        )
        self._outcomes = Outcomes(
            agent,
            self.metrics,
            emit=self.sinks.emit if any(map(wants_items, sinks)) else None,
            batch=batch,
            raises=config.on_error == "raise",
        )

    def process(self, index: int, inputs: Any, release_slot: ReleaseSlot) -> Coroutine[Any, Any, ItemResult]:
        """One item, to its result."""
        upstream = self._upstreams[0]
        item = Item(index, upstream)
        try:
            request = prepared(upstream.agent, inputs)
            if self.journal is None:
                return self._execute(item, inputs, request, release_slot)
            item.body = upstream.agent.body(request)
            key = key_of(upstream.agent.canonical(request))
            item.record = Record(self.journal, key, index, item.body)
        except Exception as error:
            return self._fail(item, as_batch_error(error))
        return self._coalesce(item, item.record, inputs, request, release_slot)

    async def _coalesce(
        self, item: Item, record: Record, inputs: Any, request: Any, release_slot: ReleaseSlot
    ) -> ItemResult:
        """Ask, unless the very same request is under way: then wait for its answer."""
        key = record.key
        if key in self._in_progress:
            return await self._shared(item, key, release_slot)
        self._in_progress[key] = result = None
        try:
            if record.may_be_known:
                result = await self._look_up(item, record, inputs, request, release_slot)
            else:
                result = await self._execute(item, inputs, request, release_slot)
        finally:
            pending = self._in_progress.pop(key)
            if pending is not None:
                pending.cancel() if result is None else pending.set_result(result)
        return result

    async def _shared(self, item: Item, key: bytes, release_slot: ReleaseSlot) -> ItemResult:
        """The result of the first item that asks this."""
        pending = self._in_progress[key]
        if pending is None:
            pending = self._in_progress[key] = asyncio.get_running_loop().create_future()
        with release_slot():
            first = await asyncio.shield(pending)
        return self._outcomes.shared(item, first)

    def stop(self, reason: KaizenBatchError) -> None:
        """End the run: no call is started any more, those in flight are let finish."""
        if self.reason is None:
            self.reason = reason
            self.halt()

    def drain(self, reason: KaizenBatchError) -> None:
        """End the run from outside: what still comes home is saved, and its failures raise no more."""
        self._outcomes.raises = False
        self.stop(reason)

    def halt(self) -> None:
        """The run is being torn down: no call is started any more, and nobody reads why."""
        self.stopped.set()
        self.admission.close(self._not_attempted())

    def start(self, loop: asyncio.AbstractEventLoop) -> TimeLimits:
        """Run on this loop; gives the time limits of its calls, to be closed at the end."""
        limits = self._calls.start(loop)
        self.admission.clock = self._calls.clock
        return limits

    def end_in(self, seconds: float) -> asyncio.TimerHandle:
        """End the run after so long; calls that are in flight then have the grace period left."""
        loop = asyncio.get_running_loop()
        self._calls.cut_at = loop.time() + seconds + self._config.grace_s
        return loop.call_later(seconds, self.stop, DeadlineError(f"the {seconds:g} s of the batch are over"))

    def attach(self, journal: JournalWriter, totals: Totals) -> None:
        """Keep this journal; what it has spent, or may have, counts against the budget."""
        self.journal = journal
        announce(journal, self._upstreams[0].agent)
        if self.budget is not None:
            self.budget.book(totals.committed_usd)

    @property
    def description(self) -> dict[str, Any]:
        """What the journal keeps of this run."""
        return describe(self._upstreams[0].agent, self._config)

    def report(
        self, total: int | None, elapsed_s: float, *, waiting_for: str | None = None, last: bool = False
    ) -> None:
        """Emit how far the run is, to the journal and the sinks; the `last` goes to the journal, which closes first.

        `waiting_for` is what holds up the run outside of the limits.
        """
        if not self.sinks and self.journal is None:
            return
        progress = self.metrics.progress(
            total=total,
            elapsed_s=elapsed_s,
            in_flight=self.limiter.in_flight,
            limit=self.limiter.limit,
            waiting_for=waiting_for or self.admission.waiting_for,
            oldest=self._calls.oldest,
        )
        if self.journal is not None:
            with suppress(JournalError):  # a journal that broke says so to the next who awaits it
                self.journal.sample(asdict(progress), elapsed_s, last=last)
        if not last:
            self.sinks.emit(progress)

    @property
    def priced(self) -> bool:
        """Whether it is known what calls cost."""
        return all(upstream.price is not None for upstream in self._upstreams)

    async def _look_up(
        self, item: Item, record: Record, inputs: Any, request: Any, release_slot: ReleaseSlot
    ) -> ItemResult:
        try:
            entry = await record.look_up()
            answer = None if entry is None else self._answer_that_counts(entry)
            if entry is not None and answer is not None:
                # Where the signature asks for more than it did then, the answer must be a new one.
                with suppress(OutputError):
                    outputs = parsed(self._upstreams[0].agent, request, completion_of(answer))
                    return self._outcomes.replayed(item, entry, outputs, priced=self.priced)
        except Exception as error:
            return await self._fail(item, as_batch_error(error))
        if entry is not None:
            item.unanswered, item.unanswered_usd = entry.unanswered, entry.unanswered_usd
            if (refusal := record.refused_in_this_run(entry)) is not None:
                return self._outcomes.failed_before(item, entry, refusal)
        return await self._execute(item, inputs, request, release_slot)

    def _answer_that_counts(self, entry: Entry) -> StoredAnswer | None:
        """The answer that the journal has, unless the user asks for a longer one."""
        answer = entry.answer if entry.state == "done" else None
        return None if answer is None or may_be_longer(self._upstreams[0].agent, answer) else answer

    async def _execute(self, item: Item, inputs: Any, request: Any, release_slot: ReleaseSlot) -> ItemResult:
        upstream = item.upstream
        try:
            try:  # nearly always this is all there is to do
                item.completion = completion = await self._calls.call(item, upstream, request)
                item.answered_by = upstream.name
                outputs = self._parsed(item, request, completion)
            except Exception as error:
                outputs = await self._recover(item, inputs, request, release_slot, error)
            if item.record is not None and item.completion is not None:
                await item.record.done(item)
        except Exception as error:
            return await self._fail(item, as_batch_error(error))
        self._retries.earn(item.used)
        return self._outcomes.ok(item, outputs)

    async def _recover(
        self, item: Item, inputs: Any, request: Any, release_slot: ReleaseSlot, error: Exception
    ) -> dict[str, Any]:
        """The outputs after all, of an item whose first attempt has failed."""
        try:
            return await self._on_upstream(item, request, release_slot, error)
        except (NotAttemptedError, StoppedError, JournalError):
            raise
        except Exception as last:
            return await self._fall_back(item, inputs, release_slot, as_batch_error(last))

    async def _fall_back(
        self, item: Item, inputs: Any, release_slot: ReleaseSlot, failure: KaizenBatchError
    ) -> dict[str, Any]:
        """The outputs from the next lane that can serve this item; the last failure if none can."""
        for upstream in self._upstreams[1:]:
            if upstream.error is not None and self.reason is None:
                continue
            try:
                request = prepared(upstream.agent, inputs)
                item.upstream, item.used, item.body = upstream, None, None
                return await self._on_upstream(item, request, release_slot)
            except (NotAttemptedError, StoppedError, JournalError):
                raise failure from None
            except Exception as error:
                failure = as_batch_error(error)
        raise failure

    async def _on_upstream(
        self, item: Item, request: Any, release_slot: ReleaseSlot, failed: Exception | None = None
    ) -> dict[str, Any]:
        """Attempt after attempt, as the retry policy decides; `failed` is how one ended that was made already."""
        upstream, failure = item.upstream, None
        while True:
            try:
                if failed is not None:
                    raise failed
                item.completion = completion = await self._calls.call(item, upstream, request)
                item.answered_by = upstream.name
                return self._parsed(item, request, completion)
            except NotAttemptedError as error:
                raise failure or error from None
            except (StoppedError, JournalError, ItemTooLargeError):
                raise
            except Exception as error:
                failure, failed = as_batch_error(error), None
            if failure is upstream.error:
                raise failure  # it has closed the lane, or was sent away from its line
            wait_s = self._judge(item, upstream, failure)
            if wait_s is None:
                raise failure
            if wait_s > 0:
                with release_slot():
                    await self._sleep(wait_s)

    def _parsed(self, item: Item, request: Any, completion: Completion) -> dict[str, Any]:
        try:
            return parsed(item.upstream.agent, request, completion)
        except Exception as error:
            if item.record is not None:
                item.record.unusable(as_batch_error(error), item)
            raise

    def _judge(self, item: Item, upstream: Upstream, error: KaizenBatchError) -> float | None:
        """Seconds until the next attempt, or None if there is none."""
        used = item.used = item.used or Attempts()
        used.count(error)
        decision = self._config.retry(error, used, self._config.max_reasks)
        if isinstance(decision, AbortRun):
            self._give_up(upstream, error)
            return None
        if isinstance(decision, FailItem) or self.reason is not None or not self._retries.spend(error, used):
            return None
        record = ItemError.of(error)
        if decision.everyone:
            upstream.pause(decision.wait_s, item.sent_at, asyncio.get_running_loop().time())
            self.metrics.throttles += 1
            self.sinks.emit(Throttled(decision.wait_s, record))
        self.sinks.emit(RetryScheduled(item.index, item.calls, decision.wait_s, record))
        return 0.0 if decision.everyone else decision.wait_s

    def _give_up(self, upstream: Upstream, error: KaizenBatchError) -> None:
        """This endpoint serves no more; with the last of them the run ends."""
        if all(other.error is not None for other in self._upstreams if other is not upstream):
            self.stop(error)
        upstream.close(error)

    async def _sleep(self, seconds: float) -> None:
        """Wait out a delay, or less if the run ends meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopped.wait()

    def _not_attempted(self) -> NotAttemptedError:
        why = self.reason.message if self.reason else "no endpoint is left"
        return NotAttemptedError(f"the run ended before this item's turn: {why}")

    async def _fail(self, item: Item, error: KaizenBatchError) -> ItemResult:
        """The result of an item that has none, after its journal has it."""
        if isinstance(error, StoppedError | JournalError):
            self.stop(error)
        if isinstance(error, StoppedError):
            error = self._not_attempted()
        elif item.record is not None and item.calls and not isinstance(error, JournalError):
            try:
                await item.record.failed(error)
            except JournalError as broken:
                self.stop(broken)
        return self._outcomes.failed(item, error)
