"""Hedging on a virtual clock: the first to succeed wins, and nothing is left running, however it ends."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import ParallelBatchStrategy
from kaizen_batch.engine.hedge import HedgeDelay, hedged
from kaizen_batch.metrics import LatencyHistogram

pytestmark = pytest.mark.looptime(start=0)


@dataclass
class Call:
    """A call that takes some seconds, then returns its name or fails; it may be slow to cancel."""

    name: str
    seconds: float
    fails: bool = False
    dies_slowly: float = 0.0
    dies_badly: bool = False
    task: "asyncio.Task[str] | None" = field(default=None, init=False)

    def start(self) -> "asyncio.Task[str]":
        self.task = asyncio.create_task(self._run())
        return self.task

    async def _run(self) -> str:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(self.dies_slowly)
            if self.dies_badly:
                raise LookupError(self.name) from None
            raise
        if self.fails:
            raise LookupError(self.name)
        return self.name

    @property
    def gone(self) -> bool:
        return self.task is None or self.task.done()


def clock() -> float:
    return asyncio.get_running_loop().time()


async def race(first: Call, second: Call, delay_s: float = 1.0) -> str:
    """The result of hedged; afterwards both tasks are done."""
    try:
        return await hedged(first.start(), second.start, delay_s)
    finally:
        assert first.gone
        assert second.gone


@pytest.mark.parametrize(
    ("first", "second", "winner", "at"),
    [
        (Call("a", 0.5), Call("b", 0.0), "a", 0.5),
        (Call("a", 3.0), Call("b", 5.0), "a", 3.0),
        (Call("a", 9.0), Call("b", 2.0), "b", 3.0),
        (Call("a", 2.0, fails=True), Call("b", 5.0), "b", 6.0),
        (Call("a", 9.0), Call("b", 1.0, fails=True), "a", 9.0),
        (Call("a", 3.0, fails=True), Call("b", 2.0), "b", 3.0),  # in the same instant
        (Call("a", 3.0), Call("b", 2.0, fails=True), "a", 3.0),
        (Call("a", 9.0, dies_slowly=4.0), Call("b", 2.0), "b", 7.0),  # gone means gone
    ],
)
async def test_the_first_to_succeed_wins(first: Call, second: Call, winner: str, at: float) -> None:
    assert await race(first, second) == winner
    assert clock() == pytest.approx(at)


@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0])
async def test_if_both_fail_the_error_of_the_first_is_raised(seconds: float) -> None:
    with pytest.raises(LookupError, match="a"):
        await race(Call("a", 3.0, fails=True), Call("b", seconds, fails=True))


async def test_a_first_that_ends_in_time_is_not_hedged() -> None:
    for first in (Call("a", 0.5), Call("a", 0.5, fails=True)):
        second = Call("b", 0.0)
        with suppress(LookupError):
            await race(first, second)
        assert first.gone
        assert second.task is None


async def test_without_room_for_a_second_call_the_first_is_awaited() -> None:
    assert await hedged(Call("a", 5.0).start(), lambda: None, 1.0) == "a"
    with pytest.raises(LookupError):
        await hedged(Call("a", 5.0, fails=True).start(), lambda: None, 1.0)
    assert clock() == pytest.approx(10.0)


async def test_a_first_call_that_was_cancelled_leaves_it_to_the_second() -> None:
    first, second = Call("a", 9.0), Call("b", 2.0)
    asyncio.get_running_loop().call_later(1.5, lambda: first.task and first.task.cancel())
    assert await race(first, second) == "b"
    assert clock() == pytest.approx(3.0)


async def test_a_second_that_cannot_be_made_leaves_no_first_behind() -> None:
    def broken() -> None:
        raise RuntimeError("no second")

    first = Call("a", 9.0)
    with pytest.raises(RuntimeError, match="no second"):
        await hedged(first.start(), broken, 1.0)
    assert first.gone


async def test_a_second_cancellation_also_waits_for_both_calls() -> None:
    first, second = Call("a", 9.0, dies_slowly=3.0), Call("b", 9.0, dies_slowly=5.0)
    outer = asyncio.create_task(race(first, second))
    for _ in range(3):
        await asyncio.sleep(2.0)
        outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert clock() == pytest.approx(7.0)


async def test_a_cancellation_while_the_loser_is_being_cancelled_is_not_lost() -> None:
    first, second = Call("a", 9.0, dies_slowly=5.0), Call("b", 2.0)
    outer = asyncio.create_task(race(first, second))
    await asyncio.sleep(4.0)
    outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert clock() == pytest.approx(8.0)


async def test_a_time_limit_around_it_raises_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5.0):
            await race(Call("a", 9.0), Call("b", 9.0))
    assert clock() == pytest.approx(5.0)


def on_a_virtual_clock(main: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
    """Run it and return asyncio's complaints, exceptions never retrieved included."""
    complaints: list[str] = []
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0, noop_cycles=0)) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        runner.run(main())
        gc.collect(1)
    return complaints


SECONDS = st.integers(0, 4).map(float)
CALLS = st.tuples(SECONDS, st.booleans(), st.sampled_from([0.0, 0.0, 1.0]))


@settings(max_examples=200, deadline=None)
@given(CALLS, CALLS, SECONDS, st.booleans(), st.lists(st.tuples(SECONDS, st.integers(0, 8)), max_size=2))
def test_a_cancellation_at_any_moment_leaves_no_task_and_no_forgotten_exception(
    one: tuple[float, bool, float],
    two: tuple[float, bool, float],
    delay_s: float,
    room: bool,
    cancels: list[tuple[float, int]],
) -> None:
    async def main() -> None:
        first, second = Call("a", *one), Call("b", *two)

        async def outer() -> str:
            return await hedged(first.start(), second.start if room else lambda: None, delay_s)

        task = asyncio.create_task(outer())
        asked = False
        for seconds, steps in cancels:
            await asyncio.sleep(seconds)
            for _ in range(steps):
                await asyncio.sleep(0)
            asked |= task.cancel()
        await asyncio.wait([task], timeout=100)
        assert task.done()
        assert first.gone
        assert second.gone
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert task.cancelled() or not asked
        if not task.cancelled() and task.exception() is not None:
            assert (str(task.exception()), first.fails, second.fails or second.task is None) == ("a", True, True)

    assert on_a_virtual_clock(main) == []


@pytest.mark.parametrize(("seconds", "end"), [(2.0, "b"), (9.0, "cancelled")])
@pytest.mark.parametrize("steps", range(12))
def test_the_loop_steps_around_the_end_are_no_exception(seconds: float, end: str, steps: int) -> None:
    async def main() -> None:
        first, second = Call("a", 3.0, fails=True), Call("b", seconds)
        task = asyncio.create_task(race(first, second))
        await asyncio.sleep(3.0)
        for _ in range(steps):
            await asyncio.sleep(0)
        if not task.cancel():
            assert task.result() == end
        await asyncio.wait([task])

    assert on_a_virtual_clock(main) == []


def test_a_loser_that_fails_while_it_is_cancelled_logs_nothing() -> None:
    async def main() -> None:
        assert await race(Call("a", 9.0, dies_badly=True), Call("b", 2.0)) == "b"
        gc.collect()

    assert on_a_virtual_clock(main) == []


# After how many steps


def histogram(*seconds: float) -> LatencyHistogram:
    made = LatencyHistogram()
    for value in seconds:
        made.add(value)
    return made


@pytest.mark.parametrize(("count", "known"), [(0, False), (19, False), (20, True), (1000, True)])
def test_the_delay_is_unknown_until_20_calls_were_answered(count: int, known: bool) -> None:
    delay = HedgeDelay(0.95, histogram(*[1.0] * count))
    assert (delay.seconds is not None) == known


@pytest.mark.parametrize(("quantile", "seconds"), [(0.5, 50.0), (0.9, 90.0), (0.95, 95.0), (0.99, 99.0)])
def test_the_delay_is_the_quantile_of_the_latencies_and_the_width_of_a_bucket(quantile: float, seconds: float) -> None:
    delay = HedgeDelay(quantile, histogram(*map(float, range(1, 101))))
    assert delay.seconds == pytest.approx(1.05 * seconds, rel=0.03)


def test_if_all_calls_take_equally_long_none_of_them_is_slow() -> None:
    delay = HedgeDelay(0.95, histogram(*[1.0] * 50))
    assert delay.seconds is not None
    assert delay.seconds > 1.0


def test_the_delay_is_updated_after_every_50_calls() -> None:
    latency = histogram(*[1.0] * 20)
    delay, changes = HedgeDelay(0.5, latency), []
    before = delay.seconds
    for count in range(21, 200):
        latency.add(float(count))
        if delay.seconds != before:
            before = delay.seconds
            changes.append(count)
    assert changes == [70, 120, 170]


def test_the_delay_is_not_updated_in_between() -> None:
    class Counting(LatencyHistogram):
        looks = 0

        def quantile(self, q: float) -> float:
            self.looks += 1
            return super().quantile(q)

    latency = Counting()
    delay = HedgeDelay(0.5, latency)
    for _ in range(1000):
        latency.add(0.0)
        assert delay.seconds is None or delay.seconds >= 0.0
    assert latency.looks == 20


@pytest.mark.parametrize("hanging", [0, 5, 200, 999])
async def test_whichever_call_hangs_it_is_made_a_second_time(hanging: int) -> None:
    calls: list[int] = []

    async def agent(item: int) -> dict[str, Any]:
        calls.append(item)
        await asyncio.sleep(1_000 if item == hanging and calls.count(item) == 1 else 1)
        return {"item": item}

    result = await ParallelBatchStrategy(10, hedge_after=0.95).run_batch(agent, range(1_000))
    assert clock() < 120 and len(result.results) == 1_000
    assert result.summary.hedges == 1 and calls.count(hanging) == 2


async def test_the_calls_of_a_small_run_are_judged_by_the_last_answer_that_makes_the_quantile_known() -> None:
    calls: list[int] = []

    async def agent(item: int) -> dict[str, Any]:
        calls.append(item)
        await asyncio.sleep(1_000 if item == 0 and calls.count(0) == 1 else 1)
        return {}

    await ParallelBatchStrategy(21, hedge_after=0.95).run_batch(agent, range(21))
    assert clock() < 5 and calls.count(0) == 2
