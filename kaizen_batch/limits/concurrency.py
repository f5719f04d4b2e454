"""How many calls at once: a fixed number, or one that adapts to what the endpoint sustains."""

import math
import sys
from collections.abc import Iterable

from kaizen_batch.limits.reservation import Limit, Reservation


class ConcurrencyLimiter:
    """At most `max_concurrent` calls at once.

    `in_flight` is how many are under way now, `limit` how many may be.
    """

    name = "a free slot"

    def __init__(self, max_concurrent: int) -> None:
        self.max_concurrent: int = max_concurrent
        self.limit: int = max_concurrent
        self.in_flight: int = 0

    def resize(self, max_concurrent: int) -> None:
        """Allow so many from now on; calls in flight go on."""
        self.max_concurrent = self.limit = max_concurrent

    def check(self, reservation: Reservation) -> None:
        """Every call fits."""

    def delay(self, reservation: Reservation, now: float) -> float:
        """0.0 while a slot is free; the next end of a call frees one."""
        return 0.0 if self.in_flight < self.limit else math.inf

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Take a slot."""
        self.in_flight += 1

    def commit(self, reservation: Reservation, now: float) -> None:
        """Free it."""
        self.in_flight -= 1

    def answered(self, seconds: float, output_tokens: int, now: float) -> None:
        """A call was answered in so many seconds."""

    def throttled(self, now: float) -> None:
        """The endpoint asked for less."""


def fixed_slots(limits: Iterable[Limit]) -> ConcurrencyLimiter:
    """The fixed number of slots among these limits; if there is none, one that holds no call back."""
    fixed = (limit for limit in limits if type(limit) is ConcurrencyLimiter)
    return next(fixed, ConcurrencyLimiter(sys.maxsize))
