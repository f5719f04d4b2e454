"""Duplicates: with a journal, identical items share one call, and each has its own result."""

from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import Journal
from kaizen_batch.simulator import Reply, Simulator

ITEMS = [f"question {number * 37 % 100}" for number in range(1000)]


@pytest.mark.parametrize("max_concurrent", [10, 1000], ids=["ten at once", "all at once"])
async def test_1000_items_with_100_distinct_prompts_are_100_billed_calls(
    ask: Any, assert_right: Any, tmp_path: Path, max_concurrent: int
) -> None:
    with Simulator(latency_s=0.002) as simulator:
        batch = await ask(simulator, ITEMS, journal=tmp_path / "run.db", max_concurrent=max_concurrent)
    assert_right(batch, ITEMS)
    assert simulator.ledger.billed == simulator.ledger.calls == batch.summary.calls == 100
    assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert batch.summary.from_journal == 900
    assert sum(result["attempts"] for result in batch.results) == 100
    assert batch.summary.input_tokens + batch.summary.output_tokens == sum(
        entry.tokens for entry in simulator.ledger.entries
    )


async def test_without_a_journal_each_duplicate_makes_its_own_call(ask: Any, assert_right: Any) -> None:
    with Simulator() as simulator:
        batch = await ask(simulator, ITEMS[:1] * 20)
    assert_right(batch, ITEMS[:1] * 20)
    assert simulator.ledger.billed == 20


async def test_duplicates_wait_through_the_retries_of_the_first_one(
    ask: Any, assert_right: Any, tmp_path: Path
) -> None:
    items = ["the same"] * 50
    with Simulator() as simulator:
        simulator.reply_with(Reply(500), Reply(0), Reply(503))
        batch = await ask(simulator, items, journal=tmp_path / "run.db", max_concurrent=50)
    assert_right(batch, items)
    assert (simulator.ledger.calls, simulator.ledger.billed) == (4, 1)


async def test_when_the_first_of_some_duplicates_fails_the_others_fail_with_it(ask: Any, tmp_path: Path) -> None:
    items = ["the same"] * 50
    with Simulator() as simulator:
        simulator.reply_with(Reply(400, {"error": {"message": "no", "code": "bad"}}))
        batch = await ask(simulator, items, journal=tmp_path / "run.db", max_concurrent=50)
        assert [result["index"] for result in batch.results] == list(range(50))
        assert [(result["error"] or {}).get("code") for result in batch.results] == ["bad"] * 50
        assert (batch.summary.calls, batch.summary.failed, batch.summary.from_journal) == (1, 50, 0)
        again = await ask(simulator, items, journal=tmp_path / "run.db", max_concurrent=50)
    assert again.summary.ok == 50
    assert simulator.ledger.billed == 1


async def test_a_rejected_request_is_sent_once_even_if_its_duplicate_comes_much_later(ask: Any, tmp_path: Path) -> None:
    items = ["impossible", *(f"item {number}" for number in range(20)), "impossible"]
    with Simulator() as simulator:
        simulator.reply_with(Reply(400, {"error": {"message": "no", "code": "bad"}}))
        batch = await ask(simulator, items, journal=tmp_path / "run.db", max_concurrent=1)
    assert batch.summary.failures == {"bad": 2}
    assert simulator.ledger.calls == 21


async def test_a_fatal_error_of_the_first_fails_its_duplicates_without_a_call(ask: Any, tmp_path: Path) -> None:
    with Simulator(quota_after=0) as simulator:
        batch = await ask(simulator, ["the same"] * 50, journal=tmp_path / "run.db", max_concurrent=50)
    assert simulator.ledger.calls == 1
    assert batch.summary.ok == 0
    assert batch.summary.failed + batch.summary.not_attempted == 50


async def test_an_unusable_answer_is_kept_and_its_duplicate_is_not_paid_for(ask: Any, tmp_path: Path) -> None:
    items = ["what not to say", *(f"item {number}" for number in range(20)), "what not to say"]
    message = {"role": "assistant", "content": None, "refusal": "I would rather not"}
    body = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    with Simulator() as simulator:
        simulator.reply_with(Reply(200, body))
        batch = await ask(simulator, items, journal=tmp_path / "run.db", max_concurrent=1)
    assert batch.summary.failures == {"refusal": 2}
    assert simulator.ledger.calls == 21
    [entry] = Journal(tmp_path / "run.db").entries(("failed",))
    assert entry.answer is not None
    assert entry.answer.refusal == "I would rather not"
