"""A time limit for each of many calls or waits, with one timer for all of them."""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

K = TypeVar("K")


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """The loop's clock, to be looked at several times for each item."""
    # asyncio's own is the system's in a Python function, which takes twice as long; uvloop's is the same in whole
    # milliseconds, which is too coarse for a quick endpoint. A test's may be any.
    kind = type(loop)
    is_system = getattr(kind, "time", None) is asyncio.BaseEventLoop.time or kind.__module__.startswith("uvloop")
    return time.monotonic if is_system else loop.time


class Deadlines(Generic[K]):
    """Calls `expire` with each key whose time is over, and forgets it.

    >>> deadlines = Deadlines(asyncio.get_running_loop(), asyncio.Future.cancel)
    >>> deadlines.set(answer, loop.time() + 120.0)
    >>> deadlines.drop(answer)  # it has come
    True

    The one timer is set for the first that ends, and set anew when it fires, not for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[K], object]) -> None:
        self._loop = loop
        self._expire = expire
        self._ends: dict[K, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf

    def set(self, key: K, ends_at: float) -> None:
        """Its time is over at `ends_at` on the loop's clock; inf: never."""
        self._ends[key] = ends_at
        if ends_at < self._looks_at:
            self._look_at(ends_at)

    def drop(self, key: K) -> bool:
        """It has ended; whether that was in time."""
        return self._ends.pop(key, None) is not None

    def close(self) -> None:
        """Let go of the timer; nothing is under way any more."""
        self._look_at(math.inf)

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = when
        self._timer = self._loop.call_at(when, self._look) if when < math.inf else None

    def _look(self) -> None:
        now = self._loop.time()
        for key in [key for key, ends_at in self._ends.items() if ends_at <= now]:
            del self._ends[key]
            self._expire(key)
        self._look_at(min(self._ends.values(), default=math.inf))


class TimeLimits(Deadlines[asyncio.Task[Any] | None]):
    """Cancels calls that last too long; what they were part of gets TimeoutError.

    >>> limits = TimeLimits(asyncio.get_running_loop())
    >>> with limits.until(loop.time() + 120.0):
    ...     await call()

    It does what `asyncio.timeout` does, at a tenth of its cost. A task has one limit at a time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, lambda task: task and task.cancel())

    def until(self, ends_at: float) -> Self:
        """Limit what the current task does inside of `with`; `ends_at` is on the loop's clock."""
        self.set(asyncio.current_task(self._loop), ends_at)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        if self.drop(task) or task is None:
            return
        # Its time was over. Where somebody else has cancelled it as well, that is what it hears.
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
