"""Finds the best number of concurrent calls while the batch runs: up to the endpoint's knee, and not beyond it.

It combines four known algorithms:

- Start: at most double per round trip, until a round gains too little from its additional calls. This is slow start,
  ended as in BBR (Cardwell et al., 2016: more in flight brings no more bandwidth) and judged by the time per call, as
  in HyStart++ (RFC 9406).
- After that, hill climbing in monitor intervals: PCC (Dong et al., NSDI 2015; the growing steps and the utility
  gradient are Vivace's, NSDI 2018), as .NET's thread pool does for threads (Hellerstein et al., 2009). One interval at
  the limit, one next to it; the better one stays. Unlike Vegas and Gradient2 (Netflix concurrency-limits), it has no
  absolute baseline that could become stale: a new model version that is twice as slow is not congestion.
- The utility is Little's law, throughput = calls in flight / time per call; the time per call is normalized by
  answer length with a regression (latency_model.py).
- Throttles: CUBIC (RFC 9438; botocore's adaptive mode uses it for rates), with round trips as its clock.
"""

import math

from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.latency_model import Interval, LatencyModel
from kaizen_batch.limits.reservation import Reservation

_START = 5  # concurrent calls that no endpoint minds
_DOUBLING = 24  # up to here the start doubles per round trip; above, it adds this many
_PAYS = 0.75  # the start continues while the time per call grows by less than this power of the concurrency ...
_NO_SLOWER = 0.3  # ... or by less than this logarithm
_STEP_MIN, _STEP_FIRST, _STEP_MAX = 1.1, 1.21, 2.0  # factors between the limit and the one tried beside it
_FEW, _SHARE, _SURE = 16, 0.7, 1.2  # answers per interval: minimum, per call at once; standard errors to decide
_FEW_START, _SHARE_START = 8, 0.3  # the same for a round of the start phase
_ELASTICITY = 0.85  # more calls pay off while latency grows by less than this power: 0 = no load, 1 = saturated
_CHANGED = 0.4  # an interval that deviates by this logarithm from earlier ones at its limit: the endpoint changed
_REST_MAX = 16  # intervals between two probes while nothing changes
_CUT = 0.7  # the fraction of the limit that remains after a throttle
_CUBIC = 0.05  # calls per (round trip)^3
_LONGEST = 1e7  # seconds or tokens; a larger value is not a measurement


class _Climber:
    """Finds by trial the number of calls at which throughput is highest.

    `limit` is the number allowed now, `home` the best one known; they differ while another number is tried.
    """

    def __init__(self, start: int, ceiling: int) -> None:
        self.limit = self.home = start
        self.starting = True
        self._ceiling = ceiling
        self._latency_model = LatencyModel()
        self._now = Interval(start)
        self._then: Interval | None = None  # what the current interval is compared with
        self._credit = 0.0
        self._up, self._step = True, _STEP_FIRST
        self._rest, self._rests = 0, 1
        self._want = self._most = _FEW_START

    def resize(self, ceiling: int) -> None:
        """Stay at or below this number from now on."""
        self._ceiling = ceiling
        self.limit, self.home = min(self.limit, ceiling), min(self.home, ceiling)

    def sent(self, in_flight: int) -> None:
        """A call was sent; `in_flight` calls are now in flight."""
        if in_flight > self._now.reached:
            self._now.reached = in_flight

    def answered(self, seconds: float, tokens: int, now: float) -> None:
        """A call was answered."""
        seen = self._now
        if self.starting and not self._latency_model.late(seconds, tokens):
            self._grow()
        if now - seconds < seen.opened:
            return
        seen.add(self._latency_model.clip(seconds, tokens), tokens)
        if seen.calls >= self._want:
            self._close(now)

    def _grow(self) -> None:
        # At most twice what was used, since low demand proves nothing; at most twice the last round: each is judged.
        if self.limit < min(self._ceiling, 2 * self._now.reached, 2 * self.home):
            self._credit += min(1.0, _DOUBLING / self.limit)
            if self._credit >= 1.0:
                self._credit -= 1.0
                self.limit += 1

    def interrupt(self, now: float) -> None:
        """Something else limits the calls: discard what was measured meanwhile."""
        self._open(self.home, now)

    def land(self, limit: int, now: float) -> None:
        """End the start phase at this limit."""
        self.starting = False
        self._then = None
        self._open(limit, now)
        self.home = limit

    def _close(self, now: float) -> None:
        seen = self._now
        if seen.reached < 0.8 * self.limit and not self.starting:
            self._open(self.limit, now)
            return
        self._latency_model.learn(seen)
        if self._then is None:
            self._then = seen
        if self.starting:
            self._next_round(seen, self._then, now)
        elif self.limit == self.home:
            self._at_home(seen, self._then, now)
        else:
            self._compare(seen, self._then, now)

    def _open(self, limit: int, now: float) -> None:
        self.limit = limit
        self._now = Interval(limit, opened=now)
        self._want = max(_FEW, int(_SHARE * limit))
        self._most = 2 * self._want + 32

    def _next_round(self, seen: Interval, best: Interval, now: float) -> None:
        slower, error = self._latency_model.compare(seen, best)
        pays = _PAYS * math.log(seen.limit / best.limit)
        if slower > max(_NO_SLOWER, pays) + _SURE * error:
            self.land(max(1, int(seen.limit * math.exp(-slower / 2))), now)
        elif seen.calls < _SHARE_START * seen.limit:
            self._want += 4
        elif seen.limit >= self._ceiling:
            self._step, self._rest, self._rests = _STEP_MIN, 2, 4
            self.land(self._ceiling, now)
        else:
            if slower <= pays:
                self._then = seen
            self.home = self.limit
            self._now = Interval(self.home, opened=now, reached=seen.reached)
            self._want = _FEW_START

    def _at_home(self, seen: Interval, before: Interval, now: float) -> None:
        if seen is not before:
            slower, error = self._latency_model.compare(seen, before)
            if abs(slower) < _CHANGED + error:
                before.blend(seen)
            else:
                self._then, self._up = seen, slower < 0
                self._step, self._rest, self._rests = _STEP_FIRST, 0, 1
        if self._rest:
            self._rest -= 1
            self._open(self.home, now)
        else:
            self._open(self._beside(), now)

    def _beside(self) -> int:
        if self.home == (self._ceiling if self._up else 1):
            self._up = not self._up
        if self._up:
            return min(self._ceiling, max(self.home + 1, round(self.home * self._step)))
        return max(1, min(self.home - 1, round(self.home / self._step)))

    def _compare(self, seen: Interval, at_home: Interval, now: float) -> None:
        slower, error = self._latency_model.compare(seen, at_home)
        gain = _ELASTICITY * math.log(seen.limit / at_home.limit) - slower
        if abs(gain) < _SURE * error and seen.calls < self._most:
            self._want += self._want // 2
            return
        if gain > 0:
            self._move(seen, now)
        else:
            self._return(now)

    def _move(self, seen: Interval, now: float) -> None:
        self.home, self._then = self.limit, seen
        self._step, self._rests = min(_STEP_MAX, self._step**1.5), 1
        self._open(self._beside(), now)

    def _return(self, now: float) -> None:
        self._up = not self._up
        if self._step <= _STEP_MIN:
            self._rest, self._rests = self._rests, min(_REST_MAX, 2 * self._rests)
        self._step = max(_STEP_MIN, math.sqrt(self._step))
        self._open(self.home, now)


class _Roof:
    """The upper bound set by the endpoint's throttles: CUBIC, with round trips as its clock."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.limit = self._plateau = float(ceiling)
        self._rounds = self._to_plateau = 0.0

    def resize(self, ceiling: int) -> None:
        """Stay at or below this number from now on; a bound that no throttle has lowered rises with it."""
        whole = self.limit >= self._ceiling
        self._ceiling = ceiling
        self.limit = float(ceiling) if whole else min(self.limit, ceiling)
        self._plateau = float(ceiling) if whole else min(self._plateau, ceiling)

    def cut(self, limit: int) -> None:
        """Reduce a limit that was throttled; the plateau to return to is one below it."""
        self.limit = max(1.0, _CUT * limit)
        self._plateau = max(self.limit, limit - 1.0)
        self._to_plateau = math.cbrt((self._plateau - self.limit) / _CUBIC)
        self._rounds = 0.0

    def answered(self) -> None:
        """One more answer at this limit."""
        self._rounds += 1.0 / self.limit
        self.limit = min(self._ceiling, self._plateau + _CUBIC * (self._rounds - self._to_plateau) ** 3)


class AdaptiveConcurrencyLimiter(ConcurrencyLimiter):
    """Between 1 and `max_concurrent` calls at once: as many as the endpoint sustains.

    It begins at `start` (by default 5, or `max_concurrent` if that is less). Report every answered call and every
    throttle to it, on one clock, in seconds.
    """

    def __init__(self, max_concurrent: int, *, start: int | None = None) -> None:
        super().__init__(max_concurrent)
        self.limit: int = max(1, min(_START if start is None else start, max_concurrent))
        self._climber = _Climber(self.limit, max_concurrent)
        self._roof = _Roof(max_concurrent)
        self._held, self._full, self._level = False, 0, 0
        self._cut_at = -math.inf

    def resize(self, max_concurrent: int) -> None:
        """Allow at most this many from now on; what was learned stays."""
        self.max_concurrent = max_concurrent
        self._climber.resize(max_concurrent)
        self._roof.resize(max_concurrent)
        self.limit = min(self._climber.limit, int(self._roof.limit))

    def reserve(self, reservation: Reservation, now: float) -> None:
        """Take a slot."""
        super().reserve(reservation, now)
        if self.in_flight >= self.limit:
            self._full = self.limit
        self._climber.sent(self.in_flight)

    def commit(self, reservation: Reservation, now: float) -> None:
        """Free it."""
        super().commit(reservation, now)
        self._level -= 1

    def answered(self, seconds: float, output_tokens: int, now: float) -> None:
        """A call was answered in `seconds`, with `output_tokens` (0 if unknown)."""
        if not (0.0 <= seconds <= _LONGEST and 0 <= output_tokens <= _LONGEST):
            return
        if self._roof.limit < self._climber.limit:
            self._held = True
            if self._full > 0:
                self._full -= 1
                self._roof.answered()
        elif self._held:
            self._held = False
            self._climber.interrupt(now)
        else:
            self._climber.answered(seconds, output_tokens, now)
        self.limit = min(self._climber.limit, int(self._roof.limit))

    def throttled(self, now: float) -> None:
        """The endpoint throttled a call; throttles of calls that were in flight together count once."""
        if self._level > 0 or now <= self._cut_at:
            return
        self._level, self._cut_at = self.in_flight + 1, now
        if self._climber.starting:
            self._climber.land(self.limit, now)
        self._roof.cut(self.limit)
        self.limit = min(self._climber.limit, int(self._roof.limit))
