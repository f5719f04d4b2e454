"""How many calls at once, found out while the batch runs: up to the knee of the endpoint and not past it.

Four known ideas, each for what it is good at:

- Start: doubling per round trip until a round is slower than the best before it: HyStart++ (RFC 9406).
- After that, hill climbing in monitor intervals: PCC (Dong et al., NSDI 2015; the growing steps and the utility
  gradient are Vivace's, NSDI 2018), as .NET's thread pool does for threads (Hellerstein et al., 2009). One interval at
  the limit, one beside it; the better one stays. There is no absolute baseline as in Vegas and Gradient2 (Netflix
  concurrency-limits), so none can grow stale: another model version twice as slow is no congestion.
- The utility is Little's law, throughput = calls under way / time per call; the time per call is put to the length of
  the answers by the regression seconds = a + b * output tokens.
- Throttles: CUBIC (RFC 9438; botocore's adaptive mode uses it for rates), with round trips as its clock.
"""

import math
from dataclasses import dataclass

from kaizen_batch.limits.base import Ticket
from kaizen_batch.limits.concurrency import ConcurrencyLimiter

_START = 8
_STEP_MIN, _STEP_FIRST, _STEP_MAX = 1.1, 1.3, 2.0  # factors between the limit and the one tried beside it
_FEW, _SHARE, _SURE = 16, 0.7, 1.2  # answers to an interval: at least, per call at once; standard errors that decide
_ELASTICITY = 0.85  # more calls pay while time grows by less than this power of them: 0 = no load, 1 = saturated
_SLOWER = 0.4  # a round of the start slower than the best one by this logarithm ends the start
_CHANGED = 0.4  # an interval off the earlier ones at the same limit by this logarithm: the endpoint changed
_REST_MAX = 8  # intervals between two probes while nothing changes
_ROUND = 0.3  # answers per call at once that let a round of the start pass
_LATE = 1.6  # a call this many times over its expected time does not raise the limit at the start
_FADE = 0.9  # weight of the earlier intervals in the regression
_CUT = 0.7  # what a throttle leaves of the limit
_CUBIC = 0.05  # calls per (round trip)^3
_OUTLIER = 10.0  # a call counts as at most so many times its expected time
_LONGEST = 1e7  # seconds or tokens; more than this is no measurement


@dataclass(slots=True)
class _Interval:
    """Sums over the answers to calls that were sent after `opened`: earlier ones saw another limit."""

    opened: float = -math.inf
    reached: int = 0
    known: bool = False
    calls: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    tokens_squared: float = 0.0
    product: float = 0.0
    seconds_squared: float = 0.0

    def add(self, seconds: float, tokens: int) -> None:
        self.calls += 1.0
        self.tokens += tokens
        self.seconds += seconds
        self.tokens_squared += tokens * tokens
        self.product += seconds * tokens
        self.seconds_squared += seconds * seconds

    def blend(self, other: "_Interval") -> None:
        """Count another interval at the same limit in, and half of what was before."""
        for name in ("calls", "tokens", "seconds", "tokens_squared", "product", "seconds_squared"):
            setattr(self, name, getattr(self, name) / 2 + getattr(other, name))


class _Lengths:
    """What share of a call's time goes with the length of its answer.

    The regression is within the intervals, each put to its own mean: the load differs between them.
    """

    def __init__(self) -> None:
        self._calls = self._tokens = self._covariance = self._variance = 0.0
        self._fixed, self._per_token = 1.0, 0.0
        self._mean, self._slope = math.inf, 0.0

    def learn(self, seen: _Interval) -> None:
        """Refit; older intervals fade."""
        mean = seen.seconds / seen.calls
        self._calls = _FADE * self._calls + seen.calls
        self._tokens = _FADE * self._tokens + seen.tokens
        self._variance = _FADE * self._variance + seen.tokens_squared - seen.tokens**2 / seen.calls
        if mean > 0:
            self._covariance = _FADE * self._covariance + seen.product / mean - seen.tokens
        usual = self._tokens / self._calls
        share = self._covariance / self._variance * usual if self._variance > 1e-9 else 0.0
        share = min(1.0, max(0.0, share))
        self._fixed, self._per_token = 1.0 - share, share / usual if usual else 0.0
        self._mean, self._slope = mean or math.inf, mean * self._per_token

    def clip(self, seconds: float, tokens: int) -> float:
        """One hanging call must not look like congestion."""
        return min(seconds, _OUTLIER * (self._mean + self._slope * tokens))

    def usual(self, seconds: float, tokens: int) -> bool:
        """Whether a call took no longer than the last interval's would have."""
        return seconds <= _LATE * (self._mean * self._fixed + self._slope * tokens)

    def slowness(self, seen: _Interval) -> tuple[float, float]:
        """Time per call of usual length, as a logarithm, and the variance of that: the ratio estimator's."""
        a, b = self._fixed, self._per_token
        work = seen.calls * a + seen.tokens * b
        if work <= 0 or seen.seconds <= 0:
            return -20.0, 0.0
        s = seen.seconds / work
        squares = a * a * seen.calls + 2 * a * b * seen.tokens + b * b * seen.tokens_squared
        rest = seen.seconds_squared - 2 * s * (a * seen.seconds + b * seen.product) + s * s * squares
        return math.log(s), max(0.0, rest) / seen.seconds**2

    def compare(self, seen: _Interval, other: _Interval) -> tuple[float, float]:
        """How much slower, as a logarithm, and the standard error of that."""
        (one, noise), (two, more) = self.slowness(seen), self.slowness(other)
        return one - two, math.sqrt(noise + more)


class _Climber:
    """The number of calls at which throughput is best, by trial."""

    def __init__(self, start: int, ceiling: int) -> None:
        self.limit = self.home = start
        self.starting = True
        self._ceiling = ceiling
        self._lengths = _Lengths()
        self._now = _Interval()
        self._then: _Interval | None = None
        self._up, self._step = False, _STEP_FIRST
        self._rest, self._rests = 0, 1
        self._want = self._most = 8

    def sent(self, in_flight: int) -> None:
        if in_flight > self._now.reached:
            self._now.reached = in_flight

    def answered(self, seconds: float, tokens: int, now: float) -> None:
        seen = self._now
        if self.starting and self.limit < self._bound() and self._lengths.usual(seconds, tokens):
            self.limit += 1
        if now - seconds < seen.opened:
            return
        seen.add(self._lengths.clip(seconds, tokens), tokens)
        if seen.calls >= self._want:
            self._close(now)

    def _bound(self) -> int:
        # Twice what was used, so that low demand proves nothing; twice the last round, so that each one is looked at.
        return min(self._ceiling, 2 * self._now.reached, 2 * self.home)

    def interrupt(self, now: float) -> None:
        """Something else holds the calls back: what was seen meanwhile says nothing."""
        self._open(self.home, now)

    def land(self, limit: int, now: float) -> None:
        """End the start here."""
        self.starting = False
        self._then = None
        self._open(limit, now)
        self.home = limit

    def _close(self, now: float) -> None:
        seen = self._now
        if seen.reached < 0.8 * self.limit and not self.starting:
            self._open(self.limit, now)
            return
        if not seen.known:
            seen.known = True
            self._lengths.learn(seen)
        if self.starting:
            self._next_round(seen, now)
        elif self.limit == self.home:
            self._at_home(seen, now)
        else:
            self._compare(seen, now)

    def _open(self, limit: int, now: float) -> None:
        self.limit = limit
        self._now = _Interval(opened=now)
        self._want = max(_FEW, int(_SHARE * limit))
        self._most = 2 * self._want + 32

    def _next_round(self, seen: _Interval, now: float) -> None:
        if self._then is None:
            self._then = seen
        slower, error = self._lengths.compare(seen, self._then)
        if slower > _SLOWER + _SURE * error:
            self.land(max(1, int(self.home * math.exp(-slower / 2))), now)
        elif seen.calls < _ROUND * self.home:
            self._want += 4
        elif self.home >= self._ceiling:
            self._step, self._rest, self._rests = _STEP_MIN, 2, 4
            self.land(self._ceiling, now)
        else:
            if slower < 0:
                self._then = seen
            self.home = self.limit
            self._now = _Interval(opened=now, reached=seen.reached)
            self._want = 8

    def _at_home(self, seen: _Interval, now: float) -> None:
        if self._then is None:
            self._then = seen
        else:
            slower, error = self._lengths.compare(seen, self._then)
            if abs(slower) < _CHANGED + error:
                self._then.blend(seen)
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

    def _compare(self, seen: _Interval, now: float) -> None:
        assert self._then is not None
        slower, error = self._lengths.compare(seen, self._then)
        more = math.log(self.limit / self.home)
        gain = _ELASTICITY * more - slower
        if abs(gain) < _SURE * error and seen.calls < self._most:
            self._want += self._want // 2
            return
        if gain > 0:
            self._move(seen, now)
        else:
            self._return(now)

    def _move(self, seen: _Interval, now: float) -> None:
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
    """What the endpoint's throttles leave: CUBIC, with round trips as its clock."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.limit = self._plateau = float(ceiling)
        self._rounds = self._to_plateau = 0.0

    def cut(self, limit: int) -> None:
        """Come down from a limit that was throttled; the plateau to return to is one below it."""
        self.limit = max(1.0, _CUT * limit)
        self._plateau = max(self.limit, limit - 1.0)
        self._to_plateau = math.cbrt((self._plateau - self.limit) / _CUBIC)
        self._rounds = 0.0

    def answered(self) -> None:
        """One more answer at this limit."""
        self._rounds += 1.0 / self.limit
        self.limit = min(self._ceiling, self._plateau + _CUBIC * (self._rounds - self._to_plateau) ** 3)


class AdaptiveConcurrencyLimiter(ConcurrencyLimiter):
    """Between 1 and `max_concurrent` calls at once: as many as the endpoint bears.

    It begins at `start` (by default 8, or `max_concurrent` if that is less). Tell it of every answered call and of
    every throttle, on one clock, in seconds.
    """

    def __init__(self, max_concurrent: int, *, start: int | None = None) -> None:
        super().__init__(max_concurrent)
        self._limit = max(1, min(_START if start is None else start, max_concurrent))
        self._climber = _Climber(self._limit, max_concurrent)
        self._roof = _Roof(max_concurrent)
        self._held, self._full, self._flight = False, 0, 0
        self._cut_at = -math.inf

    @property
    def limit(self) -> int:
        """Calls that may be under way now."""
        return self._limit

    def take(self, ticket: Ticket, now: float) -> None:
        """Occupy a place."""
        super().take(ticket, now)
        if self.in_flight >= self._limit:
            self._full = self._limit
        self._climber.sent(self.in_flight)

    def settle(self, ticket: Ticket, now: float) -> None:
        """Free it."""
        super().settle(ticket, now)
        self._flight -= 1

    def answered(self, seconds: float, output_tokens: int, now: float) -> None:
        """A call was answered in so many seconds, with so many tokens (0 if unknown)."""
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
        self._limit = min(self._climber.limit, int(self._roof.limit))

    def throttled(self, now: float) -> None:
        """The endpoint asked for less: calls that were under way together count as one throttle."""
        if self._flight > 0 or now <= self._cut_at:
            return
        self._flight, self._cut_at = self.in_flight + 1, now
        if self._climber.starting:
            self._climber.land(self._limit, now)
        self._roof.cut(self._limit)
        self._limit = min(self._climber.limit, int(self._roof.limit))
