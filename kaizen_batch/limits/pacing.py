"""When requests go within a window: as fast as it allows, or evenly spaced.

A limit of 300 a minute says nothing about the second. Some servers let all 300 through at once; others enforce 5 a
second, or 50 in 10 s, under the same name. `Pacer` finds out, and it finds a rate where no limit is known at all.

- **probing** (the start of `auto`, if a rate is configured): requests on the even schedule go; of those ahead of it at
  most three are in flight. A server with short windows refuses three calls then, and not as many as are in flight.
- **free**: no spacing. Entered when the endpoint announces its window, or when a whole window was used ahead of the
  schedule without a refusal.
- **even**: one request each `period / limit`, and 1% more. Entered by a refusal while the configured windows had room.
- **learned**: refused without any known window, or even though evenly spaced; `learned_rate` has the rest.

Refusals of calls that were sent before the last change belong to it and change nothing.
"""

import math
from typing import Literal

from kaizen_batch.limits.learned_rate import LearnedRate
from kaizen_batch.limits.reservation import Reservation

Pacing = Literal["auto", "burst", "even"]

_EARLY = 3
_SLACK = 1.01  # of the even spacing: a window of exactly `limit` spacings must not hold one more
_TOO_CLOSE_S = 1e-4  # nobody enforces windows of so few milliseconds that requests this close would have to be spaced
_LAG_S = 0.05  # how far a late timer may be caught up


class Pacer:
    """Spaces the requests of one endpoint; `fair_s` is the time between them at the configured rate, 0.0 if none."""

    def __init__(self, pacing: Pacing = "auto", fair_s: float = 0.0) -> None:
        self._fair_s = fair_s * _SLACK
        self._may_learn = pacing == "auto"
        self._probing = pacing == "auto" and fair_s > _TOO_CLOSE_S
        self._interval_s = self._fair_s if pacing == "even" else 0.0
        self._next_at = self._changed_at = -math.inf
        self._early = 0
        self._learned = LearnedRate()
        self.active: bool = self._probing or self._interval_s > 0

    def delay(self, now: float) -> float:
        """Seconds until the next request may go, or until asking again makes sense."""
        if self._probing:
            return 0.0 if self._next_at <= now or self._early < _EARLY else self._next_at - now
        wait_s = self._next_at + self._interval_s - now if self._interval_s else 0.0
        return max(0.0, wait_s, self._learned.delay(now) if self._learned.active else 0.0)

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Book a request that goes now."""
        if self._probing:
            if self._next_at > now:
                reservation.early = True
                self._early += 1
            self._next_at = max(self._next_at, now) + self._fair_s
            return
        if self._interval_s:
            # The moment on the schedule, so that a late timer is caught up.
            self._next_at = max(self._next_at + self._interval_s, now - min(_LAG_S, self._interval_s / 2))
        if self._learned.active:
            self._learned.reserve(now)

    def commit(self, reservation: Reservation) -> None:
        """An early call has ended."""
        reservation.early = False
        self._early -= 1

    def answered(self) -> None:
        """A call was answered."""
        self._learned.answered()

    def window_is_known(self) -> None:
        """Requests may come in bursts: the endpoint announced its window, or let a whole one through at once."""
        if self._probing:
            self._probing, self._next_at, self.active = False, -math.inf, self._interval_s > 0

    def throttled(self, retry_after_s: float | None, sent_at: float, now: float, in_flight: int = 0) -> None:
        """A call that was sent at `sent_at` was refused, though no known window was full."""
        if not self._may_learn or sent_at < self._changed_at:
            return
        if self._fair_s and not self._interval_s:
            self._probing, self._interval_s = False, self._fair_s
            self._changed_at = self._next_at = now
        else:
            self._learned.throttled(retry_after_s, sent_at, now, in_flight)
        self.active = self._interval_s > 0 or self._learned.active
