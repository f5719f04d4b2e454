"""One shard of a job: a range of rows with a journal of its own, committed to the run folder when every row is done.

    plan.json           made once, by exclusive creation; see plan.py
    journals/0003.db    the journal of shard 3 while it runs: the journal itself in a local run folder, else a copy
    reports/0003.json   what its last run counted
    parts/0003.db       its journal when it is done: the only mark of that, put in place by an atomic rename
    claims/             who has which shard, where that is not said by the lock of its journal; see claims.py

A journal needs the locks of a local disk. Where the run folder has none, the shard writes to the disk of its machine,
and copies its journal to the run folder: see copies.py.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replace_fields

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.config import BatchConfig, RunConfig
from kaizen_batch.distributed.copies import ShardJournal, journal_name, journal_path
from kaizen_batch.distributed.division import divided
from kaizen_batch.distributed.folder import Folder
from kaizen_batch.distributed.plan import PLAN, Plan, check_plan, decoded, make_plan
from kaizen_batch.distributed.scheduling import Shard
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink
from kaizen_batch.files.job import FileJob, JobResult
from kaizen_batch.files.jobs import run_job
from kaizen_batch.journal import Journal
from kaizen_batch.metrics import RunMetrics


def part_name(shard: int) -> str:
    """The part of a shard that is done."""
    return f"parts/{shard:04d}.db"


def report_name(shard: int) -> str:
    """What the last run of a shard counted."""
    return f"reports/{shard:04d}.json"


@dataclass(frozen=True)
class Work:
    """A job for several processes: how each makes its agent, and how the job was started, for `merge`."""

    job: FileJob
    config: BatchConfig
    make_agent: Callable[[BatchConfig], Agent]
    command: tuple[str, ...] = ()
    home: str = ""


async def plan_in(folder: Folder, work: Work, agent: Agent, shards: int) -> Plan:
    """The plan of a job, which is made if there is none yet. Raises: ConfigError."""
    data = folder.read(PLAN)
    if data is None:
        plan = replace_fields(await make_plan(work.job, agent, shards), command=work.command, home=work.home)
        if folder.create(PLAN, plan.encoded()):
            return plan
        data = folder.read(PLAN) or b""  # another shard was quicker
    plan = decoded(data, folder.name)
    if plan.shards != shards:
        raise ConfigError(
            f"the plan in {folder.name!r} has {plan.shards} shards, and {shards} were asked for: give the same number, "
            f"or another run folder"
        )
    return plan


def plan_of(folder: Folder) -> Plan:
    """The plan in a run folder. Raises: ConfigError if there is none."""
    data = folder.read(PLAN)
    if data is None:
        raise ConfigError(f"{folder.name!r} is no run folder: there is no {PLAN} in it")
    return decoded(data, folder.name)


@dataclass(frozen=True)
class ShardRun:
    """A shard that is ready to run: `config` has its part of the limits, and its journal."""

    folder: Folder
    plan: Plan
    job: FileJob
    shard: Shard
    config: RunConfig

    @property
    def is_done(self) -> bool:
        """Whether its part is committed."""
        return self.folder.has(part_name(self.shard.number))

    async def run(self, agent: Agent, *, on_open: Callable[[], object] | None = None, **watching: Any) -> JobResult:
        """Run the shard to its end, and commit it if every row was attempted. Raises: what `run_job` raises.

        `watching` are `on_event`, `on_start` and `on_end` of `run_job`, `on_open` is called when its journal is here.
        """
        survey = await self.plan.survey(self.job, agent, self.shard.number)
        counted, began = _Counted(agent), time.time()  # noqa: TID251 - compared over machines
        with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch:
            # What counts is the journal, from which `merge` writes the rows: here they go without their columns.
            own = replace(
                self.job,
                rows=self.plan.rows_of(self.shard.number),
                output=os.path.join(scratch, "part.jsonl"),  # noqa: PTH118
                output_format=None,
                failed=os.path.join(scratch, "failed.jsonl"),  # noqa: PTH118
                select=(),
                drop=(),
                limit=None,
                overwrite=True,
            )
            journal = ShardJournal(self.folder, self.shard.number, self._journal)
            async with journal.kept(lambda: counted.metrics):
                if on_open is not None:
                    on_open()
                result = await run_job(own, counted, self.config, survey=survey, **watching)
        if result.complete:
            await asyncio.to_thread(self._commit, counted.metrics, began)
        name = f"{self.folder.name}/{part_name(self.shard.number) if result.complete else self._name}"
        return replace(result, output=name, failed_output=name if result.failed_output else None)

    @property
    def _name(self) -> str:
        return journal_name(self.shard.number)

    @property
    def _journal(self) -> Path:
        assert self.config.journal is not None
        return self.config.journal

    def _commit(self, metrics: RunMetrics | None, began: float) -> None:
        report = {
            "began": began,
            "ended": time.time(),  # noqa: TID251 - compared over machines
            "metrics": (metrics or RunMetrics()).to_dict(),
        }
        with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch:
            counts, copy = Path(scratch) / "report.json", Path(scratch) / "part.db"
            counts.write_text(json.dumps(report))
            Journal(self._journal).snapshot(copy)
            self.folder.put(report_name(self.shard.number), counts)
            self.folder.put(part_name(self.shard.number), copy)


class _Counted(AgentWrapper):
    """An agent that remembers the figures of its last run."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.metrics: RunMetrics | None = None
        before = agent.watcher

        def watch(metrics: RunMetrics) -> Sequence[EventSink]:
            self.metrics = metrics
            return () if before is None else before(metrics)

        self.watcher: Callable[[RunMetrics], Sequence[EventSink]] = watch


async def open_shard(folder: Folder, work: Work, shard: Shard) -> tuple[ShardRun, Agent]:
    """A shard of a job, checked against the plan in the run folder, and its agent. Raises: ConfigError."""
    own = divided(work.config, shard)
    agent = work.make_agent(own)
    plan = await plan_in(folder, work, agent, shard.count)
    await asyncio.to_thread(check_plan, plan, work.job, agent, shard.number)
    own = own.model_copy(update={"journal": journal_path(folder, plan, shard.number)})
    return ShardRun(folder, plan, work.job, shard, own), agent
