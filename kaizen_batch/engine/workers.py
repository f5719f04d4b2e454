"""The workers of a run: each pulls an item, carries it through the pipeline and hands in its result."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from kaizen_batch.engine.item import Item
from kaizen_batch.engine.pipeline import Pipeline
from kaizen_batch.engine.reorder_buffer import ReorderBuffer
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.engine.source import EXHAUSTED

_PER_SLOT_WITH_JOURNAL = 2


class Workers:
    """As many workers as calls may be under way; made and run inside of a task group.

    While an item waits for something other than its own call, another worker takes its slot, so that a few slow items
    do not slow the rest. The limits still bound the calls, and the buffer bounds the items.
    """

    def __init__(self, run: RunState, pipeline: Pipeline, buffer: ReorderBuffer, group: asyncio.TaskGroup) -> None:
        self._run = run
        self._pipeline = pipeline
        self._buffer = buffer
        self._group = group
        self._active = 0
        self._released = False
        # While one item's row is on its way to the disk, the slot of its call should not stay empty.
        self._wanted = run.limits.max_concurrent * (_PER_SLOT_WITH_JOURNAL if run.journal is not None else 1)

    def start(self) -> None:
        """Start all of them, or one for each item if there are fewer."""
        size = self._run.source.size
        for _ in range(self._wanted if size is None else min(size, self._wanted)):
            self._start_one()

    def _start_one(self) -> None:
        self._active += 1
        self._group.create_task(self._work())

    async def _work(self) -> None:
        run, buffer, release_slot, process = self._run, self._buffer, self._release_slot, self._pipeline.process
        source, metrics, upstream, task = run.source, run.metrics, run.upstreams[0], asyncio.current_task()
        pull_ready = source.pull_ready
        keeps_inputs = run.agent.keeps_inputs
        try:
            while self._active <= self._wanted and not source.exhausted:
                if not buffer.try_acquire():
                    await buffer.acquire()
                pulled = await source.pull() if source.waits else pull_ready()
                if pulled is EXHAUSTED:
                    buffer.release()
                    return
                index, inputs = pulled
                metrics.total += 1
                result = await process(Item(index, inputs, release_slot, upstream, task))
                buffer.put(result, inputs if keeps_inputs else None)
                if run.ending and not metrics.under_way:
                    run.idle.set()
        except BaseException:
            run.halt()
            raise
        finally:
            self._ended()

    def _ended(self) -> None:
        self._active -= 1
        if self._run.source.exhausted and not self._released:
            self._released = True
            self._run.agent.release_idle()

    @contextmanager
    def _release_slot(self) -> Iterator[None]:
        self._active -= 1
        if self._active < self._wanted and not self._run.source.exhausted:
            self._start_one()
        try:
            yield
        finally:
            self._active += 1
