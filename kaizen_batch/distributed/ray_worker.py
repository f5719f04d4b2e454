"""The side of the workers: the actor that holds the book of leases, and the task that runs one shard."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.distributed.copies import committed_usd_of, journal_path
from kaizen_batch.distributed.division import divided
from kaizen_batch.distributed.folder import open_folder
from kaizen_batch.distributed.leased_limits import Leased, Lessee
from kaizen_batch.distributed.leases import Grant, LeaseBook, Need
from kaizen_batch.distributed.plan import check_plan
from kaizen_batch.distributed.scheduling import Shard
from kaizen_batch.distributed.shards import ShardRun, Work, plan_of
from kaizen_batch.events import BatchProgress, Event
from kaizen_batch.files.job import JobResult
from kaizen_batch.limits import RateLimit
from kaizen_batch.strategies import ParallelBatchStrategy

_LEASES = "leases.json"
_ASK_S = 300.0  # while the actor is started again

Untyped = Any
"""What comes from Ray, whose API has no types."""


class Leases:
    """The actor: the book of leases, and how far each shard is. Its state is in the run folder."""

    def __init__(self, folder: str, limits: list[RateLimit], budget_usd: float | None, caps: dict[str, float]) -> None:
        self._folder = open_folder(folder)
        saved = (self._folder.read(_LEASES) or b"").decode() or None
        self._book = LeaseBook(limits, budget_usd, self._save, saved)
        for shard, usd in caps.items() if saved is None else ():
            self._book.end(shard, usd)
        self._progress: dict[str, dict[str, Untyped]] = {}

    def lease(self, wanted: tuple[int, int], least_tokens: int) -> tuple[int, int]:
        """See LeaseBook."""
        return tuple(self._book.lease(Grant(*wanted), least_tokens, time.time()))  # type: ignore[return-value]  # noqa: TID251

    def cap(self, shard: str, need: tuple[float, float, float, bool]) -> tuple[float, bool]:
        """See LeaseBook."""
        return tuple(self._book.cap(shard, Need(*need)))  # type: ignore[return-value]

    def begin(self, shard: str, committed: float) -> None:
        """See LeaseBook."""
        self._book.begin(shard, committed)

    def end(self, shard: str, committed: float) -> None:
        """See LeaseBook."""
        self._book.end(shard, committed)

    def report(self, shard: str, progress: dict[str, Untyped]) -> None:
        """A shard says how far it is."""
        self._progress[shard] = progress

    def progress(self) -> list[dict[str, Untyped]]:
        """How far all are that have said so."""
        return list(self._progress.values())

    def _save(self, text: str) -> None:
        self._folder.write(_LEASES, text.encode())


@dataclass(frozen=True)
class Task:
    """What a worker is told."""

    folder: str
    work: Work
    shard: Shard
    workers: int


def run_task(task: Task, leases: Untyped) -> dict[str, Untyped]:
    """One shard, in a worker: returns a small report."""
    import ray

    if task.work.home and Path(task.work.home).is_dir():
        os.chdir(task.work.home)
    config = BatchConfig(**_options(task.work.config))
    name = str(task.shard.number)

    def ask(method: str, *arguments: object) -> Untyped:
        return ray.get(getattr(leases, method).remote(*arguments), timeout=_ASK_S)

    folder = open_folder(task.folder)
    plan = plan_of(folder)
    journal = journal_path(folder, plan, task.shard.number)
    begun = False

    def begin() -> None:
        nonlocal begun
        ask("begin", name, committed_usd_of(journal))
        begun = True

    async def run() -> JobResult:
        own = _without_leased(config, task.workers)
        agent = task.work.make_agent(own)
        await asyncio.to_thread(check_plan, plan, task.work.job, agent, task.shard.number)
        shard = ShardRun(folder, plan, task.work.job, task.shard, own.model_copy(update={"journal": journal}))
        with Leased(Lessee(name, task.workers, ask), config.rate_limits, config.budget_usd) as limits:
            strategy = ParallelBatchStrategy(limits=limits)
            return await shard.run(agent, on_open=begin, strategy=strategy, on_event=_Reporter(name, leases))

    try:
        result = run_sync(run)
    finally:
        if begun:
            ask("end", name, committed_usd_of(journal))
    return {"complete": result.complete, "stopped": result.summary.stopped, "rows": result.rows_read}


def _options(config: BatchConfig) -> dict[str, Untyped]:
    """The options that were set, so that the key comes from the worker's own environment."""
    options = {name: getattr(config, name) for name in config.model_fields_set - {"api_key", "journal"}}
    return {**options, "base_url": config.base_url}


def _without_leased(config: BatchConfig, workers: int) -> BatchConfig:
    """The config of a worker: its part of what is not leased, and no limit that is."""
    leased = ("requests_per_second", "requests_per_minute", "requests_per_day", "tokens_per_minute", "budget_usd")
    return divided(config.model_copy(update=dict.fromkeys(leased)), Shard(1, workers))


class _Reporter:
    """Tells the actor how far a shard is."""

    wants_calls = wants_items = False

    def __init__(self, shard: str, leases: Untyped) -> None:
        self._shard = shard
        self._leases = leases

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchProgress):
            self._leases.report.remote(self._shard, {name: getattr(event, name) for name in SUMS})


SUMS = ("done", "failed", "in_flight", "limit", "calls", "throttles", "from_journal", "input_tokens", "output_tokens")
