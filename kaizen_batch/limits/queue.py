"""The one door in front of the endpoints: calls wait in line until every limit lets them through."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.reservation import JoiningLimit, Limit, Reservation


class Admission:
    """The lines of one run, one for each endpoint, and the limits that all of them share.

    >>> admission = Admission([ConcurrencyLimiter(10)])
    >>> line = admission.line([RateLimiter(requests_per_minute=500)])
    >>> await line.enter(ticket)
    >>> try: ...
    ... finally: line.leave(ticket)

    Invariants: a call goes only when every limit of its line says 0.0, and all of them book it in the same
    instant, so that nobody holds one permit while it waits for another; within a line first come, first served, but
    for those that are let `ahead`; what was entered is left exactly once, also when the waiting task is cancelled.
    One timer wakes a line; nobody polls.
    """

    def __init__(self, shared: Sequence[Limit]) -> None:
        self.clock: Callable[[], float] = _running_time  # a run puts its own loop's here, which is quicker
        self._shared = tuple(shared)
        self._lines: list[WaitQueue] = []

    def queue(self, own: Sequence[Limit] = ()) -> "WaitQueue":
        """A line that obeys its own limits and the shared ones."""
        queue = WaitQueue(self, (*own, *self._shared))
        self._lines.append(queue)
        return queue

    def wake(self) -> None:
        """Let through whatever may go now."""
        for queue in self._lines:
            if queue.waiters:
                queue.wake()

    def close(self, error: KaizenBatchError) -> None:
        """Let nobody through any more; see Line.close."""
        for queue in self._lines:
            queue.close(error)

    @property
    def waiting_for(self) -> str | None:
        """What the first call in a line waits for, with the seconds if they are known; None if nobody waits."""
        return next((text for queue in self._lines if (text := queue.waiting_for)), None)


def _running_time() -> float:
    return asyncio.get_running_loop().time()


class WaitQueue:
    """One line of waiting calls; made by Admission."""

    def __init__(self, admission: Admission, limits: tuple[Limit, ...]) -> None:
        self._admission = admission
        self._obey(limits)
        self._in_flight = 0
        self._tokens = 0
        self.waiters: deque[tuple[asyncio.Future[None], Reservation]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._error: KaizenBatchError | None = None
        self._blocked_by: Limit | None = None

    def _obey(self, limits: tuple[Limit, ...]) -> None:
        self._limits = limits
        # Bound once: this is on every item's way.
        self._delays = tuple(limit.delay for limit in limits)
        self._lasting = tuple(limit.delay for limit in limits if not isinstance(limit, ConcurrencyLimiter))
        self._reserves = tuple(limit.reserve for limit in limits)
        self._commits = tuple(limit.commit for limit in limits)

    def activate(self, limit: JoiningLimit) -> None:
        """Obey one more limit from now on; it is told how much is in flight."""
        if limit not in self._limits:
            limit.join(self._in_flight, self._tokens)
            self._obey((limit, *self._limits))

    async def acquire(self, reservation: Reservation, *, ahead: bool = False) -> None:
        """Wait for this call's turn, `ahead` of those who wait already.

        Raises: ItemTooLargeError at once for a call that no limit would ever let through,
        BudgetExhaustedError when its turn has come and cannot be paid, and what `close` was given."""
        if self.try_acquire(reservation):
            return
        self._check(reservation)
        turn = asyncio.get_running_loop().create_future()
        if ahead:
            self.waiters.appendleft((turn, reservation))
        else:
            self.waiters.append((turn, reservation))
        self.wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                reservation.used_tokens, reservation.used_usd = 0, 0.0
                self.release(reservation)  # its turn had come in the same instant
            else:
                self._admission.wake()  # the one behind may be smaller
            raise

    def _check(self, reservation: Reservation) -> None:
        for limit in self._limits:
            limit.check(reservation)

    def try_acquire(self, reservation: Reservation, now: float | None = None) -> bool:
        """Go now or not at all: False if anybody waits or any limit holds. `now` saves looking at the clock."""
        if self._error is not None:
            raise self._error.with_traceback(None)  # one instance for all: else its traceback grows with each
        if self.waiters:
            return False
        if now is None:
            now = self._admission.clock()
        try:
            for delay in self._delays:
                if delay(reservation, now) > 0:
                    return False
        except KaizenBatchError:
            self._check(reservation)  # that a call can never fit is worth more than what it has met first
            raise
        self._reserve(reservation, now)
        return True

    def only_crowded(self, reservation: Reservation) -> bool:
        """Whether nothing but the number of calls at once can hold this call back, so that its turn comes soon."""
        now = self._admission.clock()
        try:
            return not any(delay(reservation, now) for delay in self._lasting)
        except KaizenBatchError:
            return False

    def release(self, reservation: Reservation, now: float | None = None) -> None:
        """The call is over; what it used is on the ticket. `now` saves looking at the clock."""
        if now is None:
            now = self._admission.clock()
        self._in_flight -= 1
        self._tokens -= reservation.tokens
        for commit in self._commits:
            commit(reservation, now)
        self._admission.wake()

    def wake(self) -> None:
        """Let through from the front whoever may go now, and set the timer for the next."""
        waiters = self.waiters
        if not waiters:
            return
        now = self._admission.clock()
        while waiters:
            turn, reservation = waiters[0]
            if not turn.done():
                try:
                    delay = self._delay(reservation, now)
                except Exception as error:  # whatever it is, it is this call's, and not that of whoever has left
                    turn.set_exception(error)
                else:
                    if delay > 0:
                        self._wake_in(delay)
                        return
                    self._reserve(reservation, now)
                    turn.set_result(None)
            waiters.popleft()

    def close(self, error: KaizenBatchError) -> None:
        """Send everyone who waits, and whoever comes later, away with this error; calls in flight go on."""
        self._error = error
        self._wake_in(math.inf)
        while self.waiters:
            turn, _ = self.waiters.popleft()
            if not turn.done():
                turn.set_exception(error)

    @property
    def closed(self) -> bool:
        """Whether nobody is let through any more."""
        return self._error is not None

    @property
    def waiting_for(self) -> str | None:
        """What the first in line waits for, such as "the token window, 12 s"; None if nobody waits."""
        if not self.waiters or self._blocked_by is None:
            return None
        if self._timer is None:
            return self._blocked_by.name
        seconds = max(0.0, self._timer.when() - self._admission.clock())
        return f"{self._blocked_by.name}, {seconds:.0f} s"

    def _delay(self, reservation: Reservation, now: float) -> float:
        longest = 0.0
        for limit in self._limits:
            delay = limit.delay(reservation, now)
            if delay > longest:
                longest, self._blocked_by = delay, limit
        return longest

    def _reserve(self, reservation: Reservation, now: float) -> None:
        self._in_flight += 1
        self._tokens += reservation.tokens
        for reserve in self._reserves:
            reserve(reservation, now)

    def _wake_in(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay < math.inf:
            self._timer = asyncio.get_running_loop().call_later(delay, self.wake)
