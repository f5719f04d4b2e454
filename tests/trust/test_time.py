"""Time: after a deadline no call is sent and calls in flight are saved; hedging buys speed and counts its cost."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import Completion, MockProvider
from kaizen_batch.simulator import Simulator
from tests.trust.kill_processes import wait_until

virtual = pytest.mark.looptime(start=0)
ITEMS = [f"item {number}" for number in range(300)]
PRICE = {"input": 1.0, "output": 1.0}


@virtual
@pytest.mark.parametrize(("grace_s", "ok", "cut"), [(10, 15, 0), (6, 15, 0), (2, 10, 5), (0, 10, 5)])
async def test_at_the_deadline_no_call_starts_and_calls_in_flight_get_the_grace_period(
    ask_provider: Any, grace_s: float, ok: int, cut: int
) -> None:
    provider = MockProvider(latency_s=10)
    batch = await ask_provider(provider, ITEMS, max_concurrent=5, deadline_s=25, grace_s=grace_s)
    assert (batch.summary.ok, batch.summary.failed) == (ok, cut)
    assert batch.summary.failures == ({"deadline_exceeded": cut} if cut else {})
    assert batch.summary.not_attempted == len(ITEMS) - 15
    assert provider.calls == batch.summary.calls == 15
    assert batch.summary.unanswered == cut
    assert batch.summary.elapsed_s == pytest.approx(min(30, 25 + grace_s))
    assert batch.summary.stopped == "DeadlineError: the 25 s limit was reached"


@virtual
async def test_a_deadline_ends_the_wait_for_a_second_attempt(ask_provider: Any) -> None:
    provider = MockProvider(failures={500: 1.0})
    retry = {"wait_initial": 1000, "wait_max": 1000, "wait_jitter": False}
    batch = await ask_provider(provider, ITEMS[:3], deadline_s=5, retry=retry)
    assert batch.summary.elapsed_s == pytest.approx(5)
    assert batch.summary.ok == 0
    assert provider.calls == 3


async def test_finished_items_are_saved_at_a_deadline_and_the_next_run_does_the_rest(
    ask: Any, assert_right: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "max_concurrent": 5}
    with Simulator(latency_s=0.1) as simulator:
        first = await ask(simulator, ITEMS, deadline_s=1.0, **options)
        assert simulator.ledger.billed == first.summary.ok > 0
        assert first.summary.not_attempted == len(ITEMS) - first.summary.ok > 0
        assert "DeadlineError" in first.summary.stopped
        assert "journal=" in first.summary.stopped
    with Simulator(port=simulator._port) as again:
        second = await ask(again, ITEMS, **options)
    assert_right(second, ITEMS)
    assert again.ledger.billed == len(ITEMS) - first.summary.ok
    assert again.ledger.billed_by_prompt().keys().isdisjoint(simulator.ledger.billed_by_prompt())


async def test_a_call_cancelled_after_the_grace_period_counts_as_maybe_paid_twice(
    ask: Any, assert_right: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "max_concurrent": 5}
    with Simulator(latency_s=3.0) as simulator:
        first = await ask(simulator, ITEMS[:40], deadline_s=1.0, grace_s=0.1, **options)
    assert first.summary.failures == {"deadline_exceeded": 5}
    assert (first.summary.unanswered, first.summary.maybe_paid_twice) == (5, 0)
    with Simulator(port=simulator._port) as again:
        second = await ask(again, ITEMS[:40], **options)
    assert_right(second, ITEMS[:40])
    assert second.summary.maybe_paid_twice == 5


class Uneven(MockProvider):
    """One call in twenty takes a hundred times as long; it counts the calls it began."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(1)

    async def complete(self, request: Any) -> Completion:
        await asyncio.sleep(100 if self.dice.random() < 0.05 else self.dice.uniform(0.8, 1.2))
        return await super().complete(request)


@virtual
async def test_the_slowest_calls_are_hedged_during_the_run_and_the_first_answer_counts(
    ask_provider: Any, assert_right: Any
) -> None:
    plain = await ask_provider(Uneven(), ITEMS, max_concurrent=10)
    hedged = await ask_provider(Uneven(), ITEMS, max_concurrent=10, hedge_after=0.9)
    assert_right(hedged, ITEMS)
    assert plain.summary.hedges == 0
    assert 5 <= hedged.summary.hedges <= 0.2 * len(ITEMS)
    assert hedged.summary.calls == len(ITEMS) + hedged.summary.hedges
    assert hedged.summary.elapsed_s < plain.summary.elapsed_s / 2
    assert hedged.summary.unanswered == hedged.summary.hedges  # of each pair one was cut off


async def test_over_http_the_losers_of_hedges_are_counted_as_maybe_paid_twice(
    ask: Any, assert_right: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "max_concurrent": 10, "price": PRICE}
    with Simulator(latency_s=0.02, rate_hang=0.03) as simulator:
        batch = await ask(simulator, ITEMS, hedge_after=0.95, timeout_s=1.0, **options)
        # A hedge that was cut off is on its way still: the server reads it a moment later.
        wait_until(lambda: simulator.ledger.calls >= batch.summary.calls)
        calls = simulator.ledger.calls
        again = await ask(simulator, ITEMS, **options)
        assert simulator.ledger.calls == calls
    assert_right(batch, ITEMS)
    assert_right(again, ITEMS)
    assert batch.summary.hedges > 0
    assert batch.summary.calls == calls
    # If the first answer arrives while the journal records the hedge, the hedge is counted but not sent.
    lost = batch.summary.calls - len(ITEMS)
    assert lost <= batch.summary.maybe_paid_twice == again.summary.maybe_paid_twice <= lost + batch.summary.hedges
    too_many = sum(times - 1 for times in simulator.ledger.billed_by_prompt().values())
    assert batch.summary.maybe_paid_twice >= too_many
    assert batch.summary.maybe_paid_twice_usd > 0
