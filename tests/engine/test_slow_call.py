"""One slow call holds nobody up: what comes behind it waits in bounded memory, or on the disk."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchProgress, Completion, FileJob, ParallelBatchStrategy, Provider
from kaizen_batch.agents import create_agent
from kaizen_batch.files.jobs import run_job

virtual = pytest.mark.looptime(start=0)


async def one_is_slow(item: int) -> dict[str, Any]:
    await asyncio.sleep(100 if item == 300 else 1)
    return {"item": item, "text": "x" * 1_000}


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_a_run_with_one_slow_call_takes_as_long_as_without_it() -> None:
    results = await ParallelBatchStrategy(10).execute_batch(one_is_slow, range(1_000))
    assert [result["item"] for result in results] == list(range(1_000))
    assert now() <= 30 + 100 + 1, "the others are done while it lasts"


@virtual
async def test_beyond_the_bytes_the_run_pauses_and_says_what_it_waits_for() -> None:
    said: list[str | None] = []

    def on_event(event: object) -> None:
        if isinstance(event, BatchProgress):
            said.append(event.waiting_for)

    strategy = ParallelBatchStrategy(10, buffer_bytes=100_000, on_event=on_event)
    run = strategy.stream(one_is_slow, iter(range(1_000)))
    results = [result async for result in run]
    assert len(results) == 1_000
    assert now() > 100 + 50, "what did not fit was done after the slow one"
    assert "item 300, 74 s" in said or "item 300, 1 min 14 s" in said


async def test_with_a_journal_order_never_stops_a_run(tmp_path: Path) -> None:
    class OneLast(Provider):
        def __init__(self) -> None:
            self.asked, self.all_others = 0, asyncio.Event()

        async def complete(self, request: Any) -> Completion:
            if request.messages[-1]["content"] == "ask 3":
                await self.all_others.wait()
            self.asked += 1
            if self.asked == 999:
                self.all_others.set()
            return Completion("answer " * 200)

    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(f'{{"n": {n}, "pad": "{"p" * 500}"}}\n' for n in range(1_000)))
    config = BatchConfig(journal=tmp_path / "run.db", buffer_bytes=50_000, max_concurrent=5, timeout_s=None)
    agent = create_agent(config, provider=OneLast())
    async with asyncio.timeout(60):
        result = await run_job(FileJob(source, target, template="ask {n}"), agent, config)
    assert result.rows_written == 1_000
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["n"] for row in rows] == list(range(1_000)) and all(len(row["pad"]) == 500 for row in rows)
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl", "run.db", "run.db.lock"}  # noqa: ASYNC240


@virtual
async def test_a_reader_of_a_large_backlog_lets_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def agent(item: int) -> dict[str, Any]:
        await asyncio.sleep(1_000 if item == 300 else 1)
        return {}

    run = ParallelBatchStrategy(10).stream(agent, range(4_000))  # all but one are done when that one is
    task = None
    async for result in run:
        if result["index"] == 300:
            task = asyncio.create_task(others())
    assert task is not None
    task.cancel()
    assert turns >= 3
