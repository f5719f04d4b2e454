"""What follows when an item's first attempt failed: further attempts, re-asks, fallbacks."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.engine.upstream import RECONNECT_S
from kaizen_batch.errors import (
    ItemTooLargeError,
    JournalError,
    KaizenBatchError,
    NotAttemptedError,
    OutputError,
    StoppedError,
)
from kaizen_batch.events import RetryScheduled, Throttled
from kaizen_batch.limits import Reservation
from kaizen_batch.limits.retries import AbortRun, AttemptCounts, FailItem, RetryAfter
from kaizen_batch.providers import Completion
from kaizen_batch.results import ItemError, Outputs


class Attempts:
    """Carries an item on after a failure, as the retry policy of the run decides."""

    def __init__(self, run: RunState, send: Callable[[Item], Awaitable[Completion]]) -> None:
        self._run = run
        self._send = send

    async def recover(self, item: Item, error: Exception) -> Outputs:
        """The outputs after all, of an item whose first attempt ended with this error. Raises: the last error."""
        try:
            return await self._repeat(item, error)
        except (NotAttemptedError, StoppedError, JournalError):
            raise
        except Exception as last:
            return await self._fall_back(item, as_batch_error(last))

    async def _fall_back(self, item: Item, failure: KaizenBatchError) -> Outputs:
        """The outputs from the next endpoint that can serve this item; raises the last failure if none can."""
        run = self._run
        for upstream in run.upstreams[1:]:
            if upstream.error is not None and run.reason is None:
                continue
            try:
                item.upstream, item.used, item.body = upstream, None, None
                item.prepare()
                await item.load()
                return await self._repeat(item)
            except (NotAttemptedError, StoppedError, JournalError):
                raise failure from None
            except Exception as error:
                failure = as_batch_error(error)
        raise failure

    async def _repeat(self, item: Item, failed: Exception | None = None) -> Outputs:
        """Attempt after attempt on one endpoint; `failed` is how one ended that was made already."""
        upstream, failure, asked = item.upstream, None, item.request
        while True:
            try:
                if failed is not None:
                    raise failed
                return item.accept(await self._send(item))
            except (NotAttemptedError, StoppedError, JournalError, ItemTooLargeError):
                raise
            except Exception as error:
                failure, failed = as_batch_error(error), None
            if failure is upstream.error:
                raise failure  # it has closed the endpoint's queue, or was sent away from there
            wait_s = self._wait_s(item, failure)
            if wait_s is None:
                raise failure
            if isinstance(failure, OutputError):
                _reask(item, asked, failure)
            if wait_s > 0:
                with item.release_slot():
                    await self._sleep(wait_s)

    def _wait_s(self, item: Item, error: KaizenBatchError) -> float | None:
        """Seconds until the next attempt, or None if there is none."""
        run, upstream = self._run, item.upstream
        if upstream.unreachable_since is None or error.fatal or run.reason is not None:
            return self._wait_by_policy_s(item, error)
        run.sinks(RetryScheduled(item.index, item.attempt, RECONNECT_S, ItemError.of(error)))
        return RECONNECT_S

    def _wait_by_policy_s(self, item: Item, error: KaizenBatchError) -> float | None:
        run, upstream = self._run, item.upstream
        used = item.used = item.used or AttemptCounts()
        used.count(error)
        moves = upstream.moves(item.reservation, error)  # then another endpoint pays neither a wait nor a retry
        decision = run.config.retry(error, used, run.config.max_reasks)
        if isinstance(decision, AbortRun):
            if not moves:
                run.give_up(upstream, error)
                return None
            decision = RetryAfter(0.0)  # this endpoint pauses for very long; the others do not
        if isinstance(decision, FailItem) or run.reason is not None or not (moves or run.retries.spend(error, used)):
            return None
        if decision.pause_s is not None:
            self._pause(item, decision.pause_s, error)
        wait_s = 0.0 if moves else decision.wait_s
        run.sinks(RetryScheduled(item.index, item.attempt, wait_s, ItemError.of(error)))
        return wait_s

    def _pause(self, item: Item, seconds: float, error: KaizenBatchError) -> None:
        """Have the endpoint of the item's last call pause."""
        run, reservation = self._run, item.reservation or Reservation()
        item.upstream.pause(seconds, reservation, asyncio.get_running_loop().time())
        run.metrics.throttles += 1
        run.sinks(Throttled(seconds, ItemError.of(error)))

    async def _sleep(self, seconds: float) -> None:
        """Wait out a delay, or less if the run ends meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._run.stopped.wait()


def _reask(item: Item, asked: object, error: OutputError) -> None:
    """Let the next call ask for another answer; it is made from what was asked at first, so that it does not grow."""
    if item.completion is not None:
        item.request = item.upstream.agent.reask(asked, item.completion, error)
        if item.request is not asked:
            item.body = None  # its size has changed
