"""PromptTemplateNode: rows and a template make a batch."""

from typing import Any

from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.nodes.base_node import DataNode, rows_of
from kaizen_batch.nodes.catalog import described
from kaizen_batch.nodes.items import failed_item, failure_of
from kaizen_batch.nodes.kailash_types import NodeData, NodeParameter, register_node


@register_node()
class PromptTemplateNode(DataNode):
    """Turns each row into a prompt: `data` (rows) and `template` in, `batch` out.

    >>> node = PromptTemplateNode(template="Classify: {text}")
    >>> node.execute(data=[{"text": "an invoice"}])
    {'batch': [{'prompt': 'Classify: an invoice'}]}

    An agent node takes rows and a template itself; this node is for a batch that is changed before it is asked.
    A row that lacks a column gets the prompt None, so that only its item fails. A row that is the failed result of an
    earlier agent gets the prompt None and keeps its error: the next agent passes the error on without a call.

    Raises: NodeValidationError if the first row lacks a column, which means a wrong template.
    """

    def get_parameters(self) -> dict[str, NodeParameter]:
        """`data` and `template`."""
        return {
            "data": described("data", list, "Rows, each a dict."),
            "template": described("template", str, "The prompt, with {column} placeholders."),
        }

    def get_output_schema(self) -> dict[str, NodeParameter]:
        """`batch`."""
        return {"batch": described("batch", list, "One item for each row: a dict with the prompt.")}

    async def async_run(self, data: object = None, template: Any = None) -> NodeData:
        """Render the rows."""
        prompts, rows = PromptTemplate(template), rows_of(data, "data")
        first = next((row for row in rows if failure_of(row) is None), None)
        if first is not None:
            prompts.check(first if isinstance(first, dict) else ())
        return {"batch": [_item(prompts, row) for row in rows]}


def _item(prompts: PromptTemplate, row: Any) -> NodeData:
    if failure_of(row) is not None:
        return failed_item(row)
    return {"prompt": prompts.render(row) if isinstance(row, dict) else None}
