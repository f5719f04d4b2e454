"""Batches that are open: what the caller hears of them, and news that do not come."""

from pathlib import Path

import pytest

from kaizen_batch import BatchesWaiting, Event, Journal, ParallelBatchStrategy
from kaizen_batch.errors import ModelNotFoundError, ServerError

from .fake import FakeBatches, World, agent_of, right

virtual = pytest.mark.looptime(start=0)
PROMPTS = [f"question {n}" for n in range(30)]


@virtual
async def test_each_look_is_told(path: Path) -> None:
    events: list[Event] = []
    agent = agent_of(World(), path, batches={"rows": 10, "live_first": 0})
    await ParallelBatchStrategy().run_batch(agent, PROMPTS, on_event=events.append)
    waiting = [event for event in events if isinstance(event, BatchesWaiting)]
    assert waiting[0] == BatchesWaiting(3, 30, 0, {"in_progress": 3})
    assert waiting[-1].open == 0


@virtual
async def test_results_that_cannot_be_read_now_are_read_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, download, failed = World(), FakeBatches.download, list[str]()

    async def sometimes(api: FakeBatches, file: str, to: Path) -> None:
        if len(failed) < 2:
            failed.append(file)
            raise ServerError("not now")
        await download(api, file, to)

    monkeypatch.setattr(FakeBatches, "download", sometimes)
    agent = agent_of(world, path, batches={"rows": 30, "live_first": 0})
    result = await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert [each["result"] for each in result.results] == [right(prompt) for prompt in PROMPTS]
    assert set(world.billed().values()) == {1}


@virtual
async def test_a_batch_that_its_provider_does_not_know_ends_the_run_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(api: FakeBatches, batch: str) -> None:
        raise ModelNotFoundError("no such batch", status=404)

    monkeypatch.setattr(FakeBatches, "status", unknown)
    agent = agent_of(World(), path, batches={"rows": 30, "live_first": 0})
    with pytest.raises(ModelNotFoundError):
        await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert Journal(path).count()["submitted"] == 30


@virtual
async def test_what_waits_for_the_queue_when_the_time_is_up_is_asked_live_and_was_never_made(path: Path) -> None:
    world = World(batch_s=50_000.0, cancel_s=1.0)
    settings = {"rows": 10, "live_first": 0, "enqueued_tokens": 40}
    agent = agent_of(world, path, batches=settings, finish_by="2h")
    result = await ParallelBatchStrategy().run_batch(agent, PROMPTS)
    assert [each["result"] for each in result.results] == [right(prompt) for prompt in PROMPTS]
    assert result.summary.maybe_paid_twice == 0
    assert set(world.billed().values()) == {1}
    assert not [batch for batch in Journal(path).batches() if batch.is_open]
    made = len(world.batches)
    await ParallelBatchStrategy().run_batch(agent_of(world, path, batches=settings), PROMPTS)
    assert len(world.batches) == made
