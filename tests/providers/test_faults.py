"""Every fault that the simulator knows, over both clients: what the answer becomes, and what may be billed."""

import asyncio
from typing import Any

import pytest

from kaizen_batch import ParallelBatchStrategy, RetryPolicy
from kaizen_batch.agents import create_agent
from kaizen_batch.config import BatchConfig
from kaizen_batch.errors import NoAnswerError, ProviderError, ServerError, ThrottledError
from kaizen_batch.simulator import Simulator
from tests.providers.http.raw import KEY, provider, request

BOTH = pytest.mark.parametrize("transport", ["fast", "sdk"])
FAULTS: list[tuple[dict[str, Any], type[ProviderError], str, bool]] = [
    ({"rate_torn": 1.0}, NoAnswerError, "connection", True),
    ({"rate_truncated": 1.0}, NoAnswerError, "connection", True),
    ({"rate_hang": 1.0}, NoAnswerError, "timeout", True),
    ({"rate_bad_json": 1.0}, ServerError, "bad_response", True),
    ({"rate_not_json": 1.0}, ServerError, "bad_response", True),
    ({"rate_429": 1.0}, ThrottledError, "rate_limit_exceeded", False),
    ({"rate_slow_down": 1.0}, ThrottledError, "slow_down", False),
    ({"rate_500": 1.0}, ServerError, "server_error", False),
]


@BOTH
@pytest.mark.parametrize(("fault", "kind", "code", "billed"), FAULTS, ids=[next(iter(row[0])) for row in FAULTS])
async def test_a_fault_by_its_name(
    fault: dict[str, Any], kind: type[ProviderError], code: str, billed: bool, transport: str
) -> None:
    with Simulator(**fault) as simulator:
        ours = provider(simulator.base_url, transport, timeout_s=0.2 if "rate_hang" in fault else 20.0)
        for _ in range(3):
            with pytest.raises(kind) as caught:
                await ours.complete(request())
            assert (caught.value.code, caught.value.may_be_billed) == (code, billed)
            if kind is ThrottledError:
                assert caught.value.retry_after_s == pytest.approx(0.05)


@BOTH
async def test_an_answer_of_the_wrong_type_or_without_usage_is_an_answer(transport: str) -> None:
    for fault in ("rate_wrong_type", "rate_no_usage", "rate_duplicate_id"):
        with Simulator(**{fault: 1.0}) as simulator:
            done = await provider(simulator.base_url, transport).complete(request())
        assert done.text == "mock answer to: hello"
        assert (done.usage is None) == (fault == "rate_no_usage")


@BOTH
async def test_the_announced_limits_reach_the_engine(transport: str) -> None:
    with Simulator(requests_per_minute=100) as simulator:
        done = await provider(simulator.base_url, transport).complete(request())
    assert done.headers["x-ratelimit-limit-requests"] == "100"
    assert all(name.startswith("x-ratelimit-") for name in done.headers)


@BOTH
async def test_everything_at_once_loses_no_item(transport: str) -> None:
    shares = {"rate_torn": 0.03, "rate_truncated": 0.03, "rate_bad_json": 0.03, "rate_not_json": 0.03}
    more = {"rate_429": 0.03, "rate_500": 0.05, "rate_hang": 0.01, "rate_wrong_type": 0.03, "rate_no_usage": 0.03}
    with Simulator(**shares, **more, retry_after_s=0.005, torn_before_billing=False, seed=5) as simulator:
        config = BatchConfig(
            base_url=simulator.base_url,
            api_key=KEY,
            max_concurrent=20,
            timeout_s=0.5,
            retry=RetryPolicy(attempts=20, wait_initial=0.001, wait_max=0.005),
            provider_options={"transport": transport, "timeout_s": 0.5},
        )
        done = await ParallelBatchStrategy.from_config(config).run_batch(
            create_agent(config), [f"n {n}" for n in range(200)]
        )
    assert [result["result"] for result in done.results] == [f"mock answer to: n {n}" for n in range(200)]
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
