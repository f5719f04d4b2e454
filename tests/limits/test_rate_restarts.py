"""Several limits at once, answers of any length, and programs that are killed and begun again on their journal.

Each example is a few programs, one after the other on a virtual clock, against a server that enforces every limit: it
refuses a call only if the client has sent more than it may.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import looptime
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.rate_windows import Fixed, ServerWindow, Sliding
from kaizen_batch import Completion, Journal, ParallelBatchStrategy, RateLimit, RateLimits, Request
from kaizen_batch.engine import supervisor
from kaizen_batch.errors import ServerError
from kaizen_batch.journal.run_record import RunRecord
from tests.limits.test_rate_servers import LimitedServer, agent_for
from tests.strategies.batches.fake import EPOCH, exact_time, quick_folder

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
AT_ONCE = 10
MOST = 100  # tokens of an answer
RESERVED = 300  # more than a call reserves before answers have taught what it takes


class Stumbling(LimitedServer):
    """Some calls fail after they were counted."""

    fails = 0.0

    async def complete(self, request: Request) -> Completion:
        """One call; its answer may be lost."""
        answer = await super().complete(request)
        if self._random.random() < self.fails:
            raise ServerError("it stumbles", status=500)
        return answer


LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "the same": lambda _: 40,
    "any": lambda dice: dice.randint(20, 60),
}
windows = st.lists(
    st.one_of(
        st.builds(RateLimit, st.just("requests"), st.integers(2, 6), st.just(1.0)),
        st.builds(RateLimit, st.just("requests"), st.integers(5, 30), st.sampled_from([10.0, 30.0])),
        st.builds(RateLimit, st.just("requests"), st.integers(10, 60), st.just(60.0)),
        st.builds(RateLimit, st.just("tokens"), st.integers(500, 2_000), st.just(10.0)),
        st.builds(RateLimit, st.just("tokens"), st.integers(1_000, 5_000), st.just(60.0)),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda limit: (limit.quantity, limit.period_s),
)


@contextmanager
def journals_on_virtual_time() -> Iterator[None]:
    """The times of journals follow the loop's clock."""

    def now() -> float:
        return EPOCH + asyncio.get_running_loop().time()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(now(), UTC)

    begin = RunRecord.__init__
    with exact_time(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunRecord, "__init__", lambda self, _: begin(self, now))
        patch.setattr(supervisor, "datetime", Clock)
        yield


async def programs(server: LimitedServer, folder: Path, spans: list[float], options: dict[str, Any]) -> None:
    """One program after the other, each killed after so many seconds, with the journal as the kill has left it."""
    given, shared = options["limits"], options["shared"]
    journal = folder / "0.db"
    for number, seconds in enumerate(spans, start=1):
        limits = RateLimits(windows=given, pacing="burst")
        agent = agent_for(
            server, journal=journal, max_tokens=MOST, pacing="burst", endpoint_name="here", max_concurrent=AT_ONCE
        )
        if not shared:
            agent.upstream_limits = type(agent.upstream_limits)(agent.upstream_limits.slots, limits.rate)
        strategy = ParallelBatchStrategy(AT_ONCE, limits=limits if shared else None)

        async def ask(strategy: ParallelBatchStrategy = strategy, agent: Any = agent, number: int = number) -> None:
            items = (f"program {number}, question {n}" for n in itertools.count())
            async with strategy.stream(agent, items) as results:
                async for result in results:
                    assert result["status"] == "ok" or result["error"]["code"] == "server_error", result

        running = asyncio.create_task(ask())
        await asyncio.wait({running}, timeout=seconds)
        left = folder / f"{number}.db"
        if journal.exists():
            Journal(journal).snapshot(left)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled(), running.exception()
        journal = left


@settings(max_examples=30, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from([Sliding, Fixed]),
    limits=windows,
    length=st.sampled_from(sorted(LENGTHS)),
    latency_s=st.sampled_from([0.05, 1.0, 8.0]),
    spans=st.lists(st.sampled_from([0.5, 3.0, 12.0, 35.0]), min_size=1, max_size=3),
    shared=st.booleans(),
    fails=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 2**16),
)
def test_no_window_is_exceeded_whatever_the_limits_the_lengths_and_the_restarts(
    kind: Callable[[float, float], ServerWindow],
    limits: list[RateLimit],
    length: str,
    latency_s: float,
    spans: list[float],
    shared: bool,
    fails: float,
    seed: int,
) -> None:
    of = {
        name: [kind(each.limit, each.period_s) for each in limits if each.quantity == name]
        for name in ("requests", "tokens")
    }
    server = Stumbling(of["requests"], of["tokens"], latency_s=latency_s, length=LENGTHS[length], seed=seed)
    server.fails = fails
    new_loop = lambda: looptime.new_event_loop(start=0)  # noqa: E731
    with (
        quick_folder() as folder,
        journals_on_virtual_time(),
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(programs(server, Path(folder), spans, {"limits": limits, "shared": shared}))
    assert not server.refused, "it would not have refused a call, had no window been exceeded"
    first = sum(at < spans[0] for at, _ in server.admitted)
    assert first >= 0.8 * min(at_least(each, spans[0], latency_s) for each in limits)


def at_least(limit: RateLimit, seconds: float, latency_s: float) -> float:
    """The calls that one limit lets through in so many seconds, if each of its windows is used once."""
    per_window = limit.limit if limit.quantity == "requests" else limit.limit // RESERVED
    windows = seconds // (1.01 * limit.period_s + 1.5 * latency_s)
    return min(per_window * max(1, windows), AT_ONCE * max(1, seconds // (1.5 * latency_s)))
