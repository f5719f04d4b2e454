"""The source of items: every kind of iterable, closed with the run, and errors of the input."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kaizen_batch import (
    AgentError,
    ConfigError,
    ParallelBatchStrategy,
)
from tests.engine.spies import Spy

pytestmark = pytest.mark.looptime(start=0)


async def test_generators_and_async_generators_are_accepted() -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(50):
            await asyncio.sleep(0.001)
            yield number

    results = await ParallelBatchStrategy(7).execute_batch(Spy(), items())
    assert [result["item"] for result in results] == list(range(50))


async def test_an_input_that_raises_ends_the_stream_after_the_results_of_the_items_before() -> None:
    closed = False

    def items() -> Iterator[int]:
        nonlocal closed
        try:
            yield from range(20)
            raise OSError("disk gone")
        finally:
            closed = True

    seen: list[int] = []
    with pytest.raises(OSError, match="disk gone"):
        async for result in ParallelBatchStrategy(3).stream(Spy(), items()):
            seen.append(result["index"])  # noqa: PERF401 - what was seen before the error must be kept
    assert seen == list(range(20))
    assert closed


async def test_a_generator_is_closed_with_the_run() -> None:
    closed = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with ParallelBatchStrategy(3).stream(Spy(), items()) as run:
        await anext(aiter(run))
    assert closed.is_set()


@pytest.mark.parametrize("batch", ["abc", b"abc", {"prompt": "x"}, 3, None])
async def test_an_input_that_is_not_a_batch_is_rejected(batch: Any) -> None:
    with pytest.raises(ConfigError, match="a batch is a list"):
        await ParallelBatchStrategy().execute_batch(Spy(), batch)


async def test_an_input_that_cancels_itself_is_an_error_and_not_the_end() -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    with pytest.raises(AgentError, match="the input was cancelled from within"):
        await ParallelBatchStrategy(2).execute_batch(Spy(), items())
