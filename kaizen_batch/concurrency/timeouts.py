"""A time limit for each of many calls or waits, with one timer for all of them."""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's clock, to be looked at several times for each item."""
    # asyncio's own is the system's in a Python function, which takes twice as long; uvloop's is the same in whole
    # milliseconds, which is too coarse for a quick endpoint. A test's may be any.
    kind = type(loop)
    is_system = getattr(kind, "time", None) is asyncio.BaseEventLoop.time or kind.__module__.startswith("uvloop")
    return time.monotonic if is_system else loop.time


class Alarm:
    """One timer for the many moments at which something has to be looked at.

    >>> alarm = Alarm(asyncio.get_running_loop(), look)  # `look(now)` returns when it wants to look next; inf: never
    >>> if ends_at < alarm.at:
    ...     alarm.set(ends_at)

    It is set for the first moment, and anew when it rings, not for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[float], float]) -> None:
        self._loop = loop
        self._look = look
        self._timer: asyncio.TimerHandle | None = None
        self.at: float = math.inf

    def set(self, at: float) -> None:
        """Ring at this moment on the loop's clock, and not before; inf: never."""
        if self._timer is not None:
            self._timer.cancel()
        self.at = at
        self._timer = self._loop.call_at(at, self._ring) if at < math.inf else None

    def close(self) -> None:
        """Let go of the timer."""
        self.set(math.inf)

    def _ring(self) -> None:
        self.at = math.inf
        at = self._look(self._loop.time())
        if at < self.at:
            self.set(at)


class TimeLimits:
    """Cancels what lasts too long; what it was part of gets TimeoutError.

    >>> limits = TimeLimits(asyncio.get_running_loop())
    >>> with limits.until(loop.time() + 120.0):
    ...     await call()

    It does what `asyncio.timeout` does, at a fraction of its cost. A task has one limit at a time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: dict[asyncio.Task[Any] | None, float] = {}
        self._alarm = Alarm(loop, self._look)

    def until(self, ends_at: float) -> Self:
        """Limit what the current task does inside of `with`; `ends_at` is on the loop's clock."""
        self._ends[asyncio.current_task(self._loop)] = ends_at
        if ends_at < self._alarm.at:
            self._alarm.set(ends_at)
        return self

    def close(self) -> None:
        """Let go of the timer; nothing is under way any more."""
        self._alarm.close()

    def _look(self, now: float) -> float:
        for task in [task for task, ends_at in self._ends.items() if ends_at <= now]:
            del self._ends[task]
            if task is not None:
                task.cancel()
        return min(self._ends.values(), default=math.inf)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        if self._ends.pop(task, None) is not None or task is None:
            return
        # Its time was over. Where somebody else has cancelled it as well, that is what it hears.
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
