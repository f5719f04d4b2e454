"""What holds a call back: how many at once, and the pause that a throttle asks of everyone."""

import asyncio
from types import TracebackType


class ConcurrencyLimiter:
    """At most `max_concurrent` calls at once.

    >>> limiter = ConcurrencyLimiter(5)
    >>> async def call():
    ...     async with limiter:
    ...         ...

    `in_flight` is how many are inside now, `peak` the most there ever were. First come, first served; a waiter
    that is cancelled passes its turn on.
    """

    def __init__(self, max_concurrent: int) -> None:
        self.max_concurrent = max_concurrent
        self.in_flight = 0
        self.peak = 0
        self._permits = asyncio.Semaphore(max_concurrent)

    async def __aenter__(self) -> None:
        await self._permits.acquire()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.in_flight -= 1
        self._permits.release()


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
