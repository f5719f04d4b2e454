"""Run metrics: quantiles close to the exact ones, and counts that add up."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.limits import Reservation
from kaizen_batch.metrics import LatencyHistogram, RunMetrics
from kaizen_batch.prices import Usage
from kaizen_batch.results import BatchSummary, ItemError, ItemResult

DURATIONS = st.floats(min_value=1e-6, max_value=1e5)
SHARES = st.floats(min_value=0, max_value=1)


def histogram_of(values: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    return histogram


def result(code: str | None, *, attempts: int = 1, finish_reason: str | None = "stop") -> ItemResult:
    error = ItemError("SomeError", "message", code, False) if code else None
    return ItemResult(index=0, outputs={}, error=error, attempts=attempts, finish_reason=finish_reason)


def summary_of(metrics: RunMetrics, *, elapsed_s: float = 2.0, stopped: str | None = None) -> BatchSummary:
    return metrics.summary(elapsed_s, stopped=stopped)


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


@given(codes=st.lists(st.sampled_from([None, "length", "refusal", "server_error", "not_attempted"])))
def test_the_counts_add_up(codes: list[str | None]) -> None:
    metrics = RunMetrics()
    for code in codes:
        metrics.total += 1
        metrics.finished(result(code, attempts=0 if code == "not_attempted" else 1))
    summary = summary_of(metrics)
    assert summary.ok + summary.failed + summary.not_attempted == summary.total == metrics.done == len(codes)
    assert sum(summary.failures.values()) == summary.failed
    assert summary.ok == codes.count(None)
    assert summary.not_attempted == codes.count("not_attempted")
    assert metrics.attempted == len(codes) - codes.count("not_attempted")


def test_failures_are_counted_by_code() -> None:
    metrics = RunMetrics()
    for code in ("length", "refusal", "length"):
        metrics.finished(result(code))
    assert summary_of(metrics).failures == {"length": 2, "refusal": 1}


def test_a_text_that_was_cut_off_is_ok_and_counted() -> None:
    metrics = RunMetrics()
    metrics.finished(result(None, finish_reason="length"))
    metrics.finished(result("length", finish_reason="length"))
    assert (summary_of(metrics).ok, summary_of(metrics).truncated) == (1, 1)


def test_tokens_count_even_if_the_item_fails() -> None:
    metrics = RunMetrics()
    metrics.answered(Usage(10, 2), 0.5)
    metrics.answered(None, 0.5)
    metrics.answered(Usage(5, 1), 0.5)
    metrics.finished(result("invalid_output"))
    summary = summary_of(metrics)
    assert (summary.input_tokens, summary.output_tokens) == (15, 3)
    assert metrics.latency.count == 3


def test_amplification_counts_only_items_that_were_attempted() -> None:
    metrics = RunMetrics()
    metrics.calls = 6
    metrics.finished(result(None, attempts=2))
    metrics.finished(result("server_error", attempts=4))
    metrics.finished(result("invalid_input", attempts=0))
    metrics.finished(result("not_attempted", attempts=0))
    assert summary_of(metrics).amplification == 3.0


def test_a_run_without_items_does_not_divide_by_zero() -> None:
    summary = summary_of(RunMetrics(), elapsed_s=0.0)
    assert (summary.amplification, summary.items_per_s, summary.latency_p99_s) == (0.0, 0.0, 0.0)


def test_the_summary_contains_what_it_is_given() -> None:
    metrics = RunMetrics(5)
    for number in range(3):
        metrics.calls_in_flight[Reservation()] = number, math.inf, None
    metrics.ends()
    for _ in range(4):
        metrics.finished(result(None))
    summary = summary_of(metrics, elapsed_s=2.0, stopped="insufficient_quota")
    assert summary.items_per_s == 2.0
    assert (summary.elapsed_s, summary.peak_in_flight, summary.max_concurrent) == (2.0, 3, 5)
    assert summary.stopped == "insufficient_quota"


def test_the_failures_of_the_summary_are_a_copy() -> None:
    metrics = RunMetrics()
    summary = summary_of(metrics)
    metrics.finished(result("length"))
    assert summary.failures == {}
