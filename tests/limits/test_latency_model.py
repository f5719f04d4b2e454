"""Time per call, normalized by answer length."""

import math
import random

import pytest

from kaizen_batch.limits.latency_model import Interval, LatencyModel


def interval(factor: float, *, tokens: tuple[int, int] = (1, 500), calls: int = 200, sigma: float = 0.0) -> Interval:
    """Calls that take (20 + tokens) hundredths of a second, times a factor and noise."""
    dice, seen = random.Random(3), Interval(limit=1)
    for _ in range(calls):
        length = dice.randint(*tokens)
        seen.add(factor * (20 + length) / 100 * math.exp(dice.gauss(0, sigma)), length)
    return seen


def test_longer_answers_are_no_slowness() -> None:
    latency_model, short, long = LatencyModel(), interval(1.0, tokens=(1, 300)), interval(1.0, tokens=(100, 500))
    for seen in (short, long):
        latency_model.learn(seen)
    slower, _ = latency_model.compare(long, short)
    assert long.seconds > 1.7 * short.seconds
    assert slower == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("factor", [0.5, 1.2, 3.0])
def test_a_slower_endpoint_is_seen_through_mixed_lengths(factor: float) -> None:
    latency_model, before, after = (
        LatencyModel(),
        interval(1.0, sigma=0.2),
        interval(factor, tokens=(1, 300), sigma=0.2),
    )
    latency_model.learn(before)
    slower, error = latency_model.compare(after, before)
    assert slower == pytest.approx(math.log(factor), abs=3 * error)
    assert 0.01 < error < 0.04


def test_the_error_shrinks_with_the_calls() -> None:
    latency_model, many, few = LatencyModel(), interval(1.0, sigma=0.3, calls=1600), interval(1.0, sigma=0.3, calls=100)
    latency_model.learn(many)
    (_, small), (_, large) = latency_model.compare(many, many), latency_model.compare(few, few)
    assert large == pytest.approx(4 * small, rel=0.3)


def test_answers_of_one_length_or_of_unknown_length() -> None:
    for tokens in ((250, 250), (0, 0)):
        latency_model, before, after = LatencyModel(), interval(1.0, tokens=tokens), interval(2.0, tokens=tokens)
        latency_model.learn(before)
        assert latency_model.compare(after, before) == pytest.approx((math.log(2.0), 0.0), abs=1e-6)


def test_a_call_is_late_for_its_length() -> None:
    latency_model = LatencyModel()
    assert not latency_model.late(1e6, 1)  # nothing is known yet
    latency_model.learn(interval(1.0))
    assert not latency_model.late(5.2, 500)
    assert latency_model.late(5.2, 200)


def test_a_hanging_call_counts_as_a_bounded_one() -> None:
    latency_model = LatencyModel()
    assert latency_model.clip(1e6, 10) == 1e6
    latency_model.learn(interval(1.0))
    assert latency_model.clip(2.0, 10) == 2.0
    assert latency_model.clip(1e6, 10) < 40.0


def test_an_interval_is_learned_once() -> None:
    latency_model, seen = LatencyModel(), interval(1.0)
    latency_model.learn(seen)
    before = dict(vars(latency_model))
    latency_model.learn(seen)
    assert vars(latency_model) == before


def test_calls_that_took_no_time_are_no_error() -> None:
    latency_model, nothing = LatencyModel(), Interval(limit=1)
    nothing.add(0.0, 0)
    latency_model.learn(nothing)
    slower, error = latency_model.compare(interval(1.0), nothing)
    assert slower > 0
    assert math.isfinite(error)


def test_what_was_seen_before_fades() -> None:
    old, new = interval(1.0, calls=100), interval(3.0, calls=100)
    for _ in range(10):
        old.blend(new)
    assert old.seconds / old.calls == pytest.approx(new.seconds / new.calls, rel=0.02)
