"""What items come to: each result is made, counted and told in one place."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kaizen_batch.agents import Agent
from kaizen_batch.engine.item import Item
from kaizen_batch.engine.journaling import completion_of
from kaizen_batch.errors import AgentError, BatchError, KaizenBatchError
from kaizen_batch.events import Event, ItemFinished
from kaizen_batch.journal import Entry
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.results import ItemError, ItemResult


class Outcomes:
    """Makes the results of one run.

    `emit` is None when nobody wants to be told. With `raises`, a failed item raises BatchError once its result is
    counted and told.
    """

    def __init__(
        self, agent: Agent, metrics: RunMetrics, *, emit: Callable[[Event], None] | None, batch: bool, raises: bool
    ) -> None:
        self.raises = raises
        self._metrics = metrics
        self._emit = emit
        self._batch = batch
        self._from_model = agent.from_model
        self._no_outputs = dict.fromkeys(agent.output_fields)

    def ok(self, item: Item, outputs: dict[str, Any]) -> ItemResult:
        """The result of an item that has its answer."""
        return self._emitted(item.result(outputs, None, self._batch, self._from_model))

    def failed(self, item: Item, error: KaizenBatchError) -> ItemResult:
        """The result of an item that has none."""
        return self._failed(item, ItemError.of(error), error.outputs if isinstance(error, AgentError) else {}, error)

    def failed_before(self, item: Item, entry: Entry, error: ItemError) -> ItemResult:
        """The result of an item that asks what has just been refused for good: it is not asked again."""
        if entry.answer is not None:
            item.completion, item.answered_by = completion_of(entry.answer), entry.answer.answered_by
        return self._failed(item, error, {}, None)

    def replayed(self, item: Item, entry: Entry, outputs: dict[str, Any], *, priced: bool) -> ItemResult:
        """The result of an item that an earlier run, or an earlier item of this one, has paid for."""
        answer = entry.answer
        assert answer is not None
        item.completion, item.answered_by = completion_of(answer), answer.answered_by
        item.latency_s, item.usage = answer.latency_s, answer.usage
        item.cost_usd = entry.spent_usd if priced else None
        item.unanswered, item.unanswered_usd = entry.unanswered, entry.unanswered_usd
        result = item.result(outputs, None, self._batch, self._from_model)
        return self._emitted(replace(result, from_journal=True))

    def shared(self, item: Item, first: ItemResult) -> ItemResult:
        """The result of an item that asks the very same as one that was under way: one call serves both."""
        mine = replace(
            first, index=item.index, attempts=0, unanswered=0, unanswered_usd=0.0, from_journal=first.error is None
        )
        return self._emitted(mine)

    def _failed(
        self, item: Item, error: ItemError, outputs: dict[str, Any], cause: KaizenBatchError | None
    ) -> ItemResult:
        outputs = {**self._no_outputs, **outputs}
        result = self._emitted(item.result(outputs, error, self._batch, self._from_model))
        if self.raises:
            raise BatchError(f"item {item.index} failed: {error.message}", index=item.index, code=error.code) from cause
        return result

    def _emitted(self, result: ItemResult) -> ItemResult:
        self._metrics.finished(result)
        if self._emit is not None:
            self._emit(ItemFinished(result))
        return result
