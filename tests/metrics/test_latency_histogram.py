"""The histogram of latencies: quantiles close to the exact ones, in constant memory."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.metrics import LatencyHistogram

DURATIONS = st.floats(min_value=1e-6, max_value=1e5)
SHARES = st.floats(min_value=0, max_value=1)


def histogram_of(values: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(values=st.lists(DURATIONS, min_size=1), q=SHARES)
def test_a_quantile_is_off_by_at_most_two_and_a_half_percent(values: list[float], q: float) -> None:
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    assert histogram_of(values).quantile(q) == pytest.approx(exact, rel=0.025)


@given(values=st.lists(DURATIONS), most=st.integers(1, 50))
def test_bars_are_adjacent_and_contain_every_value(values: list[float], most: int) -> None:
    bars = histogram_of(values).bars(most)
    assert len(bars) <= most
    assert sum(count for *_, count in bars) == len(values)
    assert all(before[1] == after[0] for before, after in pairwise(bars))
    for from_s, to_s, count in bars:
        inside = sum(from_s * 0.999 < value < to_s * 1.001 for value in values)
        assert count <= inside


@given(values=st.lists(DURATIONS, min_size=1), q=SHARES)
def test_no_quantile_is_above_the_greatest_value(values: list[float], q: float) -> None:
    assert histogram_of(values).quantile(q) <= max(values)


@given(values=st.lists(DURATIONS, min_size=1), a=SHARES, b=SHARES)
def test_quantiles_are_monotonic(values: list[float], a: float, b: float) -> None:
    histogram = histogram_of(values)
    assert histogram.quantile(min(a, b)) <= histogram.quantile(max(a, b))


@pytest.mark.parametrize("q", [0.0, 0.5, 1.0])
def test_an_empty_histogram_has_only_zeros(q: float) -> None:
    histogram = LatencyHistogram()
    assert (histogram.quantile(q), histogram.count, histogram.max_s) == (0.0, 0, 0.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9])
def test_a_duration_below_the_floor_is_still_counted(seconds: float) -> None:
    histogram = histogram_of([seconds])
    assert histogram.count == 1
    assert histogram.quantile(0.5) <= 1e-6


@given(values=st.lists(DURATIONS))
def test_count_and_maximum_are_exact(values: list[float]) -> None:
    histogram = histogram_of(values)
    assert histogram.count == len(values)
    assert histogram.max_s == max(values, default=0.0)


@given(a=st.lists(DURATIONS), b=st.lists(DURATIONS), q=SHARES)
def test_merging_equals_adding_everything_to_one(a: list[float], b: list[float], q: float) -> None:
    merged, whole = histogram_of(a), histogram_of(a + b)
    merged.merge(histogram_of(b))
    assert (merged.count, merged.max_s) == (whole.count, whole.max_s)
    assert merged.quantile(q) == whole.quantile(q)


def test_merging_does_not_change_the_other_one() -> None:
    a, b = histogram_of([1.0]), histogram_of([2.0])
    a.merge(b)
    a.add(3.0)
    assert (b.count, b.max_s) == (1, 2.0)


def test_memory_is_bounded_by_the_range_not_by_the_number() -> None:
    histogram = histogram_of([0.001 * 1.0001**i for i in range(50_000)])
    assert len(histogram._buckets) < 200
