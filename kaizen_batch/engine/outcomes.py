"""Builds each item's result, counts it and emits its event."""

from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from kaizen_batch.engine.item import Item
from kaizen_batch.engine.journaling import completion_of
from kaizen_batch.engine.run_state import RunState
from kaizen_batch.errors import AgentError, BatchError, JournalError, KaizenBatchError
from kaizen_batch.events import ItemFinished
from kaizen_batch.journal import Entry, JournalWriter
from kaizen_batch.results import NOT_ATTEMPTED, ItemError, ItemResult, Outputs
from kaizen_batch.results.texts.names import item_name
from kaizen_batch.results.texts.terminal import one_line

_LONGEST_NAME = 100


class Outcomes:
    """Makes the results of one run. If the run raises, a failed item raises BatchError once it is counted."""

    def __init__(self, run: RunState) -> None:
        self._run = run
        self._finished = run.metrics.finished
        self._emit = run.sinks
        self._wants_items, self._wants_failures = run.sinks.wants_items, run.sinks.wants_failures
        self._batch = run.source.is_batch
        self._from_model = run.agent.from_model
        self._journal = run.journal if run.agent.lists_rows else None
        self._no_outputs: dict[str, Any] = dict.fromkeys(run.agent.output_fields)
        self._is_watched = self._wants_failures or self._wants_items or self._journal is not None

    def result_of(self, item: Item, outputs: Outputs, error: ItemError | None = None) -> ItemResult:
        """The result of an item with these outputs, or this error: built, counted and emitted."""
        completion = item.completion
        text = reason = reasoning = None
        if completion is not None:
            text, reason, reasoning = completion.text, completion.finish_reason, completion.reasoning
        result = ItemResult(
            item.index,
            outputs,
            error,
            text,
            reason,
            item.usage,
            item.attempt,
            item.latency_s,
            item.cost_usd,
            item.answered_by,
            error is None and item.upstream.is_fallback,
            item.from_journal,
            item.unanswered,
            item.unanswered_usd,
            self._batch,
            self._from_model,
            reasoning,
        )
        self._finished(result)
        if self._is_watched:
            self._emit_item(item, result)
        return result

    def failed(self, item: Item, error: KaizenBatchError) -> ItemResult:
        """The result of an item that has none."""
        outputs = error.outputs if isinstance(error, AgentError) else {}
        return self._failed(item, ItemError.of(error), outputs, error)

    def failed_before(self, item: Item, entry: Entry, error: ItemError) -> ItemResult:
        """The result of an item whose request this run has already seen refused: it is not sent again."""
        if entry.answer is not None:
            item.completion, item.answered_by = completion_of(entry.answer), entry.answer.answered_by
        return self._failed(item, error, {}, None)

    def replayed(self, item: Item, entry: Entry, outputs: Outputs) -> ItemResult:
        """The result of an item that an earlier run, or an earlier item of this one, has paid for, or a batch of it."""
        answer = entry.answer
        assert answer is not None
        item.completion, item.answered_by = completion_of(answer), answer.answered_by
        item.latency_s, item.usage = answer.latency_s, answer.usage
        item.cost_usd = entry.spent_usd if self._run.priced else None
        item.unanswered, item.unanswered_usd = entry.unanswered, entry.unanswered_usd
        item.from_journal = not self._is_own(item, entry)
        if not item.from_journal:
            item.attempt = 1
            self._run.metrics.calls += 1
            self._run.metrics.answered(answer.usage, None if entry.via == "batch" else answer.latency_s, item.cost_usd)
        return self.result_of(item, outputs)

    def _is_own(self, item: Item, entry: Entry) -> bool:
        """Whether this run has paid for an answer that it finds in its journal: in a batch, or before it."""
        since = self._run.since
        return since is not None and entry.item == item.index and (entry.ended_at or 0.0) >= since

    def coalesced(self, item: Item, first: ItemResult) -> ItemResult:
        """The result of an item with the same request as one that was in progress: one call serves both."""
        mine = replace(
            first, index=item.index, attempts=0, unanswered=0, unanswered_usd=0.0, from_journal=first.error is None
        )
        self._finished(mine)
        self._emit_item(item, mine)
        return mine

    def _list(self, journal: JournalWriter, item: Item, result: ItemResult) -> None:
        key = item.record.key if item.record is not None else None
        with suppress(JournalError):  # a journal that broke says so to the next who awaits it
            journal.row(item.index, _status(result), id=self._run.agent.row_name(item.inputs), key=key)

    def _failed(self, item: Item, error: ItemError, outputs: Outputs, cause: KaizenBatchError | None) -> ItemResult:
        outputs = {**self._no_outputs, **outputs}
        result = self.result_of(item, outputs, error)
        if self._run.raises:
            what = f"{self._called(item)} failed: {error.message}"
            raise BatchError(what, index=item.index, code=error.code) from cause
        return result

    def _called(self, item: Item) -> str:
        """How people call an item: a row by its name, else counted from 1; an item of a program by its index."""
        agent = self._run.agent
        return item_name(item.index, "row" if agent.lists_rows else "item", agent.row_name(item.inputs))

    def _emit_item(self, item: Item, result: ItemResult) -> None:
        if self._journal is not None:
            self._list(self._journal, item, result)
        if self._wants_items or (self._wants_failures and result.error is not None):
            name = self._run.agent.row_name(item.inputs)
            self._emit(ItemFinished(result, None if name is None else one_line(name, _LONGEST_NAME)))


def _status(result: ItemResult) -> str:
    if result.error is None:
        return "ok"
    return "not_attempted" if result.error.code in NOT_ATTEMPTED else "failed"
