"""The pipeline: one result for every item, and one call for items with the same request."""

import asyncio
from pathlib import Path
from typing import Any

from kaizen_batch import Event, Journal, ParallelBatchStrategy
from tests.engine.spies import Spy, model_agent


async def run_batch(agent: Any, items: list[Any], journal: Path, **options: Any) -> Any:
    return await ParallelBatchStrategy(journal=journal, **options).run_batch(agent, items)


async def test_identical_items_in_progress_share_one_call(tmp_path: Path) -> None:
    agent = model_agent()
    batch = await run_batch(agent, ["same"] * 5 + ["other"], tmp_path / "run.db")
    assert [result["status"] for result in batch.results] == ["ok"] * 6
    assert (agent.provider.calls, batch.summary.calls, batch.summary.from_journal) == (2, 2, 4)
    assert [result["attempts"] for result in batch.results] == [1, 0, 0, 0, 0, 1]


async def test_an_item_that_shares_a_call_does_not_hold_a_slot(tmp_path: Path) -> None:
    other_is_done = asyncio.Event()

    async def agent(prompt: str) -> dict[str, str]:
        if prompt == "other":
            other_is_done.set()
        else:
            await asyncio.wait_for(other_is_done.wait(), 20)  # "other" must get a slot while this call is in flight
        return {"answer": prompt}

    items = [{"prompt": "same"}] * 8 + [{"prompt": "other"}]
    batch = await run_batch(agent, items, tmp_path / "run.db", max_concurrent=2)
    assert [result["status"] for result in batch.results] == ["ok"] * 9
    assert batch.summary.calls == 2


async def test_without_a_journal_each_item_makes_its_own_call() -> None:
    agent = model_agent()
    batch = await ParallelBatchStrategy().run_batch(agent, ["same"] * 5)
    assert (agent.provider.calls, batch.summary.from_journal) == (5, 0)


async def test_an_answer_of_an_earlier_run_is_replayed_without_a_call(tmp_path: Path) -> None:
    events: list[Event] = []
    await run_batch(model_agent(), ["a", "b"], tmp_path / "run.db")
    agent = model_agent()
    batch = await ParallelBatchStrategy(journal=tmp_path / "run.db", on_event=events.append).run_batch(
        agent, ["a", "b"]
    )
    assert agent.provider.calls == 0
    assert [(result["from_journal"], result["status"]) for result in batch.results] == [(True, "ok")] * 2
    assert "CallFinished" not in {type(event).__name__ for event in events}


async def test_a_failed_item_is_recorded_and_the_others_are_done(tmp_path: Path) -> None:
    spy = Spy(failures={"bad": [ValueError("broken")]})
    batch = await run_batch(spy, ["good", "bad"], tmp_path / "run.db")
    assert [result["status"] for result in batch.results] == ["ok", "error"]
    with Journal(tmp_path / "run.db") as journal:
        assert (journal.count()["done"], journal.count()["failed"]) == (1, 1)


async def test_an_item_that_does_not_fit_makes_no_call_and_no_row(tmp_path: Path) -> None:
    agent = model_agent()
    batch = await run_batch(agent, [{"wrong": "column"}], tmp_path / "run.db")
    assert batch.results[0]["error"]["code"] == "invalid_input"
    assert agent.provider.calls == 0
    with Journal(tmp_path / "run.db") as journal:
        assert len(journal) == 0
