"""A worker's side of the leases: the engine obeys them, over several workers at once, and never waits for ever."""

import asyncio
import math
import threading
import time
from typing import Any

import pytest

from kaizen_batch import BatchConfig, ItemTooLargeError, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.distributed.leased_limits import Leased, LeasedRate, Lessee
from kaizen_batch.distributed.leases import Grant, LeaseBook
from kaizen_batch.limits import RateLimit, Reservation
from kaizen_batch.simulator import Simulator

PRICE = {"input": 1.0, "output": 2.0}


class Book:
    """A book in this process, asked by several threads as an actor is: one call at a time."""

    def __init__(self, limits: list[RateLimit], budget_usd: float | None = None) -> None:
        self.book = LeaseBook(limits, budget_usd)
        self.lock = threading.Lock()

    def ask(self, method: str, *arguments: Any) -> Any:
        with self.lock:
            if method == "lease":
                return self.book.lease(Grant(*arguments[0]), arguments[1], time.time())
            return getattr(self.book, method)(*arguments)


async def run_workers(
    simulator: Simulator, book: Book, limits: list[RateLimit], items: int, **options: Any
) -> list[Any]:
    """Two workers, each with an agent and leased limits of its own."""

    async def worker(number: int) -> Any:
        config = BatchConfig(base_url=simulator.base_url, api_key="k", max_concurrent=8, price=PRICE, max_tokens=20)
        with Leased(Lessee(str(number), 2, book.ask), limits, book.book._budget) as leased:
            strategy = ParallelBatchStrategy(limits=leased).configured(config)
            prompts = [f"worker {number} item {each}" for each in range(items)]
            return await strategy.run_batch(create_agent(config), prompts)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker(number)) for number in range(2)]
    return [task.result().summary for task in tasks]


async def test_two_workers_keep_one_rate() -> None:
    limits = [RateLimit("requests", 40, 1.0)]
    with Simulator(requests_per_minute=40 * 60, window_s=1.0) as simulator:
        summaries = await run_workers(simulator, Book(limits), limits, 45)
        assert [summary.ok for summary in summaries] == [45, 45]
        assert simulator.ledger.worst_window(1.0)[0] <= 40
        assert all(entry.status == 200 for entry in simulator.ledger.entries)


async def test_two_workers_keep_one_budget() -> None:
    with Simulator(price_input=1.0, price_output=2.0, latency_s=0.002) as simulator:
        summaries = await run_workers(simulator, Book([], 0.002), [], 300)
        assert simulator.ledger.usd <= 0.002
        assert simulator.ledger.usd > 0.0015  # and it is used
    assert all((summary.stopped or "").startswith("BudgetExhaustedError") for summary in summaries)


def test_a_call_larger_than_a_window_is_refused_at_once() -> None:
    rate = LeasedRate([RateLimit("tokens", 100)], 1, lambda: None)
    with pytest.raises(ItemTooLargeError):
        rate.check(Reservation(tokens=101))


def test_a_delay_is_always_finite_and_an_old_grant_is_void() -> None:
    asked = []
    rate = LeasedRate([RateLimit("requests", 60), RateLimit("tokens", 6000)], 1, lambda: asked.append(1))
    call = Reservation(tokens=50)
    assert 0 < rate.delay(call, 0.0) < math.inf and asked
    wanted, least = rate.request() or (Grant(), 0)
    assert least == 50 and wanted.requests >= 1 and wanted.tokens >= 50
    assert rate.request() is None
    rate.receive(Grant(5, 500), time.monotonic() - 10.0)
    assert 0 < rate.delay(call, 0.0) < math.inf
    rate.receive(Grant(), time.monotonic())
    assert 0 < rate.delay(call, 0.0) < math.inf
    rate._refused_until = 0.0
    rate.receive(Grant(1, 500), time.monotonic())
    assert rate.delay(call, 0.0) == 0.0
    rate.reserve(call, 0.0)
    assert rate.delay(call, 0.0) > 0.0


def test_tokens_that_were_not_used_come_back_and_more_than_reserved_are_owed() -> None:
    rate = LeasedRate([RateLimit("tokens", 6000)], 1, lambda: None)
    rate.receive(Grant(10, 100), time.monotonic())
    small, large = Reservation(tokens=80, used_tokens=10), Reservation(tokens=80, used_tokens=200)
    rate.reserve(small, 0.0)
    rate.commit(small, 0.0)
    assert rate.delay(Reservation(tokens=90), 0.0) == 0.0
    rate.reserve(large, 0.0)
    rate.commit(large, 0.0)
    rate.delay(Reservation(tokens=10), 0.0)
    assert (rate.request() or (Grant(), 0))[1] == 10 + 110
