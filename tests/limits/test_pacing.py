"""Pacing: early calls are few, a refusal ends bursts, a rate is measured between refusals, and noise is no rate."""

import pytest

from kaizen_batch.limits.pacing import Pacer
from kaizen_batch.limits.reservation import Reservation


def send(pacer: Pacer, now: float) -> Reservation:
    call = Reservation()
    assert pacer.delay(now) == 0.0
    pacer.reserve(call, now)
    return call


def test_without_a_configured_rate_nothing_is_paced() -> None:
    pacer = Pacer()
    assert not pacer.active
    assert pacer.delay(0.0) == 0.0


def test_three_calls_may_be_ahead_of_the_even_schedule() -> None:
    pacer = Pacer("auto", fair_s=1.0)
    send(pacer, 0.0)
    early = [send(pacer, 0.0) for _ in range(3)]
    assert pacer.delay(0.0) > 0
    pacer.commit(early[0])
    assert pacer.delay(0.0) == 0.0


def test_a_window_that_was_used_early_allows_bursts() -> None:
    pacer = Pacer("auto", fair_s=1.0)
    pacer.window_is_known()
    assert not pacer.active


def test_a_refusal_spaces_the_calls_evenly() -> None:
    pacer = Pacer("auto", fair_s=1.0)
    send(pacer, 0.0)
    pacer.throttled(0.1, 0.0, 0.05)
    assert pacer.delay(0.05) == pytest.approx(1.01)
    pacer.reserve(Reservation(), 1.06)
    assert pacer.delay(1.06) == pytest.approx(1.01)


def test_even_pacing_begins_at_once_and_burst_never() -> None:
    even, burst = Pacer("even", fair_s=1.0), Pacer("burst", fair_s=1.0)
    send(even, 0.0)
    assert even.delay(0.0) == pytest.approx(1.01, abs=0.06)
    burst.throttled(1.0, 0.0, 0.1)
    assert not burst.active


def test_a_limit_is_learned_where_none_is_configured_and_beside_one() -> None:
    unknown = Pacer()
    for _ in range(5):
        unknown.throttled(0.1, 0.0, 0.1)
    assert unknown.active
    assert unknown.delay(0.1) > 0
    known = Pacer("auto", fair_s=0.01)
    for _ in range(6):
        known.throttled(5.0, 0.1, 0.1)  # the first one only ends the bursts
    assert known.delay(0.1) == pytest.approx(5.0)


def test_sparse_refusals_are_noise() -> None:
    pacer = Pacer()
    for number in range(200):
        if number % 20 == 0:
            pacer.throttled(0.1, float(number), float(number))
        pacer.answered()
    assert not pacer.active
