"""The batches that are open: looked at, collected when they have ended, cancelled when the time is short."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from kaizen_batch.errors import BadRequestError, ProviderError
from kaizen_batch.journal import Journal, JournalWriter
from kaizen_batch.journal.batches import Batch, doubt_rows, free_rows
from kaizen_batch.limits import ADMISSION
from kaizen_batch.providers.batch import BatchLimits
from kaizen_batch.strategies.batches.clock import Clock, Pace
from kaizen_batch.strategies.batches.collecting import Collector
from kaizen_batch.strategies.batches.deadline import Deadline
from kaizen_batch.strategies.batches.job import BatchJob
from kaizen_batch.strategies.batches.part import forget_files
from kaizen_batch.strategies.batches.steps import Steps

_QUEUE_FULL = "token_limit_exceeded"
_PATIENCE_S = 25 * 3600.0  # a queue that is full for longer than any batch may take is never going to have room

logger: logging.Logger = logging.getLogger(__name__)


class Enough(Exception):
    """No further batch is made or awaited: the time is short, or the money, or the run was told not to wait."""


class Tools(NamedTuple):
    """What a batch run works with."""

    journal: JournalWriter
    clock: Clock
    deadline: Deadline


class OpenBatches:
    """The batches of a run between their making and their end.

    `freed` counts rows of batches that were not made after all, `answered` items that the journal already answers;
    `limits` are the provider's, lowered by what its refusals show.
    """

    def __init__(self, job: BatchJob, tools: Tools) -> None:
        self._job = job
        self._journal, self._clock, self._deadline = tools
        self._settings = job.config.batches
        self._pace = Pace(self._settings.poll_s)
        self._steps = Steps(job.api, self._journal, self._clock, self._settings.poll_s)
        self.collector: Collector = Collector(job.agent, job.api, self._journal, self._steps)
        self._open: dict[int, Batch] = {}
        self._full_since: float | None = None
        self.limits: BatchLimits = job.api.limits
        self.freed: int = 0
        self.answered: int = 0

    def __iter__(self) -> Iterator[Batch]:
        return iter(list(self._open.values()))

    @property
    def rows(self) -> int:
        """Rows that wait for their answers."""
        return sum(batch.rows for batch in self)

    @property
    def time_is_up(self) -> bool:
        """Whether the batches must be cancelled now, so that the rest is done in time."""
        return self._clock.now() >= self._deadline.cancel_at(self._rows_left())

    def _rows_left(self) -> int:
        """Rows that would be asked live if the batches gave no answer any more."""
        known = self.answered + self.collector.answered
        return self.rows if self._job.total is None else max(self.rows, self._job.total - known)

    async def recover(self, batches: list[Batch]) -> None:
        """Carry on what an earlier process has left."""
        for batch in batches:
            if batch.state == "cutting":
                await self._drop(batch)
            else:
                await self._make(batch)
        if self._open:
            await self.look()

    async def add(self, batch: Batch) -> None:
        """Make a batch, once the provider's queue has room. Raises: ProviderError if that refuses it."""
        self._open[batch.id] = batch
        while not self._has_room(int(batch.counts["tokens"])):
            await self.wait()
        if self._full_since is not None:
            await self._pause()
        else:
            self._pace.reset()
        await self._make(batch)

    def _has_room(self, tokens: int) -> bool:
        limit = self.limits.enqueued_tokens
        queued = sum(int(batch.counts.get("tokens", 0)) for batch in self if batch.state == "submitted")
        return limit is None or not queued or queued + tokens <= limit

    async def _make(self, batch: Batch) -> None:
        self._open[batch.id] = batch
        try:
            made = await self._steps.make(batch)
        except ProviderError as error:
            if not error.retryable:  # nothing was made
                del self._open[batch.id]
                await self._drop(batch)
            raise
        self._open[batch.id] = made
        if not made.is_open:
            del self._open[batch.id]

    async def _drop(self, batch: Batch) -> None:
        """A batch that was never made: its rows are what they were."""
        rows, at_risk_usd = Journal(self._journal.path).left_in(batch)
        await free_rows(self._journal, batch)
        with ADMISSION.lock:
            self._journal.ledger.commit_doubtful(at_risk_usd, 0.0)
        self.freed += rows
        await self._steps.save(batch, state="dropped")
        forget_files(self._journal.path, batch)

    async def wait_for_all(self) -> None:
        """Until no batch is open. Raises: Enough."""
        if self._open:
            await self.look()
        while self._open:
            await self.wait()

    async def wait(self) -> None:
        """A while, then look. Raises: Enough if no batch can end, or none should be waited for."""
        if not self._open or self._job.config.detach:
            raise Enough
        await self._pause()

    async def _pause(self) -> None:
        left_s = self._deadline.cancel_at(self._rows_left()) - self._clock.now()
        await self._clock.sleep(min(self._pace.next_s(), left_s))
        await self.look()
        if self.time_is_up:
            raise Enough

    async def look(self) -> None:
        """Ask for the state of every batch, and collect those that have ended.

        Raises: BadRequestError if one did not pass validation, after all others were looked at.
        """
        refused: list[Batch] = []
        for batch in self:
            if batch.state == "submitted":
                batch = await self._polled(batch)
            if batch.state == "ended" and await self._collect(batch):
                refused.append(batch)
        self._job.watch(list(self))
        if refused:
            raise BadRequestError(f"the provider refused a batch: {refused[0].error}", code="batch_refused")

    async def _polled(self, batch: Batch) -> Batch:
        try:
            remote = await self._job.api.status(batch.remote_id or "")
        except ProviderError as error:
            if error.fatal:
                raise
            logger.warning("no news of batch %s: %s", batch.remote_id, error.message)
            return batch
        batch = self._open[batch.id] = await self._steps.submitted(batch, remote)
        return batch

    async def _collect(self, batch: Batch) -> bool:
        """Bring an ended batch into the journal; whether it did not pass validation."""
        try:
            await self.collector.collect(batch, delete_files=self._settings.delete_files)
        except ProviderError as error:
            if error.fatal and error.status != 404:
                raise
            logger.warning("the results of batch %s cannot be read now: %s", batch.remote_id, error.message)
            return False
        del self._open[batch.id]
        if batch.counts.get("status") != "failed":
            self._full_since = None
            return False
        return self._is_refused(batch)

    def _is_refused(self, batch: Batch) -> bool:
        """Whether a batch that did not pass validation never will; else the queue was only full."""
        now = self._clock.now()
        if _QUEUE_FULL not in (batch.error or "") or now - (self._full_since or now) > _PATIENCE_S:
            return True
        self._full_since = self._full_since or now
        self.freed += batch.rows
        if not self._open:  # it was full by this batch alone
            self.limits = replace(self.limits, enqueued_tokens=max(1, int(batch.counts.get("tokens", 2)) // 2))
        return False

    async def cut_short(self) -> None:
        """Cancel what is open, keep what it has finished, and leave behind what does not end in time.

        The rows of a batch that is left behind count as perhaps billed, and are asked live; a later run collects it.
        """
        abandon_at = self._deadline.abandon_at(self._rows_left())
        for batch in self:
            if batch.remote_id is None:
                del self._open[batch.id]
                await self._drop(batch)  # it waited for its turn, and was not made
                continue
            with suppress(ProviderError):
                await self._job.api.cancel(batch.remote_id)
        self._pace.reset()
        while True:
            await self.look()
            left_s = abandon_at - self._clock.now()
            if not self._open or left_s <= 0:
                break
            await self._clock.sleep(min(self._pace.next_s(), left_s))
        for batch in self:
            await doubt_rows(self._journal, batch)
        self._open.clear()
