"""Errors that would fail every item end the run at once: quota, key, model. Paid answers are kept."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.settings import error_reply

ITEMS = [f"item {number}" for number in range(120)]
QUOTA = error_reply(429, "insufficient_quota", "You exceeded your current quota")


@pytest.mark.parametrize("max_concurrent", [1, 7, 40])
async def test_after_the_first_quota_error_only_the_calls_in_flight_reach_the_endpoint(
    ask: Any, statuses: Any, max_concurrent: int
) -> None:
    with Simulator(quota_after=50, latency_s=0.01) as simulator:
        batch = await ask(simulator, ITEMS, max_concurrent=max_concurrent)
    assert statuses(simulator.ledger, 429) <= max_concurrent
    assert simulator.ledger.billed == batch.summary.ok == 50
    assert batch.summary.failed <= max_concurrent
    assert batch.summary.not_attempted == len(ITEMS) - 50 - batch.summary.failed
    assert batch.summary.stopped.startswith("QuotaExhaustedError: HTTP 429: You exceeded your current quota")


@pytest.mark.parametrize("down_for_good", [QUOTA, error_reply(401, "invalid_api_key"), error_reply(404, "no_model")])
async def test_after_the_cause_is_fixed_a_journal_resumes_with_each_item_billed_once(
    ask: Any, assert_right: Any, statuses: Any, tmp_path: Path, down_for_good: Reply
) -> None:
    journal = tmp_path / "run.db"
    with Simulator(latency_s=0.005) as simulator:
        await ask(simulator, ITEMS[:40], journal=journal, max_concurrent=20)
        simulator.reply_with(*[down_for_good] * 100)
        broken = await ask(simulator, ITEMS, journal=journal, max_concurrent=20)
        # A 404 ends the run when it has hit three different items.
        assert statuses(simulator.ledger, down_for_good.status) - 1 <= 22
        assert broken.summary.from_journal == broken.summary.ok == 40
        assert f"run the same batch with journal='{journal}' to resume" in broken.summary.stopped
        simulator._endpoint.scripted.clear()
        mended = await ask(simulator, ITEMS, journal=journal, max_concurrent=20)
    assert_right(mended, ITEMS)
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert simulator.ledger.billed == len(ITEMS)


async def test_with_one_call_at_a_time_the_first_fatal_response_is_the_last_call(ask: Any, tmp_path: Path) -> None:
    with Simulator(quota_after=0) as simulator:
        batch = await ask(simulator, ITEMS, journal=tmp_path / "run.db", max_concurrent=1)
    assert (simulator.ledger.calls, batch.summary.calls) == (1, 1)
    assert (batch.summary.failed, batch.summary.not_attempted) == (1, len(ITEMS) - 1)


async def test_when_the_quota_is_raised_only_the_rest_is_requested(ask: Any, assert_right: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "run.db", "max_concurrent": 20}
    ledger = str(tmp_path / "ledger.jsonl")
    with Simulator(quota_after=70, latency_s=0.005, ledger_path=ledger) as simulator:
        first = await ask(simulator, ITEMS, **options)
    with Simulator(port=simulator._port, ledger_path=ledger) as again:
        second = await ask(again, ITEMS, **options)
    assert_right(second, ITEMS)
    assert (first.summary.ok, second.summary.from_journal) == (70, 70)
    assert simulator.ledger.billed_by_prompt().keys().isdisjoint(again.ledger.billed_by_prompt())
    assert simulator.ledger.billed + again.ledger.billed == len(ITEMS)


async def test_a_wrong_key_costs_no_more_calls_than_are_in_flight(ask: Any) -> None:
    with Simulator(api_key="sk-another") as simulator:
        batch = await ask(simulator, ITEMS, max_concurrent=10)
    assert 1 <= simulator.ledger.calls <= 10
    assert simulator.ledger.billed == 0
    assert batch.summary.stopped.startswith("AuthenticationError")
    assert "sk-first" not in str(batch)


async def test_a_wrong_path_also_ends_the_run(ask: Any) -> None:
    with Simulator() as simulator:
        batch = await ask(simulator, ITEMS, base_url=f"{simulator.base_url}/typo", max_concurrent=10)
    assert batch.summary.calls <= 10 + 2
    assert batch.summary.stopped.startswith("ModelNotFoundError: HTTP 404")
