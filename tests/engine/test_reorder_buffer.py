"""The buffer between workers and reader: in order or as they come, never more than its bounds."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.engine.reorder_buffer import Bounds, ReorderBuffer
from kaizen_batch.engine.spill import Spill
from kaizen_batch.results import ItemResult

MB = 2**20


def result(index: int, size: int = 0) -> ItemResult:
    return ItemResult(index, {"text": "x" * size})


def window(size: int, *, ordered: bool) -> ReorderBuffer:
    """A buffer whose only bound is a number of items."""
    return ReorderBuffer(Bounds(size, size, 1_000 * MB, size), ordered=ordered)


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
    buffer = window(10, ordered=ordered)
    for index in put:
        buffer.put(result(index))
    assert taken(buffer) == read


async def test_a_gap_holds_back_what_comes_after_it() -> None:
    buffer = window(10, ordered=True)
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
    buffer = window(3, ordered=ordered)
    assert await acquire(buffer, 5) == 3
    for index in range(3):
        buffer.put(result(index))
    assert await acquire(buffer) == 0
    assert buffer.take() == result(0)
    assert await acquire(buffer, 2) == 1


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_read_without_a_result_frees_no_slot(ordered: bool) -> None:
    buffer = window(1, ordered=ordered)
    assert await acquire(buffer) == 1
    assert [buffer.take() for _ in range(3)] == [None] * 3
    assert await acquire(buffer) == 0


async def test_a_slot_that_no_item_needs_goes_to_a_waiter() -> None:
    buffer = window(1, ordered=True)
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
        buffer = window(size, ordered=ordered)
        reader, pool = Reader(buffer, items, reading), Pool(buffer, items, working)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(reader.read())
            for _ in range(workers):
                group.create_task(pool.work(size, reader))
        assert await acquire(buffer, size + 1) == size
        return reader.seen

    seen = asyncio.run(main())
    assert (seen if ordered else sorted(seen)) == list(range(items))


def fill(buffer: ReorderBuffer, indices: range, size: int = 0) -> int:
    """Pull and finish these items while the buffer lets them in; how many were."""
    done = 0
    for index in indices:
        if not buffer.try_acquire():
            break
        buffer.put(result(index, size), {"row": index})
        done += 1
    return done


def test_a_gap_is_bounded_by_bytes_and_not_by_number() -> None:
    buffer = ReorderBuffer(Bounds(8, 8, 10 * MB), ordered=True)
    assert buffer.try_acquire()  # item 0, whose call hangs
    assert fill(buffer, range(1, 5_000), 100) == 4_999
    assert buffer.missing is None
    assert fill(buffer, range(5_000, 100_000), MB // 4) < 50 + 2 * 64, "some come before the growth is noticed"
    assert buffer.missing == 0 and buffer.is_full and not buffer.waits_for_reader


async def test_those_who_wait_behind_a_gap_go_on_when_it_is_filled_and_read() -> None:
    buffer = ReorderBuffer(Bounds(8, 8, MB), ordered=True)
    assert buffer.try_acquire()
    filled = fill(buffer, range(1, 1_000), MB // 4)
    waiting = asyncio.create_task(buffer.acquire())
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.put(result(0))
    assert len(taken(buffer)) == filled + 1
    await waiting


def test_a_slow_reader_stops_the_run_after_few_results() -> None:
    buffer = ReorderBuffer(Bounds(8, 8, 10 * MB), ordered=True)
    assert fill(buffer, range(100)) == 8
    assert buffer.waits_for_reader and buffer.missing is None
    assert taken(buffer) == list(range(8))
    assert fill(buffer, range(8, 100)) == 8


def test_a_slow_reader_of_large_results_stops_the_run_earlier() -> None:
    buffer = ReorderBuffer(Bounds(256, 256, MB), ordered=True)
    filled = fill(buffer, range(256), MB // 4)
    assert filled <= 24, "as many come before a size is known"
    taken(buffer)
    assert fill(buffer, range(filled, 256), MB // 4) <= 6


@pytest.mark.parametrize("ordered", [True, False])
def test_what_is_under_way_is_bounded(ordered: bool) -> None:
    buffer = ReorderBuffer(Bounds(3, 100, MB), ordered=ordered)
    assert [buffer.try_acquire() for _ in range(5)] == [True, True, True, False, False]
    buffer.put(result(0))
    assert [buffer.try_acquire() for _ in range(2)] == [True, False]


def test_with_a_spill_a_gap_never_stops_the_run_and_all_comes_back_in_order(tmp_path: Path) -> None:
    buffer = ReorderBuffer(Bounds(8, 8, MB), ordered=True, spill=Spill(tmp_path))
    assert buffer.try_acquire()
    assert fill(buffer, range(1, 400), 2**15) == 399  # 12 MB
    assert buffer._bytes < MB and buffer.missing is None
    assert list(tmp_path.iterdir()) == []
    buffer.put(result(0), {"row": 0})
    assert not buffer.try_acquire(), "now the reader is slow"
    for index in range(400):
        got = buffer.take()
        assert got is not None and got.index == index and buffer.inputs == {"row": index}
    assert buffer.take() is None and not buffer._spill and buffer._bytes == 0
    assert fill(buffer, range(400, 500)) == 8


def test_what_cannot_be_written_stays_in_memory_and_stops_the_run(tmp_path: Path) -> None:
    buffer = ReorderBuffer(Bounds(8, 8, MB), ordered=True, spill=Spill(tmp_path / "no such folder"))
    assert buffer.try_acquire()
    assert fill(buffer, range(1, 400), 2**15) < 40
    assert buffer.missing == 0


def test_the_rest_has_what_is_in_memory_and_on_the_disk(tmp_path: Path) -> None:
    buffer = ReorderBuffer(Bounds(8, 8, MB), ordered=True, spill=Spill(tmp_path))
    assert buffer.try_acquire()
    fill(buffer, range(1, 100), 2**15)
    assert [(each.index, inputs["row"]) for each, inputs in buffer.rest()] == [(n, n) for n in range(1, 100)]


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(40)), st.lists(st.integers(0, 40_000), min_size=40, max_size=40), st.data())
def test_any_order_of_completion_with_a_spill_gives_every_result_once(
    order: list[int], sizes: list[int], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        buffer = ReorderBuffer(Bounds(100, 100, 50_000), ordered=True, spill=Spill(Path(folder)))
        seen: list[int] = []
        for index in order:
            buffer.put(result(index, sizes[index]), index)
            for _ in range(data.draw(st.integers(0, 3))):
                if (got := buffer.take()) is not None:
                    assert len(got.outputs["text"]) == sizes[got.index] and buffer.inputs == got.index
                    seen.append(got.index)
        assert [*seen, *taken(buffer)] == list(range(40))
        assert buffer._bytes == 0
