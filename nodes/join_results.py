"""JoinResultsNode: rows and their results make rows with new columns, the failed ones apart."""

from typing import Any

from kaizen_batch.errors import ConfigError
from kaizen_batch.nodes.base_node import DataNode, declared, rows_of
from kaizen_batch.nodes.kailash_types import NodeParameter, register_node
from kaizen_batch.results import joined, outputs_of


@register_node()
class JoinResultsNode(DataNode):
    """Puts the outputs of each result beside the row it came from.

    >>> node = JoinResultsNode()
    >>> joined = node.execute(rows=[{"id": 1}], results=[{"label": "spam", "index": 0, "status": "ok"}])
    >>> joined["data"]
    [{'id': 1, 'label': 'spam'}]

    In: `rows` (list of dicts) and `results` (of BatchProcessorAgent, for the same rows). Out: `data`, the rows
    that succeeded, in order, with the output fields added, and `failed_rows`, the others, with `error` (the
    reason) and `error_code`. An output named as a column is added as `<name>_result`, so that no column is lost.

    Raises: NodeValidationError when the two lists do not belong together.
    """

    def get_parameters(self) -> dict[str, NodeParameter]:
        """`rows` and `results`."""
        described = {"rows": "the rows that the batch was made of", "results": "the agent's results"}
        return declared(described)

    async def async_run(self, rows: Any = None, results: Any = None) -> dict[str, Any]:
        """Join by `index`."""
        rows, results = rows_of(rows, "rows"), rows_of(results, "results")
        if len(rows) != len(results):
            raise ConfigError(f"{len(rows)} rows and {len(results)} results do not belong together")
        if sorted(result["index"] for result in results) != list(range(len(rows))):
            raise ConfigError("the results are not those of one batch: their `index` must run from 0, each once")
        data, failed_rows = [], []
        for result in sorted(results, key=lambda result: result["index"]):
            row = rows[result["index"]]
            row = dict(row) if isinstance(row, dict) else {"prompt": row}
            if result["status"] == "ok":
                data.append(joined(row, outputs_of(result)))
            else:
                error = result["error"]
                failed_rows.append(joined(row, {"error": error["message"], "error_code": error["code"]}))
        return {"data": data, "failed_rows": failed_rows}
