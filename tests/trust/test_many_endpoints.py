"""Several endpoints that serve one model: `python -m tests.trust.many_endpoints` in small, limits, and refusals."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, Journal, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.simulator import Simulator
from tests.trust.many_endpoints import faults_of, run

ITEMS = [f"item {number}" for number in range(60)]


@pytest.mark.usefixtures("short_pauses")
def test_an_endpoint_is_killed_and_comes_back_and_every_row_is_right(tmp_path: Path) -> None:
    assert faults_of(tmp_path, 3000, run(tmp_path, 3000)) == []


async def ask_all(urls: list[Any], items: list[str] = ITEMS, **options: Any) -> Any:
    config = BatchConfig(base_url=urls, endpoint_name="ours", api_key="sk-first", **options)
    return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), items)


async def test_the_calls_are_shared_by_weight(assert_right: Any) -> None:
    with Simulator(latency_s=0.02) as small, Simulator(latency_s=0.02) as large:
        heavy = {"url": large.base_url, "weight": 3}
        batch = await ask_all([small.base_url, heavy], ITEMS * 4, max_concurrent=16)
    assert_right(batch, ITEMS * 4)
    assert 2.0 < large.ledger.calls / small.ledger.calls < 4.0


async def test_an_endpoint_has_limits_of_its_own(assert_right: Any) -> None:
    with Simulator(latency_s=0.01) as limited, Simulator(latency_s=0.01) as free:
        few = {"url": limited.base_url, "max_concurrent": 1, "requests_per_minute": 5}
        batch = await ask_all([few, free.base_url], max_concurrent=8)
    assert_right(batch, ITEMS)
    assert limited.ledger.peak_in_flight == 1 and limited.ledger.calls <= 5
    assert free.ledger.calls >= len(ITEMS) - 5


async def test_an_endpoint_with_another_key_is_taken_out_and_no_item_fails(
    assert_right: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Simulator(api_key="sk-other") as refuses, Simulator() as serves:
        batch = await ask_all([refuses.base_url, serves.base_url], max_concurrent=4)
    assert_right(batch, ITEMS)
    assert batch.summary.stopped is None and refuses.ledger.billed == 0
    assert "is taken out of this run" in caplog.text and "sk-" not in caplog.text


async def test_an_endpoint_without_the_model_is_passed_over(assert_right: Any) -> None:
    with Simulator() as serves:
        batch = await ask_all([serves.base_url.replace("/v1", "/v2"), serves.base_url], max_concurrent=4)
    assert_right(batch, ITEMS)


async def test_a_long_pause_of_one_endpoint_does_not_hold_up_the_others(assert_right: Any) -> None:
    with Simulator(requests_per_minute=3) as slow, Simulator() as fast:
        batch = await ask_all([slow.base_url, fast.base_url], max_concurrent=4)
    assert_right(batch, ITEMS)
    assert batch.summary.elapsed_s < 30 and fast.ledger.billed >= len(ITEMS) - 3


@pytest.mark.usefixtures("short_pauses")
async def test_the_run_ends_when_no_endpoint_is_left() -> None:
    with Simulator() as one, Simulator() as other:
        one.down = other.down = True
        batch = await ask_all([one.base_url, other.base_url], max_concurrent=4)
    assert batch.summary.ok == 0 and batch.summary.stopped.startswith("EndpointDownError: all 2 endpoints")


@pytest.mark.usefixtures("short_pauses")
async def test_an_endpoint_that_is_away_for_long_is_still_probed(assert_right: Any) -> None:
    with Simulator() as away, Simulator(latency_s=0.02) as there:
        away.down = True
        many = [f"item {number}" for number in range(400)]
        batch = await ask_all([away.base_url, there.base_url], many, max_concurrent=4)
        assert_right(batch, many)
        assert 5 <= away.ledger.calls <= 40
        away.down = False
        again = await ask_all([away.base_url, there.base_url], max_concurrent=4)
    assert_right(again, ITEMS)
    assert away.ledger.billed > 0


async def test_adding_and_removing_endpoints_asks_nothing_again(tmp_path: Path, assert_right: Any) -> None:
    with Simulator() as first, Simulator() as second:
        alone = BatchConfig(base_url=first.base_url, api_key="k", journal=tmp_path / "run.db")
        strategy = ParallelBatchStrategy.from_config(alone)
        await strategy.run_batch(create_agent(alone), ITEMS)
        both = alone.with_options(base_url=[first.base_url, second.base_url], endpoint_name=first.base_url)
        batch = await ParallelBatchStrategy.from_config(both).run_batch(create_agent(both), ITEMS)
        assert (batch.summary.from_journal, second.ledger.calls) == (len(ITEMS), 0)
        moved = alone.with_options(base_url=second.base_url, endpoint_name=first.base_url)
        batch = await ParallelBatchStrategy.from_config(moved).run_batch(create_agent(moved), ITEMS)
    assert_right(batch, ITEMS)
    assert (second.ledger.calls, first.ledger.calls) == (0, len(ITEMS))
    with Journal(tmp_path / "run.db") as journal:
        endpoint = journal.runs()[1].description["endpoint"]
    assert endpoint == f"{first.base_url}, {second.base_url}"


async def test_two_runs_of_one_agent_obey_the_limits_of_each_endpoint() -> None:
    import asyncio

    with Simulator(latency_s=0.02) as one, Simulator(latency_s=0.02) as other:
        urls = [{"url": each.base_url, "max_concurrent": 2} for each in (one, other)]
        config = BatchConfig(base_url=urls, endpoint_name="ours", api_key="k", max_concurrent=8)
        agent, strategy = create_agent(config), ParallelBatchStrategy.from_config(config)
        async with asyncio.TaskGroup() as group:
            for start in (0, 30):
                group.create_task(strategy.run_batch(agent, ITEMS[start : start + 30]))
    assert one.ledger.peak_in_flight == other.ledger.peak_in_flight == 2
    assert one.ledger.billed + other.ledger.billed == len(ITEMS)


async def test_each_endpoint_adapts_by_itself(assert_right: Any) -> None:
    with Simulator(latency_s=0.01) as one, Simulator(latency_s=0.01) as other:
        batch = await ask_all([one.base_url, other.base_url], ITEMS * 3, max_concurrent=30, adaptive=True)
    assert_right(batch, ITEMS * 3)
    assert one.ledger.calls and other.ledger.calls


async def test_a_fallback_serves_when_all_endpoints_refuse(assert_right: Any) -> None:
    with Simulator(api_key="sk-other") as one, Simulator(api_key="sk-other") as two, Simulator() as spare:
        batch = await ask_all(
            [one.base_url, two.base_url],
            max_concurrent=4,
            fallbacks=[{"model": "spare", "base_url": spare.base_url}],
        )
    assert_right(batch, ITEMS)
    assert spare.ledger.billed == len(ITEMS)
