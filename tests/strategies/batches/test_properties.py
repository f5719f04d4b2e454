"""Over random faults, times and budgets: never over the budget, never late while there was time, nothing lost.

Each example is a whole run, or a run that is left and one that comes back, on a virtual clock; what the provider billed
is compared with the journal.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import looptime
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kaizen_batch import BatchResult, Journal, ParallelBatchStrategy
from kaizen_batch.strategies.batches.deadline import LiveTime

from .fake import BATCH, EPOCH, LIVE, USAGE, World, agent_of, quick_folder, right

share = st.sampled_from([0.0, 0.0, 0.1, 0.4])
worlds = st.builds(
    World,
    seed=st.integers(0, 10**6),
    batch_s=st.sampled_from([60.0, 3_000.0, 40_000.0]),
    flex_s=st.sampled_from([None, 3.0]),
    cancel_s=st.sampled_from([1.0, 600.0]),
    lost_create=share,
    lost_upload=share,
    throttled=share,
    outage=st.sampled_from([0.0, 0.2]),
    expired=share,
    failed=share,
    missing=share,
    unusable=st.sampled_from([0.0, 0.1]),
    null_output=share,
    queue_tokens=st.sampled_from([None, 60, 200]),
    lists=st.booleans(),
)


async def _runs(
    world: World, path: Path, prompts: list[str], options: dict[str, Any], away_s: float | None
) -> tuple[BatchResult, float]:
    agent = agent_of(world, path, **options)
    if away_s is not None:
        await ParallelBatchStrategy(detach=True).run_batch(agent, prompts)
        await asyncio.sleep(away_s)
    result = await ParallelBatchStrategy().run_batch(agent, prompts)
    return result, asyncio.get_running_loop().time()


PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # explaining a failure would take minutes


@settings(max_examples=40, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(
    world=worlds,
    mode=st.sampled_from(["batch", "batch", "auto", "auto", "flex", "live"]),
    rows=st.integers(1, 60),
    budget=st.sampled_from([None, 0.0005, 0.003, 1.0]),
    hours=st.sampled_from([None, 1, 8]),
    away_s=st.sampled_from([None, None, 100.0, 6_000.0, 27_000.0]),
    size=st.sampled_from([7, 30]),
)
def test_never_over_the_budget_never_late_nothing_lost(
    world: World, mode: str, rows: int, budget: float | None, hours: int | None, away_s: float | None, size: int
) -> None:
    if mode == "flex" and world.flex_s is None:
        world.flex_s = 3.0
    prompts = [f"question {n}" for n in range(rows)]
    options: dict[str, Any] = {"mode": mode, "budget_usd": budget, "batches": {"rows": size, "live_first": 3}}
    if hours is not None:
        options["finish_by"] = datetime.fromtimestamp(EPOCH + 3600 * hours, UTC).isoformat()
    with quick_folder() as folder:
        path = Path(folder) / "run.db"
        with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0)) as runner:
            result, ended_at = runner.run(_runs(world, path, prompts, options, away_s))
        totals = Journal(path).totals()
    _check_money(world, totals.spent_usd, totals.committed_usd, budget)
    _check_rows(world, prompts, result, budget)
    if hours is not None and mode in ("batch", "auto"):
        config = agent_of(world, Path("run.db"), **options).config
        assert config is not None
        if (away_s or 0.0) + 2 * LiveTime(config, 1.0).seconds(rows) + 60.0 < hours * 3600:
            assert ended_at <= hours * 3600


def _check_money(world: World, spent_usd: float, committed_usd: float, budget: float | None) -> None:
    assert spent_usd <= world.usd + 1e-9 <= committed_usd + 2e-9, "known costs were billed, and the bill is within all"
    if budget is not None:
        assert world.usd <= budget + 1e-9


def _check_rows(world: World, prompts: list[str], result: BatchResult, budget: float | None) -> None:
    summary, billed = result.summary, world.billed()
    assert [each["index"] for each in result.results] == list(range(len(prompts)))
    for prompt, each in zip(prompts, result.results, strict=True):
        assert each["status"] == "error" or each["result"] == right(prompt)
    extra = sum(count - 1 for count in billed.values())
    assert extra <= summary.maybe_paid_twice + world.spoiled
    if budget is None or budget == 1.0:
        assert summary.ok == len(prompts), summary
    assert summary.ok + summary.failed + summary.not_attempted == len(prompts)


def test_the_prices_of_the_world_are_those_of_the_run() -> None:
    assert LIVE.cost(USAGE) == pytest.approx(2 * BATCH.cost(USAGE))
