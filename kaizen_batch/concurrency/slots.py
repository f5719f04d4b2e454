"""A fixed number of slots, which bounds the items that a run holds in memory."""

import asyncio
from collections import deque


class Slots:
    """A fixed number of slots, first come, first served; `free` are those that nobody holds.

    asyncio.Semaphore does the same, but looks at every waiter on each release; here a release is O(1). A waiter
    that is cancelled passes its turn on.
    """

    def __init__(self, size: int) -> None:
        self.free: int = size
        self._waiters: deque[asyncio.Future[None]] = deque()

    def try_acquire(self) -> bool:
        """Take a slot if one is free."""
        if self.free > 0:
            self.free -= 1
            return True
        return False

    async def acquire(self) -> None:
        """Take a slot, or wait for one."""
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

    def release(self) -> None:
        """Pass the slot to the next waiter, or keep it free."""
        waiters = self._waiters
        while waiters:
            turn = waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
