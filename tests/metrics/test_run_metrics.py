"""Run metrics: counts that add up."""

import math

from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.limits import Reservation
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.prices import Usage
from kaizen_batch.results import BatchSummary, ItemError, ItemResult


def result(code: str | None, *, attempts: int = 1, finish_reason: str | None = "stop") -> ItemResult:
    error = ItemError("SomeError", "message", code, False) if code else None
    return ItemResult(index=0, outputs={}, error=error, attempts=attempts, finish_reason=finish_reason)


def summary_of(metrics: RunMetrics, *, elapsed_s: float = 2.0, stopped: str | None = None) -> BatchSummary:
    return metrics.summary(elapsed_s, stopped=stopped)


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
