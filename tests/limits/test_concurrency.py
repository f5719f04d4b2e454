"""A fixed number of calls at once; the line in front of it is tested in test_admission."""

import math
import sys

import pytest

from kaizen_batch.limits import AdaptiveConcurrencyLimiter, ConcurrencyLimiter, Limit, RateLimiter, Reservation
from kaizen_batch.limits.concurrency import fixed_slots


def test_it_is_a_limit() -> None:
    limit: Limit = ConcurrencyLimiter(3)
    limit.check(Reservation(tokens=10**9, usd=1e9))
    assert limit.name == "a free slot"


@pytest.mark.parametrize("places", [1, 2, 10])
def test_a_call_waits_for_the_end_of_another_when_all_places_are_taken(places: int) -> None:
    limiter = ConcurrencyLimiter(places)
    for _ in range(places):
        assert limiter.delay(Reservation(), 0.0) == 0.0
        limiter.reserve(Reservation(), 0.0)
    assert limiter.delay(Reservation(), 0.0) == math.inf
    limiter.commit(Reservation(), 1.0)
    assert limiter.delay(Reservation(), 1.0) == 0.0


def test_a_smaller_size_lets_calls_in_flight_end_and_a_larger_one_lets_more_in() -> None:
    limiter = ConcurrencyLimiter(3)
    for _ in range(3):
        limiter.reserve(Reservation(), 0.0)
    limiter.resize(2)
    limiter.commit(Reservation(), 0.0)
    assert limiter.delay(Reservation(), 0.0) == math.inf
    limiter.resize(4)
    assert (limiter.delay(Reservation(), 0.0), limiter.in_flight, limiter.max_concurrent) == (0.0, 2, 4)


def test_a_fixed_limit_learns_nothing() -> None:
    limiter = ConcurrencyLimiter(5)
    limiter.throttled(0.0)
    limiter.answered(100.0, 1, 0.0)
    assert limiter.limit == limiter.max_concurrent == 5


def test_fixed_slots_are_found_among_other_limits() -> None:
    slots, adaptive = ConcurrencyLimiter(3), AdaptiveConcurrencyLimiter(2)
    assert fixed_slots([RateLimiter(), adaptive, slots]) is slots
    assert fixed_slots([adaptive]).limit == sys.maxsize
