"""The buffer between workers and reader: in order or as they come, never more than its size."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.engine.reorder_buffer import ReorderBuffer
from kaizen_batch.results import ItemResult


def result(index: int) -> ItemResult:
    return ItemResult(index, {})


def taken(buffer: ReorderBuffer) -> list[int]:
    """Everything that can be read now."""
    indices = []
    while (got := buffer.take()) is not None:
        indices.append(got.index)
    return indices


async def acquire(buffer: ReorderBuffer, times: int = 1) -> int:
    """The slots that are free now."""
    tasks = [asyncio.create_task(buffer.acquire()) for _ in range(times)]
    await asyncio.sleep(0)
    waiting = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    await asyncio.sleep(0)
    return times - len(waiting)


@pytest.mark.parametrize(
    ("ordered", "put", "read"),
    [
        (True, [0, 1, 2], [0, 1, 2]),
        (True, [2, 1, 0], [0, 1, 2]),
        (True, [0, 2, 3], [0]),
        (True, [1, 2, 3], []),
        (False, [2, 1, 0], [2, 1, 0]),
        (False, [3, 1], [3, 1]),
    ],
)
async def test_results_come_in_order_or_as_they_were_put(ordered: bool, put: list[int], read: list[int]) -> None:
    buffer = ReorderBuffer(10, ordered=ordered)
    for index in put:
        buffer.put(result(index))
    assert taken(buffer) == read


async def test_a_gap_holds_back_what_comes_after_it() -> None:
    buffer = ReorderBuffer(10, ordered=True)
    reader = asyncio.create_task(buffer.ready())
    await asyncio.sleep(0)
    for index in (3, 1, 2):
        buffer.put(result(index))
        await asyncio.sleep(0)
        assert not reader.done()
        assert buffer.take() is None
    buffer.put(result(0))
    await reader
    assert taken(buffer) == [0, 1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_slot_is_free_again_only_when_its_result_was_read(ordered: bool) -> None:
    buffer = ReorderBuffer(3, ordered=ordered)
    assert await acquire(buffer, 5) == 3
    for index in range(3):
        buffer.put(result(index))
    assert await acquire(buffer) == 0
    assert buffer.take() == result(0)
    assert await acquire(buffer, 2) == 1


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_read_without_a_result_frees_no_slot(ordered: bool) -> None:
    buffer = ReorderBuffer(1, ordered=ordered)
    assert await acquire(buffer) == 1
    assert [buffer.take() for _ in range(3)] == [None] * 3
    assert await acquire(buffer) == 0


async def test_a_slot_that_no_item_needs_goes_to_a_waiter() -> None:
    buffer = ReorderBuffer(1, ordered=True)
    await buffer.acquire()
    waiting = asyncio.create_task(buffer.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.release()
    await waiting
    assert await acquire(buffer) == 0


class Reader:
    """Reads results, and takes some steps of the loop for each of them."""

    def __init__(self, buffer: ReorderBuffer, items: int, pauses: list[int]) -> None:
        self.buffer, self.items, self.pauses = buffer, items, pauses
        self.seen: list[int] = []

    async def read(self) -> None:
        while len(self.seen) < self.items:
            while (got := self.buffer.take()) is not None:
                self.seen.append(got.index)
                await steps(self.pauses[got.index])
            if len(self.seen) < self.items:
                await self.buffer.ready()


class Pool:
    """Workers that pull, take some steps of the loop, and put."""

    def __init__(self, buffer: ReorderBuffer, items: int, pauses: list[int]) -> None:
        self.buffer, self.items, self.pauses = buffer, items, pauses
        self.pulled = 0

    async def work(self, size: int, reader: Reader) -> None:
        while True:
            await self.buffer.acquire()
            if self.pulled == self.items:
                return self.buffer.release()
            index, self.pulled = self.pulled, self.pulled + 1
            assert self.pulled - len(reader.seen) <= size
            await steps(self.pauses[index])
            self.buffer.put(result(index))


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


PAUSES = st.lists(st.integers(0, 4), min_size=20, max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(0, 20), st.integers(1, 6), PAUSES, PAUSES, st.booleans())
def test_a_reader_misses_nothing_and_no_more_than_the_window_is_pulled(
    size: int, items: int, workers: int, working: list[int], reading: list[int], ordered: bool
) -> None:
    async def main() -> list[int]:
        buffer = ReorderBuffer(size, ordered=ordered)
        reader, pool = Reader(buffer, items, reading), Pool(buffer, items, working)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(reader.read())
            for _ in range(workers):
                group.create_task(pool.work(size, reader))
        assert await acquire(buffer, size + 1) == size
        return reader.seen

    seen = asyncio.run(main())
    assert (seen if ordered else sorted(seen)) == list(range(items))
