"""One item's way from input to result: prepare, admit, call, judge, parse. The strategy runs many of these."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from kaizen_batch.errors import AgentError, BatchError, KaizenBatchError, NotAttemptedError, as_batch_error
from kaizen_batch.events import Event, EventSink, ItemFinished, RetryScheduled, Throttled
from kaizen_batch.limits import ConcurrencyLimiter, Pause
from kaizen_batch.metrics import Tally
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError, ItemResult
from kaizen_batch.retries import AbortRun, Attempts, FailItem, RetryPolicy
from kaizen_batch.strategies.source import being_cancelled
from kaizen_batch.usage import Usage

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Item:
    """The state of one item while it is under way."""

    index: int
    used: Attempts = field(default_factory=Attempts)
    usage: Usage | None = None
    latency_s: float = 0.0
    response: str | None = None
    finish_reason: str | None = None


class Pipeline:
    """Carries single items of one run; it holds what they share: limits, retries, counts, the end of the run.

    `process` returns a result for every item, whatever happens to it; only cancellation passes through.
    """

    def __init__(
        self,
        agent: Any,
        *,
        max_concurrent: int,
        retry: RetryPolicy,
        timeout_s: float | None,
        max_reasks: int,
        on_error: str,
        sinks: tuple[EventSink, ...],
        batch: bool,
    ) -> None:
        self.limiter = ConcurrencyLimiter(max_concurrent)
        self.tally = Tally()
        self.stopped = asyncio.Event()
        self.reason: KaizenBatchError | None = None
        self._agent = agent
        self._retry = retry
        self._timeout_s = timeout_s
        self._max_reasks = max_reasks
        self._on_error = on_error
        self._sinks = list(sinks)
        self._batch = batch
        self._pause = Pause()
        self._from_model = getattr(agent, "from_model", True)
        self._no_outputs = dict.fromkeys(getattr(agent, "output_fields", ()))

    async def process(self, index: int, inputs: Any, parked: Callable[[], AbstractContextManager[None]]) -> ItemResult:
        """One item, to its result; `parked` is entered while the item waits for its next attempt."""
        item = _Item(index)
        try:
            request = self._agent.prepare(inputs)
        except Exception as error:
            return self._failed(item, as_batch_error(error))
        failure: KaizenBatchError | None = None
        while True:
            try:
                outputs = await self._attempt(item, request)
            except NotAttemptedError as error:
                return self._failed(item, failure or error)
            except Exception as error:
                failure = as_batch_error(error)
            else:
                return self._finished(item, outputs)
            wait_s = self._judge(item, failure)
            if wait_s is None:
                return self._failed(item, failure)
            if wait_s > 0:
                with parked():
                    await self._sleep(wait_s)

    def stop(self, reason: KaizenBatchError) -> None:
        """End the run: no call is started any more, those in flight are let finish."""
        if self.reason is None:
            self.reason = reason
            self.stopped.set()

    def emit(self, event: Event) -> None:
        """Hand an event to every sink; one that raises is dropped, so that it cannot harm the run."""
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception:
                self._sinks.remove(sink)
                logger.exception("an event sink raised and is dropped from this run")

    async def _attempt(self, item: _Item, request: Any) -> dict[str, Any]:
        completion = await self._admitted(item, request)
        item.response = completion.text
        item.finish_reason = completion.finish_reason
        outputs = self._agent.parse(request, completion)
        if not isinstance(outputs, dict):
            raise AgentError(f"parse must return a dict; it returned a {type(outputs).__name__}")
        return outputs

    async def _admitted(self, item: _Item, request: Any) -> Completion:
        while True:
            while self.reason is None and (wait_s := self._pause.remaining_s) > 0:
                await self._sleep(wait_s)
            # The pause is waited out in front of the limiter, so that in_flight counts calls and nothing else.
            async with self.limiter:
                if self.reason is not None:
                    raise NotAttemptedError(f"the run ended before this item's turn: {self.reason.message}")
                if self._pause.remaining_s == 0:
                    return await self._call(item, request)

    async def _call(self, item: _Item, request: Any) -> Completion:
        clock = asyncio.get_running_loop().time
        item.used.calls += 1
        self.tally.calls += 1
        started = clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                completion = await self._agent.complete(request)
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            # The agent cancelled itself. Let through, it would end this worker and lose the item.
            raise AgentError("the call was cancelled from within", code="cancelled", retryable=True) from None
        finally:
            item.latency_s = clock() - started
        if not isinstance(completion, Completion):
            raise AgentError(f"complete must return a Completion; it returned a {type(completion).__name__}")
        self.tally.answered(completion.usage, item.latency_s)
        if completion.usage is not None:
            item.usage = completion.usage if item.usage is None else item.usage + completion.usage
        return completion

    def _judge(self, item: _Item, error: KaizenBatchError) -> float | None:
        """Seconds until the next attempt, or None if there is none."""
        item.used.count(error)
        decision = self._retry(error, item.used, self._max_reasks)
        if isinstance(decision, AbortRun):
            self.stop(error)
            return None
        if isinstance(decision, FailItem) or self.reason is not None:
            return None
        record = ItemError.of(error)
        if decision.everyone:
            self._pause.hold(decision.wait_s)
            self.tally.throttles += 1
            self.emit(Throttled(decision.wait_s, record))
        self.emit(RetryScheduled(item.index, item.used.calls, decision.wait_s, record))
        return 0.0 if decision.everyone else decision.wait_s

    async def _sleep(self, seconds: float) -> None:
        """Wait out a delay, or less if the run ends meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopped.wait()
        except TimeoutError:
            pass

    def _failed(self, item: _Item, error: KaizenBatchError) -> ItemResult:
        outputs = {**self._no_outputs, **getattr(error, "outputs", {})}
        result = self._finished(item, outputs, ItemError.of(error))
        if self._on_error == "raise":
            raise BatchError(f"item {item.index} failed: {error.message}", index=item.index, code=error.code) from error
        return result

    def _finished(self, item: _Item, outputs: dict[str, Any], error: ItemError | None = None) -> ItemResult:
        result = ItemResult(
            index=item.index,
            outputs=outputs,
            error=error,
            response=item.response,
            finish_reason=item.finish_reason,
            usage=item.usage,
            attempts=item.used.calls,
            latency_s=item.latency_s,
            batch=self._batch,
            from_model=self._from_model,
        )
        self.tally.finished(result)
        if self._sinks:
            self.emit(ItemFinished(result))
        return result
