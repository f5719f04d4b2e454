"""What comes out: one result for each item, and the summary of the run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from msgspec import Struct

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.prices import Usage, UsageDict
from kaizen_batch.tables.frames import table_of
from kaizen_batch.texts.result_view import as_html, as_text

Outputs = dict[str, Any]
"""The output fields of one item, as its signature or function returns them."""


class ErrorDict(TypedDict):
    """The error of a failed item's result."""

    type: str
    message: str
    code: str
    retryable: bool


class Envelope(TypedDict):
    """The keys that every result has besides its output fields."""

    batch: bool
    index: int
    status: Literal["ok", "error"]
    error: ErrorDict | None


class ModelEnvelope(Envelope):
    """The keys of a result that a model gave; a plain function's result has those of Envelope alone.

    To have your own outputs typed as well, subclass it and cast: `cast(list[TriageResult], results)`.
    """

    response: str | None
    finish_reason: str | None
    usage: UsageDict | None
    attempts: int
    latency_s: float
    cost_usd: float | None
    answered_by: str | None
    from_journal: bool


if TYPE_CHECKING:

    class Result(dict[str, Any]):
        """A result as type checkers see it: the envelope's keys have the types of ModelEnvelope, outputs are Any."""

        @overload
        def __getitem__(self, key: Literal["batch", "from_journal"], /) -> bool: ...
        @overload
        def __getitem__(self, key: Literal["index", "attempts"], /) -> int: ...
        @overload
        def __getitem__(self, key: Literal["latency_s"], /) -> float: ...
        @overload
        def __getitem__(self, key: Literal["cost_usd"], /) -> float | None: ...
        @overload
        def __getitem__(self, key: Literal["status"], /) -> Literal["ok", "error"]: ...
        @overload
        def __getitem__(self, key: Literal["response", "finish_reason", "answered_by"], /) -> str | None: ...
        @overload
        def __getitem__(self, key: Literal["error"], /) -> ErrorDict | None: ...
        @overload
        def __getitem__(self, key: Literal["usage"], /) -> UsageDict | None: ...
        @overload
        def __getitem__(self, key: str, /) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

else:
    Result = dict

ENVELOPE = tuple(Envelope.__annotations__)
MODEL_ENVELOPE = tuple(name for name in ModelEnvelope.__annotations__ if name not in ENVELOPE)

REASONING = "reasoning"
"""The model's reasoning, in a model's result; a signature may have an output of that name, which is kept instead."""

_NOT_FROM_MODEL = frozenset(ENVELOPE)
_FROM_MODEL = frozenset((*ENVELOPE, *MODEL_ENVELOPE))


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why an item failed.

    `type` is the error's class name, `code` the cause for programs, `retryable` whether the same item can succeed
    in a later run.
    """

    type: str
    message: str
    code: str
    retryable: bool

    @classmethod
    def of(cls, error: KaizenBatchError) -> "ItemError":
        """The record of an exception of this package."""
        return cls(error.type_name, error.message, error.code, error.retryable)

    def to_dict(self) -> ErrorDict:
        """The same as a JSON-able dict."""
        return {"type": self.type, "message": self.message, "code": self.code, "retryable": self.retryable}


NOT_ATTEMPTED = ("not_attempted", "in_batch")
"""The codes of items for which no call was made in this run."""


class ItemResult(Struct, frozen=True, gc=False):
    """One item's outcome.

    `latency_s` is how long the last call took, in seconds; `attempts` counts the calls made for the item in this
    run. `cost_usd` is what its answer cost, whoever paid it, and None if the price is unknown. `answered_by` is the
    model that answered, as the endpoint names it; `by_fallback` says whether a fallback was asked. `from_journal` says
    that no call was needed: an earlier run, or an identical item, had the answer. `unanswered` counts calls, earlier
    runs' included, whose answer nobody saw and which may have been billed with at most `unanswered_usd`. `from_model`
    is False for the result of a plain function, which has none of these.
    """

    index: int
    outputs: Outputs
    error: ItemError | None = None
    response: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    attempts: int = 0
    latency_s: float = 0.0
    cost_usd: float | None = None
    answered_by: str | None = None
    by_fallback: bool = False
    from_journal: bool = False
    unanswered: int = 0
    unanswered_usd: float = 0.0
    batch: bool = True
    from_model: bool = True
    reasoning: str | None = None

    @property
    def status(self) -> Literal["ok", "error"]:
        """`"ok"` or `"error"`."""
        return "ok" if self.error is None else "error"

    def to_dict(self) -> Result:
        """The plain, JSON-able dict that users see: the output fields, flat, and the envelope."""
        result = Result(self.outputs)
        if self.from_model:
            usage = self.usage
            result["response"] = self.response
            result["finish_reason"] = self.finish_reason
            result["usage"] = usage.to_dict() if usage is not None else None
            result["attempts"] = self.attempts
            result["latency_s"] = self.latency_s
            result["cost_usd"] = self.cost_usd
            result["answered_by"] = self.answered_by
            result["from_journal"] = self.from_journal
            result.setdefault(REASONING, self.reasoning)  # an output of that name is the signature's own
        error = self.error
        result["batch"] = self.batch
        result["index"] = self.index
        result["status"] = "ok" if error is None else "error"
        result["error"] = None if error is None else error.to_dict()
        return result


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
        return table_of(_columns_of(self.results))

    def to_pandas(self) -> Any:
        """The same as a pandas DataFrame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The same as a Polars DataFrame."""
        import polars

        return polars.from_arrow(self.to_arrow())


_LOOKED_AT = 20  # results whose outputs name the columns of a view
_FACTS = ("attempts", "latency_s", "cost_usd", "answered_by", "finish_reason", "from_journal")


def _columns_of(results: Sequence[Result]) -> dict[str, list[object]]:
    """Results as columns: the outputs first, in the order in which they first occur."""
    outputs = [outputs_of(result) for result in results]
    errors: list[Mapping[str, object]] = [result["error"] or {} for result in results]
    columns = {name: _column(outputs, name) for name in dict.fromkeys(chain.from_iterable(outputs))}
    columns["status"] = _column(results, "status")
    columns["error_code"] = _column(errors, "code")
    columns["error"] = _column(errors, "message")
    if any(result.keys() >= _FROM_MODEL for result in results):
        usages: list[Mapping[str, object]] = [result.get("usage") or {} for result in results]
        columns |= {name: _column(results, name) for name in _FACTS}
        columns |= {"input_tokens": _column(usages, "input_tokens"), "output_tokens": _column(usages, "output_tokens")}
    return columns


def _column(rows: Sequence[Mapping[str, object]], name: str) -> list[object]:
    return [row.get(name) for row in rows]


def outputs_of(result: Result) -> Outputs:
    """The output fields of a result, without the envelope."""
    # The result of a function has no fields of a model; what is called so there is its own output.
    if not result.keys() >= _FROM_MODEL:
        return {name: value for name, value in result.items() if name not in _NOT_FROM_MODEL}
    outputs = {name: value for name, value in result.items() if name not in _FROM_MODEL}
    if REASONING in outputs and not _is_own_output(result, REASONING):
        del outputs[REASONING]
    return outputs


def _is_own_output(result: Result, name: str) -> bool:
    """Whether the signature has an output of this name: outputs come before the envelope."""
    names = list(result)
    return names.index(name) < names.index(MODEL_ENVELOPE[0])


def joined(row: dict[str, object], columns: Mapping[str, object]) -> dict[str, object]:
    """A row with more columns; one that it has already is added as `<name>_result`, so that none is lost."""
    if row.keys().isdisjoint(columns):
        return {**row, **columns}
    together = dict(row)
    for name, value in columns.items():
        while name in together:
            name = f"{name}_result"
        together[name] = value
    return together
