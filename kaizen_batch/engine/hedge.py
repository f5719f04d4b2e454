"""Hedging: a call that lasts unusually long is made a second time, and the first answer counts."""

import asyncio
from asyncio import Task
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kaizen_batch.metrics import LatencyHistogram

T = TypeVar("T")

_SAMPLES = 20
_REFRESH = 50
_MARGIN = 1.05  # the width of the histogram's buckets: what lasts as long as all the others is not slow


class HedgeDelay:
    """After how many seconds a call counts as slow: the quantile of the latencies so far.

    `seconds` is None until 20 calls were answered; calls that began before are judged from then on.
    """

    def __init__(self, quantile: float, latency: LatencyHistogram) -> None:
        self._quantile = quantile
        self._latency = latency
        self._at = 0
        self._seconds: float | None = None
        self._known: asyncio.Future[None] | None = None

    @property
    def seconds(self) -> float | None:
        """The delay; looked up again after each 50 calls."""
        count = self._latency.count
        if count >= _SAMPLES and (self._seconds is None or count >= self._at + _REFRESH):
            self._at = count
            self._seconds = self._latency.quantile(self._quantile) * _MARGIN
        return self._seconds

    def look(self) -> None:
        """A call was answered: the delay may be known now, for those that wait for it."""
        if self._known is not None and self.seconds is not None:
            if not self._known.done():
                self._known.set_result(None)
            self._known = None

    async def passed(self, call: "Task[Any]") -> None:
        """Wait until the call, which begins now, is done or counts as slow."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self.seconds is None:
            self._known = self._known or loop.create_future()
            await asyncio.wait({call, self._known}, return_when=asyncio.FIRST_COMPLETED)
        if self.seconds is not None and not call.done():
            await asyncio.wait({call}, timeout=max(0.0, began + self.seconds - loop.time()))


async def hedged(first: "Task[T]", second: Callable[[], "Task[T] | None"], delay: HedgeDelay | float) -> T:
    """The result of `first`, or of what `second` gives when `first` lasts longer than the delay (in seconds).

    The first to succeed wins, the other is cancelled and gone when this returns; if both fail, the first error is
    raised. `second` may return None: no room for another call.
    Source: J. Dean, L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013.
    """
    tasks = [first]
    try:
        await (delay.passed(first) if isinstance(delay, HedgeDelay) else asyncio.wait(tasks, timeout=delay))
        if not tasks[0].done() and (other := second()) is not None:
            tasks.append(other)
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and task.exception() is None:
                    return task.result()
        return tasks[0].result()
    finally:
        await _gone(tasks)


async def _gone(tasks: "Sequence[Task[Any]]") -> None:
    """Cancel what still runs and wait for its end, also when cancelled meanwhile."""
    interrupted = False
    for task in tasks:
        task.cancel()
    while any(not task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            interrupted = True
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at: else asyncio complains of it when the task is collected
    if interrupted:
        raise asyncio.CancelledError
