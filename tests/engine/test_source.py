"""The source of items: every kind of iterable, closed with the run, and errors of the input."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kaizen_batch import (
    AgentError,
    ConfigError,
    ParallelBatchStrategy,
)
from kaizen_batch.engine import source
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


async def test_a_generator_stays_on_the_thread_that_its_cursor_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_SLOW_S", -1.0)  # each item counts as slow
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE rows AS SELECT value FROM json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]')")
    rows = (value for (value,) in connection.execute("SELECT value FROM rows"))
    results = await ParallelBatchStrategy(3).execute_batch(Spy(), rows)
    assert [result["item"] for result in results] == list(range(10))
    connection.close()


async def test_an_input_that_blocks_the_loop_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moments = iter(range(0, 1_000, 3))
    monkeypatch.setattr(source, "monotonic", lambda: next(moments))
    with caplog.at_level(logging.WARNING):
        await ParallelBatchStrategy(2).execute_batch(Spy(), (number for number in range(5)))
    [said] = [record.getMessage() for record in caplog.records if record.name == source.__name__]
    assert said.startswith("the input took 3.0 s for one item, and blocked the event loop")


async def test_a_generator_that_was_slow_once_is_not_waited_for_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 1.0, 1.0])  # the first item takes a second, the second one no time
    monkeypatch.setattr(source, "monotonic", lambda: next(moments))
    made = source.Source(text for text in ("a", "b", "c"))
    assert (made.pull_ready(), made.waits) == ((0, "a"), True)
    assert (await made.pull(), made.waits) == ((1, "b"), False)
