"""What holds a call back: the permits, and the pause for everyone."""

import asyncio

import pytest

from kaizen_batch.limits import ConcurrencyLimiter, Pause


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Call:
    """A call that stays inside the limiter until it is told to leave."""

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._run(limiter))

    async def _run(self, limiter: ConcurrencyLimiter) -> None:
        async with limiter:
            self.inside = True
            await self.leave.wait()
        self.inside = False


@pytest.mark.parametrize(("limit", "calls"), [(1, 1), (1, 4), (3, 2), (3, 3), (3, 10)])
async def test_never_more_inside_than_the_limit(limit: int, calls: int) -> None:
    limiter = ConcurrencyLimiter(limit)
    running = [Call(limiter) for _ in range(calls)]
    await settle()
    assert limiter.in_flight == sum(call.inside for call in running) == min(limit, calls)
    for call in running:
        call.leave.set()
        await settle()
        assert limiter.in_flight <= limit
    assert limiter.in_flight == 0
    assert limiter.peak == min(limit, calls)


async def test_first_come_first_served() -> None:
    limiter = ConcurrencyLimiter(1)
    running = [Call(limiter) for _ in range(4)]
    for expected in range(4):
        await settle()
        assert [call.inside for call in running] == [i == expected for i in range(4)]
        running[expected].leave.set()
    await settle()
    assert limiter.peak == 1


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    limiter = ConcurrencyLimiter(1)
    first, second, third = [Call(limiter) for _ in range(3)]
    await settle()
    second.task.cancel()
    first.leave.set()
    await settle()
    assert third.inside
    assert limiter.in_flight == 1
    third.leave.set()
    await settle()


async def test_a_waiter_cancelled_after_its_turn_came_passes_it_on() -> None:
    limiter = ConcurrencyLimiter(1)
    first, second, third = [Call(limiter) for _ in range(3)]
    await settle()
    first.leave.set()
    await first.task  # the permit is now given to the second, which has not run yet
    second.task.cancel()
    await settle()
    assert second.task.cancelled()
    assert third.inside
    third.leave.set()
    await settle()
    assert limiter.in_flight == 0


async def test_a_cancelled_call_inside_gives_its_permit_back() -> None:
    limiter = ConcurrencyLimiter(1)
    first, second = Call(limiter), Call(limiter)
    await settle()
    first.task.cancel()
    await settle()
    assert second.inside
    second.leave.set()
    await settle()
    assert limiter.in_flight == 0


async def test_an_error_inside_gives_the_permit_back_and_is_not_swallowed() -> None:
    limiter = ConcurrencyLimiter(1)
    with pytest.raises(RuntimeError):
        async with limiter:
            raise RuntimeError
    assert limiter.in_flight == 0
    async with limiter:
        assert limiter.in_flight == 1


async def test_a_pause_is_open_at_first() -> None:
    assert Pause().remaining_s == 0.0


@pytest.mark.looptime
async def test_a_pause_opens_when_its_time_has_come() -> None:
    pause = Pause()
    pause.hold(5.0)
    assert pause.remaining_s == pytest.approx(5.0)
    await asyncio.sleep(3.0)
    assert pause.remaining_s == pytest.approx(2.0)
    await asyncio.sleep(2.5)
    assert pause.remaining_s == 0.0


@pytest.mark.looptime
async def test_a_longer_hold_stays_and_a_later_one_wins() -> None:
    pause = Pause()
    pause.hold(5.0)
    pause.hold(1.0)
    assert pause.remaining_s == pytest.approx(5.0)
    await asyncio.sleep(4.0)
    pause.hold(3.0)
    assert pause.remaining_s == pytest.approx(3.0)


@pytest.mark.looptime
async def test_a_pause_can_be_closed_again() -> None:
    pause = Pause()
    pause.hold(1.0)
    await asyncio.sleep(2.0)
    pause.hold(1.0)
    assert pause.remaining_s == pytest.approx(1.0)


@pytest.mark.looptime
async def test_a_hold_of_nothing_keeps_the_pause_open() -> None:
    pause = Pause()
    pause.hold(0.0)
    assert pause.remaining_s == 0.0
