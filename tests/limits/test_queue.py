"""The wait queue of an endpoint: order, cancellation, errors, closing; test_queue_waking has timers and random runs."""

import asyncio

import pytest

from kaizen_batch.errors import BudgetExhaustedError, ItemTooLargeError, NotAttemptedError
from kaizen_batch.limits import Admission, Budget, ConcurrencyLimiter, Reservation
from kaizen_batch.limits.queue import WaitQueue
from tests.limits.plain_limits import Every, Open, Room, acquire, goes, steps

pytestmark = pytest.mark.looptime(start=0)


async def test_who_fits_goes_at_once_and_the_others_in_the_order_in_which_they_came() -> None:
    limiter = ConcurrencyLimiter(2)
    queue = WaitQueue(Admission(), [limiter])
    calls = [acquire(queue) for _ in range(6)]
    for gone in range(2, 6):
        await steps()
        assert [call.done() for call in calls] == [i < gone for i in range(6)]
        queue.release(Reservation())
        assert limiter.in_flight == 2  # the turn is handed on in the same instant
    await steps()
    assert calls[-1].done()


async def test_a_small_call_does_not_overtake_a_large_one() -> None:
    queue = WaitQueue(Admission(), [Room(10)])
    inside = Reservation(tokens=5)
    await queue.acquire(inside)
    large, small = acquire(queue, 6), acquire(queue, 1)
    await steps()
    assert (large.done(), small.done(), queue.try_acquire(Reservation(tokens=1))) == (False, False, False)
    queue.release(inside)
    await goes(large, small)


async def test_the_one_behind_a_cancelled_call_goes_if_it_is_smaller() -> None:
    queue = WaitQueue(Admission(), [Room(10)])
    await queue.acquire(Reservation(tokens=5))
    large, small = acquire(queue, 6), acquire(queue, 5)
    await steps()
    large.cancel()
    await goes(small)


@pytest.mark.parametrize("order", ["turn first", "cancellation first"])
async def test_a_call_cancelled_in_the_instant_of_its_turn_passes_it_on(order: str) -> None:
    limiter, books = ConcurrencyLimiter(1), Open()
    queue = WaitQueue(Admission(), [limiter, books])
    inside = Reservation()
    await queue.acquire(inside)
    unlucky, following = acquire(queue), acquire(queue)
    await steps()
    if order == "turn first":
        queue.release(inside)
    unlucky.cancel()
    if order == "cancellation first":
        queue.release(inside)
    await asyncio.wait([unlucky])
    assert unlucky.cancelled()
    await goes(following)
    assert (limiter.in_flight, books.inside) == (1, 1)


async def test_a_call_cancelled_in_the_instant_of_its_turn_was_not_sent_and_costs_nothing() -> None:
    budget = Budget(1.0)
    queue = WaitQueue(Admission(), [budget])
    inside = Reservation(usd=0.75)
    await queue.acquire(inside)
    unlucky = asyncio.create_task(queue.acquire(Reservation(usd=0.5)))
    await steps()
    inside.used_usd = 0.0
    queue.release(inside)
    unlucky.cancel()
    await asyncio.wait([unlucky])
    assert (budget.spent_usd, budget.reserved_usd) == (0.0, 0.0)


async def test_no_call_holds_one_limit_while_it_waits_for_another() -> None:
    place = ConcurrencyLimiter(1)
    admission = Admission()
    slow, fast = WaitQueue(admission, [Every(10), place]), WaitQueue(admission, [place])
    await slow.acquire(Reservation())
    slow.release(Reservation())
    waiting = acquire(slow)
    await steps()
    assert place.in_flight == 0
    assert fast.try_acquire(Reservation())
    await asyncio.sleep(20.0)
    assert not waiting.done()
    fast.release(Reservation())
    await goes(waiting)


@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_what_ends_in_one_line_lets_the_other_line_go_on(how: str) -> None:
    admission, slots = Admission(), ConcurrencyLimiter(1)
    one, other = WaitQueue(admission, [slots]), WaitQueue(admission, [slots])
    await one.acquire(Reservation())
    turn, waiting = acquire(one), acquire(other)
    await steps()
    one.release(Reservation())  # to `turn`
    if how == "cancel":
        turn.cancel()
    else:
        await goes(turn)
        one.release(Reservation())
    await goes(waiting)


async def test_a_call_that_never_fits_is_told_so_at_once_and_joins_no_line() -> None:
    queue = WaitQueue(Admission(), [Room(10)])
    await queue.acquire(Reservation(tokens=10))
    waiting = acquire(queue, 5)
    await steps()
    with pytest.raises(ItemTooLargeError):
        await queue.acquire(Reservation(tokens=11))
    queue.release(Reservation(tokens=10))
    await goes(waiting)


async def test_a_call_refused_when_its_turn_comes_holds_nobody_up() -> None:
    room = Room(10)
    queue = WaitQueue(Admission(), [room])
    with pytest.raises(BudgetExhaustedError):
        await queue.acquire(Reservation(tokens=0))
    await queue.acquire(Reservation(tokens=10))
    calls = [acquire(queue, tokens) for tokens in (4, 0, 6, 0, 1)]
    await steps()
    assert not any(call.done() for call in calls)
    queue.release(Reservation(tokens=10))
    await steps()
    assert [call.done() and type(call.exception()) for call in calls] == [
        *(type(None), BudgetExhaustedError, type(None), BudgetExhaustedError),
        False,
    ]
    calls[-1].cancel()


async def test_a_limit_that_breaks_harms_only_the_call_that_it_was_asked_about() -> None:
    class Broken(Room):
        def delay(self, reservation: Reservation, now: float) -> float:
            if reservation.tokens == 9 and not self.inside:
                raise ZeroDivisionError
            return super().delay(reservation, now)

    queue = WaitQueue(Admission(), [Broken(10)])
    await queue.acquire(Reservation(tokens=5))
    unlucky, following = acquire(queue, 9), acquire(queue, 2)
    await steps()
    queue.release(Reservation(tokens=5))
    await asyncio.wait([unlucky, following], timeout=1000.0)
    assert isinstance(unlucky.done() and unlucky.exception(), ZeroDivisionError)
    assert following.done()


async def test_close_sends_away_who_waits_and_who_comes_later_and_lets_calls_end() -> None:
    limiter, error = ConcurrencyLimiter(1), NotAttemptedError("over")
    admission = Admission()
    queue, other = WaitQueue(admission, [limiter]), WaitQueue(admission, [Every(60), limiter])
    await queue.acquire(Reservation())
    waiting = [acquire(one) for one in (queue, other, queue, other)]
    await steps()
    waiting[0].cancel()  # in the same instant
    queue.close(error)
    other.close(error)
    await asyncio.wait(waiting)
    assert [call.cancelled() or call.exception() for call in waiting] == [True, error, error, error]
    assert (queue.closed, other.closed, queue.waiting_for, list(admission.ring)) == (True, True, None, [])
    assert other._timer is None
    with pytest.raises(NotAttemptedError, match="over"):
        other.try_acquire(Reservation())
    queue.release(Reservation())
    assert limiter.in_flight == 0
    with pytest.raises(NotAttemptedError, match="over"):
        await queue.acquire(Reservation())


async def test_the_one_error_of_a_closed_line_does_not_grow_with_each_that_it_meets() -> None:
    error = NotAttemptedError("over")
    queue = WaitQueue(Admission(), [ConcurrencyLimiter(1)])
    await queue.acquire(Reservation())
    waiting = [acquire(queue) for _ in range(50)]
    await steps()
    queue.close(error)
    latency_model = set()
    for call in [*waiting, *[acquire(queue) for _ in range(50)]]:
        await asyncio.wait([call])
        trace, length = error.__traceback__, 0
        while trace is not None:
            trace, length = trace.tb_next, length + 1
        latency_model.add(length)
    assert max(latency_model) <= 4


async def test_it_says_what_the_first_in_line_waits_for() -> None:
    queue = WaitQueue(Admission(), [Every(12), Room(1)])
    assert queue.waiting_for is None
    await queue.acquire(Reservation(tokens=1))
    waiting = acquire(queue)
    await steps()
    assert queue.waiting_for == "room"
    queue.release(Reservation(tokens=1))
    assert queue.waiting_for == "the clock, 12 s"
    await asyncio.sleep(5.0)
    assert queue.waiting_for == "the clock, 7 s"
    waiting.cancel()
    await steps()
    assert queue.waiting_for is None


async def test_a_closed_queue_sends_away_who_comes_while_another_one_waits_for_the_same_limit() -> None:
    admission, limiter = Admission(), ConcurrencyLimiter(1)
    closed, other = WaitQueue(admission, [limiter]), WaitQueue(admission, [limiter])
    inside = Reservation()
    await other.acquire(inside)
    waiting = acquire(other)
    await steps()
    closed.close(NotAttemptedError("over"))
    late = acquire(closed)
    await steps()
    assert late.done() and isinstance(late.exception(), NotAttemptedError)
    other.release(inside)
    await goes(waiting)
