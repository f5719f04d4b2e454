"""The window between workers and reader: in order or as they come, never more than its size."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.results import ItemResult
from kaizen_batch.strategies.window import Window


def result(index: int) -> ItemResult:
    return ItemResult(index, {})


def taken(window: Window) -> list[int]:
    """All that can be read now."""
    indices = []
    while (got := window.take()) is not None:
        indices.append(got.index)
    return indices


async def acquire(window: Window, times: int = 1) -> int:
    """Places that could be taken at once."""
    tasks = [asyncio.create_task(window.acquire()) for _ in range(times)]
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
    window = Window(10, ordered=ordered)
    for index in put:
        window.put(result(index))
    assert taken(window) == read


async def test_a_gap_holds_back_what_comes_after_it() -> None:
    window = Window(10, ordered=True)
    reader = asyncio.create_task(window.ready())
    await asyncio.sleep(0)
    for index in (3, 1, 2):
        window.put(result(index))
        await asyncio.sleep(0)
        assert not reader.done()
        assert window.take() is None
    window.put(result(0))
    await reader
    assert taken(window) == [0, 1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_place_is_free_again_when_its_result_is_read_and_not_before(ordered: bool) -> None:
    window = Window(3, ordered=ordered)
    assert await acquire(window, 5) == 3
    for index in range(3):
        window.put(result(index))
    assert await acquire(window) == 0
    assert window.take() == result(0)
    assert await acquire(window, 2) == 1


@pytest.mark.parametrize("ordered", [True, False])
async def test_looking_in_vain_frees_no_place(ordered: bool) -> None:
    window = Window(1, ordered=ordered)
    assert await acquire(window) == 1
    assert [window.take() for _ in range(3)] == [None] * 3
    assert await acquire(window) == 0


async def test_a_place_that_no_item_needs_goes_to_who_waits() -> None:
    window = Window(1, ordered=True)
    await window.acquire()
    waiting = asyncio.create_task(window.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    window.release()
    await waiting
    assert await acquire(window) == 0


class Reader:
    """Reads so many results, and takes its time over each: so many steps of the loop."""

    def __init__(self, window: Window, items: int, pauses: list[int]) -> None:
        self.window, self.items, self.pauses = window, items, pauses
        self.seen: list[int] = []

    async def read(self) -> None:
        while len(self.seen) < self.items:
            while (got := self.window.take()) is not None:
                self.seen.append(got.index)
                await steps(self.pauses[got.index])
            if len(self.seen) < self.items:
                await self.window.ready()


class Pool:
    """What the workers share: they pull, take their time, and put."""

    def __init__(self, window: Window, items: int, pauses: list[int]) -> None:
        self.window, self.items, self.pauses = window, items, pauses
        self.pulled = 0

    async def work(self, size: int, reader: Reader) -> None:
        while True:
            await self.window.acquire()
            if self.pulled == self.items:
                return self.window.release()
            index, self.pulled = self.pulled, self.pulled + 1
            assert self.pulled - len(reader.seen) <= size
            await steps(self.pauses[index])
            self.window.put(result(index))


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
        window = Window(size, ordered=ordered)
        reader, pool = Reader(window, items, reading), Pool(window, items, working)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(reader.read())
            for _ in range(workers):
                group.create_task(pool.work(size, reader))
        assert await acquire(window, size + 1) == size
        return reader.seen

    seen = asyncio.run(main())
    assert (seen if ordered else sorted(seen)) == list(range(items))
