"""The lean client, and a whole batch over it, on uvloop: another event loop than asyncio's own."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ParallelBatchStrategy, RetryPolicy
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import NoAnswerError
from kaizen_batch.simulator import Simulator
from tests.providers.raw import KEY, provider, request

if sys.platform == "win32":
    pytest.skip("uvloop is not for Windows", allow_module_level=True)

import uvloop


def _run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_item_comes_back_whatever_happens_on_the_way(host: str, tmp_path: Path) -> None:
    shares = {"rate_torn": 0.03, "rate_truncated": 0.03, "rate_bad_json": 0.03, "rate_429": 0.03, "rate_500": 0.05}
    with Simulator(**shares, rate_hang=0.01, retry_after_s=0.005, torn_before_billing=False, seed=5) as simulator:
        config = BatchConfig(
            base_url=simulator.base_url.replace("127.0.0.1", host),
            api_key=KEY,
            max_concurrent=20,
            timeout_s=0.5,
            hedge_after=0.95,
            retry=RetryPolicy(attempts=20, wait_initial=0.001, wait_max=0.005),
            journal=tmp_path / "run.db",
        )
        strategy = ParallelBatchStrategy.from_config(config)
        done = _run(strategy.run_batch(create_agent(config), [f"n {n}" for n in range(200)]))
    assert [result["result"] for result in done.results] == [f"mock answer to: n {n}" for n in range(200)]


def test_a_late_answer_and_a_cancelled_call_leave_nothing_behind() -> None:
    async def main() -> None:
        with Simulator(latency_s=60.0) as simulator:
            late = provider(simulator.base_url, "fast", timeout_s=0.05)
            with pytest.raises(NoAnswerError, match="no answer within"):
                await late.complete(request())
            patient = provider(simulator.base_url, "fast")
            call = asyncio.create_task(patient.complete(request()))
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}

    _run(main())
