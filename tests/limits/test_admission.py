"""The line in front of the endpoints: order, cancellation, errors, closing. Timers and random interleavings:
test_admission_waking."""

import asyncio
import math

import pytest

from kaizen_batch.errors import BudgetExhaustedError, NeverFitsError, NotAttemptedError
from kaizen_batch.limits import Admission, Budget, ConcurrencyLimiter, Ticket
from kaizen_batch.limits.admission import Line

pytestmark = pytest.mark.looptime(start=0)


class Open:
    """A limit that holds nobody and keeps the books of who came and went."""

    name = "nothing"

    def __init__(self) -> None:
        self.entered: list[Ticket] = []
        self.left: list[Ticket] = []

    def check(self, ticket: Ticket) -> None:
        pass

    def delay(self, ticket: Ticket, now: float) -> float:
        return 0.0

    def take(self, ticket: Ticket, now: float) -> None:
        self.entered.append(ticket)

    def settle(self, ticket: Ticket, now: float) -> None:
        self.left.append(ticket)

    @property
    def inside(self) -> int:
        return len(self.entered) - len(self.left)


class Joining(Open):
    """A limit that a line may take in later."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: list[tuple[int, int]] = []

    def join(self, in_flight: int, tokens: int) -> None:
        self.joined.append((in_flight, tokens))


class Every(Open):
    """One call in so many seconds: the wait is known."""

    name = "the clock"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.free_at = 0.0

    def delay(self, ticket: Ticket, now: float) -> float:
        return super().delay(ticket, now) + max(0.0, self.free_at - now)

    def take(self, ticket: Ticket, now: float) -> None:
        assert now >= self.free_at
        super().take(ticket, now)
        self.free_at = now + self.seconds


class Room(Open):
    """So many tokens at once: only the end of a call helps. No tokens at all are refused when their turn comes."""

    name = "room"

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens

    def check(self, ticket: Ticket) -> None:
        if ticket.tokens > self.tokens:
            raise NeverFitsError("too large")

    def delay(self, ticket: Ticket, now: float) -> float:
        taken = sum(one.tokens for one in self.entered) - sum(one.tokens for one in self.left)
        assert taken <= self.tokens
        if ticket.tokens == 0:
            raise BudgetExhaustedError("nothing is left")
        return super().delay(ticket, now) if taken + ticket.tokens <= self.tokens else math.inf


async def steps(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def enter(line: Line, tokens: int = 1) -> "asyncio.Task[None]":
    return asyncio.create_task(line.enter(Ticket(tokens=tokens)))


async def goes(*calls: "asyncio.Task[None]") -> None:
    """Wait for their turns; without a limit of time a lost one would hang the tests."""
    async with asyncio.timeout(10_000.0):
        for call in calls:
            await call


async def test_who_fits_goes_at_once_and_the_others_in_the_order_in_which_they_came() -> None:
    limiter = ConcurrencyLimiter(2)
    line = Admission([limiter]).line([])
    calls = [enter(line) for _ in range(6)]
    for gone in range(2, 6):
        await steps()
        assert [call.done() for call in calls] == [i < gone for i in range(6)]
        line.leave(Ticket())
        assert limiter.in_flight == 2  # the turn is handed on in the same instant
    await steps()
    assert calls[-1].done()
    assert limiter.peak == 2


async def test_a_small_call_does_not_overtake_a_large_one() -> None:
    line = Admission([Room(10)]).line([])
    inside = Ticket(tokens=5)
    await line.enter(inside)
    large, small = enter(line, 6), enter(line, 1)
    await steps()
    assert (large.done(), small.done(), line.try_enter(Ticket(tokens=1))) == (False, False, False)
    line.leave(inside)
    await goes(large, small)


async def test_the_one_behind_a_cancelled_call_goes_if_it_is_smaller() -> None:
    line = Admission([Room(10)]).line([])
    await line.enter(Ticket(tokens=5))
    large, small = enter(line, 6), enter(line, 5)
    await steps()
    large.cancel()
    await goes(small)


@pytest.mark.parametrize("order", ["turn first", "cancellation first"])
async def test_a_call_cancelled_in_the_instant_of_its_turn_passes_it_on(order: str) -> None:
    limiter, books = ConcurrencyLimiter(1), Open()
    line = Admission([limiter, books]).line([])
    inside = Ticket()
    await line.enter(inside)
    unlucky, following = enter(line), enter(line)
    await steps()
    if order == "turn first":
        line.leave(inside)
    unlucky.cancel()
    if order == "cancellation first":
        line.leave(inside)
    await asyncio.wait([unlucky])
    assert unlucky.cancelled()
    await goes(following)
    assert (limiter.in_flight, books.inside, limiter.peak) == (1, 1, 1)


async def test_a_call_cancelled_in_the_instant_of_its_turn_was_not_sent_and_costs_nothing() -> None:
    budget = Budget(1.0)
    line = Admission([budget]).line([])
    inside = Ticket(usd=0.75)
    await line.enter(inside)
    unlucky = asyncio.create_task(line.enter(Ticket(usd=0.5)))
    await steps()
    inside.used_usd = 0.0
    line.leave(inside)
    unlucky.cancel()
    await asyncio.wait([unlucky])
    assert (budget.spent_usd, budget.reserved_usd) == (0.0, 0.0)


async def test_nobody_holds_one_permit_while_it_waits_for_another() -> None:
    place = ConcurrencyLimiter(1)
    admission = Admission([place])
    slow, fast = admission.line([Every(10)]), admission.line([])
    await slow.enter(Ticket())
    slow.leave(Ticket())
    waiting = enter(slow)
    await steps()
    assert place.in_flight == 0
    assert fast.try_enter(Ticket())
    await asyncio.sleep(20.0)
    assert not waiting.done()
    fast.leave(Ticket())
    await goes(waiting)


@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_what_ends_in_one_line_lets_the_other_line_go_on(how: str) -> None:
    admission = Admission([ConcurrencyLimiter(1)])
    one, other = admission.line([]), admission.line([])
    await one.enter(Ticket())
    turn, waiting = enter(one), enter(other)
    await steps()
    one.leave(Ticket())  # to `turn`
    if how == "cancel":
        turn.cancel()
    else:
        await goes(turn)
        one.leave(Ticket())
    await goes(waiting)


async def test_a_call_that_never_fits_is_told_so_at_once_and_joins_no_line() -> None:
    line = Admission([Room(10)]).line([])
    await line.enter(Ticket(tokens=10))
    waiting = enter(line, 5)
    await steps()
    with pytest.raises(NeverFitsError):
        await line.enter(Ticket(tokens=11))
    line.leave(Ticket(tokens=10))
    await goes(waiting)


async def test_a_call_refused_when_its_turn_comes_holds_nobody_up() -> None:
    room = Room(10)
    line = Admission([room]).line([])
    with pytest.raises(BudgetExhaustedError):
        await line.enter(Ticket(tokens=0))
    await line.enter(Ticket(tokens=10))
    calls = [enter(line, tokens) for tokens in (4, 0, 6, 0, 1)]
    await steps()
    assert not any(call.done() for call in calls)
    line.leave(Ticket(tokens=10))
    await steps()
    assert [call.done() and type(call.exception()) for call in calls] == [
        *(type(None), BudgetExhaustedError, type(None), BudgetExhaustedError),
        False,
    ]
    calls[-1].cancel()


async def test_a_limit_that_breaks_harms_only_the_call_that_it_was_asked_about() -> None:
    class Broken(Room):
        def delay(self, ticket: Ticket, now: float) -> float:
            if ticket.tokens == 9 and not self.inside:
                raise ZeroDivisionError
            return super().delay(ticket, now)

    line = Admission([Broken(10)]).line([])
    await line.enter(Ticket(tokens=5))
    unlucky, following = enter(line, 9), enter(line, 2)
    await steps()
    line.leave(Ticket(tokens=5))
    await asyncio.wait([unlucky, following], timeout=1000.0)
    assert isinstance(unlucky.done() and unlucky.exception(), ZeroDivisionError)
    assert following.done()


async def test_close_sends_away_who_waits_and_who_comes_later_and_lets_calls_end() -> None:
    limiter, error = ConcurrencyLimiter(1), NotAttemptedError("over")
    admission = Admission([limiter])
    line, other = admission.line([]), admission.line([Every(60)])
    await line.enter(Ticket())
    waiting = [enter(one) for one in (line, other, line, other)]
    await steps()
    waiting[0].cancel()  # in the same instant
    admission.close(error)
    await asyncio.wait(waiting)
    assert [call.cancelled() or call.exception() for call in waiting] == [True, error, error, error]
    assert (line.closed, other.closed, admission.waiting_for) == (True, True, None)
    assert other._timer is None
    with pytest.raises(NotAttemptedError, match="over"):
        other.try_enter(Ticket())
    line.leave(Ticket())
    assert limiter.in_flight == 0
    with pytest.raises(NotAttemptedError, match="over"):
        await line.enter(Ticket())


async def test_the_one_error_of_a_closed_line_does_not_grow_with_each_that_it_meets() -> None:
    error = NotAttemptedError("over")
    line = Admission([ConcurrencyLimiter(1)]).line([])
    await line.enter(Ticket())
    waiting = [enter(line) for _ in range(50)]
    await steps()
    line.close(error)
    lengths = set()
    for call in [*waiting, *[enter(line) for _ in range(50)]]:
        await asyncio.wait([call])
        trace, length = error.__traceback__, 0
        while trace is not None:
            trace, length = trace.tb_next, length + 1
        lengths.add(length)
    assert max(lengths) <= 4


async def test_it_says_what_the_first_in_line_waits_for() -> None:
    admission = Admission([Room(1)])
    line = admission.line([Every(12)])
    assert admission.waiting_for is None
    await line.enter(Ticket(tokens=1))
    waiting = enter(line)
    await steps()
    assert admission.waiting_for == "room"
    line.leave(Ticket(tokens=1))
    assert admission.waiting_for == "the clock, 12 s"
    await asyncio.sleep(5.0)
    assert line.waiting_for == "the clock, 7 s"
    waiting.cancel()
    await steps()
    assert admission.waiting_for is None


async def test_a_limit_that_joins_later_knows_what_is_in_flight_and_sees_it_end() -> None:
    line, limit, calls = Admission([]).line(), Joining(), [Ticket(tokens=3), Ticket(tokens=4), Ticket(tokens=5)]
    for call in calls[:2]:
        await line.enter(call)
    line.awaken(limit)
    line.awaken(limit)
    await line.enter(calls[2])
    for call in calls:
        line.leave(call)
    assert (limit.joined, limit.entered, limit.left) == ([(2, 7)], [calls[2]], calls)
