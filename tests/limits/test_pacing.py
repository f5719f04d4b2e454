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


def test_a_rate_is_measured_between_moments_of_a_full_window() -> None:
    pacer = Pacer()
    for _ in range(5):
        pacer.throttled(0.1, 0.0, 0.0)
    for _ in range(50):
        pacer.answered()
    pacer.throttled(0.1, 5.0, 10.0)  # 50 answers in 10 s
    pacer.reserve(Reservation(), 10.2)
    assert pacer.delay(10.2) == pytest.approx(1 / (0.98 * 5), rel=0.1)


def test_sparse_refusals_are_noise() -> None:
    pacer = Pacer()
    for number in range(200):
        if number % 20 == 0:
            pacer.throttled(0.1, float(number), float(number))
        pacer.answered()
    assert not pacer.active


def test_refusals_that_go_on_below_the_measured_rate_are_noise() -> None:
    pacer = Pacer()
    for _ in range(5):
        pacer.throttled(0.1, 0.0, 0.0)
    for _ in range(50):
        pacer.answered()
    pacer.throttled(0.1, 5.0, 10.0)
    assert pacer.active
    for number in range(6):
        pacer.throttled(0.1, 11.0 + number, 11.0 + number)
    assert not pacer.active
