"""Batches that nobody wants any more are cancelled, or given up."""

from pathlib import Path

import pytest

from kaizen_batch import Journal, ParallelBatchStrategy
from kaizen_batch.config import BatchSettings
from kaizen_batch.strategies.batches.cancelling import cancel_open, give_up

from .fake import FakeBatches, World, agent_of

virtual = pytest.mark.looptime(start=0)
PROMPTS = [f"question {n}" for n in range(20)]


@virtual
async def test_every_open_batch_is_cancelled(path: Path) -> None:
    world = World()
    agent = agent_of(world, path, batches={"rows": 10, "live_first": 0})
    await ParallelBatchStrategy(detach=True).run_batch(agent, PROMPTS)
    api = FakeBatches(world, BatchSettings())
    found = [(batch.rows, error) async for batch, error in cancel_open(Journal(path), lambda endpoint: api)]
    assert found == [(10, None), (10, None)]
    assert {remote.status for remote in world.batches.values()} == {"cancelling"}


@virtual
async def test_what_is_given_up_may_have_been_billed(path: Path) -> None:
    world = World()
    agent = agent_of(world, path, batches={"rows": 10, "live_first": 0})
    await ParallelBatchStrategy(detach=True).run_batch(agent, PROMPTS)
    assert await give_up(Journal(path), Journal(path).batches()) == 20
    totals = Journal(path).totals()
    assert (totals.unanswered, totals.at_risk_usd) == (20, 0.0)
    assert {batch.state for batch in Journal(path).batches()} == {"dropped"}
