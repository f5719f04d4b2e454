"""PromptTemplateNode: rows and a template make a batch."""

from typing import Any

from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.nodes.base_node import DataNode, declared, rows_of
from kaizen_batch.nodes.kailash_types import NodeParameter, register_node


@register_node()
class PromptTemplateNode(DataNode):
    """Turns each row into a prompt: `data` (a list of dicts) and `template` in, `batch` out.

    >>> node = PromptTemplateNode(template="Classify: {text}")
    >>> node.execute(data=[{"text": "an invoice"}])
    {'batch': [{'prompt': 'Classify: an invoice'}]}

    A row that lacks a column gets the prompt None: its item fails, the others go on. Raises: NodeValidationError
    if the first row lacks one, which is a wrong template, before any call is made.
    """

    def get_parameters(self) -> dict[str, NodeParameter]:
        """`data` and `template`."""
        described = {"data": "list of rows, each a dict", "template": "the prompt, with {column} places"}
        return declared(described)

    async def async_run(self, data: Any = None, template: Any = None) -> dict[str, Any]:
        """Render the rows."""
        prompts, rows = PromptTemplate(template), rows_of(data, "data")
        if rows:
            prompts.check(rows[0] if isinstance(rows[0], dict) else ())
        return {"batch": [{"prompt": prompts.render(row) if isinstance(row, dict) else None} for row in rows]}
