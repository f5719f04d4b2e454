"""Results as columns: of a PyArrow table, and so of the frames that are made from one."""

from collections.abc import Mapping, Sequence
from itertools import chain

from kaizen_batch.errors import ConfigError
from kaizen_batch.results.envelope import Result, is_from_model, outputs_of

_FACTS = ("attempts", "latency_s", "cost_usd", "answered_by", "finish_reason", "from_journal")


def columns_of(results: Sequence[Result]) -> dict[str, list[object]]:
    """Results as columns: the outputs first, in the order in which they first occur."""
    outputs = [outputs_of(result) for result in results]
    errors: list[Mapping[str, object]] = [result["error"] or {} for result in results]
    columns = {name: _column(outputs, name) for name in dict.fromkeys(chain.from_iterable(outputs))}
    columns["status"] = _column(results, "status")
    columns["error_code"] = _column(errors, "code")
    columns["error"] = _column(errors, "message")
    if any(is_from_model(result) for result in results):
        usages: list[Mapping[str, object]] = [result.get("usage") or {} for result in results]
        columns |= {name: _column(results, name) for name in _FACTS}
        columns |= {"input_tokens": _column(usages, "input_tokens"), "output_tokens": _column(usages, "output_tokens")}
    return columns


def _column(rows: Sequence[Mapping[str, object]], name: str) -> list[object]:
    return [row.get(name) for row in rows]


def table_of(columns: Mapping[str, Sequence[object]]) -> object:
    """Columns as an Arrow table; values of mixed types become text. Raises: ConfigError without pyarrow."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise ConfigError("a table needs an extra: pip install 'kaizen-batch[frames]'") from None
    from kaizen_batch.results.arrow import array_of

    return pa.table({name: array_of(list(values)) for name, values in columns.items()})
