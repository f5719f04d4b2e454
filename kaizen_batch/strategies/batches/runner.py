"""A batch run: what the journal does not know is submitted in batches, and their answers are collected into it.

One mechanism serves the first run, a run after a crash, and one that comes back the next morning:

1. Batches that the journal has open are carried on from the step on the disk.
2. If none was made yet, a few rows are asked live: a refused parameter then costs a few calls.
3. The input is read, and what the journal does not know is cut into parts and submitted, as far as budget and queue
   allow; where they do not, the run waits for a batch to end.
4. Batches are polled; one that has ended is downloaded and collected.
5. What failed and may be asked again is worth another batch if it is much. Everything else is left to the run that
   replays the journal: it asks live.

Invariants: a row is `submitted` in the journal, with its worst cost in the ledger, before anything about it leaves this
machine; it leaves that state once, when its outcome is on the disk.
"""

import os

from kaizen_batch.config import finish_at
from kaizen_batch.engine.signals import cancelled_on_stop
from kaizen_batch.errors import ConfigError
from kaizen_batch.journal import Entry, Journal
from kaizen_batch.journal.batches import Batch
from kaizen_batch.limits import ADMISSION
from kaizen_batch.strategies.batches.clock import Clock
from kaizen_batch.strategies.batches.deadline import Deadline, LiveTime
from kaizen_batch.strategies.batches.job import BatchJob, Filled
from kaizen_batch.strategies.batches.part import Part
from kaizen_batch.strategies.batches.requests import Renderer, Wanted, in_groups
from kaizen_batch.strategies.batches.waiting import Enough, OpenBatches, Tools

_GROUP = 128
_WORTH_A_BATCH = 100


class BatchRunner:
    """One batch run on an open journal."""

    def __init__(self, job: BatchJob, tools: Tools) -> None:
        self._job = job
        self._journal = tools.journal
        self._deadline = tools.deadline
        self._open = OpenBatches(job, tools)
        self._price = job.api.price(job.agent.name or "", job.config.price or job.agent.price)
        self._part: Part | None = None
        self._since = self._journal.now()

    async def run(self) -> Filled:
        """Until nothing more can be had from batches, or, with `detach`, until the rest is up to the provider."""
        endpoint = self._job.agent.endpoint
        earlier = [batch for batch in Journal(self._journal.path).batches() if batch.endpoint == endpoint]
        with cancelled_on_stop():
            await self._open.recover([batch for batch in earlier if batch.is_open])
        if not earlier and not await self._job.ask_live(self._job.config.batches.live_first):
            return Filled(0, self._since)
        self._deadline.live.latency_s = Journal(self._journal.path).mean_latency_s()
        with cancelled_on_stop():  # not around live calls: their run lets them finish
            await self._until_enough()
        return Filled(self._open.rows, self._since)

    async def _until_enough(self) -> None:
        try:
            await self._rounds()
        except Enough:
            if self._open.time_is_up:
                await self._open.cut_short()

    async def _rounds(self) -> None:
        """Submit and wait, again as long as that is worth a batch. Raises: Enough."""
        batches, collector = self._open, self._open.collector
        before: float = float("inf")
        while True:
            batches.freed = batches.answered = collector.again = collector.answered = 0
            await self._submit_all()
            await batches.wait_for_all()
            if not batches.freed and not _WORTH_A_BATCH <= collector.again < before:
                return
            before = collector.again

    async def _submit_all(self) -> None:
        job = self._job
        renderer = Renderer(job.agent, job.api, self._price)
        with job.items() as items:
            async for group in in_groups(renderer, items, _GROUP):
                await self._submit_group(await self._missing(group))
        await self._finish_part()

    async def _missing(self, group: list[Wanted]) -> list[Wanted]:
        """Those that are worth a batch: unknown to the journal, or failed so that another try may help."""
        journal = self._journal
        looked_up = {each.row.key: journal.look_up(each.row.key) for each in group if journal.may_know(each.row.key)}
        entries = {key: await entry for key, entry in looked_up.items()}
        self._open.answered += sum(entry is not None and entry.state == "done" for entry in entries.values())
        missing = {each.row.key: each for each in group if self._is_missing(entries.get(each.row.key))}
        return list(missing.values())

    def _is_missing(self, entry: Entry | None) -> bool:
        if entry is None or entry.state == "unknown":
            return True
        if entry.state != "failed":
            return False
        return (entry.ended_at or 0.0) < self._since or entry.error is None or entry.error.retryable

    async def _submit_group(self, group: list[Wanted]) -> None:
        """Add rows to the present part, as long as each has its place there and its money; then to the next."""
        for wanted in group:
            if self._part is None or not self._part.fits(wanted):
                await self._finish_part()
                if self._open.time_is_up:
                    raise Enough
            while not self._book(wanted):
                await self._finish_part()
                await self._open.wait()
            if self._part is None:
                self._part = await self._new_part()
            self._part.write(wanted)
        if self._part is not None:
            await self._part.written()

    def _book(self, wanted: Wanted) -> bool:
        with ADMISSION.lock:
            return self._journal.ledger.try_book(wanted.row.at_risk_usd, self._job.config.budget_usd)

    async def _new_part(self) -> Part:
        agent = self._job.agent
        batch = Batch(
            id=int.from_bytes(os.urandom(7)),
            intent=os.urandom(16).hex(),
            endpoint=agent.endpoint or "",
            model=agent.name or "",
            state="cutting",
            begun_at=self._journal.now(),
            deadline_at=self._deadline.at,
        )
        part = Part(self._journal, batch, self._open.limits)
        await part.open()
        return part

    async def _finish_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            await self._open.add(await part.close())


async def fill(job: BatchJob, clock: Clock | None = None) -> Filled:
    """Have batches answer what the journal does not know.

    Raises: ConfigError without a journal; ProviderError if the provider refuses a batch, or the key; JournalError.
    """
    clock = clock or Clock()
    path = job.config.journal
    if path is None:
        raise ConfigError("batch mode keeps its work in a journal: set journal to a file")
    async with Journal(path).writing() as journal, job.api:
        return await BatchRunner(job, Tools(journal, clock, _deadline(job, Journal(path), clock))).run()


def _deadline(job: BatchJob, journal: Journal, clock: Clock) -> Deadline:
    """The time of the run that made the batches which are open, or else that of this one."""
    kept = [batch.deadline_at for batch in journal.batches() if batch.is_open and batch.deadline_at is not None]
    when = job.config.finish_by
    at = min(kept) if kept else None if when is None else finish_at(when, clock.now())
    return Deadline(at, LiveTime(job.config, journal.mean_latency_s()))
