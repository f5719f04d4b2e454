"""How many calls at once: a fixed number, or one that adapts to what the endpoint bears."""

import math

from kaizen_batch.limits.reservation import Reservation


class ConcurrencyLimiter:
    """At most `max_concurrent` calls at once.

    `in_flight` is how many are under way now, `peak` the most there ever were, `limit` how many may be.
    """

    name = "a free place"

    def __init__(self, max_concurrent: int) -> None:
        self.max_concurrent = max_concurrent
        self.limit: int = max_concurrent
        self.in_flight: int = 0
        self.peak: int = 0

    def check(self, reservation: Reservation) -> None:
        """Every call fits."""

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 while a place is free; the next end of a call frees one."""
        return 0.0 if self.in_flight < self.limit else math.inf

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Occupy a place."""
        self.in_flight += 1
        if self.in_flight > self.peak:
            self.peak = self.in_flight

    def commit(self, reservation: Reservation, now: float) -> None:
        """Free it."""
        self.in_flight -= 1

    def answered(self, seconds: float, output_tokens: int, now: float) -> None:
        """A call was answered in so many seconds."""

    def throttled(self, now: float) -> None:
        """The endpoint asked for less."""
