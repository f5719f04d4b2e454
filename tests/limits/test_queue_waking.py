"""What wakes a line: timers and ends of calls, never polling; and, in any interleaving, nobody who could go waits."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.errors import KaizenBatchError, NotAttemptedError
from kaizen_batch.limits import Admission, CircuitBreaker, ConcurrencyLimiter, Limit, RateLimiter, Reservation
from kaizen_batch.limits.queue import WaitQueue
from kaizen_batch.limits.rate import rate_limits
from tests.limits.plain_limits import Every, Room, acquire, goes, steps

pytestmark = pytest.mark.looptime(start=0)


async def test_an_hour_s_wait_takes_one_timer_and_no_polling() -> None:
    queue = WaitQueue(Admission(), [limit := Every(3600)])
    await queue.acquire(Reservation())
    await queue.acquire(Reservation())
    assert asyncio.get_running_loop().time() == 3600.0
    assert limit.asked <= 4
    acquire(queue).add_done_callback(lambda call: call.exception())
    await steps()
    assert queue._timer is not None
    queue.close(NotAttemptedError("over"))
    assert queue._timer is None


async def test_a_long_line_behind_a_clock_asks_a_few_times_a_call() -> None:
    queue = WaitQueue(Admission(), [limit := Every(60)])
    await goes(*[acquire(queue) for _ in range(100)])
    assert asyncio.get_running_loop().time() == 99 * 60.0
    assert limit.asked <= 5 * 100


async def test_who_waits_for_the_end_of_a_call_needs_no_timer() -> None:
    queue = WaitQueue(Admission(), [Every(5), Room(1)])
    await queue.acquire(Reservation(tokens=1))
    waiting = acquire(queue)
    await asyncio.sleep(7.0)
    assert queue._timer is None
    queue.release(Reservation(tokens=1))
    await goes(waiting)


async def test_the_end_of_a_pause_wakes_the_queue() -> None:
    breaker = CircuitBreaker(10)
    queue = WaitQueue(Admission(), [breaker])
    breaker.pause(30.0, 0.0, 0.0)
    waiting = [acquire(queue) for _ in range(3)]
    await asyncio.sleep(10.0)
    breaker.pause(60.0, 10.0, 10.0)
    await goes(waiting[0])
    assert asyncio.get_running_loop().time() == 70.0
    assert not waiting[1].done()
    queue.release(Reservation())
    await goes(waiting[1])
    queue.release(Reservation())
    await goes(waiting[2])


async def test_a_rate_limit_lets_the_line_through_minute_by_minute() -> None:
    queue = WaitQueue(Admission(), [RateLimiter(rate_limits(requests_per_minute=3)), ConcurrencyLimiter(5)])
    times = []
    for _ in range(9):
        await queue.acquire(Reservation())
        times.append(asyncio.get_running_loop().time())
        queue.release(Reservation())
    assert times == pytest.approx([0.0] * 3 + [60.06] * 3 + [120.12] * 3, abs=0.1)


async def test_waits_only_for_a_slot_is_a_line_where_nothing_but_the_places_can_hold_a_call() -> None:
    place, room, breaker = ConcurrencyLimiter(1), Room(5), CircuitBreaker(9)
    queue = WaitQueue(Admission(), [breaker, place, room])
    await queue.acquire(Reservation(tokens=3))
    assert [queue.waits_only_for_a_slot(Reservation(tokens=tokens)) for tokens in (0, 2, 3)] == [False, True, False]
    breaker.pause(1.0, 0.0, 0.0)
    assert not queue.waits_only_for_a_slot(Reservation(tokens=2))


# Any interleaving


@dataclass
class Visit:
    """One call: when it comes, how long it stays, and when it is cancelled; to the step of the loop."""

    queue: int
    tokens: int
    comes_at: int
    stays: tuple[int, int]
    cancelled_at: tuple[int, int] | None

    async def run(self, world: "World") -> None:
        queue = world.lines[self.queue]
        reservation = Reservation(tokens=self.tokens)
        await asyncio.sleep(self.comes_at)
        world.arrived[self.queue].append(reservation)
        await queue.acquire(reservation)
        try:
            await asyncio.sleep(self.stays[0])
            await steps(self.stays[1])
            world.gates[self.queue].succeeded(reservation)
        finally:
            queue.release(reservation)

    async def cancel(self, task: "asyncio.Task[None]") -> None:
        if self.cancelled_at is not None:
            await asyncio.sleep(self.cancelled_at[0])
            await steps(self.cancelled_at[1])
            task.cancel()


class World:
    """Two lines with a gate and a clock each, which share places and room."""

    def __init__(self, places: int, tokens: int, every: tuple[int, int]) -> None:
        self.places = ConcurrencyLimiter(places)
        self.room = Room(tokens)
        self.gates = [CircuitBreaker(9), CircuitBreaker(9)]
        self.clocks = [Every(seconds) for seconds in every]
        self.admission = Admission()
        own = zip(self.gates, self.clocks, strict=True)
        self.lines = [WaitQueue(self.admission, [*limits, self.places, self.room]) for limits in own]
        self.arrived: list[list[Reservation]] = [[], []]

    async def pause(self, queue: int, at: int, seconds: int) -> None:
        await asyncio.sleep(at)
        self.gates[queue].pause(seconds, at, at)

    async def close(self, at: int) -> None:
        await asyncio.sleep(at)
        for queue in self.lines:
            queue.close(NotAttemptedError("over"))
        acquired = [len(clock.acquired) for clock in self.clocks]
        await asyncio.sleep(900)
        assert [len(clock.acquired) for clock in self.clocks] == acquired

    async def watch(self) -> None:
        """Between two instants, nobody waits who could go in turn, and each queue that waits says what for."""
        await asyncio.sleep(0.5)
        for _ in range(80):
            now = asyncio.get_running_loop().time()
            barred: set[Limit] = set()
            for queue in self.admission.ring:
                first = queue._waiters[0]
                assert not first.turn.done()
                before = queue.obeys & barred
                held = before or {limit for limit in queue.obeys if limit.delay(first.reservation, now) > 0.0}
                assert held and queue.waiting_for is not None
                barred |= held
            await asyncio.sleep(1.0)

    def check(self) -> None:
        """Everyone who entered has left, once, and in each line they entered in the order in which they came."""
        assert (self.places.in_flight, self.room.free) == (0, self.room.tokens)
        for breaker, clock, arrived in zip(self.gates, self.clocks, self.arrived, strict=True):
            acquired = [id(reservation) for reservation in clock.acquired]
            assert sorted(acquired) == sorted(map(id, clock.left))
            assert len(set(acquired)) == len(acquired)
            assert acquired == [id(reservation) for reservation in arrived if id(reservation) in acquired]
            assert breaker.in_flight == 0


def on_a_virtual_clock(main: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
    """Run it; what asyncio has to complain of."""
    complaints: list[str] = []
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0, noop_cycles=0)) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        runner.run(main())
    return complaints


MOMENTS = st.tuples(st.integers(0, 8), st.integers(0, 4))
VISITS = st.builds(
    Visit,
    queue=st.integers(0, 1),
    tokens=st.integers(1, 4) | st.integers(0, 6),
    comes_at=st.integers(0, 4),
    stays=MOMENTS,
    cancelled_at=st.none() | MOMENTS,
)


@settings(max_examples=300, deadline=None)
@given(
    visits=st.lists(VISITS, min_size=1, max_size=12),
    places=st.integers(1, 3),
    tokens=st.integers(1, 6),
    every=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    holds=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(0, 9)), max_size=2),
    close_at=st.none() | st.integers(0, 9),
)
def test_no_interleaving_breaks_an_invariant(
    visits: list[Visit],
    places: int,
    tokens: int,
    every: tuple[int, int],
    holds: list[tuple[int, int, int]],
    close_at: int | None,
) -> None:
    async def main() -> None:
        world = World(places, tokens, every)
        tasks = [asyncio.create_task(visit.run(world)) for visit in visits]
        async with asyncio.TaskGroup() as group:
            for visit, task in zip(visits, tasks, strict=True):
                group.create_task(visit.cancel(task))
            for pause in holds:
                group.create_task(world.pause(*pause))
            if close_at is not None:
                group.create_task(world.close(close_at))
            group.create_task(world.watch())
            _, waiting = await asyncio.wait(tasks, timeout=500.0)
        assert not waiting
        for visit, task in zip(visits, tasks, strict=True):
            assert isinstance(None if task.cancelled() else task.exception(), KaizenBatchError | None)
            assert visit.cancelled_at or not task.cancelled()
            assert (
                close_at is not None
                or not visit.tokens
                or visit.tokens > tokens
                or task.cancelled()
                or not (task.exception())
            )
        world.check()
        assert sum(clock.asked for clock in world.clocks) <= 10 * (len(visits) + len(holds)) + 160

    assert on_a_virtual_clock(main) == []
