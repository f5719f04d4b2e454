"""Collecting is repeatable, and reads whatever the files hold."""

import json
from pathlib import Path

import pytest

from kaizen_batch import Journal, ParallelBatchStrategy
from kaizen_batch.strategies.batches.collecting import Collector

from .fake import World, agent_of, right

virtual = pytest.mark.looptime(start=0)
PROMPTS = [f"question {n}" for n in range(30)]
SETTINGS = {"rows": 30, "live_first": 0}


@virtual
async def test_a_crash_half_way_through_collecting_settles_no_row_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, commit = World(failed=0.2, seed=1), Collector._commit
    agent = agent_of(world, path, batches=SETTINGS)
    monkeypatch.setattr("kaizen_batch.strategies.batches.collecting._LINES", 5)
    times = 0

    async def crashing(collector: Collector, *values: object) -> None:
        nonlocal times
        times += 1
        if times == 3:
            raise RuntimeError("crash")
        await commit(collector, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(Collector, "_commit", crashing)
    with pytest.raises(RuntimeError, match="crash"):
        await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert Journal(path).count()["done"] == 10
    result = await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert [each["result"] for each in result.results] == [right(prompt) for prompt in PROMPTS]
    assert set(world.billed().values()) == {1}
    assert set(world.downloads.values()) == {1}, "the files are still on this disk"
    totals = Journal(path).totals()
    assert totals.spent_usd == pytest.approx(world.usd)
    assert totals.at_risk_usd == 0.0


@virtual
async def test_lines_that_name_no_row_of_the_batch_are_passed_over(path: Path) -> None:
    world = World()
    agent = agent_of(world, path, batches=SETTINGS)
    await ParallelBatchStrategy(detach=True).run_batch(agent, PROMPTS)
    [remote] = world.batches.values()
    foreign = {"custom_id": "ab" * 32, "response": {"status_code": 200, "body": {}}}
    remote.lines.append({**remote.lines[0], "custom_id": "not hex"})
    remote.output = "out"
    remote.status = "completed"
    lines = [b"", b"not json", b"[]", json.dumps(foreign).encode(), b'{"custom_id": 7}']
    world.files["out"] = ("output", b"\n".join(lines))
    result = await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert result.summary.ok == 30
    assert result.summary.maybe_paid_twice == 30
