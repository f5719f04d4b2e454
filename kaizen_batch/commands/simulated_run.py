"""How long a run takes under its limits: each call is sent when the limits of a real run would let it go.

The rate windows are those of the engine, so that the first burst, the pacing and the wait for the window are the same.
Only the calls are made up: their times are drawn from a lognormal distribution, as those of models nearly are. Of a
long run the beginning is simulated, and the rest follows at the pace of its second half.
Source: N. Johnson, S. Kotz, N. Balakrishnan, "Continuous Univariate Distributions", vol. 1, 1994, chapter 14.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from statistics import NormalDist, fmean

from kaizen_batch.limits import RateLimit, RateLimiter, Reservation
from kaizen_batch.limits.pacing import Pacing
from kaizen_batch.limits.rate import CountsFrom

_SIMULATED = 6_000  # calls
_WINDOWS = 3  # of requests that are simulated at least
_MOST_SIMULATED = 60_000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """What bounds the speed: concurrent calls, and the rate limits."""

    max_concurrent: int
    rate_limits: Sequence[RateLimit] = ()
    pacing: Pacing = "auto"
    counts_from: CountsFrom = "auto"


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a run: how many, their mean time, its sigma (of the logarithm), and the tokens of each."""

    number: int
    seconds: float
    sigma: float
    tokens: int


def run_seconds(calls: Calls, pace: Pace) -> float:
    """The seconds from the first call to the end of the last."""
    if not calls.number:
        return 0.0
    windows = [limit.limit for limit in pace.rate_limits if limit.quantity == "requests"]
    simulated = min(max(_SIMULATED, _WINDOWS * max(windows, default=0)), _MOST_SIMULATED, calls.number)
    ends = _simulate(_times(calls, simulated), calls.tokens, pace)
    if simulated == calls.number:
        return max(ends)
    ends.sort()
    half = simulated // 2
    each_s = (ends[-1] - ends[half - 1]) / (simulated - half)
    return ends[-1] + each_s * (calls.number - simulated)


def _times(calls: Calls, simulated: int) -> list[float]:
    """The times of calls in a random order: the quantiles of their distribution."""
    normal = NormalDist()
    times = [math.exp(calls.sigma * normal.inv_cdf((n + 0.5) / simulated)) for n in range(simulated)]
    factor = calls.seconds / fmean(times)
    random.Random(_SEED).shuffle(times)
    return [seconds * factor for seconds in times]


def _simulate(times: Sequence[float], tokens: int, pace: Pace) -> list[float]:
    """When each call ends."""
    limiter = RateLimiter(pace.rate_limits, pacing=pace.pacing, counts_from=pace.counts_from)
    tokens = min(tokens, limiter.token_limit or tokens)
    in_flight: list[tuple[float, int, Reservation]] = []
    now, order, ends = 0.0, count(), list[float]()
    for seconds in times:
        reservation = Reservation(tokens, used_tokens=tokens)
        while True:
            wait_s = limiter.delay(reservation, now) if len(in_flight) < pace.max_concurrent else math.inf
            if wait_s <= 0:
                break
            now = _next(in_flight, limiter, now + wait_s + 1e-9)
        limiter.reserve(reservation, now)
        reservation.sent_at = now
        heappush(in_flight, (now + seconds, next(order), reservation))
        ends.append(now + seconds)
    return ends


def _next(in_flight: list[tuple[float, int, Reservation]], limiter: RateLimiter, until: float) -> float:
    """The next moment at which something changes: a call ends, or the wait is over."""
    if not in_flight or in_flight[0][0] > until:
        return until
    now, _, reservation = heappop(in_flight)
    limiter.commit(reservation, now)
    return now
