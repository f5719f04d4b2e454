"""A batch run from end to end, on a virtual clock."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchResult, Journal, ParallelBatchStrategy
from kaizen_batch.errors import BadRequestError, ConfigError
from kaizen_batch.strategies.batches import Resolved

from .fake import BATCH, EPOCH, LIVE, USAGE, World, agent_of, right

virtual = pytest.mark.looptime(start=0)
PROMPTS = [f"question {n}" for n in range(60)]
SMALL = {"rows": 20, "live_first": 5}


async def run(world: World, path: Path, prompts: list[str] = PROMPTS, **options: Any) -> BatchResult:
    agent = agent_of(world, path, **{"batches": SMALL, **options})
    return await ParallelBatchStrategy().run_batch(agent, prompts)


def check(result: BatchResult, prompts: list[str] = PROMPTS) -> None:
    assert [each["result"] for each in result.results] == [right(prompt) for prompt in prompts]


@virtual
async def test_all_but_the_first_rows_are_answered_in_batches_at_half_the_price(path: Path) -> None:
    world = World()
    check(await run(world, path))
    assert set(world.billed().values()) == {1}
    assert (len(world.billed("live")), len(world.billed("batch")), len(world.batches)) == (5, 55, 3)
    totals = Journal(path).totals()
    assert totals.spent_usd == pytest.approx(5 * LIVE.cost(USAGE) + 55 * BATCH.cost(USAGE)) == pytest.approx(world.usd)
    assert (totals.at_risk_usd, totals.maybe_paid_twice) == (0.0, 0)
    assert {entry.via for entry in Journal(path)} == {"live", "batch"}
    assert not list(path.parent.glob("*.batches"))


@virtual
async def test_the_summary_counts_what_came_in_batches_as_work_of_this_run(path: Path) -> None:
    world = World()
    prompts = [*PROMPTS, PROMPTS[7]]
    summary = (await run(world, path, prompts)).summary
    assert (summary.calls, summary.from_journal, summary.ok) == (60, 1, 61)  # two rows are the same
    assert summary.cost_usd == pytest.approx(world.usd)
    assert summary.input_tokens == 60 * USAGE.input_tokens


@virtual
async def test_the_next_run_makes_no_call_and_no_batch(path: Path) -> None:
    world = World()
    await run(world, path)
    before = (len(world.bills), world.calls["create"])
    again = await run(world, path)
    check(again)
    assert (len(world.bills), world.calls["create"]) == before
    assert (again.summary.calls, again.summary.from_journal, again.summary.cost_usd) == (0, 60, 0.0)


@virtual
async def test_rows_that_are_known_or_the_same_are_not_submitted(path: Path) -> None:
    world = World()
    await run(world, path, PROMPTS[:10], mode="live")
    prompts = [*PROMPTS[:30], *PROMPTS[20:40]]
    check(await run(world, path, prompts), prompts)
    assert set(world.billed().values()) == {1}
    assert len(world.billed("batch")) == 30


@virtual
async def test_rows_that_fail_expire_or_cannot_be_read_are_asked_live(path: Path) -> None:
    world = World(failed=0.1, expired=0.1, unusable=0.1, seed=3)
    result = await run(world, path)
    check(result)
    assert 5 < len(world.billed("live")) < 40
    unusable = sum(count - 1 for count in world.billed().values())
    assert 0 < unusable < 15, "only an answer that was paid and cannot be used is paid again"
    assert result.summary.maybe_paid_twice == 0


@virtual
async def test_without_re_asks_an_unusable_answer_of_a_batch_fails_its_row(path: Path) -> None:
    world = World(unusable=1.0)
    result = await run(world, path, max_reasks=0, batches={"rows": 20, "live_first": 0})
    assert result.summary.failures == {"empty_output": 60}
    assert world.billed("live") == {}
    assert Journal(path).count()["failed"] == 60


@virtual
async def test_rows_in_neither_file_are_asked_again_and_count_as_perhaps_paid_twice(path: Path) -> None:
    world = World(missing=0.2, seed=1)
    result = await run(world, path)
    check(result)
    twice = sum(count - 1 for count in world.billed().values())
    assert result.summary.maybe_paid_twice == twice > 0
    assert result.summary.maybe_paid_twice_usd >= twice * BATCH.cost(USAGE)


@virtual
async def test_an_output_file_that_is_missing_leaves_doubts(path: Path) -> None:
    world = World(null_output=1.0)
    result = await run(world, path)
    check(result)
    assert result.summary.maybe_paid_twice == 55


@virtual
async def test_many_failures_are_worth_another_batch(path: Path) -> None:
    prompts = [f"question {n}" for n in range(400)]
    world = World(expired=0.5, seed=2)
    check(await run(world, path, prompts, batches={"rows": 400, "live_first": 0}), prompts)
    assert len(world.batches) >= 2
    assert len(world.billed("live")) < 150
    assert set(world.billed().values()) == {1}


@virtual
@pytest.mark.parametrize("fault", ["lost_create", "lost_upload", "throttled"])
async def test_a_lost_response_makes_no_second_batch(path: Path, fault: str) -> None:
    world = World(**{fault: 0.6, "seed": 5})
    check(await run(world, path))
    assert set(world.billed().values()) == {1}
    assert len(world.batches) == 3


@virtual
async def test_where_nothing_can_be_listed_a_lost_batch_is_a_doubt(path: Path) -> None:
    world = World(lost_create=1.0, lists=False)
    result = await run(world, path)
    check(result)
    assert result.summary.maybe_paid_twice == 55
    assert {batch.state for batch in Journal(path).batches()} == {"dropped"}


@virtual
async def test_an_outage_of_the_provider_is_waited_out(path: Path) -> None:
    world = World(outage=0.4, seed=4)
    check(await run(world, path))
    assert set(world.billed().values()) == {1}


@virtual
async def test_a_budget_is_reserved_at_its_worst_and_given_back(path: Path) -> None:
    world = World()
    most = BATCH.at_most(100, 20)
    result = await run(world, path, budget_usd=47 * most)
    check(result)
    assert len(world.batches) > 3, "parts wait for what earlier ones give back"
    assert world.usd <= 47 * most


@virtual
async def test_a_budget_that_ends_leaves_rows_unattempted(path: Path) -> None:
    world = World()
    budget = 30 * BATCH.cost(USAGE)
    result = await run(world, path, budget_usd=budget)
    assert world.usd <= budget
    assert result.summary.stopped is not None and "BudgetExhausted" in result.summary.stopped
    assert 0 < result.summary.ok < 60 == result.summary.total


@virtual
async def test_a_full_queue_is_waited_for_and_its_parts_become_smaller(path: Path) -> None:
    world = World(queue_tokens=100)
    check(await run(world, path, batches={"rows": 50, "live_first": 0}))
    assert set(world.billed().values()) == {1}
    assert len(world.billed("batch")) == 60


@virtual
async def test_a_limit_on_enqueued_tokens_is_kept(path: Path) -> None:
    world = World(queue_tokens=100)
    check(await run(world, path, batches={"rows": 50, "live_first": 0, "enqueued_tokens": 100}))
    assert {remote.status for remote in world.batches.values()} == {"completed"}


@virtual
async def test_a_refused_parameter_costs_the_first_rows_only(path: Path) -> None:
    world = World(refuses="live")
    with pytest.raises(BadRequestError, match="none of the first 5 rows"):
        await run(world, path)
    assert world.calls["create"] == 0


@virtual
@pytest.mark.parametrize("refuses", ["create", "validation"])
async def test_a_provider_that_refuses_the_batch_ends_the_run_and_nothing_is_at_risk(path: Path, refuses: str) -> None:
    world = World(refuses=refuses)
    with pytest.raises(BadRequestError, match="batch"):
        await run(world, path)
    assert Journal(path).totals().at_risk_usd == 0.0
    assert Journal(path).count()["submitted"] == 0
    world.refuses = ""
    check(await run(world, path))
    assert set(world.billed().values()) == {1}


@virtual
async def test_auto_falls_back_to_live_calls_where_batches_are_refused(path: Path) -> None:
    world = World(refuses="create")
    check(await run(world, path, mode="auto"))
    assert len(world.billed("live")) == 60


@virtual
async def test_detached_it_returns_and_the_same_call_collects(path: Path) -> None:
    world = World()
    first = await run(world, path, detach=True)
    assert (first.summary.waiting, first.summary.ok, first.summary.total) == (55, 5, 60)
    codes = {each["error"]["code"] for each in first.results if each["error"]}
    assert codes == {"in_batch"}
    assert asyncio.get_running_loop().time() < 60
    assert Journal(path).totals().at_risk_usd > 0
    again = await run(world, path, detach=True)
    assert again.summary.waiting == 55
    await asyncio.sleep(world.batch_s)
    check(await run(world, path, detach=True))
    assert set(world.billed().values()) == {1}


@virtual
async def test_a_live_run_leaves_rows_in_batches_alone(path: Path) -> None:
    world = World()
    await run(world, path, detach=True)
    bills = len(world.bills)
    beside = await run(world, path, [*PROMPTS, "another"], mode="live")
    assert (beside.summary.waiting, beside.summary.ok) == (55, 6)
    assert len(world.bills) == bills + 1


@virtual
async def test_a_batch_that_will_not_make_it_is_cancelled_and_finished_live(path: Path) -> None:
    world = World(batch_s=20_000.0, cancel_s=10.0)
    result = await run(world, path, finish_by="2h")
    check(result)
    assert asyncio.get_running_loop().time() <= 7200
    assert {remote.status for remote in world.batches.values()} == {"cancelled"}
    assert 0 < len(world.billed("batch")) < 55
    assert set(world.billed().values()) == {1}
    assert result.summary.maybe_paid_twice == 0


@virtual
async def test_a_batch_that_does_not_end_in_time_is_left_behind_and_counted(path: Path) -> None:
    world = World(batch_s=20_000.0, cancel_s=5_000.0)
    result = await run(world, path, finish_by="2h")
    check(result)
    assert asyncio.get_running_loop().time() <= 7200
    assert result.summary.maybe_paid_twice == 55
    await asyncio.sleep(10_000)
    check(await run(world, path))
    assert {batch.state for batch in Journal(path).batches()} == {"collected"}


@virtual
async def test_the_time_of_the_first_run_holds_for_the_one_that_collects(path: Path) -> None:
    world = World(batch_s=20_000.0, cancel_s=10.0)
    await run(world, path, finish_by="3h", detach=True)
    await asyncio.sleep(3600)
    check(await run(world, path, finish_by="3h"))
    assert asyncio.get_running_loop().time() <= 10_800


@virtual
async def test_batch_mode_needs_a_journal_and_a_provider_with_batches(path: Path) -> None:
    from kaizen_batch import BatchConfig
    from kaizen_batch.agents import create_agent

    with pytest.raises(ConfigError, match="journal"):
        await run(World(), None)  # type: ignore[arg-type]
    mock = create_agent(BatchConfig(llm_provider="mock", mode="batch", journal=path))
    with pytest.raises(ConfigError, match="cannot be asked in batches"):
        await ParallelBatchStrategy().run_batch(mock, PROMPTS)


async def test_results_as_they_come_and_batches_exclude_each_other(path: Path) -> None:
    agent = agent_of(World(), path)
    with pytest.raises(ConfigError, match="run_batch"):
        ParallelBatchStrategy().stream(agent, PROMPTS)


@virtual
async def test_a_mode_can_be_chosen_for_one_run(path: Path) -> None:
    world = World()
    agent = agent_of(world, path, batches=SMALL)
    result = await ParallelBatchStrategy().run_batch(agent, (prompt for prompt in PROMPTS), mode="live")
    check(result)
    assert len(world.billed("live")) == 60


@virtual
async def test_files_are_deleted_on_request(path: Path) -> None:
    world = World()
    await run(world, path, batches={**SMALL, "delete_files": True})
    assert world.files == {}


@virtual
async def test_auto_comes_back_to_its_batches_however_little_time_is_left(path: Path) -> None:
    world = World(batch_s=40_000.0, cancel_s=10.0)
    at_eight = datetime.fromtimestamp(EPOCH + 8 * 3600, UTC).isoformat()
    left = await run(world, path, mode="auto", finish_by=at_eight, detach=True)
    assert left.summary.waiting == 55
    await asyncio.sleep(7.5 * 3600)  # too little for another batch
    check(await run(world, path, mode="auto", finish_by=at_eight))
    assert asyncio.get_running_loop().time() <= 8 * 3600
    assert set(world.billed().values()) == {1}
    assert 0 < len(world.billed("batch")) < 55


async def test_the_time_of_the_batches_is_part_of_the_run(path: Path) -> None:
    agent = agent_of(World(), path, mode="batch")
    resolved = Resolved(agent, since=datetime.now(UTC).timestamp() - 3_600)
    async with ParallelBatchStrategy().stream_resolved(resolved, PROMPTS[:2]) as results:
        assert [result["status"] async for result in results] == ["ok", "ok"]
    assert 3_600 <= results.summary.elapsed_s < 7_200
