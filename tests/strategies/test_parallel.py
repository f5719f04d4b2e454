"""The main path on a virtual clock: order, bounds, backpressure, cancellation, failures."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import (
    BatchConfig,
    BatchFinished,
    BatchProgress,
    BatchStarted,
    ConfigError,
    FunctionAgent,
    ItemFinished,
    MockProvider,
    ParallelBatchStrategy,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    Throttled,
    ThrottledError,
)
from kaizen_batch.agents import create_agent
from tests.engine.spies import Spy, model_agent

pytestmark = pytest.mark.looptime(start=0)


@pytest.mark.parametrize(("max_concurrent", "seconds"), [(1, 1.0), (5, 0.2), (10, 0.1), (50, 0.02)])
async def test_100_items_of_10_ms_take_the_time_that_the_documentation_says(
    max_concurrent: int, seconds: float
) -> None:
    batch = await ParallelBatchStrategy(max_concurrent).run_batch(model_agent(latency_s=0.01), ["x"] * 100)
    assert batch.summary.elapsed_s == pytest.approx(seconds)
    assert batch.summary.peak_in_flight == max_concurrent
    assert batch.summary.calls == 100


@settings(max_examples=60, deadline=None)
@given(
    latencies=st.lists(st.floats(0, 5), max_size=40),
    max_concurrent=st.integers(1, 12),
    window=st.integers(1, 20),
    ordered=st.booleans(),
)
def test_every_item_gives_one_result_in_order_within_the_limits(
    latencies: list[float], max_concurrent: int, window: int, ordered: bool
) -> None:
    spy = Spy()

    async def agent(item: int) -> dict[str, Any]:
        spy.seconds = 0
        await asyncio.sleep(latencies[item] / 10_000)
        return await spy(item)

    async def main() -> list[dict[str, Any]]:
        run = ParallelBatchStrategy(max_concurrent, window=window).stream(agent, range(len(latencies)), ordered=ordered)
        return [result async for result in run]

    results = asyncio.run(main())
    items = [result["item"] for result in results]
    assert [result["index"] for result in results] == items
    assert (items if ordered else sorted(items)) == list(range(len(latencies)))
    assert spy.peak <= max_concurrent


async def test_an_empty_batch_gives_an_empty_list() -> None:
    assert await ParallelBatchStrategy().execute_batch(model_agent(), []) == []


@pytest.mark.parametrize("how", ["aclose", "break", "exception", "cancel"])
async def test_after_the_end_no_call_is_started_and_none_is_left_running(how: str) -> None:
    spy = Spy(seconds=1)

    async def read() -> None:
        async with ParallelBatchStrategy(5).stream(spy, iter(range(1_000))) as run:
            async for result in run:
                if result["index"] >= 7:
                    if how == "exception":
                        raise LookupError("the caller's own")
                    if how == "break":
                        break
                    if how == "aclose":
                        await run.aclose()
                    if how == "cancel":
                        asyncio.current_task().cancel()  # type: ignore[union-attr]

    task = asyncio.create_task(read())
    await asyncio.wait({task})
    assert spy.inside == 0
    started = spy.started
    await asyncio.sleep(10)
    assert spy.started == started
    assert len(asyncio.all_tasks()) == 1
    assert isinstance(task.exception() if not task.cancelled() else None, LookupError) == (how == "exception")


@pytest.mark.parametrize("options", [{"max_concurrent": 0}, {"max_concurrent": 1.5}, {"on_error": "x"}, {"window": 0}])
def test_invalid_options_are_rejected_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        ParallelBatchStrategy(**options)


async def test_a_failed_item_does_not_affect_the_others() -> None:
    spy = Spy(failures={3: [ValueError("no good")]})
    results = await ParallelBatchStrategy(4).execute_batch(spy, list(range(10)))
    assert [result["status"] for result in results] == ["ok"] * 3 + ["error"] + ["ok"] * 6
    assert results[3]["error"] == {
        "type": "AgentError",
        "message": "ValueError: no good",
        "code": "agent_failed",
        "retryable": False,
    }


async def test_a_call_over_its_time_limit_fails_as_no_answer() -> None:
    strategy = ParallelBatchStrategy(2, timeout_s=5, retry=RetryPolicy(attempts=1))
    [result] = await strategy.execute_batch(Spy(seconds=60), [1])
    assert result["error"]["code"] == "timeout"


async def test_an_agent_that_cancels_itself_loses_no_item() -> None:
    async def agent(item: int) -> dict[str, Any]:
        if item == 1:
            raise asyncio.CancelledError
        return {}

    results = await ParallelBatchStrategy(2, retry=RetryPolicy(attempts=1)).execute_batch(agent, [0, 1, 2])
    assert [result["status"] for result in results] == ["ok", "error", "ok"]
    assert results[1]["error"]["code"] == "cancelled"


async def test_the_events_describe_the_whole_run() -> None:
    events: list[Any] = []
    spy = Spy(failures={1: [ServerError("x")], 2: [ThrottledError("y")]})
    await ParallelBatchStrategy(2, on_event=events.append).execute_batch(spy, [0, 1, 2])
    kinds = [type(event) for event in events]
    assert kinds[0] is BatchStarted
    assert kinds[-2:] == [BatchProgress, BatchFinished]
    assert kinds.count(ItemFinished) == 3
    assert kinds.count(RetryScheduled) == 2
    assert kinds.count(Throttled) == 1
    assert events[-1].summary.ok == 3


async def test_a_sink_that_raises_is_dropped_and_the_run_continues(caplog: pytest.LogCaptureFixture) -> None:
    def sink(event: Any) -> None:
        raise RuntimeError("a broken sink")

    results = await ParallelBatchStrategy(2, on_event=sink).execute_batch(Spy(), [1, 2, 3])
    assert len(results) == 3
    assert [record.message for record in caplog.records] == ["an event sink raised and is dropped from this run"]


async def test_a_provider_or_agent_that_breaks_the_protocol_fails_its_item_clearly() -> None:
    class NoCompletion(MockProvider):
        async def complete(self, request: Any) -> Any:
            return "text"

    class NoDict(FunctionAgent):
        def parse(self, request: Any, completion: Any) -> Any:
            return ["x"]

    broken = create_agent(BatchConfig(llm_provider="mock"), None, NoCompletion())
    [result] = await ParallelBatchStrategy().execute_batch(broken, ["x"])
    assert result["error"]["message"] == "complete must return a Completion; it returned a str"
    [result] = await ParallelBatchStrategy().execute_batch(NoDict(Spy()), ["x"])
    assert result["error"]["message"] == "parse must return a dict; it returned a list"
