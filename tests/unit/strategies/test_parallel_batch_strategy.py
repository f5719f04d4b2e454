"""ParallelBatchStrategy as the original design describes it: `execute_batch` and `execute`, for any agent."""

import asyncio
from typing import Any

import pytest

from kaizen_batch import ParallelBatchStrategy

NOTHING_ELSE = {"batch", "index", "status", "error"}


class Agent:
    """An agent of the design's form: `async execute(self, inputs)`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.in_flight = 0
        self.peak = 0
        self.seen: list[dict[str, Any]] = []

    async def execute(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(inputs)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        if inputs["prompt"] == "bad":
            raise ValueError("a bad item")
        return {"response": f"Processed: {inputs['prompt']}"}


def items(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"Item {number}"} for number in range(count)]


def test_the_default_is_ten_at_once() -> None:
    assert ParallelBatchStrategy().max_concurrent == 10


@pytest.mark.parametrize("limit", [1, 5, 50])
def test_the_limit_is_the_first_argument(limit: int) -> None:
    assert ParallelBatchStrategy(limit).max_concurrent == ParallelBatchStrategy(max_concurrent=limit).max_concurrent
    assert ParallelBatchStrategy(limit).max_concurrent == limit


@pytest.mark.parametrize("limit", [0, -1, "many"])
def test_a_limit_that_is_none_is_an_error(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_concurrent"):
        ParallelBatchStrategy(limit)


async def test_execute_gives_one_result_that_says_so() -> None:
    result = await ParallelBatchStrategy().execute(Agent(), {"prompt": "Single item"})
    assert (result["response"], result["batch"]) == ("Processed: Single item", False)


async def test_execute_batch_gives_one_result_for_each_item_in_order() -> None:
    results = await ParallelBatchStrategy(3).execute_batch(Agent(), items(20))
    assert [result["response"] for result in results] == [f"Processed: Item {number}" for number in range(20)]
    assert all(result["batch"] for result in results)
    assert results[0].keys() - {"response"} == NOTHING_ELSE


async def test_the_batch_can_be_a_keyword() -> None:
    assert len(await ParallelBatchStrategy().execute_batch(agent=Agent(), batch_inputs=items(2))) == 2


async def test_the_agent_gets_the_whole_item() -> None:
    agent = Agent()
    await ParallelBatchStrategy().execute_batch(agent, [{"prompt": "a", "extra": 1}])
    assert agent.seen == [{"prompt": "a", "extra": 1}]


async def test_an_empty_batch_is_an_empty_list() -> None:
    agent = Agent()
    assert await ParallelBatchStrategy().execute_batch(agent, []) == []
    assert agent.seen == []


async def test_order_does_not_depend_on_who_is_first() -> None:
    class Backwards(Agent):
        async def execute(self, inputs: dict[str, Any]) -> dict[str, Any]:
            for _ in range(20 - int(inputs["prompt"].split()[1])):
                await asyncio.sleep(0)
            return await super().execute(inputs)

    results = await ParallelBatchStrategy(20).execute_batch(Backwards(), items(20))
    assert [result["index"] for result in results] == list(range(20))
    assert [result["response"] for result in results] == [f"Processed: Item {number}" for number in range(20)]


@pytest.mark.parametrize(("limit", "count"), [(1, 5), (3, 30), (10, 100), (50, 20)])
async def test_the_limit_is_reached_and_never_exceeded(limit: int, count: int) -> None:
    agent = Agent(0.0)
    await ParallelBatchStrategy(limit).execute_batch(agent, items(count))
    assert agent.peak == min(limit, count)


async def test_a_failed_item_never_affects_the_others() -> None:
    results = await ParallelBatchStrategy(2).execute_batch(Agent(), [*items(2), {"prompt": "bad"}, *items(2)])
    assert [result["status"] for result in results] == ["ok", "ok", "error", "ok", "ok"]
    assert "a bad item" in str(results[2]["error"])


async def test_two_batches_at_once_each_have_their_results() -> None:
    strategy = ParallelBatchStrategy(4)
    one, other = await asyncio.gather(
        strategy.execute_batch(Agent(), items(30)), strategy.execute_batch(Agent(), items(10))
    )
    assert (len(one), len(other)) == (30, 10)


@pytest.mark.parametrize(("limit", "seconds"), [(1, 1.0), (5, 0.2), (10, 0.1), (50, 0.02)])
@pytest.mark.looptime
async def test_100_items_of_10_ms_take_as_long_as_the_design_says(limit: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await ParallelBatchStrategy(limit).execute_batch(Agent(0.01), items(100))
    assert loop.time() - began == pytest.approx(seconds, rel=0.01)
