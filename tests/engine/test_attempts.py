"""What follows a failed attempt: retries, pauses, the end of the run."""

import asyncio
from typing import Any

import pytest

from kaizen_batch import (
    AuthenticationError,
    ParallelBatchStrategy,
    RetryPolicy,
    ServerError,
    ThrottledError,
)
from tests.engine.spies import Spy

pytestmark = pytest.mark.looptime(start=0)


async def test_a_retryable_failure_is_retried_until_the_attempts_are_used_up() -> None:
    spy = Spy(failures={1: [ServerError("x")] * 2, 2: [ServerError("x")] * 9})
    strategy = ParallelBatchStrategy(2, retry=RetryPolicy(attempts=3))
    batch = await strategy.run_batch(spy, [1, 2])
    assert [result["status"] for result in batch.results] == ["ok", "error"]
    assert batch.results[1]["error"]["retryable"]
    assert batch.summary.calls == 6


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
    assert seen == ["not_attempted", "invalid_api_key"]  # it was still to be tried again
    assert batch.summary.elapsed_s < 10
