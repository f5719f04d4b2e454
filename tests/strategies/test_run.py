"""BatchRun: its summary during the run, and closing it from another task."""

import asyncio
from contextlib import aclosing

import pytest

from kaizen_batch import (
    ParallelBatchStrategy,
)
from tests.engine.spies import Spy

pytestmark = pytest.mark.looptime(start=0)


async def test_the_summary_adds_up_during_the_run() -> None:
    run = ParallelBatchStrategy(3).stream(Spy(), list(range(10)))
    async with aclosing(run):
        async for _ in run:
            summary = run.summary
            assert summary.ok + summary.failed + summary.not_attempted <= summary.total <= 10
            assert run.in_flight <= 3
    assert run.summary.ok == run.summary.total == 10


async def test_aclose_from_another_task_ends_the_reader_too() -> None:
    spy = Spy(seconds=1)
    run = ParallelBatchStrategy(2).stream(spy, list(range(100)))

    async def read() -> int:
        return len([result async for result in run])

    reader = asyncio.create_task(read())
    await asyncio.sleep(3.5)
    await run.aclose()
    assert spy.inside == 0
    assert await reader == 6
