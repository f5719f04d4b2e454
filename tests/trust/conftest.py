"""Helpers: run a batch against the simulator, check its answers, and an endpoint on the virtual clock."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from fractions import Fraction
from typing import Any, TypeAlias

import pytest

from kaizen_batch import (
    BatchConfig,
    BatchResult,
    Completion,
    ParallelBatchStrategy,
    Provider,
    RetryPolicy,
    ThrottledError,
    Usage,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.limits import CircuitBreaker
from kaizen_batch.simulator import Ledger, Settings, Simulator
from kaizen_batch.simulator.windows import RateLimits

Ask: TypeAlias = Callable[..., Awaitable[BatchResult]]

QUICK = RetryPolicy(wait_initial=0.01, wait_max=0.05)


@pytest.fixture
def ask() -> Ask:
    """Run a batch over HTTP against a simulator."""

    async def run(simulator: Simulator, items: Iterable[Any], signature: Any = None, **options: Any) -> BatchResult:
        given = {"base_url": simulator.base_url, "api_key": "sk-first", "retry": QUICK, **options}
        config = BatchConfig(**given)
        return await ParallelBatchStrategy.from_config(config).run_batch(create_agent(config, signature), items)

    return run


@pytest.fixture
def ask_provider() -> Ask:
    """Run a batch through a provider of the test, in process."""

    async def run(provider: Provider, items: Iterable[Any], *, on_event: Any = None, **options: Any) -> BatchResult:
        config = BatchConfig(llm_provider="mock", **options)
        agent = create_agent(config, None, provider)
        return await ParallelBatchStrategy.from_config(config, on_event=on_event).run_batch(agent, items)

    return run


@pytest.fixture
def assert_right() -> Callable[[BatchResult, list[str]], None]:
    """Assert that every item has its own result, at its own index, with the answer to its own prompt."""

    def check(batch: BatchResult, items: list[str]) -> None:
        assert [result["error"] for result in batch.results if result["error"]] == []
        assert [result["index"] for result in batch.results] == list(range(len(items)))
        assert [result["result"] for result in batch.results] == [f"mock answer to: {item}" for item in items]

    return check


@pytest.fixture
def exact_usd() -> Callable[..., Fraction]:
    """The sum billed according to the ledgers, without rounding."""
    return lambda *ledgers: sum((Fraction(entry.usd) for ledger in ledgers for entry in ledger.entries), Fraction(0))


@pytest.fixture
def statuses() -> Callable[[Ledger, int], int]:
    """The number of calls in a ledger with a status."""
    return lambda ledger, status: sum(entry.status == status for entry in ledger.entries)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The circuit breaker, a hundred times as fast."""
    monkeypatch.setitem(CircuitBreaker.__init__.__kwdefaults__, "pause_s", 0.01)
    monkeypatch.setattr("kaizen_batch.limits.circuit_breaker._PAUSE_MAX_S", 0.6)


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rate limits apply to windows of one second instead of a minute."""
    monkeypatch.setattr("kaizen_batch.limits.rate.MINUTE_S", 1.0)


class VirtualEndpoint(Provider):
    """The simulator's strict windows behind a network of random delays, on the virtual clock of the test.

    `fails(now)` may raise; `announces` sends the x-ratelimit headers along. `starts` are the moments at which
    calls were sent, `refused` counts what the windows did not let in.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        fails: Callable[[float], None] = lambda now: None,
        announces: bool = False,
        seconds: float = 1.0,
    ) -> None:
        self.starts: list[float] = []
        self.refused = self.inside = self.peak = 0
        self._limits = RateLimits(settings or Settings())
        self._fails = fails
        self._announces = announces
        self._seconds = seconds
        self._random = random.Random(7)

    async def complete(self, request: Any) -> Completion:
        clock = asyncio.get_running_loop().time
        self.starts.append(clock())
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await asyncio.sleep(self._random.uniform(0, 0.5) * self._seconds)
            self._fails(clock())
            usage = Usage(len(request.prompt) // 4 + 8, self._random.randint(1, request.max_tokens))
            self._admit(usage.total_tokens, clock())
            await asyncio.sleep(self._random.uniform(0, 0.5) * self._seconds)
            headers = self._limits.headers(clock()) if self._announces else {}
            return Completion(text=f"mock answer to: {request.prompt}", usage=usage, headers=headers)
        finally:
            self.inside -= 1

    def _admit(self, tokens: int, now: float) -> None:
        wait_s, name = self._limits.admit(tokens, now)
        if wait_s:
            self.refused += 1
            headers = self._limits.headers(now) if self._announces else {}
            raise ThrottledError(f"too many {name}", status=429, retry_after_s=wait_s, headers=headers)


@pytest.fixture
def virtual_endpoint() -> type[VirtualEndpoint]:
    """The class, for the test to instantiate."""
    return VirtualEndpoint
