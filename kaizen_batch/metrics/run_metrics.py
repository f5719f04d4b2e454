"""The running totals of a run, as everything that reports on it reads them."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from kaizen_batch.events import BatchProgress
from kaizen_batch.limits import Reservation
from kaizen_batch.metrics.latency_histogram import LatencyHistogram
from kaizen_batch.prices import Usage
from kaizen_batch.results import NOT_ATTEMPTED, BatchSummary, ItemResult

_OTHER_MODELS = 20  # names at most: a server may name a new one with each answer
_OTHER_CODES = 100  # codes at most, likewise
OTHER_CODE = "other"
"""What failures with further codes are counted as."""

_SUMS = (
    *("max_concurrent", "peak_in_flight", "total", "ok", "failed", "not_attempted", "attempted", "calls", "throttles"),
    *("truncated", "hedges", "from_journal", "by_fallbacks", "unanswered", "maybe_paid_twice", "maybe_paid_twice_usd"),
    *("cost_usd", "unpriced", "input_tokens", "output_tokens", "reasoning_tokens"),
)


CallInFlight = tuple[int, float, asyncio.Task[Any] | None, object]
"""The item's index, when the time of the call is over on the loop's clock, the item's task, and its inputs."""


class RunMetrics:
    """The running totals of one run, of at most `max_concurrent` calls at once; one place counts, everyone reads.

    `calls_in_flight` has the calls under way by their reservations, the oldest first.
    """

    def __init__(self, max_concurrent: int = 0) -> None:
        self.max_concurrent: int = max_concurrent
        self.calls_in_flight: dict[Reservation, CallInFlight] = {}
        self.peak_in_flight: int = 0
        self.total = 0
        self.ok: int = 0
        self.failed: int = 0
        self.not_attempted: int = 0
        self.waiting: int = 0
        self.attempted: int = 0
        self.calls: int = 0
        self.throttles = 0
        self.truncated: int = 0
        self.hedges = 0
        self.from_journal: int = 0
        self.by_fallbacks: int = 0
        self.unanswered = 0
        self.maybe_paid_twice: int = 0
        self.maybe_paid_twice_usd: float = 0.0
        self.cost_usd: float = 0.0
        self.unpriced: int = 0
        self.input_tokens: int = 0
        self.output_tokens: int = 0
        self.reasoning_tokens: int = 0
        self.latency: LatencyHistogram = LatencyHistogram()
        self.failures: Counter[str] = Counter()
        self.other_models: Counter[str] = Counter()

    def to_dict(self) -> dict[str, Any]:
        """All counts, as a JSON-able dict that `add` takes."""
        counts: dict[str, Any] = {name: getattr(self, name) for name in _SUMS}
        return {
            **counts,
            "latency": self.latency.to_dict(),
            "failures": dict(self.failures),
            "other_models": dict(self.other_models),
        }

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what another process has counted for other items of the same job.

        Peaks add up as well: the processes ran beside each other.
        """
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + counts[name])
        self.latency.merge(LatencyHistogram.of(counts["latency"]))
        self.failures.update(counts["failures"])
        self.other_models.update(counts["other_models"])

    @property
    def done(self) -> int:
        """Items that have their result."""
        return self.ok + self.failed + self.not_attempted

    @property
    def under_way(self) -> int:
        """Items that were taken and have no result yet."""
        return self.total - self.done

    def answered(self, usage: Usage | None, seconds: float | None, cost_usd: float | None = None) -> None:
        """Book a call that was answered; its tokens are paid whatever becomes of the item.

        `seconds` is None for an answer that came in a batch: it has no latency.
        """
        in_flight = len(self.calls_in_flight)
        if in_flight > self.peak_in_flight:  # as in `ends`, without the cost of a call for each item
            self.peak_in_flight = in_flight
        if seconds is not None:
            self.latency.add(seconds)
        if cost_usd is None:
            self.unpriced += 1
        else:
            self.cost_usd += cost_usd
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.reasoning_tokens += usage.reasoning_tokens

    def answered_by_other(self, model: str) -> None:
        """Book an answer of another model than the one that was asked for."""
        if model in self.other_models or len(self.other_models) < _OTHER_MODELS:
            self.other_models[model] += 1

    def finished(self, result: ItemResult) -> None:
        """Book an item's result."""
        if result.attempts:
            self.attempted += 1
        if result.from_journal:
            self.from_journal += 1
        elif result.unanswered:
            self._maybe_paid_twice(result)
        if result.by_fallback:
            self.by_fallbacks += 1
        if result.error is None:
            self.ok += 1
            if result.finish_reason == "length":
                self.truncated += 1
        elif result.error.code in NOT_ATTEMPTED:
            self.not_attempted += 1
            self.waiting += result.error.code == "in_batch"
        else:
            self.failed += 1
            code = result.error.code
            self.failures[code if code in self.failures or len(self.failures) < _OTHER_CODES else OTHER_CODE] += 1

    def _maybe_paid_twice(self, result: ItemResult) -> None:
        # Of an item that has its answer, every other call that may have been billed was one too many; of one that
        # has none, all but the first.
        calls = result.unanswered - (result.error is not None)
        if calls > 0:
            self.maybe_paid_twice += calls
            self.maybe_paid_twice_usd += result.unanswered_usd * calls / result.unanswered

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return len(self.calls_in_flight)

    def sent_at(self, index: int, now: float) -> float:
        """When the call in flight for an item was sent, on the loop's clock; now if there is none."""
        calls = tuple(self.calls_in_flight.items())
        sent = (reservation.sent_at for reservation, call in calls if call[0] == index)
        return min(sent, default=now)

    def ends(self) -> None:
        """A call is about to leave `calls_in_flight`: the most there ever are must have been before some call's end."""
        in_flight = len(self.calls_in_flight)
        if in_flight > self.peak_in_flight:
            self.peak_in_flight = in_flight

    def progress(self, elapsed_s: float, now: float, limit: int, waiting_for: str | None) -> BatchProgress:
        """How far the run is, apart from its `total`; at most `limit` calls may be under way."""
        oldest, call = next(iter(tuple(self.calls_in_flight.items())), (None, None))
        return BatchProgress(
            done=self.done,
            failed=self.failed + self.not_attempted,
            total=None,
            in_flight=self.in_flight,
            elapsed_s=elapsed_s,
            limit=limit,
            calls=self.calls,
            throttles=self.throttles,
            from_journal=self.from_journal,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=None if self.unpriced else self.cost_usd,
            failures=dict(self.failures),
            waiting_for=waiting_for,
            oldest_call_s=now - oldest.sent_at if oldest else None,
            oldest_item=call[0] if call else None,
        )

    def summary(
        self,
        elapsed_s: float,
        *,
        stopped: str | None,
        priced: bool = False,
        twice: tuple[int, float] | None = None,
    ) -> BatchSummary:
        """The totals so far.

        `priced` says that it is known what calls without an answer can cost, `twice` what the journal says of
        calls and USD that may have been paid twice; it knows of earlier runs.
        """
        calls_twice, usd_twice = twice or (self.maybe_paid_twice, self.maybe_paid_twice_usd)
        return BatchSummary(
            total=self.total,
            ok=self.ok,
            failed=self.failed,
            not_attempted=self.not_attempted,
            calls=self.calls,
            amplification=self.calls / self.attempted if self.attempted else 0.0,
            hedges=self.hedges,
            from_journal=self.from_journal,
            by_fallbacks=self.by_fallbacks,
            throttles=self.throttles,
            truncated=self.truncated,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            reasoning_tokens=self.reasoning_tokens,
            cost_usd=None if self.unpriced or (self.unanswered and not priced) else self.cost_usd,
            unanswered=self.unanswered,
            maybe_paid_twice=calls_twice,
            maybe_paid_twice_usd=usd_twice if priced else None,
            elapsed_s=elapsed_s,
            items_per_s=self.done / elapsed_s if elapsed_s > 0 else 0.0,
            peak_in_flight=self.peak_in_flight,
            max_concurrent=self.max_concurrent,
            latency_p50_s=self.latency.quantile(0.50),
            latency_p95_s=self.latency.quantile(0.95),
            latency_p99_s=self.latency.quantile(0.99),
            failures=dict(self.failures),
            other_models=dict(self.other_models),
            stopped=stopped,
            waiting=self.waiting,
        )
