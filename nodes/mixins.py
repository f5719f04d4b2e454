"""What every agent node can do besides its work: log, measure, and turn errors into results."""

import logging
import threading
from weakref import WeakSet

from kaizen_batch.agents.foreign_errors import as_batch_error
from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.events import Event
from kaizen_batch.metrics import LatencyHistogram, RunMetrics
from kaizen_batch.observers.logs import log_event
from kaizen_batch.results import ItemError, ItemResult

logger: logging.Logger = logging.getLogger("kaizen_batch.agent")


class LoggingMixin:
    """Structured log lines on the logger `kaizen_batch.agent`, as `logging_sink` has them, with the field `node`."""

    id: str

    def log_event(self, event: Event) -> None:
        """Write the line for one event of a run."""
        log_event(logger, event, node=self.id)


class _Figures:
    """The sums of several runs."""

    def __init__(self) -> None:
        self.latency = LatencyHistogram()
        self.items = self.input_tokens = self.output_tokens = 0
        self.busy_s = 0.0

    def add(self, metrics: RunMetrics) -> None:
        """Add a run's figures."""
        self.latency.merge(metrics.latency)
        self.items += metrics.done
        self.input_tokens += metrics.input_tokens
        self.output_tokens += metrics.output_tokens

    def merge(self, other: "_Figures") -> None:
        """Add the sums of other runs."""
        self.latency.merge(other.latency)
        self.items += other.items
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens


class PerformanceMixin:
    """Figures of all runs of an agent: latencies as a bounded histogram, throughput, calls in flight, tokens.

    A run counts for itself; its figures are sampled while it lasts and added up when it ends. Runs may be on several
    threads.
    """

    _lock: threading.Lock

    def _start_measuring(self) -> None:
        self._lock = threading.Lock()
        self._finished = _Figures()
        self._live: WeakSet[RunMetrics] = WeakSet()

    def watch_run(self, metrics: RunMetrics) -> None:
        """A run begins and keeps these figures."""
        with self._lock:
            self._live.add(metrics)

    def finish_run(self, metrics: RunMetrics, elapsed_s: float) -> None:
        """A run is over, after so many seconds."""
        with self._lock:
            self._live.discard(metrics)
            self._finished.add(metrics)
            self._finished.busy_s += elapsed_s

    def performance(self) -> dict[str, object]:
        """The figures so far: counts, seconds, tokens, and items for each second of finished runs."""
        with self._lock:
            total = _Figures()
            total.merge(self._finished)
            done, busy_s = total.items, self._finished.busy_s
            for metrics in self._live:
                total.add(metrics)
            in_flight = sum(metrics.in_flight for metrics in self._live)
        return {
            "items": total.items,
            "in_flight": in_flight,
            "items_per_s": done / busy_s if busy_s else 0.0,
            "latency_p50_s": total.latency.quantile(0.50),
            "latency_p95_s": total.latency.quantile(0.95),
            "latency_p99_s": total.latency.quantile(0.99),
            "latency_max_s": total.latency.max_s,
            "input_tokens": total.input_tokens,
            "output_tokens": total.output_tokens,
        }


class ErrorHandlingMixin:
    """The one place where an agent's errors become results.

    Override `classify_error` to tell errors of your own service apart: return one of `kaizen_batch.errors`, and
    the engine retries, waits or stops as that error says.
    """

    def classify_error(self, error: Exception) -> KaizenBatchError:
        """This exception as an error of the package."""
        return as_batch_error(error)

    def error_result(self, error: Exception, index: int = 0, *, batch: bool = False) -> dict[str, object]:
        """The result dict of an item that failed with this exception."""
        record = ItemError.of(self.classify_error(error))
        return ItemResult(index, {}, error=record, batch=batch, from_model=False).to_dict()
