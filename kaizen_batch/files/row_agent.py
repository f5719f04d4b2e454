"""RowAgent: an agent whose items are rows."""

from typing import Any

from msgspec.structs import replace

from kaizen_batch.agents import Agent, AgentWrapper, BatchItem
from kaizen_batch.files.rows import BrokenRow
from kaizen_batch.files.templates import OnMissing, PromptTemplate
from kaizen_batch.results.values import plain_row


class RowAgent(AgentWrapper):
    """An agent whose items are rows: a template turns each into a prompt; without one, the row is the item.

    A row that lacks a column fails without a call, and so does one whose placeholders are all empty, unless
    `on_missing` is "ask".
    """

    def __init__(
        self,
        agent: Agent,
        template: PromptTemplate | None,
        *,
        on_missing: OnMissing = "fail",
        id: str | None = None,
    ) -> None:
        super().__init__(agent)
        self.lists_rows: bool = True
        self.keeps_inputs: bool = True
        self._id = id
        self._template = template
        self._fails_empty = on_missing != "ask"
        self.fallbacks: list[RowAgent] = [
            RowAgent(fallback, template, on_missing=on_missing) for fallback in agent.fallbacks
        ]

    def row_name(self, inputs: Any) -> str | None:
        """The value of the column that names rows, if there is one."""
        name = inputs.get(self._id) if self._id is not None and isinstance(inputs, dict) else None
        return None if name is None else str(name)

    def prepare(self, row: Any) -> object:
        """The request of one row. Raises: InputError."""
        if isinstance(row, BrokenRow):
            raise row.error
        if type(row) is BatchItem and self._template is not None:
            return self.wrapped.prepare(replace(row, inputs=self._item(self._template, row.inputs)))
        if self._template is None:
            return self.wrapped.prepare(row if type(row) is BatchItem else plain_row(row))
        return self.wrapped.prepare(self._item(self._template, row))

    def _item(self, template: PromptTemplate, row: Any) -> object:
        return template.item(row, fails_empty=self._fails_empty)
