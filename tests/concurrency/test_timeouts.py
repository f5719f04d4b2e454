"""Time limits of calls, on a virtual clock."""

import asyncio
import contextlib
import math

import pytest

from kaizen_batch.concurrency.timeouts import Alarm, TimeLimits, clock_of

pytestmark = pytest.mark.looptime


@pytest.mark.looptime(False)
@pytest.mark.parametrize("module", ["asyncio", "uvloop"])
def test_the_clock_is_the_loop_s_own_to_the_millisecond_and_finer(module: str) -> None:
    loop = pytest.importorskip(module).new_event_loop()
    clock = clock_of(loop)
    late, early = clock(), loop.time()
    assert late <= early + 0.001 and early <= clock() + 0.001
    assert len({clock() % 0.001 for _ in range(1_000)}) > 10
    loop.close()


async def test_a_virtual_clock_is_used_unchanged() -> None:
    clock = clock_of(asyncio.get_running_loop())
    began = clock()
    await asyncio.sleep(1_000.0)
    assert clock() - began == pytest.approx(1_000.0)


async def _ended_at(limits: TimeLimits, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError), limits.until(began + seconds):
        await asyncio.sleep(1000.0)
    return loop.time() - began


async def test_each_call_times_out_by_itself_whichever_began_first() -> None:
    limits = TimeLimits(asyncio.get_running_loop())
    ends = await asyncio.gather(*(_ended_at(limits, seconds) for seconds in (100.0, 1.0, 30.0, 2.0)))
    assert ends == pytest.approx([100.0, 1.0, 30.0, 2.0])
    limits.close()


async def test_a_call_that_ends_in_time_is_left_alone() -> None:
    limits = TimeLimits(asyncio.get_running_loop())
    with limits.until(asyncio.get_running_loop().time() + 1.0):
        await asyncio.sleep(0.5)
    await asyncio.sleep(5.0)
    limits.close()


async def test_an_agent_that_swallows_its_timeout_continues() -> None:
    limits = TimeLimits(asyncio.get_running_loop())
    with limits.until(asyncio.get_running_loop().time() + 1.0), contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(5.0)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    limits.close()


@pytest.mark.parametrize("first", ["time", "caller"])
async def test_a_cancellation_at_the_same_time_is_not_lost(first: str) -> None:
    limits = TimeLimits(asyncio.get_running_loop())

    async def call() -> None:
        with limits.until(asyncio.get_running_loop().time() + 1.0):
            await asyncio.sleep(5.0)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    # in one turn of the loop, one just before the other
    loop.call_at(loop.time() + (1.0 if first == "time" else 1.0 - 1e-9), task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    limits.close()


async def test_an_alarm_rings_at_the_first_moment_and_then_at_those_it_is_asked_for() -> None:
    loop = asyncio.get_running_loop()
    began, moments, rings = loop.time(), [9.0, 5.0], list[float]()

    def look(now: float) -> float:
        rings.append(now - began)
        return began + moments.pop() if moments else math.inf

    alarm = Alarm(loop, look)
    for seconds in (7.0, 1.0):
        alarm.set(began + seconds)
    await asyncio.sleep(100.0)
    assert rings == pytest.approx([1.0, 5.0, 9.0])
    assert alarm.at == math.inf


async def test_a_closed_alarm_does_not_ring() -> None:
    loop = asyncio.get_running_loop()
    rings = list[float]()
    alarm = Alarm(loop, lambda now: rings.append(now) or math.inf)
    alarm.set(loop.time() + 1.0)
    alarm.close()
    await asyncio.sleep(5.0)
    assert rings == []
