"""Rate limits, quota and load: what the simulator does to calls that come too fast or too many."""

import asyncio
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaizen_batch.simulator import Settings, Simulator
from kaizen_batch.simulator.faults import slowdown
from kaizen_batch.simulator.ledger import worst_window
from kaizen_batch.simulator.windows import RateLimits, SlidingWindow, go_duration

from .wire import ask, ask_many, until


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 9)), max_size=80),
    st.integers(1, 20),
    st.sampled_from([0.1, 0.3, 1.0]),
)
@example([(0.0, 1), (3.0, 1)], 1, 0.3)
def test_no_window_ever_holds_more_than_its_limit(gaps: list[tuple[float, int]], limit: int, window_s: float) -> None:
    window, now, admitted = SlidingWindow(limit, window_s), 1000.1, []
    for gap, cost in gaps:
        now += gap * window_s / 3
        if window.wait_s(cost, now) == 0:
            window.take(cost, now)
            admitted.append((now, cost))
    assert worst_window(admitted, window_s)[1] <= limit


@given(st.lists(st.tuples(st.floats(0.01, 1), st.integers(1, 5)), min_size=1, max_size=30))
def test_who_waits_as_told_is_let_in(gaps: list[tuple[float, int]]) -> None:
    window, now = SlidingWindow(5, 1.0), 0.0
    for gap, cost in gaps:
        now += gap
        now += window.wait_s(cost, now) + 1e-9
        assert window.wait_s(cost, now) == 0
        window.take(cost, now)


def test_a_refused_call_is_charged_to_neither_window() -> None:
    limits = RateLimits(Settings(requests_per_minute=60, tokens_per_minute=600, window_s=1.0))
    assert limits.admit(11, 0.0) == (float("inf"), "tokens")
    assert limits.admit(10, 0.0) == (0.0, "")
    assert limits.admit(1, 0.25) == (0.75, "tokens")
    assert limits.admit(10, 1.0) == (0.0, "")


def test_another_client_takes_its_share() -> None:
    limits = RateLimits(Settings(requests_per_minute=10, used_elsewhere_rpm=4))
    assert [limits.admit(1, 0.0)[0] for _ in range(7)] == [0.0] * 6 + [60.0]
    assert limits.headers(0.0)["x-ratelimit-limit-requests"] == "10"
    assert limits.headers(0.0)["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (360, "6m0s"), (3661.25, "1h1m1.25s"), (59.9999, "1m0s")],
)
def test_a_duration_is_printed_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


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


def test_beyond_the_knee_throughput_falls() -> None:
    settings = Settings(knee=10)
    assert [slowdown(settings, n, 0.0) for n in (1, 10, 20)] == [1.0, 1.0, 4.0]
    assert slowdown(Settings(knee=10, knee_power=1.0), 30, 0.0) == 3.0


def test_a_brownout_has_a_start_and_an_end() -> None:
    settings = Settings(brownout=(1.0, 2.0, 5.0))
    assert [slowdown(settings, 1, age) for age in (0.9, 1.0, 1.9, 2.0)] == [1.0, 5.0, 5.0, 1.0]


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
