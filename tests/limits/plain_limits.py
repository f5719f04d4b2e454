"""The plainest limits of each kind, which keep books, and calls that wait for them in a queue."""

import asyncio
import math

from kaizen_batch.errors import BudgetExhaustedError, ItemTooLargeError
from kaizen_batch.limits import Reservation
from kaizen_batch.limits.queue import WaitQueue


class Open:
    """A limit that holds nobody back. It knows who came and went, and how often it was asked."""

    name = "nothing"

    def __init__(self) -> None:
        self.asked = 0
        self.acquired: list[Reservation] = []
        self.left: list[Reservation] = []

    def check(self, reservation: Reservation) -> None:
        pass

    def delay(self, reservation: Reservation, now: float) -> float:
        self.asked += 1
        return 0.0

    def reserve(self, reservation: Reservation, now: float) -> None:
        self.acquired.append(reservation)

    def commit(self, reservation: Reservation, now: float) -> None:
        self.left.append(reservation)

    @property
    def inside(self) -> int:
        return len(self.acquired) - len(self.left)


class Every(Open):
    """One call in so many seconds: the wait is known."""

    name = "the clock"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.free_at = 0.0

    def delay(self, reservation: Reservation, now: float) -> float:
        return super().delay(reservation, now) + max(0.0, self.free_at - now)

    def reserve(self, reservation: Reservation, now: float) -> None:
        assert now >= self.free_at
        super().reserve(reservation, now)
        self.free_at = now + self.seconds


class Room(Open):
    """So many tokens at once: only the end of a call helps. No tokens at all are refused when their turn comes."""

    name = "room"

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = self.free = tokens

    def check(self, reservation: Reservation) -> None:
        if reservation.tokens > self.tokens:
            raise ItemTooLargeError("too large")

    def delay(self, reservation: Reservation, now: float) -> float:
        if reservation.tokens == 0:
            raise BudgetExhaustedError("nothing is left")
        return super().delay(reservation, now) if reservation.tokens <= self.free else math.inf

    def reserve(self, reservation: Reservation, now: float) -> None:
        super().reserve(reservation, now)
        self.free -= reservation.tokens
        assert self.free >= 0

    def commit(self, reservation: Reservation, now: float) -> None:
        super().commit(reservation, now)
        self.free += reservation.tokens
        assert self.free <= self.tokens


async def steps(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def acquire(queue: WaitQueue, tokens: int = 1) -> "asyncio.Task[None]":
    return asyncio.create_task(queue.acquire(Reservation(tokens=tokens)))


async def goes(*calls: "asyncio.Task[None]") -> None:
    """Wait for their turns; without a limit of time a lost one would hang the tests."""
    async with asyncio.timeout(10_000.0):
        for call in calls:
            await call
