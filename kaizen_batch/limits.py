"""What holds a call back: how many at once, and the pause that a throttle asks of everyone."""

import asyncio
from collections import deque
from types import TracebackType


class Slots:
    """A fixed number of places, handed on first come, first served.

    asyncio.Semaphore does the same, but looks at every waiter on each release; here a release is O(1). A waiter
    that is cancelled passes its turn on.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Take a place, or wait for one."""
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Hand a place to the next waiter, or keep it free."""
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class ConcurrencyLimiter:
    """At most `max_concurrent` calls at once.

    >>> limiter = ConcurrencyLimiter(5)
    >>> async def call():
    ...     async with limiter:
    ...         ...

    `in_flight` is how many are inside now, `peak` the most there ever were.
    """

    def __init__(self, max_concurrent: int) -> None:
        self.max_concurrent = max_concurrent
        self.in_flight = 0
        self.peak = 0
        self._slots = Slots(max_concurrent)

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.in_flight -= 1
        self._slots.release()


class Pause:
    """A gate that a throttle closes for everyone until a moment on the loop's clock.

    It has no timer of its own: `remaining_s` tells a caller how long to sleep, 0.0 when the gate is open.
    """

    def __init__(self) -> None:
        self._until = 0.0

    def hold(self, seconds: float) -> None:
        """Close the gate for so many seconds from now; an earlier, longer hold stays."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)

    @property
    def remaining_s(self) -> float:
        """Seconds until the gate opens, 0.0 when it is open."""
        return max(0.0, self._until - asyncio.get_running_loop().time()) if self._until else 0.0
