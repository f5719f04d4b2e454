"""Whole runs against servers with limits of every kind, on a virtual clock: used to the full, never exceeded."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rate_windows import Bucket, Fixed, ServerWindow, Sliding
from kaizen_batch import BatchConfig, Completion, ParallelBatchStrategy, Provider, Request, ThrottledError, Usage
from kaizen_batch.agents import Agent, create_agent

Kind = Callable[[float, float], ServerWindow]

IN_TOKENS = 20


class LimitedServer(Provider):
    """Admits calls by windows of its own and keeps a ledger: when each was admitted, and the tokens it took."""

    def __init__(
        self,
        requests: Sequence[ServerWindow] = (),
        tokens: Sequence[ServerWindow] = (),
        *,
        latency_s: float = 0.05,
        announces: bool = False,
        asks_to_wait: bool = True,
        length: Callable[[random.Random], int] = lambda _: 20,
        seed: int = 0,
    ) -> None:
        self._requests, self._tokens = requests, tokens
        self._latency_s = latency_s
        self._announces, self._asks = announces, asks_to_wait
        self._length = length
        self._random = random.Random(seed)
        self.admitted: list[tuple[float, int]] = []
        self.refused: list[float] = []

    async def complete(self, request: Request) -> Completion:
        """One call: on its way, counted or refused, answered."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._random.uniform(0.001, 0.01))
        now, output = loop.time(), self._length(self._random)
        cost = IN_TOKENS + output
        waits = [window.wait_s(1, now) for window in self._requests]
        waits += [window.wait_s(cost, now) for window in self._tokens]
        if (wait_s := max(waits, default=0.0)) > 0:
            self.refused.append(now)
            raise ThrottledError(
                "too fast", retry_after_s=wait_s if self._asks else None, headers=self._headers(now) or {}
            )
        for window in self._requests:
            window.take(1, now)
        for window in self._tokens:
            window.take(cost, now)
        self.admitted.append((now, cost))
        await asyncio.sleep(self._latency_s * self._random.uniform(0.5, 1.5))
        usage = Usage(IN_TOKENS, output)
        return Completion("an answer", usage, "stop", None, None, None, self._headers(loop.time()))

    def _headers(self, now: float) -> dict[str, str] | None:
        if not self._announces:
            return None
        headers = {}
        for kind, windows in (("requests", self._requests), ("tokens", self._tokens)):
            for window in windows:
                limit, left, reset_s = window.left(now)
                headers[f"x-ratelimit-limit-{kind}"] = str(limit)
                headers[f"x-ratelimit-remaining-{kind}"] = str(left)
                headers[f"x-ratelimit-reset-{kind}"] = f"{reset_s:.3f}s"
        return headers

    def share_refused(self) -> float:
        """The share of all calls that were refused."""
        return len(self.refused) / (len(self.refused) + len(self.admitted))

    def in_minute(self, number: int) -> int:
        """The calls that were admitted in one minute."""
        return sum(60 * number <= at < 60 * (number + 1) for at, _ in self.admitted)


async def endless() -> AsyncIterator[dict[str, str]]:
    number = 0
    while True:
        yield {"prompt": f"question {number}"}
        number += 1


def agent_for(server: LimitedServer, **options: Any) -> Agent:
    config = BatchConfig(**{"max_concurrent": 50, "timeout_s": None, "grace_s": 0, **options})
    return create_agent(config, provider=server)


def run(server: LimitedServer, seconds: float, **options: Any) -> LimitedServer:
    """Ask without end for so many virtual seconds."""
    agent = agent_for(server, deadline_s=seconds, **options)

    async def main() -> None:
        strategy = ParallelBatchStrategy(options.get("max_concurrent", 50))
        async with strategy.stream(agent, endless()) as results:
            async for result in results:
                if result["status"] != "ok":
                    assert result["error"]["code"] in ("not_attempted", "cancelled", "deadline_exceeded"), result
                    return

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(main())
    return server


@pytest.mark.parametrize(
    ("kind", "limit", "period_s"),
    [(Sliding, 300, 60), (Fixed, 300, 60), (Bucket, 300, 60), (Bucket, 5, 1), (Sliding, 5, 1), (Sliding, 50, 10)],
)
def test_a_known_limit_is_used_to_97_percent_and_hardly_refused(kind: Kind, limit: int, period_s: int) -> None:
    server = run(LimitedServer([kind(limit, period_s)]), 240, requests_per_minute=300)
    assert all(server.in_minute(minute) >= 0.97 * 300 for minute in range(4))
    assert server.share_refused() <= 0.01


@pytest.mark.parametrize("kind", [Sliding, Bucket])
def test_an_announced_limit_is_used_to_97_percent(kind: Kind) -> None:
    server = run(LimitedServer([kind(300, 60)], announces=True), 240)
    assert all(server.in_minute(minute) >= 0.97 * 300 for minute in range(4))
    assert server.share_refused() <= 0.01


@pytest.mark.parametrize(
    ("kind", "limit", "period_s", "asks"),
    [
        (Bucket, 300, 60, True),
        (Bucket, 300, 60, False),
        (Bucket, 5, 1, True),
        (Sliding, 5, 1, True),
        (Sliding, 50, 10, False),
        (Sliding, 300, 60, False),
        (Fixed, 300, 60, True),
        (Fixed, 300, 60, False),
    ],
)
def test_a_limit_that_nobody_tells_is_learned_from_refusals(kind: Kind, limit: int, period_s: int, asks: bool) -> None:
    server = run(LimitedServer([kind(limit, period_s)], asks_to_wait=asks), 300)
    assert len(server.admitted) >= 0.97 * 300 * 5
    assert server.share_refused() <= 0.05


@pytest.mark.parametrize("asks", [True, False])
def test_a_server_that_refuses_at_random_has_no_limit(asks: bool) -> None:
    class Moody(LimitedServer):
        async def complete(self, request: Request) -> Completion:
            if self._random.random() < 0.1:
                self.refused.append(asyncio.get_running_loop().time())
                raise ThrottledError("busy", retry_after_s=0.1 if asks else None)
            return await super().complete(request)

    server = run(Moody([], latency_s=0.05), 20)
    assert len(server.admitted) >= 100 * 20


def test_calls_of_30_s_use_the_whole_window_where_the_server_counts_their_sending() -> None:
    option = run(
        LimitedServer([Bucket(300, 60)], latency_s=30),
        240,
        requests_per_minute=300,
        max_concurrent=400,
        rate_counts_from="sending",
    )
    learned = run(
        LimitedServer([Bucket(300, 60)], latency_s=30, announces=True),
        240,
        requests_per_minute=300,
        max_concurrent=400,
    )
    for server in (option, learned):
        assert all(server.in_minute(minute) >= 0.97 * 300 for minute in range(4))
        assert not server.refused


@pytest.mark.parametrize("max_tokens", [4096, None])
def test_token_windows_reserve_what_answers_really_take(max_tokens: int | None) -> None:
    def length(chance: random.Random) -> int:
        return min(4096, max(1, int(chance.lognormvariate(4.5, 0.6))))

    server = run(
        LimitedServer(tokens=[Sliding(60_000, 60)], latency_s=2, length=length),
        240,
        tokens_per_minute=60_000,
        max_tokens=max_tokens,
    )
    taken = [sum(cost for at, cost in server.admitted if 60 * n <= at < 60 * (n + 1)) for n in range(1, 4)]
    assert min(taken) >= 0.93 * 60_000
    assert not server.refused


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([Sliding, Bucket, Fixed]),
    st.integers(20, 200),
    st.sampled_from([0.05, 5.0, 40.0]),
    st.sampled_from(["auto", "burst", "even"]),
    st.integers(0, 2**16),
)
def test_a_known_limit_is_never_exceeded_and_nobody_starves(
    kind: Kind, limit: int, latency_s: float, pacing: str, seed: int
) -> None:
    server = run(
        LimitedServer([kind(limit, 60)], latency_s=latency_s, seed=seed), 130, requests_per_minute=limit, pacing=pacing
    )
    assert not server.refused  # it would have been, had a window been exceeded
    assert len(server.admitted) >= min(limit, 0.8 * 50 * 130 / (1.5 * latency_s))


def test_a_second_run_goes_on_with_the_windows_of_the_first() -> None:
    server = LimitedServer([Sliding(60, 60)])
    agent = agent_for(server, requests_per_minute=60, pacing="burst")

    async def main() -> None:
        for run_number in range(3):
            await ParallelBatchStrategy(50).execute_batch(agent, [{"prompt": f"{run_number} {n}"} for n in range(40)])

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(main())
    assert len(server.admitted) == 120
    assert not server.refused


def test_what_waits_for_its_retry_at_the_deadline_is_not_attempted() -> None:
    server = LimitedServer([Fixed(1, 100)])
    agent = agent_for(server, deadline_s=20)

    async def main() -> list[str]:
        results = await ParallelBatchStrategy(5).execute_batch(agent, [{"prompt": str(n)} for n in range(5)])
        return sorted(result["error"]["code"] if result["error"] else "ok" for result in results)

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        codes = runner.run(main())
    assert codes == ["not_attempted"] * 4 + ["ok"]
