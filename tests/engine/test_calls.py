"""The events that sinks receive for each call."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from kaizen_batch import (
    BatchConfig,
    BatchFinished,
    BatchProcessorAgent,
    BatchStarted,
    CallFinished,
    Event,
    ItemFinished,
    MockProvider,
    ParallelBatchStrategy,
    RetryPolicy,
    ServerError,
    ThrottledError,
    Usage,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.events import Sinks
from tests.engine.spies import PerRun

pytestmark = pytest.mark.looptime(start=0)


async def calls_of(agent: Any, items: list[Any], max_concurrent: int = 1, **options: Any) -> list[CallFinished]:
    events: list[Event] = []
    await ParallelBatchStrategy(max_concurrent, on_event=events.append, **options).run_batch(agent, items)
    return [event for event in events if isinstance(event, CallFinished)]


async def test_an_answered_call_is_reported_with_its_figures() -> None:
    config = BatchConfig(llm_provider="mock", model="some-model", price={"input": 1.0, "output": 2.0})
    agent = create_agent(config, provider=MockProvider(latency_s=1.5))
    first, second = await calls_of(agent, ["x" * 40, "y" * 40])
    assert (first.index, first.attempt, first.started_at, first.latency_s) == (0, 1, 0.0, 1.5)
    assert (second.index, second.attempt, second.started_at, second.latency_s) == (1, 1, 1.5, 1.5)
    assert (first.model, first.endpoint) == ("some-model", "kaizen_batch.providers.mock:MockProvider")
    assert (first.usage, first.finish_reason, first.error) == (Usage(10, 14), "stop", None)
    assert first.cost_usd == pytest.approx(38e-6)
    assert first.answer == f"mock answer to: {'x' * 40}"


async def test_no_repr_contains_a_text() -> None:
    [call] = await calls_of(create_agent(BatchConfig(llm_provider="mock")), ["SECRET"])
    assert "SECRET" in str(call.request) and "SECRET" in str(call.answer)
    assert "SECRET" not in repr(call)


async def test_each_attempt_is_a_call() -> None:
    failures = [ServerError("x", code="own"), ThrottledError("y", retry_after_s=1.0)]

    async def flaky(item: int) -> int:
        if failures:
            raise failures.pop(0)
        return item

    calls = await calls_of(flaky, [7])
    assert [(c.attempt, c.error.code if c.error else None, c.model) for c in calls] == [
        (1, "own", None),
        (2, "rate_limit_exceeded", None),
        (3, None, None),
    ]


async def test_both_calls_of_a_hedge_are_reported() -> None:
    sent = 0

    async def slow_once(item: int) -> int:
        nonlocal sent
        sent += 1
        await asyncio.sleep(100.0 if sent == 41 else 1.0)
        return item

    calls = await calls_of(slow_once, list(range(41)), max_concurrent=2, hedge_after=0.9)
    assert len(calls) == sent == 42
    hedged = [(c.index, c.attempt, c.error.code if c.error else None) for c in calls if c.index == 40]
    assert sorted(hedged, key=str) == [(40, 1, "cancelled"), (40, 2, None)]


async def test_a_cancelled_call_is_reported() -> None:
    events: list[Event] = []
    agent = BatchProcessorAgent(provider=MockProvider(latency_s=5.0), max_concurrent=2, on_event=events.append)
    running = asyncio.create_task(agent.run_batch(["a", "b", "c"]))
    await asyncio.sleep(1.0)
    running.cancel()
    await asyncio.wait({running})
    calls = [event for event in events if isinstance(event, CallFinished)]
    assert sorted((c.index, c.latency_s, c.error.code if c.error else None) for c in calls) == [
        (0, 1.0, "cancelled"),
        (1, 1.0, "cancelled"),
    ]


async def test_each_run_has_its_own_sink() -> None:
    sink = PerRun()
    strategy = ParallelBatchStrategy(2, on_event=sink)

    async def work(item: int) -> int:
        await asyncio.sleep(1.0)
        return item

    async with asyncio.TaskGroup() as group:
        for size in (2, 5):
            group.create_task(strategy.run_batch(work, list(range(size))))
    assert sorted(sum(isinstance(event, CallFinished) for event in run) for run in sink.runs) == [2, 5]


async def test_behind_a_function_it_serves_one_run_after_another() -> None:
    sink = PerRun()

    async def work(item: int) -> int:
        return item

    strategy = ParallelBatchStrategy(2, on_event=lambda event: sink(event))
    await strategy.run_batch(work, [1])
    await strategy.run_batch(work, [1, 2])
    assert [run[0] for run in sink.runs] == [BatchStarted(1, 2), BatchStarted(2, 2)]


@pytest.mark.parametrize(("wish", "event"), [("wants_calls", CallFinished), ("wants_items", ItemFinished)])
async def test_events_that_no_sink_wants_are_not_made(wish: str, event: type[Event]) -> None:
    class Frugal:
        def __init__(self) -> None:
            self.seen: list[type[Event]] = []
            setattr(self, wish, False)

        def __call__(self, event: Event) -> None:
            self.seen.append(type(event))

    async def work(item: int) -> int:
        return item

    alone, paired, asked = Frugal(), Frugal(), Frugal()
    await ParallelBatchStrategy(on_event=alone).run_batch(work, [1])
    await ParallelBatchStrategy(on_event=Sinks(paired, Frugal())).run_batch(work, [1])
    await ParallelBatchStrategy(on_event=Sinks(asked, lambda event: None)).run_batch(work, [1])
    assert event not in alone.seen + paired.seen
    assert alone.seen == paired.seen and BatchFinished in alone.seen
    assert event in asked.seen


async def test_each_call_ends_when_its_own_time_is_over() -> None:
    async def slow(item: float) -> float:
        await asyncio.sleep(item)
        return item

    batch = await ParallelBatchStrategy(3, timeout_s=5.0, retry=RetryPolicy(attempts=1)).run_batch(
        slow, [9.0, 3.0, 4.0, 6.0]
    )
    assert [(result["status"], result["error"] and result["error"]["code"]) for result in batch.results] == [
        ("error", "timeout"),
        ("ok", None),
        ("ok", None),
        ("error", "timeout"),
    ]
    assert batch.summary.elapsed_s == pytest.approx(8.0)


async def test_an_agent_that_swallows_its_timeout_keeps_its_answer() -> None:
    async def stubborn(item: int) -> int:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100.0)
        await asyncio.sleep(1.0)
        return item

    batch = await ParallelBatchStrategy(1, timeout_s=5.0).run_batch(stubborn, [1, 2])
    assert [result["result"] for result in batch.results] == [1, 2]
    assert batch.summary.calls == 2 and batch.summary.elapsed_s == pytest.approx(12.0)


@pytest.mark.parametrize("first", ["time", "caller"])
async def test_a_cancellation_at_the_moment_of_the_timeout_is_not_lost(first: str) -> None:
    async def slow(item: int) -> int:
        await asyncio.sleep(100.0)
        return item

    loop = asyncio.get_running_loop()
    running = asyncio.create_task(ParallelBatchStrategy(1, timeout_s=5.0).run_batch(slow, [1, 2]))
    loop.call_at(loop.time() + (5.0 if first == "time" else 5.0 - 1e-9), running.cancel)
    with pytest.raises(asyncio.CancelledError):
        await running
