"""The results of a whole batch, and what the run did in totals."""

from dataclasses import asdict, dataclass, field
from typing import Any

from kaizen_batch.results.columns import columns_of, table_of
from kaizen_batch.results.envelope import Result, outputs_of
from kaizen_batch.results.view import as_html, as_text

_LOOKED_AT = 20  # results whose outputs name the columns of a view


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a run did, in totals.

    `total` counts the items that were taken from the input; `ok + failed + not_attempted` adds up to it when the
    run was read to its end. `from_journal` counts those of them that needed no call, `by_fallbacks` those that
    another than the first model answered. `calls` counts calls that were sent, retries, re-asks and `hedges`
    included; `amplification` is their ratio to the items attempted (1.0 when nothing was repeated). Times are
    seconds, latencies those of single calls. `failures` counts failed items by error code. `truncated` counts text
    answers that `max_tokens` cut off, `other_models` answers by models that were not asked for. `stopped` says why a
    run ended before its last item, or is None. `waiting` counts those of the `not_attempted` that wait for a batch.
    `input_unread` says that the rest of the input was not read
    then, because it is a generator, an asynchronous input or a stream: items that were not read have no result and are
    not counted.

    `cost_usd` is what this run's answers cost, None if a price is unknown. `unanswered` counts this run's calls
    whose answer nobody saw. `maybe_paid_twice` bounds the calls that may have been billed besides the one that
    gave an item its answer, earlier runs of the journal included, and `maybe_paid_twice_usd` what they cost.
    """

    total: int = 0
    ok: int = 0
    failed: int = 0
    not_attempted: int = 0
    calls: int = 0
    amplification: float = 0.0
    hedges: int = 0
    from_journal: int = 0
    by_fallbacks: int = 0
    throttles: int = 0
    truncated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    unanswered: int = 0
    maybe_paid_twice: int = 0
    maybe_paid_twice_usd: float | None = None
    elapsed_s: float = 0.0
    items_per_s: float = 0.0
    peak_in_flight: int = 0
    max_concurrent: int = 0
    latency_p50_s: float = 0.0
    latency_p95_s: float = 0.0
    latency_p99_s: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    other_models: dict[str, int] = field(default_factory=dict)
    stopped: str | None = None
    waiting: int = 0
    input_unread: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same as a JSON-able dict."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class BatchResult:
    """All results of a batch, in the order of its items, and the summary.

    Printed, or as the value of a notebook's cell, it shows the summary and the first few results.
    """

    results: list[Result]
    summary: BatchSummary

    @property
    def ok(self) -> list[Result]:
        """The results of the items that succeeded."""
        return [result for result in self.results if result["status"] == "ok"]

    @property
    def failed(self) -> list[Result]:
        """The results of the items that did not, those that were not attempted included."""
        return [result for result in self.results if result["status"] != "ok"]

    def __repr__(self) -> str:
        return as_text(self.summary.to_dict(), self.results, self._outputs())

    def _repr_html_(self) -> str:
        """IPython: the view in a notebook."""
        return as_html(self.summary.to_dict(), self.results, self._outputs())

    def _outputs(self) -> list[str]:
        """The names of the outputs, as the first results have them."""
        names: dict[str, None] = {}
        for result in self.results[:_LOOKED_AT]:
            names.update(dict.fromkeys(outputs_of(result)))
        return list(names)

    def to_arrow(self) -> Any:
        """The results as a PyArrow table: outputs, `status`, `error_code`, `error`, and what is known of the calls."""
        return table_of(columns_of(self.results))

    def to_pandas(self) -> Any:
        """The same as a pandas DataFrame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The same as a Polars DataFrame."""
        import polars

        return polars.from_arrow(self.to_arrow())
