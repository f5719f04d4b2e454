"""JoinResultsNode: rows and their results make rows with new columns, the failed ones apart."""

from collections.abc import Mapping
from typing import cast

from kaizen_batch.errors import ConfigError
from kaizen_batch.nodes.base_node import DataNode, rows_of
from kaizen_batch.nodes.catalog import described
from kaizen_batch.nodes.kailash_types import NodeData, NodeParameter, register_node
from kaizen_batch.results import ENVELOPE, Result, outputs_of


@register_node()
class JoinResultsNode(DataNode):
    """Adds the outputs of each result to the row it came from.

    >>> node = JoinResultsNode()
    >>> joined = node.execute(rows=[{"id": 1}], results=[{"label": "spam", "index": 0, "status": "ok"}])
    >>> joined["data"]
    [{'id': 1, 'label': 'spam'}]

    In: `rows` (dicts) and `results` (of an agent node, for the same rows). Out: `data`, the rows that succeeded, in
    order, with the output fields as columns, and `failed_rows`, the others, with `error` (the reason) and `error_code`.

    `prefix` goes before the name of each output: with `prefix="summary_"` the output `result` becomes the column
    `summary_result`, so that several agents in a chain can write to the same rows. An output whose column exists
    becomes `<name>_result`; no column is replaced. Rows that are the results of an earlier agent contribute its output
    fields.

    Raises: NodeValidationError if the two lists do not belong together.
    """

    def get_parameters(self) -> dict[str, NodeParameter]:
        """`rows`, `results` and `prefix`."""
        return {
            "rows": described("rows", list, "The rows that the batch was made of."),
            "results": described("results", list, "The results of the agent, in any order."),
            "prefix": described("prefix", str, "A text that goes before the name of each output."),
        }

    def get_output_schema(self) -> dict[str, NodeParameter]:
        """`data` and `failed_rows`."""
        return {
            "data": described("data", list, "The rows that succeeded, with the outputs as columns."),
            "failed_rows": described("failed_rows", list, "The other rows, with error and error_code."),
        }

    async def async_run(self, rows: object = None, results: object = None, prefix: object = "") -> NodeData:
        """Join by `index`."""
        rows, results = rows_of(rows, "rows"), rows_of(results, "results")
        if not isinstance(prefix, str):
            raise ConfigError(f"'prefix' must be a text; given: {prefix!r}")
        if len(rows) != len(results):
            raise ConfigError(f"{len(rows)} rows and {len(results)} results do not belong together")
        if sorted(result["index"] for result in results) != list(range(len(rows))):
            raise ConfigError("the results are not those of one batch: their `index` must run from 0, each once")
        data, failed_rows = [], []
        for result in sorted(results, key=lambda result: result["index"]):
            row = _columns(rows[result["index"]])
            if result["status"] == "ok":
                outputs = outputs_of(result)
                data.append(_joined(row, {f"{prefix}{name}": value for name, value in outputs.items()}))
            else:
                error = result["error"]
                failed_rows.append(_joined(row, {"error": error["message"], "error_code": error["code"]}))
        return {"data": data, "failed_rows": failed_rows}


def _columns(row: object) -> NodeData:
    if not isinstance(row, dict):
        return {"prompt": row}
    return outputs_of(cast(Result, row)) if row.keys() >= set(ENVELOPE) else dict(row)


def _joined(row: dict[str, object], columns: Mapping[str, object]) -> dict[str, object]:
    """A row with more columns; one that it has already is added as `<name>_result`, so that none is lost."""
    if row.keys().isdisjoint(columns):
        return {**row, **columns}
    together = dict(row)
    for name, value in columns.items():
        while name in together:
            name = f"{name}_result"
        together[name] = value
    return together
