"""What every agent node can do besides its work: log, measure, and turn errors into results."""

import logging
import threading
from typing import Any
from weakref import WeakSet

from kaizen_batch.errors import KaizenBatchError, as_batch_error
from kaizen_batch.events import BatchFinished, Event, ItemFinished
from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.observers.logs import log_event
from kaizen_batch.prices import Usage
from kaizen_batch.results import ItemError, ItemResult
from kaizen_batch.strategies import BatchRun

logger: logging.Logger = logging.getLogger("kaizen_batch.agent")


class LoggingMixin:
    """Structured log lines on the logger `kaizen_batch.agent`, as `logging_sink` has them, with the field `node`."""

    id: str

    def log_event(self, event: Event) -> None:
        """Write the line for one event of a run."""
        log_event(logger, event, node=self.id)


class PerformanceMixin:
    """Figures of all runs of an agent: latencies as a bounded histogram, throughput, in flight, tokens."""

    _lock: threading.Lock

    def _start_measuring(self) -> None:
        self._lock = threading.Lock()
        self._latency = LatencyHistogram()
        self._items = 0
        self._busy_s = 0.0
        self._usage = Usage()
        self._live: WeakSet[BatchRun] = WeakSet()

    def watch_run(self, run: BatchRun) -> BatchRun:
        """Count this run's calls as in flight while it lasts."""
        with self._lock:
            self._live.add(run)
        return run

    def measure_event(self, event: Event) -> None:
        """Book one event of a run; runs may report from several threads."""
        if isinstance(event, ItemFinished):
            result = event.result
            with self._lock:
                self._items += 1
                if result.attempts:
                    self._latency.add(result.latency_s)
                if result.usage is not None:
                    self._usage += result.usage
        elif isinstance(event, BatchFinished):
            with self._lock:
                self._busy_s += event.summary.elapsed_s

    def performance(self) -> dict[str, Any]:
        """The figures so far: counts, seconds, tokens, and items for each second of finished runs."""
        with self._lock:
            latency = self._latency
            return {
                "items": self._items,
                "in_flight": sum(run.in_flight for run in self._live),
                "items_per_s": self._items / self._busy_s if self._busy_s else 0.0,
                "latency_p50_s": latency.quantile(0.50),
                "latency_p95_s": latency.quantile(0.95),
                "latency_p99_s": latency.quantile(0.99),
                "latency_max_s": latency.max_s,
                "input_tokens": self._usage.input_tokens,
                "output_tokens": self._usage.output_tokens,
            }


class ErrorHandlingMixin:
    """The one place where an agent's errors become results.

    Override `classify_error` to tell errors of your own service apart: return one of `kaizen_batch.errors`, and
    the engine retries, waits or stops as that error says.
    """

    def classify_error(self, error: Exception) -> KaizenBatchError:
        """This exception as an error of the package."""
        return as_batch_error(error)

    def error_result(self, error: Exception, index: int = 0, *, batch: bool = False) -> dict[str, Any]:
        """The result dict of an item that failed with this exception."""
        record = ItemError.of(self.classify_error(error))
        return ItemResult(index, {}, error=record, batch=batch, from_model=False).to_dict()
