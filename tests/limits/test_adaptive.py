"""The adaptive limit against a model of an endpoint with a hidden knee, in virtual time."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch.limits.adaptive import AdaptiveConcurrencyLimiter
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.reservation import Reservation

RESERVATION = Reservation()
OVERHEAD = 20


@dataclass
class Endpoint:
    """Latency 1 s up to the knee, then with the square of the calls under way; noise; answers of 1 to 500 tokens."""

    knee: float
    sigma: float = 0.2
    mixed: bool = True
    soft: bool = False
    throttles_above: float = math.inf
    bad: tuple[int, float, float, float] = (0, 0, 1.0, 1.0)  # from call, to call, factor on the knee, on the latency
    sent: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    def call(self, in_flight: int) -> tuple[float, int]:
        self.sent += 1
        first, last, knee_factor, factor = self.bad
        bad = first <= self.sent < last
        knee = self.knee * (knee_factor if bad else 1.0)
        tokens = self.dice.randint(1, 500) if self.mixed else 250
        slower = 1.0 + in_flight / knee if self.soft else max(1.0, in_flight / knee) ** 2
        seconds = (OVERHEAD + tokens) / (OVERHEAD + 250) * slower
        return seconds * (factor if bad else 1.0) * math.exp(self.dice.gauss(0, self.sigma)), tokens


@dataclass
class Run:
    ended: list[float]
    limits: list[int]
    throttles: int

    def throughput(self, first: int = 0, last: int | None = None) -> float:
        ended = [0.0, *self.ended]
        last = len(self.ended) if last is None else last
        return (last - first) / (ended[last] - ended[first])


def run(limiter: ConcurrencyLimiter, endpoint: Endpoint, items: int) -> Run:
    now, todo, number = 0.0, items, 0
    under_way: list[tuple[float, int, float, int]] = []
    done = Run([], [], 0)
    while len(done.ended) < items:
        while todo and limiter.delay(RESERVATION, now) == 0:
            limiter.reserve(RESERVATION, now)
            todo, number = todo - 1, number + 1
            refused = limiter.in_flight > endpoint.throttles_above
            seconds, tokens = (0.05, -1) if refused else endpoint.call(limiter.in_flight)
            heapq.heappush(under_way, (now + seconds, number, seconds, tokens))
        now, _, seconds, tokens = heapq.heappop(under_way)
        limiter.commit(RESERVATION, now)
        if tokens < 0:
            limiter.throttled(now)
            todo, done.throttles = todo + 1, done.throttles + 1
        else:
            limiter.answered(seconds, tokens, now)
            done.ended.append(now)
        done.limits.append(limiter.limit)
    return done


def best_fixed(endpoint: Callable[[], Endpoint], knee: int, ceiling: int, items: int) -> float:
    grid = {min(ceiling, size) for size in (round(knee / 1.15), knee, round(knee * 1.15), ceiling)}
    return max(run(ConcurrencyLimiter(size), endpoint(), items).throughput() for size in grid)


def shares_of_the_best(knee: int, ceiling: int, sigma: float, mixed: bool, items: int, seeds: int) -> list[float]:
    """Throughput over that of the best fixed value, for each seed, the smallest first."""
    shares = []
    for seed in range(seeds):

        def endpoint(seed: int = seed) -> Endpoint:
            return Endpoint(knee, sigma, mixed, dice=random.Random(seed))

        adaptive = run(AdaptiveConcurrencyLimiter(ceiling), endpoint(), items).throughput()
        shares.append(adaptive / best_fixed(endpoint, knee, ceiling, items))
    return sorted(shares)


@pytest.mark.parametrize(
    ("knee", "ceiling", "sigma", "mixed"),
    [
        (4, 64, 0.1, False),
        (4, 64, 0.2, True),
        (12, 64, 0.3, True),
        (12, 64, 0.1, False),
        (40, 64, 0.2, True),
        (40, 100, 0.2, True),
        (64, 64, 0.3, True),
    ],
)
def test_90_percent_of_the_best_fixed_value(knee: int, ceiling: int, sigma: float, mixed: bool) -> None:
    shares = shares_of_the_best(knee, ceiling, sigma, mixed, items=3000, seeds=5)
    assert shares[2] >= 0.9
    assert shares[0] >= 0.88


def test_an_endpoint_without_a_knee_costs_some_round_trips_at_the_start() -> None:
    assert shares_of_the_best(1000, 100, 0.2, False, items=3000, seeds=3)[0] >= 0.84
    assert shares_of_the_best(1000, 100, 0.2, False, items=10_000, seeds=3)[0] >= 0.93


@pytest.mark.parametrize(("knee", "share"), [(4, 0.5), (12, 0.55), (40, 0.38)])
def test_small_batches(knee: int, share: float) -> None:
    for mixed in (False, True):
        assert shares_of_the_best(knee, 64, 0.2, mixed, items=50, seeds=9)[4] >= share


@pytest.mark.parametrize("knee", [4, 12, 40])
def test_time_that_grows_with_every_call(knee: int) -> None:
    """time = 1 + n / knee: more calls always pay, ever less."""
    soft = Endpoint(knee, soft=True)
    ceiling = run(ConcurrencyLimiter(64), soft, 3000).throughput()
    adaptive = run(AdaptiveConcurrencyLimiter(64), Endpoint(knee, soft=True), 3000).throughput()
    assert adaptive >= 0.75 * ceiling


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("knee", [4, 12, 40])
def test_backs_off_in_a_brown_out_and_is_back_within_500_items(knee: int, seed: int) -> None:
    endpoint = Endpoint(knee, bad=(1500, 2500, 0.5, 5.0), dice=random.Random(seed))
    done = run(AdaptiveConcurrencyLimiter(64), endpoint, 4500)
    assert min(done.limits[1500:2500]) <= max(1, knee // 2)
    assert done.throughput(3000, 4400) >= 0.9 * done.throughput(800, 1480)


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("knee", [4, 40])
def test_another_latency_for_good_is_no_congestion(knee: int, factor: float) -> None:
    done = run(AdaptiveConcurrencyLimiter(64), Endpoint(knee, bad=(1500, math.inf, 1.0, factor)), 4000)
    assert done.throughput(2000, 3900) >= 0.88 * knee / factor


@pytest.mark.parametrize("most", [3, 12, 40])
def test_stays_near_what_is_not_throttled(most: int) -> None:
    done = run(AdaptiveConcurrencyLimiter(64), Endpoint(1000, throttles_above=most), 3000)
    assert done.throughput() >= 0.84 * most
    assert done.throttles <= 300


def test_a_burst_of_throttles_counts_once() -> None:
    limiter = AdaptiveConcurrencyLimiter(64, start=50)
    for _ in range(50):
        limiter.reserve(RESERVATION, 0.0)
    for number in range(50):
        limiter.commit(RESERVATION, 1.0 + number / 100)
        limiter.throttled(1.0 + number / 100)
    assert limiter.limit == 35


def test_climbs_from_the_floor() -> None:
    done = run(AdaptiveConcurrencyLimiter(64, start=1), Endpoint(40), 1500)
    assert done.throughput(500, 1400) >= 0.8 * 40


def test_low_demand_proves_nothing() -> None:
    limiter = AdaptiveConcurrencyLimiter(64)
    for number in range(2000):
        for _ in range(3):
            limiter.reserve(RESERVATION, float(number))
        for _ in range(3):
            limiter.commit(RESERVATION, number + 1.0)
            limiter.answered(1.0, 100, number + 1.0)
    assert limiter.limit <= 6


@pytest.mark.parametrize(("ceiling", "start", "limit"), [(64, None, 5), (3, None, 3), (1, None, 1), (4, 9, 4)])
def test_begins_at_a_sensible_value(ceiling: int, start: int | None, limit: int) -> None:
    assert AdaptiveConcurrencyLimiter(ceiling, start=start).limit == limit


CALLS = st.tuples(
    st.sampled_from(["answered", "throttled", "take", "settle"]),
    st.floats(min_value=0, allow_nan=False),
    st.integers(min_value=0, max_value=10**400) | st.integers(min_value=0, max_value=500),
    st.floats(min_value=0, max_value=10),
)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 100), st.lists(CALLS, max_size=200))
def test_whatever_it_is_told_the_limit_is_in_bounds(ceiling: int, calls: list[tuple[str, float, int, float]]) -> None:
    limiter, now = AdaptiveConcurrencyLimiter(ceiling), 0.0
    for what, seconds, tokens, later in calls:
        now += later
        if what == "answered":
            limiter.answered(seconds, tokens, now)
        elif what == "throttled":
            limiter.throttled(now)
        elif what == "take":
            limiter.reserve(RESERVATION, now)
        elif limiter.in_flight:
            limiter.commit(RESERVATION, now)
        assert 1 <= limiter.limit <= ceiling
