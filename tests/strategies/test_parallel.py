"""The main path on a virtual clock: order, bounds, backpressure, cancellation, failures."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen_batch import (
    AgentError,
    AuthenticationError,
    BatchConfig,
    BatchError,
    BatchFinished,
    BatchProgress,
    BatchStarted,
    ConfigError,
    FunctionAgent,
    ItemFinished,
    MockProvider,
    NoAnswerError,
    ParallelBatchStrategy,
    RetryPolicy,
    RetryScheduled,
    ServerError,
    Throttled,
    ThrottledError,
)
from kaizen_batch.agents import create_agent

pytestmark = pytest.mark.looptime(start=0)


def model_agent(**mock: Any) -> Any:
    return create_agent(BatchConfig(llm_provider="mock"), None, MockProvider(**mock))


class Spy:
    """An async function that counts its concurrent calls, and can be set to fail or to take time."""

    def __init__(self, seconds: float = 0.01, failures: dict[Any, list[Exception]] | None = None) -> None:
        self.seconds = seconds
        self.failures = failures or {}
        self.inside = self.peak = self.started = self.cancelled = 0

    async def __call__(self, item: Any) -> dict[str, Any]:
        self.started += 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await asyncio.sleep(self.seconds)
            if self.failures.get(item):
                raise self.failures[item].pop(0)
            return {"item": item}
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1


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


async def test_a_slow_reader_makes_the_workers_wait() -> None:
    pulled = 0

    def items() -> Iterator[int]:
        nonlocal pulled
        for number in range(1_000):
            pulled += 1
            yield number

    async with ParallelBatchStrategy(4, window=10).stream(Spy(), items()) as run:
        async for result in run:
            await asyncio.sleep(1)
            assert pulled <= result["index"] + 1 + 10
            if result["index"] == 30:
                break


async def test_a_slow_first_item_buffers_no_more_than_the_window() -> None:
    done: list[int] = []

    async def agent(item: int) -> dict[str, Any]:
        await asyncio.sleep(100 if item == 0 else 0.01)
        done.append(item)
        return {"item": item}

    run = ParallelBatchStrategy(5, window=20).stream(agent, iter(range(100)))
    first = await anext(aiter(run))
    assert first["index"] == 0
    assert len(done) == 20
    await run.aclose()


async def test_generators_and_async_generators_are_accepted() -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(50):
            await asyncio.sleep(0.001)
            yield number

    results = await ParallelBatchStrategy(7).execute_batch(Spy(), items())
    assert [result["item"] for result in results] == list(range(50))


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


async def test_a_loop_left_by_break_ends_the_run_without_aclose() -> None:
    spy = Spy(seconds=1)
    async for _ in ParallelBatchStrategy(5).stream(spy, iter(range(1_000))):
        break
    await asyncio.sleep(0.1)
    assert spy.inside == 0
    assert len(asyncio.all_tasks()) == 1


async def test_an_input_that_raises_ends_the_stream_after_the_results_of_the_items_before() -> None:
    closed = False

    def items() -> Iterator[int]:
        nonlocal closed
        try:
            yield from range(20)
            raise OSError("disk gone")
        finally:
            closed = True

    seen: list[int] = []
    with pytest.raises(OSError, match="disk gone"):
        async for result in ParallelBatchStrategy(3).stream(Spy(), items()):
            seen.append(result["index"])  # noqa: PERF401 - what was seen before the error must be kept
    assert seen == list(range(20))
    assert closed


async def test_a_generator_is_closed_with_the_run() -> None:
    closed = asyncio.Event()

    async def items() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with ParallelBatchStrategy(3).stream(Spy(), items()) as run:
        await anext(aiter(run))
    assert closed.is_set()


@pytest.mark.parametrize("batch", ["abc", b"abc", {"prompt": "x"}, 3, None])
async def test_an_input_that_is_not_a_batch_is_rejected(batch: Any) -> None:
    with pytest.raises(ConfigError, match="a batch is a list"):
        await ParallelBatchStrategy().execute_batch(Spy(), batch)


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


async def test_a_retryable_failure_is_retried_until_the_attempts_are_used_up() -> None:
    spy = Spy(failures={1: [ServerError("x")] * 2, 2: [ServerError("x")] * 9})
    strategy = ParallelBatchStrategy(2, retry=RetryPolicy(attempts=3))
    batch = await strategy.run_batch(spy, [1, 2])
    assert [result["status"] for result in batch.results] == ["ok", "error"]
    assert batch.results[1]["error"]["retryable"]
    assert batch.summary.calls == 6


async def test_an_item_that_waits_for_a_retry_does_not_hold_a_slot() -> None:
    spy = Spy(seconds=1, failures={0: [ServerError("x")]})
    retry = RetryPolicy(wait_initial=100, wait_max=100, wait_jitter=False)
    run = ParallelBatchStrategy(1, retry=retry).stream(spy, list(range(50)), ordered=False)
    order = [result["item"] async for result in run]
    assert order == [*range(1, 50), 0]
    assert spy.peak == 1


async def test_a_throttle_pauses_all_workers_as_long_as_the_endpoint_asks() -> None:
    loop = asyncio.get_running_loop()
    starts: list[float] = []
    throttled = False

    async def agent(item: int) -> dict[str, Any]:
        nonlocal throttled
        starts.append(loop.time())
        await asyncio.sleep(0.01)
        if item == 2 and not throttled:
            throttled = True
            raise ThrottledError("slow down", retry_after_s=30)
        return {}

    batch = await ParallelBatchStrategy(4).run_batch(agent, range(20))
    assert batch.summary.ok == 20
    assert batch.summary.throttles == 1
    assert [start for start in starts if 0.011 < start < 30] == []


async def test_a_pause_counts_as_no_call_in_flight() -> None:
    spy = Spy(failures={0: [ThrottledError("slow down", retry_after_s=30)]})
    run = ParallelBatchStrategy(4).stream(spy, list(range(20)))
    reader = asyncio.create_task(anext(aiter(run)))
    await asyncio.sleep(10)
    assert run.in_flight == spy.inside == 0
    assert (await reader)["status"] == "ok"
    await run.aclose()


async def test_a_fatal_error_stops_the_run_after_the_calls_in_flight() -> None:
    spy = Spy(failures={0: [AuthenticationError("bad key")]})
    spy_slow = spy.seconds

    async def agent(item: int) -> dict[str, Any]:
        await asyncio.sleep(0 if item == 0 else spy_slow)
        return await spy(item)

    batch = await ParallelBatchStrategy(4).run_batch(agent, range(100))
    codes = [result["error"]["code"] if result["error"] else "ok" for result in batch.results]
    assert codes == ["invalid_api_key", *["ok"] * 3, *["not_attempted"] * 96]
    assert batch.summary.calls == 4
    assert batch.summary.not_attempted == 96
    assert batch.summary.stopped == "AuthenticationError: bad key"


async def test_a_fatal_error_ends_a_wait_for_the_next_attempt() -> None:
    spy = Spy(failures={0: [ServerError("x")] * 9, 1: [ServerError("y"), AuthenticationError("bad key")]})

    async def agent(item: int) -> dict[str, Any]:
        return await spy(item)

    retry = RetryPolicy(wait_initial=1000, wait_max=1000, wait_jitter=False)
    seen: list[Any] = []

    async def fatal(item: int) -> dict[str, Any]:
        await asyncio.sleep(1)
        if item == 1:
            raise AuthenticationError("bad key")
        raise ServerError("stumbled")

    batch = await ParallelBatchStrategy(2, retry=retry).run_batch(fatal, [0, 1])
    seen = [result["error"]["code"] for result in batch.results]
    assert seen == ["server_error", "invalid_api_key"]
    assert batch.summary.elapsed_s < 10


async def test_raise_ends_the_run_at_the_first_failure_with_its_cause() -> None:
    spy = Spy(failures={2: [NoAnswerError("torn")]})
    strategy = ParallelBatchStrategy(3, on_error="raise", retry=RetryPolicy(attempts=1))
    with pytest.raises(BatchError, match="item 2 failed: torn") as caught:
        await strategy.execute_batch(spy, list(range(50)))
    assert caught.value.index == 2
    assert isinstance(caught.value.__cause__, NoAnswerError)
    assert spy.inside == 0


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


async def test_execute_returns_one_result_that_is_not_a_batch() -> None:
    result = await ParallelBatchStrategy().execute(model_agent(), "hello")
    assert (result["batch"], result["index"], result["result"]) == (False, 0, "mock answer to: hello")


async def test_a_session_is_open_while_the_run_lasts() -> None:
    log: list[str] = []

    class Agent:
        @asynccontextmanager
        async def session(self) -> AsyncIterator[None]:
            log.append("open")
            yield
            log.append("closed")

        async def run_async(self, **inputs: Any) -> dict[str, Any]:
            log.append("call")
            return {}

    await ParallelBatchStrategy(1).execute_batch(Agent(), [{}, {}])
    assert log == ["open", "call", "call", "closed"]


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


async def test_progress_is_sampled() -> None:
    events: list[Any] = []
    await ParallelBatchStrategy(10, on_event=events.append).execute_batch(Spy(seconds=0.1), list(range(1_000)))
    samples = [event for event in events if isinstance(event, BatchProgress)]
    assert 10 <= len(samples) <= 22
    assert samples[-1].done == 1_000


async def test_a_sink_that_raises_is_dropped_and_the_run_continues(caplog: pytest.LogCaptureFixture) -> None:
    def sink(event: Any) -> None:
        raise RuntimeError("a broken sink")

    results = await ParallelBatchStrategy(2, on_event=sink).execute_batch(Spy(), [1, 2, 3])
    assert len(results) == 3
    assert [record.message for record in caplog.records] == ["an event sink raised and is dropped from this run"]


async def test_the_summary_adds_up_during_the_run() -> None:
    run = ParallelBatchStrategy(3).stream(Spy(), list(range(10)))
    async with aclosing(run):
        async for _ in run:
            summary = run.summary
            assert summary.ok + summary.failed + summary.not_attempted <= summary.total <= 10
            assert run.in_flight <= 3
    assert run.summary.ok == run.summary.total == 10


async def test_an_input_that_cancels_itself_is_an_error_and_not_the_end() -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    with pytest.raises(AgentError, match="the input was cancelled from within"):
        await ParallelBatchStrategy(2).execute_batch(Spy(), items())


async def test_aclose_from_another_task_ends_the_reader_too() -> None:
    spy = Spy(seconds=1)
    run = ParallelBatchStrategy(2).stream(spy, list(range(100)))

    async def read() -> int:
        return len([result async for result in run])

    reader = asyncio.create_task(read())
    await asyncio.sleep(3.5)
    await run.aclose()
    assert spy.inside == 0
    assert await reader == 6


async def test_a_second_cancellation_also_waits_for_the_calls() -> None:
    inside = 0

    async def agent(item: int) -> dict[str, Any]:
        nonlocal inside
        inside += 1
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(0.5)
            inside -= 1
        return {}

    task = asyncio.create_task(ParallelBatchStrategy(2).execute_batch(agent, [1, 2, 3]))
    for _ in range(2):
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert inside == 0


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
