"""The wait queue of a run's calls to one endpoint; the rules that it keeps are those of `admission`."""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.limits.admission import Admission
from kaizen_batch.limits.concurrency import ConcurrencyLimiter, fixed_slots
from kaizen_batch.limits.reservation import NEVER_SENT, InFlight, JoiningLimit, Limit, Reservation
from kaizen_batch.limits.waiter import Waiter


class WaitQueue:
    """The calls of one run to one endpoint, waiting for their turn.

    >>> queue = WaitQueue(ADMISSION, [RateLimiter(requests_per_minute=500), ConcurrencyLimiter(10)])
    >>> await queue.acquire(reservation)
    >>> queue.release(reservation)  # in a `finally`

    `in_flight` counts the calls of its endpoint, over all its queues. `obeys` is the set of its limits, `waits_for`
    those that hold its first call back, each with the moment until which it does (inf: until a call ends).
    """

    def __init__(self, admission: Admission, limits: Iterable[Limit], in_flight: InFlight | None = None) -> None:
        admission.share()
        self._admission = admission
        self._ring = admission.ring
        self._lock, self._unlock = admission.lock.acquire, admission.lock.release
        self.in_flight: InFlight = in_flight or InFlight()
        self.waits_for: dict[Limit, float] = {}
        self._waiters: deque[Waiter] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf
        self._error: KaizenBatchError | None = None
        self._obey(tuple(limits))

    def _obey(self, limits: tuple[Limit, ...]) -> None:
        self._limits = limits
        self.obeys: frozenset[Limit] = frozenset(limits)
        # Every item needs these: the methods are bound once, and a fixed number of slots is counted in place.
        self._slots = fixed_slots(limits)
        booked = [limit for limit in limits if limit is not self._slots]
        self._delays = tuple(limit.delay for limit in limits) if self._error is None else (self._refuse,)
        self._lasting = tuple(limit.delay for limit in limits if not isinstance(limit, ConcurrencyLimiter))
        self._reserves = tuple(limit.reserve for limit in booked)
        self._commits = tuple(limit.commit for limit in booked)

    def activate(self, limit: JoiningLimit) -> None:
        """Obey one more limit from now on. The lock is held."""
        if limit not in self.obeys:
            self._obey((limit, *self._limits))

    def try_acquire(self, reservation: Reservation, now: float | None = None) -> bool:
        """Go now or not at all: False if a limit holds the call back, or somebody who waits for one of its limits.

        Raises: what `close` was given, and what `acquire` raises.
        """
        if now is None:
            now = asyncio.get_running_loop().time()
        admission, locked = self._admission, False
        try:
            admission.busy = True
            if admission.must_lock:
                admission.busy = False
                locked = self._lock()
            if self._ring and self._is_barred():
                return False
            for delay in self._delays:
                if delay(reservation, now) > 0:
                    return False
            # As in `_reserve`, without the cost of a call for each item.
            self._slots.in_flight += 1
            in_flight = self.in_flight
            in_flight.calls += 1
            in_flight.tokens += reservation.tokens
            for reserve in self._reserves:
                reserve(reservation, now)
            return True
        except KaizenBatchError:
            self._check(reservation)  # that a call can never fit matters more than what it met first
            raise
        finally:
            if locked:
                self._unlock()
            else:
                admission.busy = False

    def _is_barred(self) -> bool:
        """Whether a queue waits for a limit of this one."""
        return any(not self.obeys.isdisjoint(other.waits_for) for other in self._ring)

    def _check(self, reservation: Reservation) -> None:
        if self._error is not None:
            self._refuse(reservation, 0.0)
        for limit in self._limits:
            limit.check(reservation)

    def _refuse(self, reservation: Reservation, now: float) -> float:
        """The one limit of a closed queue."""
        assert self._error is not None
        raise self._error.with_traceback(None)  # one instance for all: else its traceback grows with each

    async def acquire(self, reservation: Reservation, *, ahead: bool = False) -> None:
        """Wait for this call's turn, `ahead` of those who wait already.

        Raises: ItemTooLargeError at once for a call that no limit would ever let through, BudgetExhaustedError when
        its turn has come and cannot be paid, and what `close` was given.
        """
        self._loop = loop = asyncio.get_running_loop()
        if self.try_acquire(reservation, loop.time()):
            return
        waiter = Waiter(reservation, loop.create_future())
        with self._admission.lock:
            self._check(reservation)
            self._waiters.insert(0 if ahead else len(self._waiters), waiter)
            self._ring.setdefault(self)
            self._admission.wake(self, loop.time())
        try:
            await waiter.turn
        except GeneratorExit:
            self._admission.abandon(self, partial(self._withdraw, waiter))
            raise
        except BaseException:
            with self._admission.lock:
                now = loop.time()
                self._withdraw(waiter, now)
                self._admission.wake(self, now)
            raise

    def waits_only_for_a_slot(self, reservation: Reservation) -> bool:
        """Whether nothing but the number of calls at once can hold this call back, so that its turn comes soon."""
        now = asyncio.get_running_loop().time()
        with self._admission.lock:
            try:
                return not any(delay(reservation, now) for delay in self._lasting)
            except KaizenBatchError:
                return False

    def release(self, reservation: Reservation, now: float | None = None) -> None:
        """The call is over; the reservation says what it used."""
        if now is None:
            now = asyncio.get_running_loop().time()
        admission, locked = self._admission, False
        try:
            admission.busy = True
            if admission.must_lock:
                admission.busy = False
                locked = self._lock()
            # As in `_end`, without the cost of a call for each item.
            self._slots.in_flight -= 1
            in_flight = self.in_flight
            in_flight.calls -= 1
            in_flight.tokens -= reservation.tokens
            for commit in self._commits:
                commit(reservation, now)
            if self._ring:
                admission.wake(self, now)
        finally:
            if locked:
                self._unlock()
            else:
                admission.busy = False

    def abandon(self, reservation: Reservation, now: float | None = None) -> None:
        """The call is over because its coroutine was closed by the garbage collector or by hand."""
        self._admission.abandon(self, partial(self._end, reservation))

    def _end(self, reservation: Reservation, now: float) -> None:
        self._slots.in_flight -= 1
        in_flight = self.in_flight
        in_flight.calls -= 1
        in_flight.tokens -= reservation.tokens
        for commit in self._commits:
            commit(reservation, now)

    def _withdraw(self, waiter: Waiter, now: float) -> None:
        """This call does not wait any more; if its turn had just come, that passes on."""
        if waiter.admitted:
            waiter.admitted = False
            waiter.reservation.used_tokens, waiter.reservation.used_usd = NEVER_SENT, 0.0
            self._end(waiter.reservation, now)
        waiter.gone = True

    def _reserve(self, reservation: Reservation, now: float) -> None:
        self._slots.in_flight += 1
        in_flight = self.in_flight
        in_flight.calls += 1
        in_flight.tokens += reservation.tokens
        for reserve in self._reserves:
            reserve(reservation, now)

    def serve(self, barred: dict[Limit, float], now: float) -> bool:
        """Let one call through, or send it away with its error; False if none may go. The lock is held.

        `barred` are the limits that queues before this one wait for; those that this one waits for are added.
        """
        waiters = self._waiters
        while waiters and waiters[0].gone:
            waiters.popleft()
        if not waiters:
            self.waits_for = {}
            self._ring.pop(self, None)
            return False
        first = waiters[0]
        try:
            self.waits_for = self._held_by(first.reservation, barred, now)
        except Exception as error:  # any error here belongs to this call, not to the one that was just released
            waiters.popleft().hand_over(error)
            return True
        if self.waits_for:
            barred.update(self.waits_for)
            self._look(max(self.waits_for.values()))
            return False
        waiters.popleft()
        self._reserve(first.reservation, now)
        first.admitted = True
        if not first.hand_over():
            self._withdraw(first, now)
            waiters.clear()  # their loop is closed
        return True

    def _held_by(self, reservation: Reservation, barred: dict[Limit, float], now: float) -> dict[Limit, float]:
        held = {limit: barred[limit] for limit in self._limits if limit in barred}
        delays = ((limit, limit.delay(reservation, now)) for limit in self._limits)
        return held or {limit: now + delay for limit, delay in delays if delay > 0}

    def close(self, error: KaizenBatchError) -> None:
        """Send everyone who waits, and whoever comes later, away with this error; calls in flight go on."""
        with self._admission.lock:
            self._error = error
            self._delays = (self._refuse,)
            while self._waiters:
                waiter = self._waiters.popleft()
                if not waiter.gone:
                    waiter.hand_over(error)
            self._disarm()
            if self._loop is not None:
                self._admission.wake(self, self._loop.time())  # it may have barred others

    @property
    def closed(self) -> bool:
        """Whether nobody is let through any more."""
        return self._error is not None

    @property
    def waiting_for(self) -> str | None:
        """What the first call waits for, such as "the token window, 12 s"; None if nobody waits."""
        waits_for = self.waits_for
        if not waits_for or self._loop is None:
            return None
        limit = max(waits_for, key=lambda limit: waits_for[limit])
        seconds = waits_for[limit] - self._loop.time()
        return limit.name if seconds == math.inf else f"{limit.name}, {max(0.0, seconds):.0f} s"

    def nudge(self) -> None:
        """Have this queue's loop look again."""
        if self._loop is not None:
            with suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(self._wake)

    def _look(self, at: float) -> None:
        """Look again then, unless a look before is planned already; that one plans the next."""
        if at >= self._looks_at or self._loop is None:
            return
        self._looks_at = at
        if self._loop is asyncio._get_running_loop():
            self._arm(self._loop, at)
            return
        try:
            self._loop.call_soon_threadsafe(self._arm_locked, self._loop, at)
        except RuntimeError:
            self._waiters.clear()  # their loop is closed

    def _arm_locked(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        with self._admission.lock:
            self._arm(loop, at)

    def _arm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._error is not None or (self._timer is not None and self._timer.when() <= at):
            return
        self._disarm()
        self._looks_at = at
        self._timer = loop.call_at(at, self._wake)

    def _disarm(self) -> None:
        self._looks_at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        assert self._loop is not None
        with self._admission.lock:
            self._disarm()
            self._admission.wake(self, self._loop.time())
