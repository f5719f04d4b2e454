"""A reader that leaves, a timeout around a run, and the grace period, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchRun, MockProvider, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal import Journal
from tests.trust.kill_processes import kept, wait_until

ITEMS = [f"item {n}" for n in range(60)]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


class Mock:
    """A run with an in-process provider, and its state."""

    def __init__(self, journal: Path, latency_s: float, **options: Any) -> None:
        self.provider = MockProvider(latency_s=latency_s)
        self.agent = create_agent(BatchConfig(llm_provider="mock", timeout_s=None), None, self.provider)
        self.strategy = ParallelBatchStrategy(max_concurrent=5, journal=journal, **options)

    def stream(self) -> BatchRun:
        return self.strategy.stream(self.agent, ITEMS)

    async def until_in_flight(self, calls: int = 5) -> None:
        """Wait without advancing the virtual clock."""
        while self.provider.in_flight < calls:  # noqa: ASYNC110 - a clock that does not move wakes nobody
            await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_reader_that_breaks_out_of_the_block_leaves_the_calls_in_flight_saved(journal: Path) -> None:
    mock = Mock(journal, 0.05)
    async with mock.stream() as run:
        async for _ in run:
            await mock.until_in_flight()
            break
    assert mock.provider.in_flight == 0 and 10 <= mock.provider.calls < 60
    assert kept(journal) == {"done": mock.provider.calls}


async def test_aclose_saves_the_calls_in_flight(journal: Path) -> None:
    mock = Mock(journal, 0.05)
    run = mock.stream()
    await anext(aiter(run))
    await mock.until_in_flight()
    await run.aclose()
    assert kept(journal) == {"done": mock.provider.calls}
    assert run.summary.stopped is not None and str(journal) in run.summary.stopped


async def test_after_a_break_out_of_a_plain_loop_the_calls_in_flight_are_saved(journal: Path) -> None:
    mock = Mock(journal, 0.05)
    async for _ in mock.stream():
        await mock.until_in_flight()
        break
    await asyncio.to_thread(wait_until, lambda: kept(journal) == {"done": mock.provider.calls})
    assert mock.provider.calls < 60


def test_a_loop_closed_after_a_break_still_leaves_a_correct_journal(journal: Path) -> None:
    mock = Mock(journal, 0.05)

    async def main() -> None:
        async for _ in mock.stream():
            await mock.until_in_flight()
            break

    asyncio.run(main())  # cancels all of its tasks, the calls too
    assert kept(journal) == {"done": mock.provider.calls - 5, "unknown": 5}


async def test_a_reader_that_raises_saves_the_calls_in_flight(journal: Path) -> None:
    mock = Mock(journal, 0.05)
    with pytest.raises(ZeroDivisionError):
        async with mock.stream() as run:
            async for result in run:
                await mock.until_in_flight()
                result["index"] / 0
    assert kept(journal) == {"done": mock.provider.calls}


async def test_a_timeout_around_a_run_saves_the_calls_in_flight_and_still_raises(journal: Path) -> None:
    mock = Mock(journal, 0.3)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await mock.strategy.run_batch(mock.agent, ITEMS)
    assert mock.provider.in_flight == 0
    assert kept(journal) == {"done": mock.provider.calls}


@pytest.mark.looptime(start=0)
@pytest.mark.parametrize("grace_s", [0.0, 3.0, 10.0])
async def test_the_grace_period_bounds_a_run_whose_calls_hang(journal: Path, grace_s: float) -> None:
    mock = Mock(journal, 1e6, grace_s=grace_s)
    run = asyncio.create_task(mock.strategy.run_batch(mock.agent, ITEMS))
    await mock.until_in_flight()
    before = now()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert now() - before == pytest.approx(grace_s, abs=0.1)
    assert mock.provider.calls == 5 and kept(journal) == {"unknown": 5}


@pytest.mark.looptime(start=0)
async def test_a_second_cancellation_does_not_wait_for_the_grace_period(journal: Path) -> None:
    mock = Mock(journal, 1e6, grace_s=1e5)
    run = asyncio.create_task(mock.strategy.run_batch(mock.agent, ITEMS))
    await mock.until_in_flight()
    for _ in range(2):
        run.cancel()
        await asyncio.sleep(1)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert now() < 10 and kept(journal) == {"unknown": 5}


@pytest.mark.looptime(start=0)
async def test_a_run_ends_with_its_last_call_and_not_with_the_grace_period(journal: Path) -> None:
    mock = Mock(journal, 5, grace_s=1e5)
    run = asyncio.create_task(mock.strategy.run_batch(mock.agent, ITEMS))
    await mock.until_in_flight()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert Journal(journal).count()["done"] == 5 == mock.provider.calls


class SlowToClose(MockProvider):
    """Its session takes a few turns of the loop to close, like a connection pool."""

    closed = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        yield
        for _ in range(50):
            await asyncio.sleep(0)
        self.closed = True


async def test_an_interrupted_run_closes_its_session_completely(journal: Path) -> None:
    mock = Mock(journal, 0.05)
    provider = mock.provider = SlowToClose(latency_s=0.05)
    mock.agent = create_agent(BatchConfig(llm_provider="mock"), None, provider)
    async with mock.stream() as run:
        async for _ in run:
            await mock.until_in_flight()
            break
    assert provider.closed
