"""Time per call, normalized by answer length: what the adaptive limit compares."""

import math
from dataclasses import dataclass

_FADE = 0.9  # weight of the earlier intervals in the regression
_KEPT = 0.7  # weight of the earlier ones when another interval at the same limit is counted in
_LATE = 1.4  # a call this many times over its expected time is late
_OUTLIER = 10.0  # a call counts as at most so many times its expected time


@dataclass(slots=True)
class Interval:
    """Sums over the answers to calls that were sent after `opened`, under one limit: earlier ones saw another.

    `reached` is the most calls that were under way, `learned` whether the regression has had it.
    """

    limit: int
    opened: float = -math.inf
    reached: int = 0
    learned: bool = False
    calls: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    tokens_squared: float = 0.0
    product: float = 0.0
    seconds_squared: float = 0.0

    def add(self, seconds: float, tokens: int) -> None:
        """Count one answer."""
        self.calls += 1.0
        self.tokens += tokens
        self.seconds += seconds
        self.tokens_squared += tokens * tokens
        self.product += seconds * tokens
        self.seconds_squared += seconds * seconds

    def blend(self, other: "Interval") -> None:
        """Count in another interval at the same limit; what was before fades."""
        for name in ("calls", "tokens", "seconds", "tokens_squared", "product", "seconds_squared"):
            setattr(self, name, _KEPT * getattr(self, name) + getattr(other, name))


class LatencyModel:
    """What share of a call's time goes with the length of its answer: seconds = a + b * output tokens.

    The regression is within the intervals, each put to its own mean: the load differs between them.
    """

    def __init__(self) -> None:
        self._calls = self._tokens = self._covariance = self._variance = 0.0
        self._fixed, self._per_token = 1.0, 0.0
        self._mean, self._slope = math.inf, 0.0

    def learn(self, seen: Interval) -> None:
        """Refit, once for each interval; older ones fade."""
        if seen.learned:
            return
        seen.learned = True
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

    def late(self, seconds: float, tokens: int) -> bool:
        """Whether a call took clearly longer than it would have in the last interval."""
        return seconds > _LATE * (self._mean * self._fixed + self._slope * tokens)

    def compare(self, seen: Interval, other: Interval) -> tuple[float, float]:
        """How much slower `seen` is, as a logarithm, and the standard error of that."""
        (one, noise), (two, more) = self._slowness(seen), self._slowness(other)
        return one - two, math.sqrt(noise + more)

    def _slowness(self, seen: Interval) -> tuple[float, float]:
        """Time per call of usual length, as a logarithm, and the variance of that: the ratio estimator's."""
        a, b = self._fixed, self._per_token
        work = seen.calls * a + seen.tokens * b
        if work <= 0 or seen.seconds <= 0:
            return -20.0, 0.0
        s = seen.seconds / work
        squares = a * a * seen.calls + 2 * a * b * seen.tokens + b * b * seen.tokens_squared
        rest = seen.seconds_squared - 2 * s * (a * seen.seconds + b * seen.product) + s * s * squares
        return math.log(s), max(0.0, rest) / seen.seconds**2
