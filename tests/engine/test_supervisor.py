"""The supervisor: the session is open during the run, progress is sampled, and every end is clean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaizen_batch import (
    BatchProgress,
    ParallelBatchStrategy,
)
from tests.engine.spies import Spy

pytestmark = pytest.mark.looptime(start=0)


async def test_a_loop_left_by_break_ends_the_run_without_aclose() -> None:
    spy = Spy(seconds=1)
    async for _ in ParallelBatchStrategy(5).stream(spy, iter(range(1_000))):
        break
    await asyncio.sleep(0.1)
    assert spy.inside == 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_session_is_open_while_the_run_lasts() -> None:
    log: list[str] = []

    class Agent:
        @asynccontextmanager
        async def session(self) -> AsyncIterator[None]:
            log.append("open")
            yield
            log.append("closed")

        async def run_async(self, **inputs: Any) -> dict[str, Any]:
            log.append("call")
            return {}

    await ParallelBatchStrategy(1).execute_batch(Agent(), [{}, {}])
    assert log == ["open", "call", "call", "closed"]


async def test_progress_is_sampled() -> None:
    events: list[Any] = []
    await ParallelBatchStrategy(10, on_event=events.append).execute_batch(Spy(seconds=0.1), list(range(1_000)))
    samples = [event for event in events if isinstance(event, BatchProgress)]
    assert 10 <= len(samples) <= 22
    assert samples[-1].done == 1_000


async def test_a_second_cancellation_also_waits_for_the_calls() -> None:
    inside = 0

    async def agent(item: int) -> dict[str, Any]:
        nonlocal inside
        inside += 1
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(0.5)
            inside -= 1
        return {}

    task = asyncio.create_task(ParallelBatchStrategy(2).execute_batch(agent, [1, 2, 3]))
    for _ in range(2):
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert inside == 0
