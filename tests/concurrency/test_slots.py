"""Slots: never more holders than slots, first come first served, none lost to a cancellation."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.limits import Slots


async def commit() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Holder:
    """A task that acquires a slot and keeps it until it is told to release it."""

    def __init__(self, slots: Slots) -> None:
        self.inside = False
        self.release = asyncio.Event()
        self.task = asyncio.create_task(self._run(slots))

    async def _run(self, slots: Slots) -> None:
        await slots.acquire()
        self.inside = True
        try:
            await self.release.wait()
        finally:
            self.inside = False
            slots.release()


def places(slots: Slots) -> Iterator[int]:
    """The number of slots that can be acquired without waiting."""
    while slots.free:
        with pytest.raises(StopIteration):
            slots.acquire().send(None)
        yield 1


async def end(*holders: Holder) -> None:
    for holder in holders:
        holder.task.cancel()
    await asyncio.wait([holder.task for holder in holders])


@pytest.mark.parametrize(("size", "takers"), [(1, 1), (1, 4), (3, 2), (3, 3), (3, 10)])
async def test_there_are_never_more_holders_than_slots(size: int, takers: int) -> None:
    slots = Slots(size)
    holders = [Holder(slots) for _ in range(takers)]
    await commit()
    assert sum(holder.inside for holder in holders) == min(size, takers)
    for left, holder in enumerate(holders, 1):
        holder.release.set()
        await commit()
        assert sum(holder.inside for holder in holders) == min(size, takers - left)
    assert sum(places(slots)) == size


async def test_first_come_first_served() -> None:
    slots = Slots(1)
    holders = [Holder(slots) for _ in range(4)]
    for expected in range(4):
        await commit()
        assert [holder.inside for holder in holders] == [i == expected for i in range(4)]
        holders[expected].release.set()
    await commit()


async def test_a_newcomer_does_not_overtake_one_whose_turn_has_come() -> None:
    slots = Slots(1)
    first, second = Holder(slots), Holder(slots)
    await commit()
    first.release.set()
    await asyncio.sleep(0)  # the place is given to the second, which has not run yet
    assert not second.inside
    third = Holder(slots)
    await commit()
    assert (second.inside, third.inside) == (True, False)
    await end(second, third)


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    slots = Slots(1)
    first, second, third = [Holder(slots) for _ in range(3)]
    await commit()
    second.task.cancel()
    first.release.set()
    await commit()
    assert third.inside
    await end(third)


async def test_a_waiter_cancelled_after_its_turn_came_passes_it_on() -> None:
    slots = Slots(1)
    first, second, third = [Holder(slots) for _ in range(3)]
    await commit()
    first.release.set()
    await asyncio.sleep(0)
    assert not second.inside
    second.task.cancel()
    await commit()
    assert second.task.cancelled()
    assert third.inside
    await end(third)
    assert sum(places(slots)) == 1


async def test_a_release_with_only_cancelled_waiters_keeps_the_slot() -> None:
    slots = Slots(1)
    holders = [Holder(slots) for _ in range(5)]
    await commit()
    await end(*holders[1:])
    holders[0].release.set()
    await commit()
    assert sum(places(slots)) == 1


STEPS = st.lists(st.tuples(st.sampled_from(["acquire", "leave", "cancel", "step"]), st.integers(0, 9)), max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), STEPS)
def test_no_interleaving_loses_or_doubles_a_slot(size: int, steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        slots = Slots(size)
        holders: list[Holder] = []
        for what, which in steps:
            if what == "acquire":
                holders.append(Holder(slots))
            elif what == "step":
                await asyncio.sleep(0)
            elif holders:
                holder = holders[which % len(holders)]
                holder.release.set() if what == "leave" else holder.task.cancel()
            assert sum(holder.inside for holder in holders) <= size
        await commit()
        alive = sum(not holder.task.done() for holder in holders)
        assert sum(holder.inside for holder in holders) == min(size, alive)
        if holders:
            await end(*holders)
        assert sum(places(slots)) == size

    asyncio.run(main())
