"""When requests go within a window: as fast as it allows, or evenly spaced.

A limit of 300 a minute says nothing about the second. Some servers let all 300 through at once; others enforce 5 a
second, or 50 in 10 s, under the same name. `Pacer` finds out, and it finds a rate where no limit is known at all.

- **probing** (the start of `auto`, if a rate is configured): requests on the even schedule go; of those ahead of it at
  most three are in flight. A server with short windows refuses three calls then, and not as many as are in flight.
- **free**: no spacing. Entered when the endpoint announces its window, or when a whole window was used ahead of the
  schedule without a refusal.
- **even**: one request each `period / limit`, and 1% more. Entered by a refusal while the configured windows had room.
- **learned**: refused without any known window, or even though evenly spaced, and more often than one call in five.
  Between two refusals a window is full at both ends, so the answers between them, divided by the time, are the
  endpoint's rate. It is used at 98% and grows, slowly at first and then faster (like CUBIC, RFC 9438), so that a higher
  limit is found and the known one costs few refusals. Before the first measurement the rate is what `Retry-After`
  suggests, doubling every second. Refusals that go on below the measured rate are no limit but noise: the rate is
  forgotten, and twice as many refusals are needed to learn one again.

Refusals of calls that were sent before the last change belong to it and change nothing.
"""

import math
from typing import Literal

from kaizen_batch.limits.reservation import Reservation

Pacing = Literal["auto", "burst", "even"]

_EARLY = 3
_SLACK = 1.01  # of the even spacing: a window of exactly `limit` spacings must not hold one more
_LAG_S = 0.05  # how far a late timer may be caught up
_SHARE = 0.98
_ENOUGH = 5.0  # refusals
_CONTRADICTIONS = 6
_APART_S = 0.5  # what comes together counts once
_FORGETS = 0.2  # of a refusal, with each answer: one in five is a limit, less is noise
_LEAST = 0.95  # of the rate before: what a measurement over a burst may leave
_PAUSED = 0.25
_GROWTH = 0.001  # a second
_ACCELERATION_S = 20.0
_MEASURABLE_S = 1.0
_MEASURABLE = 10
_LOOK_AGAIN_S = 0.5
_LEAST_WAIT_S = 0.01
_DEFAULT_WAIT_S = 1.0
_SLOWEST = 1 / 600


class Pacer:
    """Spaces the requests of one endpoint; `fair_s` is the time between them at the configured rate, 0.0 if none."""

    __slots__ = (
        "_answers",
        "_changed_at",
        "_contradicted_at",
        "_contradictions",
        "_early",
        "_enough",
        "_epoch_at",
        "_evidence",
        "_fair_s",
        "_grows_from",
        "_interval_s",
        "_may_learn",
        "_measured",
        "_next_at",
        "_pause_s",
        "_probing",
        "_rate",
        "active",
    )

    def __init__(self, pacing: Pacing = "auto", fair_s: float = 0.0) -> None:
        self._fair_s = fair_s * _SLACK
        self._may_learn = pacing == "auto"
        self._probing = pacing == "auto" and fair_s > 0
        self._interval_s = self._fair_s if pacing == "even" else 0.0
        self._next_at = -math.inf
        self._early = 0
        self._changed_at = self._grows_from = -math.inf
        self._epoch_at = -math.inf
        self._pause_s = 0.0
        self._answers = 0
        self._evidence = 0.0
        self._enough = _ENOUGH
        self._contradictions = 0
        self._contradicted_at = -math.inf
        self._rate: float | None = None
        self._measured = False
        self.active: bool = self._probing or self._interval_s > 0

    def delay(self, now: float) -> float:
        """Seconds until the next request may go, or until asking again makes sense."""
        if self._probing:
            return 0.0 if self._next_at <= now or self._early < _EARLY else self._next_at - now
        wait_s = self._next_at + self._spacing_s(now) - now
        if wait_s <= 0:
            return 0.0
        return wait_s if self._measured or self._rate is None else min(wait_s, _LOOK_AGAIN_S)

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Book a request that goes now."""
        if self._probing:
            if self._next_at > now:
                reservation.early = True
                self._early += 1
            self._next_at = max(self._next_at, now) + self._fair_s
        else:
            # The moment on the schedule, so that a late timer is caught up.
            spacing_s = self._spacing_s(now)
            self._next_at = max(self._next_at + spacing_s, now - min(_LAG_S, spacing_s / 2))

    def commit(self, reservation: Reservation) -> None:
        """An early call has ended."""
        reservation.early = False
        self._early -= 1

    def answered(self) -> None:
        """A call was answered: it counts in the rate that is measured."""
        self._answers += 1
        if self._evidence:
            self._evidence = max(0.0, self._evidence - _FORGETS)

    def window_is_known(self) -> None:
        """Requests may come in bursts: the endpoint announced its window, or let a whole one through at once."""
        if self._probing:
            self._probing, self._next_at, self.active = False, -math.inf, self._interval_s > 0

    def throttled(self, retry_after_s: float | None, sent_at: float, now: float) -> None:
        """A call that was sent at `sent_at` was refused, though no known window was full."""
        if not self._may_learn or sent_at < self._changed_at:
            return
        if self._fair_s and not self._interval_s:
            self._probing, self._interval_s = False, self._fair_s
        elif not self._is_limited(now):
            return
        else:
            self._learn(retry_after_s, now)
        self._evidence, self._contradictions = 0.0, 0
        self._changed_at = self._next_at = now
        self._grows_from = now + (retry_after_s or 0.0)
        self.active = True

    def _is_limited(self, now: float) -> bool:
        """Whether refusals come so often that they must be those of a rate limit, and not of a busy server."""
        self._evidence += 1.0
        if self._rate is None:
            return self._evidence >= self._enough
        if not self._measured or self._current(now) >= self._rate:
            return True
        if now >= self._contradicted_at + _APART_S:
            self._contradicted_at = self._changed_at = now
            self._contradictions += 1
            self._rate *= _SHARE
        if self._contradictions >= _CONTRADICTIONS:
            # Refused as before, although slower than the measured rate: slowing down does not help.
            self._rate, self._measured, self._evidence = None, False, 0.0
            self._contradictions = 0
            self._enough *= 2
            self.active = self._interval_s > 0
        return False

    def _learn(self, retry_after_s: float | None, now: float) -> None:
        rate, elapsed_s = self._rate, now - self._epoch_at
        if rate is None:
            self._rate = 1 / max(retry_after_s or _DEFAULT_WAIT_S, _LEAST_WAIT_S)
        elif elapsed_s >= _MEASURABLE_S and self._answers >= _MEASURABLE:
            measured = self._answers / elapsed_s
            # A window that was filled in one burst stands empty for a while: that is not the endpoint's rate.
            burst = self._measured and self._pause_s > _PAUSED * elapsed_s
            self._rate, self._measured = max(measured, rate * _LEAST) if burst else measured, True
        else:
            # Too early to tell. The epoch goes on: its beginning was a moment of a full window too.
            lower = rate * _SHARE if self._measured else self._current(now) / 2
            self._rate = max(lower, self._answers / max(elapsed_s, 1.0), _SLOWEST)
            return
        self._epoch_at, self._answers, self._pause_s = now, 0, retry_after_s or 0.0

    def _current(self, now: float) -> float:
        assert self._rate is not None
        age_s = max(0.0, now - self._grows_from)
        if self._measured:
            return self._rate * _SHARE * (1 + _GROWTH * age_s * (1 + age_s / _ACCELERATION_S))
        return self._rate * float(2.0 ** min(age_s, 20.0))

    def _spacing_s(self, now: float) -> float:
        return max(self._interval_s, 1 / self._current(now)) if self._rate is not None else self._interval_s
