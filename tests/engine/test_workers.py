"""The workers: they wait for a slow reader, and an item that waits leaves its slot to another."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kaizen_batch import (
    ParallelBatchStrategy,
    RetryPolicy,
    ServerError,
)
from tests.engine.spies import Spy

pytestmark = pytest.mark.looptime(start=0)


async def test_a_slow_reader_makes_the_workers_wait() -> None:
    pulled = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for number in range(1_000):
            pulled += 1
            yield number

    async with ParallelBatchStrategy(4, window=10).stream(Spy(), items()) as run:
        async for result in run:
            await asyncio.sleep(1)
            assert pulled <= result["index"] + 1 + 10
            if result["index"] == 30:
                break


async def test_a_slow_first_item_buffers_no_more_than_the_window() -> None:
    done: list[int] = []

    async def agent(item: int) -> dict[str, Any]:
        await asyncio.sleep(100 if item == 0 else 0.01)
        done.append(item)
        return {"item": item}

    run = ParallelBatchStrategy(5, window=20).stream(agent, iter(range(100)))
    first = await anext(aiter(run))
    assert first["index"] == 0
    assert len(done) == 20
    await run.aclose()


async def test_an_item_that_waits_for_a_retry_does_not_hold_a_slot() -> None:
    spy = Spy(seconds=1, failures={0: [ServerError("x")]})
    retry = RetryPolicy(wait_initial=100, wait_max=100, wait_jitter=False)
    run = ParallelBatchStrategy(1, retry=retry).stream(spy, list(range(50)), ordered=False)
    order = [result["item"] async for result in run]
    assert order == [*range(1, 50), 0]
    assert spy.peak == 1
