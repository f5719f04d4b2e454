"""The shards of a job as one: the journal of all of them, and the output that a single process would have written.

The journals are merged, and the unchanged `run_job` replays the result without a call. So the output is byte for byte
that of one process, whatever its format.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.distributed.copies import journal_name
from kaizen_batch.distributed.folder import Folder
from kaizen_batch.distributed.parts import write_parts
from kaizen_batch.distributed.plan import Plan, check_plan
from kaizen_batch.distributed.shards import Work, part_name, plan_of, report_name
from kaizen_batch.files.job import JobResult
from kaizen_batch.files.jobs import run_job
from kaizen_batch.journal import Journal, Totals
from kaizen_batch.journal.merging import JournalPart, merge_journals
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.results import BatchSummary


@dataclass(frozen=True, slots=True)
class Merged:
    """What the shards that are done have done together.

    `missing` are the numbers of the others. `summary` adds up what they counted, `totals` is the sum of their
    journals, `paid_again` counts answers that equal rows in different shards were paid for. `summary` is
    made from `metrics`.
    """

    plan: Plan
    missing: tuple[int, ...]
    summary: BatchSummary
    totals: Totals
    paid_again: int
    metrics: RunMetrics
    result: JobResult | None = None


async def merge(folder: Folder, work: Work, *, parts: bool = False) -> Merged:
    """Write the output of the shards that are done, in order; of the others, only that their rows are missing.

    With `parts` the output is a file for each shard, `part-0003.csv` for the output `part.csv`, all of one schema. The
    journal of all of them is written to `work.config.journal`, if that is set. Raises: ConfigError, RecordError,
    JournalError.
    """
    plan, agent, job, config = plan_of(folder), work.make_agent(work.config), work.job, work.config
    await asyncio.to_thread(check_plan, plan, job, agent)
    done = [shard for shard in range(1, plan.shards + 1) if folder.has(part_name(shard))]
    with _journals(folder, plan, {shard: part_name(shard) for shard in done}, work.config.journal) as (
        journal,
        paid_again,
    ):
        totals = Journal(journal).totals()
        own = config.with_mode("live").model_copy(update={"journal": journal, "budget_usd": None, "deadline_s": None})
        write = partial(run_job, agent=_Replay(agent), config=own)
        result = await (write_parts(plan, done, job, write) if parts else write(job))
        if config.journal is not None:
            await asyncio.to_thread(_put_in_place, journal, config.journal)
    missing = tuple(shard for shard in range(1, plan.shards + 1) if shard not in done)
    metrics, elapsed_s = counted_by(folder, done)
    twice = totals.maybe_paid_twice, totals.maybe_paid_twice_usd
    summary = metrics.summary(elapsed_s, stopped=None, priced=agent.price is not None, twice=twice)
    # Shards one after another have the same slots, so their peaks do not add up beyond those.
    peak = min(summary.peak_in_flight, config.max_concurrent)
    summary = replace(summary, peak_in_flight=peak, max_concurrent=config.max_concurrent)
    return Merged(plan, missing, summary, totals, paid_again, metrics, replace(result, summary=summary))


def _put_in_place(journal: Path, target: Path) -> None:
    journal.replace(target)
    Path(f"{journal}.lock").unlink(missing_ok=True)


class _Replay(AgentWrapper):
    """An agent whose answers come from the journal alone."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.replays: bool = True


def counted_by(folder: Folder, shards: list[int]) -> tuple[RunMetrics, float]:
    """The sum of what these shards counted in their last runs, and the seconds from the first to the last of them."""
    metrics, moments = RunMetrics(), list[tuple[float, float]]()
    for shard in shards:
        report: dict[str, Any] = json.loads(folder.read(report_name(shard)) or b"{}")
        if report:
            metrics.add(report["metrics"])
            moments.append((report["began"], report["ended"]))
    elapsed_s = max((end for _, end in moments), default=0.0) - min((begin for begin, _ in moments), default=0.0)
    return metrics, elapsed_s


@contextmanager
def merged_journal(folder: Folder) -> Iterator[Path]:
    """The journal of all shards of a run folder, those under way included; inside of the block. Raises: ConfigError."""
    plan = plan_of(folder)
    names = {shard: _latest(folder, shard) for shard in range(1, plan.shards + 1)}
    with _journals(folder, plan, {shard: name for shard, name in names.items() if name}) as (journal, _):
        yield journal


def shard_states(folder: Folder) -> dict[str, list[int]]:
    """The numbers of the shards that are done, begun and not begun. Raises: ConfigError."""
    plan, states = plan_of(folder), {"done": list[int](), "begun": list[int](), "not begun": list[int]()}
    for shard in range(1, plan.shards + 1):
        is_done, is_begun = folder.has(part_name(shard)), folder.has(journal_name(shard))
        states["done" if is_done else "begun" if is_begun else "not begun"].append(shard)
    return states


def _latest(folder: Folder, shard: int) -> str | None:
    return next((name for name in (part_name(shard), journal_name(shard)) if folder.has(name)), None)


@contextmanager
def _journals(
    folder: Folder, plan: Plan, names: dict[int, str], earlier: Path | None = None
) -> Iterator[tuple[Path, int]]:
    """The merged journal, and how many answers were paid in more than one shard.

    It is beside the one of an `earlier` merge, and knows which files that has written.
    """
    with tempfile.TemporaryDirectory(prefix="kaizen-batch-") as scratch:
        target = Path(scratch) / "merged.db" if earlier is None else earlier.with_name(f".{earlier.name}.new")
        parts = (
            JournalPart(_local(folder, name, Path(scratch) / f"{shard}.db"), plan.rows_of(shard)[0])
            for shard, name in names.items()
        )
        paid_again = merge_journals(parts, target, facts_of=earlier)
        yield target, paid_again


def _local(folder: Folder, name: str, copy: Path) -> Path:
    """A file of the run folder as a path: where it is, since a journal under way is more than one file, or a copy."""
    path = getattr(folder, "path", None)
    if isinstance(path, Path):
        return path / name
    folder.fetch(name, copy)
    return copy
