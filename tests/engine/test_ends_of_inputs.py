"""A run ends although its input waits or is endless; an input of known length still gets a result for each item."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from kaizen_batch import AuthenticationError, BatchProcessorAgent, BatchResult, ParallelBatchStrategy, Price
from kaizen_batch.results.texts.summary import sentences

pytestmark = pytest.mark.looptime(start=0)


def now() -> float:
    return asyncio.get_running_loop().time()


class Waiting:
    """An asynchronous input with a few items that then waits, and says whether it was closed."""

    def __init__(self, items: int = 3) -> None:
        self.items, self.closed = items, False

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            for number in range(self.items):
                yield number
            await asyncio.sleep(1_000)
            yield -1
        finally:
            self.closed = True


async def refused(item: int) -> dict[str, Any]:
    raise AuthenticationError("no", status=401)


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


async def endless_async() -> AsyncIterator[int]:
    for number in endless():
        yield number


async def quick(item: int) -> dict[str, Any]:
    await asyncio.sleep(0.5)
    return {"item": item}


async def test_the_deadline_ends_a_run_whose_input_waits() -> None:
    source = Waiting()
    result = await ParallelBatchStrategy(5, deadline_s=2).run_batch(quick, source)
    assert now() < 3 and source.closed
    assert [each["status"] for each in result.results] == ["ok"] * 3
    assert_cut(result)


def assert_cut(result: BatchResult) -> None:
    assert result.summary.stopped is not None and result.summary.input_unread
    assert "the rest of it was not read" in " ".join(line.text for line in sentences(result.summary.to_dict()))


@pytest.mark.parametrize("items", [endless, endless_async])
async def test_the_deadline_ends_a_run_with_an_endless_input(items: Callable[[], Any]) -> None:
    result = await ParallelBatchStrategy(5, deadline_s=2).run_batch(quick, items())
    assert now() < 3
    assert_cut(result)


async def texts() -> AsyncIterator[str]:
    for number in endless():
        yield f"question {number}"


async def test_the_budget_ends_a_run_with_an_endless_input() -> None:
    agent = BatchProcessorAgent(llm_provider="mock", budget_usd=0.01, max_tokens=10, price=Price(1, 1))
    result = await agent.run_batch(texts())
    assert (result.summary.stopped or "").startswith("BudgetExhaustedError")
    assert_cut(result)


@pytest.mark.parametrize("items", [endless, endless_async, Waiting])
async def test_a_fatal_error_ends_a_run_whose_input_waits_or_is_endless(items: Callable[[], Any]) -> None:
    result = await ParallelBatchStrategy(2).run_batch(refused, items())
    assert now() < 1
    assert_cut(result)


async def test_inputs_of_known_length_get_a_result_for_each_item() -> None:
    for items in (list(range(100)), range(100)):
        result = await ParallelBatchStrategy(2, deadline_s=2).run_batch(quick, items)
        assert len(result.results) == 100 and result.summary.not_attempted == 100 - result.summary.ok
        assert not result.summary.input_unread


async def test_a_slow_generator_lets_timers_fire_between_its_items() -> None:
    pulled = 0

    def slow() -> Iterator[int]:
        nonlocal pulled
        loop: Any = asyncio.get_running_loop()
        for number in range(300):
            pulled += 1
            begun = loop.time()
            _work(0.02)
            yield number if loop.time() >= begun else -1

    await ParallelBatchStrategy(10, deadline_s=0.001).run_batch(quick, slow())
    assert pulled < 30


def _work(seconds: float) -> None:
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_an_input_that_keeps_its_cancellation_to_itself_still_ends() -> None:
    async def stubborn() -> AsyncIterator[int]:
        yield 0
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            yield 1

    result = await ParallelBatchStrategy(3, deadline_s=2).run_batch(quick, stubborn())
    assert now() < 3 and result.results[0]["status"] == "ok"


async def test_a_run_that_is_cancelled_while_its_input_waits_is_cancelled() -> None:
    source = Waiting()
    running = asyncio.create_task(ParallelBatchStrategy(3).run_batch(quick, source))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert source.closed and now() < 2


async def test_a_reader_that_leaves_gives_up_an_item_that_is_waited_for() -> None:
    source = Waiting()
    async with ParallelBatchStrategy(3).stream(quick, source) as run:
        async for _ in run:
            break
    assert source.closed and now() < 2
