"""Rate limits, quota and load: what the simulator does to calls that come too fast or too many."""

import asyncio
import json

import pytest

from kaizen_batch.simulator import Simulator

from .raw_http import ask, ask_many, until


async def test_calls_beyond_the_window_are_told_when_to_come_back() -> None:
    with Simulator(requests_per_minute=3000, window_s=0.1) as simulator:
        answers = await ask_many(simulator, 8)
        refused = [answer for answer in answers if answer.status == 429]
        assert (len(refused), {answer.code for answer in refused}) == (3, {"rate_limit_exceeded"})
        assert all(0 < answer.retry_after_s <= 0.1 for answer in refused)
        await asyncio.sleep(max(answer.retry_after_s for answer in refused) + 0.002)
        assert (await ask(simulator, "later")).status == 200
    assert simulator.ledger.billed == 6
    assert simulator.ledger.worst_window(0.1)[0] <= 5


async def test_every_answer_carries_the_state_of_the_windows() -> None:
    with Simulator(requests_per_minute=2, tokens_per_minute=100) as simulator:
        first, _, third = [await ask(simulator) for _ in range(3)]
    used = simulator.ledger.entries[0].tokens
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-limit-tokens"] == "100"
    assert first.headers["x-ratelimit-remaining-tokens"] == str(100 - used)
    assert {first.headers["x-ratelimit-reset-requests"], first.headers["x-ratelimit-reset-tokens"]} == {"1m0s"}
    assert (third.status, third.headers["x-ratelimit-remaining-requests"]) == (429, "0")


async def test_without_limits_there_are_no_such_headers(simulator: Simulator) -> None:
    assert not [name for name in (await ask(simulator)).headers if name.startswith("x-ratelimit")]


async def test_max_tokens_is_charged_if_so_wanted() -> None:
    with Simulator(tokens_per_minute=100, charge_max_tokens=True) as simulator:
        answers = [await ask(simulator, max_tokens=40) for _ in range(3)]
        large = await ask(simulator, max_tokens=100)
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (large.status, large.headers["x-should-retry"]) == (429, "false")
    assert [entry.charged for entry in simulator.ledger.entries if entry.billed] == [41, 41]
    assert simulator.ledger.worst_window(60) == (2, 82)


async def test_the_quota_is_exact_with_calls_in_flight() -> None:
    with Simulator(quota_after=3, latency_s=0.005) as simulator:
        answers = await ask_many(simulator, 6)
    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 3
    assert {answer.code for answer in answers if answer.status == 429} == {"insufficient_quota"}
    assert simulator.ledger.billed == 3


async def test_beyond_shed_at_a_call_is_shed() -> None:
    with Simulator(shed_at=2, latency_s=0.02) as simulator:
        answers = await ask_many(simulator, 5)
    assert sorted(answer.status for answer in answers) == [200, 200, 503, 503, 503]
    assert {answer.code for answer in answers if answer.status == 503} == {"server_is_overloaded"}


@pytest.mark.parametrize(
    "options",
    [
        {"latency_s": 0.005, "brownout": (0.0, 60.0, 6.0)},
        {"per_token_s": 0.006},
        {"latency_s": 0.01, "knee": 1, "knee_power": 10.0},
        {"latency_s": 0.03, "latency_sigma": 0.01},
    ],
)
async def test_a_call_takes_its_time(options: dict[str, float]) -> None:
    loop = asyncio.get_running_loop()
    with Simulator(**options) as simulator:
        start = loop.time()
        if "knee" in options:
            blocker = asyncio.create_task(ask(simulator, "first"))
            await until(lambda: simulator.ledger.in_flight == 1)
            late = asyncio.create_task(ask(simulator, "slowed down"))
            await blocker
            await asyncio.sleep(0.02)
            assert not late.done()
            late.cancel()
        else:
            answer = await ask(simulator)
            assert json.loads(answer.body)["usage"]["completion_tokens"] == 5
        assert loop.time() - start >= 0.028
