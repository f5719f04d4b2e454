"""Slots, which bound what a run holds in memory, and the turns of those who wait for one."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque


class Turns(ABC):
    """Waiting for a slot, first come, first served; a waiter that is cancelled passes its turn on.

    A subclass says when there is a slot, and completes the first of `_waiters` once there is one for it.
    """

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()

    @abstractmethod
    def try_acquire(self) -> bool:
        """Take a slot if there is one."""

    @abstractmethod
    def release(self) -> None:
        """Give a slot back."""

    async def acquire(self) -> None:
        """Take a slot, or wait until there is one."""
        if self.try_acquire():
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise


class Slots(Turns):
    """A fixed number of slots; `free` are those that nobody holds.

    asyncio.Semaphore does the same, but looks at every waiter on each release; here a release is O(1).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.free: int = size

    def try_acquire(self) -> bool:
        """Take a slot if one is free."""
        if self.free > 0:
            self.free -= 1
            return True
        return False

    def release(self) -> None:
        """Pass the slot to the next waiter, or keep it free."""
        waiters = self._waiters
        while waiters:
            turn = waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
