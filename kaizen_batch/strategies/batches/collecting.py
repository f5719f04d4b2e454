"""From the result files of a batch into the journal, in bounded memory; repeated, it does nothing twice.

Each line gives the row that it names its outcome, if that is still `submitted` in this batch. What is left then has no
line in either file: it may have been billed, and counts so, unless the batch never began.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path

from kaizen_batch.agents import Agent
from kaizen_batch.errors import KaizenBatchError, ProviderError
from kaizen_batch.journal import Entry, Journal, JournalWriter, StoredAnswer
from kaizen_batch.journal.batches import Batch, doubt_rows, free_rows
from kaizen_batch.limits import ADMISSION
from kaizen_batch.prices import Price
from kaizen_batch.providers import Completion
from kaizen_batch.providers.batch import BatchApi, Outcome
from kaizen_batch.results import ItemError
from kaizen_batch.strategies.batches.part import file_of, forget_files
from kaizen_batch.strategies.batches.requests import chunks
from kaizen_batch.strategies.batches.steps import Steps

_LINES = 256


class Collector:
    """Collects batches that are over. `again` counts rows that may be asked again, `answered` those with an answer."""

    def __init__(self, agent: Agent, api: BatchApi, journal: JournalWriter, steps: Steps) -> None:
        self._agent = agent
        self._api = api
        self._journal = journal
        self._steps = steps
        self._price: Price | None = api.price(agent.name or "", agent.price)
        self.again: int = 0
        self.answered: int = 0

    async def collect(self, batch: Batch, *, delete_files: bool = False) -> Batch:
        """Bring every row of an ended batch to its outcome. Raises: ProviderError."""
        files = [name for name in batch.counts.get("files", ()) if name]
        for kind, name in zip(("output", "errors"), batch.counts.get("files", ()), strict=False):
            path = file_of(self._journal.path, batch, kind)
            if name and not path.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                await self._api.download(name, path)
        for kind in ("output", "errors"):
            await self._read(batch, file_of(self._journal.path, batch, kind))
        await self._commit_rest(batch)
        batch = await self._steps.save(batch, state="collected")
        forget_files(self._journal.path, batch)
        if delete_files:
            for name in (batch.input_file, *files):
                with suppress(ProviderError):
                    await self._api.delete(name or "")
        return batch

    async def _read(self, batch: Batch, path: Path) -> None:
        for group in chunks(_lines_of(path), _LINES):
            await self._commit(batch, [outcome for text in group if (outcome := self._api.read(text)) is not None])

    async def _commit(self, batch: Batch, outcomes: list[Outcome]) -> None:
        looked_up = [self._journal.look_up(outcome.key) for outcome in outcomes]
        entries = [await entry for entry in looked_up]
        written = None
        for outcome, entry in zip(outcomes, entries, strict=True):
            if entry is not None and entry.batch == batch.id and entry.state in ("submitted", "unknown"):
                written = self._commit_one(entry, outcome) or written
        if written is not None:
            await written

    def _commit_one(self, entry: Entry, outcome: Outcome) -> "Awaitable[None] | None":
        completion, journal = outcome.completion, self._journal
        if completion is None:
            if entry.state == "submitted":
                self._failed(entry, outcome.error)
            return None
        answer, cost = self._answer(completion), self._cost(entry, completion)
        self._release(entry, cost or 0.0)
        if completion.error is not None:
            self.again += 1
            journal.unusable(entry.key, ItemError.of(completion.error), answer, spent_usd=cost)
            return None
        self.answered += 1
        return journal.done(entry.key, answer, spent_usd=cost, via="batch")

    def _failed(self, entry: Entry, error: KaizenBatchError | None) -> None:
        failure = error or ProviderError("the batch has no answer to it")
        self.again += failure.retryable
        if not failure.may_be_billed:
            self._release(entry, 0.0)
        self._journal.end_call(entry.key, ItemError.of(failure), may_be_billed=failure.may_be_billed)

    def _answer(self, completion: Completion) -> StoredAnswer:
        return StoredAnswer(
            text=completion.text,
            finish_reason=completion.finish_reason,
            refusal=completion.refusal,
            model=completion.model,
            answered_by=completion.model or self._agent.name,
            value=completion.value,
            usage=completion.usage,
            reasoning=completion.reasoning,
            max_tokens=self._agent.max_output(None),
        )

    def _cost(self, entry: Entry, completion: Completion) -> float | None:
        """USD of an answer: the most it can have cost if it does not say what it took; None without a price."""
        if self._price is None:
            return None
        return entry.at_risk_usd if completion.usage is None else self._price.cost(completion.usage)

    def _release(self, entry: Entry, cost: float) -> None:
        with ADMISSION.lock:
            if entry.state == "submitted":
                self._journal.ledger.commit_doubtful(entry.at_risk_usd, cost)
            else:
                self._journal.ledger.book(cost)

    async def _commit_rest(self, batch: Batch) -> None:
        """Rows without a line: doubtful, or what they were before if the batch did not pass validation."""
        rows, at_risk_usd = await asyncio.to_thread(Journal(self._journal.path).left_in, batch)
        if not rows:
            return
        self.again += rows
        if batch.counts.get("status") == "failed":
            await free_rows(self._journal, batch)
            with ADMISSION.lock:
                self._journal.ledger.commit_doubtful(at_risk_usd, 0.0)
        else:
            await doubt_rows(self._journal, batch)


def _lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, read as they are asked for; none if it is not there."""
    if path.exists():
        with path.open("rb") as lines:
            yield from lines
