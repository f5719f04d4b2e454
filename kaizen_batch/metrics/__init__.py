"""Counting: what a run has done so far, and how long its calls took."""

from kaizen_batch.metrics.latency_histogram import LatencyHistogram
from kaizen_batch.metrics.run_metrics import OTHER_CODE, RunMetrics

__all__ = ["OTHER_CODE", "LatencyHistogram", "RunMetrics"]
