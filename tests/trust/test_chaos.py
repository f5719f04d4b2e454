"""Chaos: 5,000 items, every fault at once in 8% of the calls: all answers are right, and billed once unless lost."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch.simulator import Simulator

ALL_FAULTS = {
    "rate_429": 0.008,
    "rate_slow_down": 0.004,
    "rate_500": 0.02,
    "rate_torn": 0.012,
    "rate_bad_json": 0.006,
    "rate_truncated": 0.006,
    "rate_not_json": 0.006,
    "rate_wrong_type": 0.006,
    "rate_no_usage": 0.006,
    "rate_duplicate_id": 0.004,
    "rate_hang": 0.002,
}
LOST = ("torn", "bad_json", "truncated", "not_json", "hang")
RETRY = {"attempts": 8, "throttles": 100, "wait_initial": 0.01, "wait_max": 0.05}


def test_the_faults_are_eight_percent() -> None:
    assert sum(ALL_FAULTS.values()) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("count", "with_journal", "billed"),
    [(5000, True, True), (1000, False, False)],
    ids=["5000 with a journal", "1000 without, torn before they are billed"],
)
async def test_all_items_survive_every_fault_at_once(
    ask: Any, assert_right: Any, tmp_path: Path, count: int, with_journal: bool, billed: bool
) -> None:
    items = [f"item {number}" for number in range(count)]
    options: dict[str, Any] = {"journal": tmp_path / "run.db"} if with_journal else {}
    with Simulator(**ALL_FAULTS, torn_before_billing=not billed, retry_after_s=0.02, seed=11) as simulator:
        batch = await ask(simulator, items, max_concurrent=50, timeout_s=2.0, retry=RETRY, **options)
    assert_right(batch, items)
    entries = simulator.ledger.entries
    assert {entry.fault for entry in entries} >= {name.removeprefix("rate_") for name in ALL_FAULTS}
    lost = Counter(entry.prompt_sha256 for entry in entries if entry.fault in LOST and entry.billed)
    times = simulator.ledger.billed_by_prompt()
    assert len(times) == len(items)
    assert {prompt: n for prompt, n in times.items() if n != 1 + lost[prompt]} == {}
    assert simulator.ledger.calls == batch.summary.calls
    assert batch.summary.amplification < 1.15
    assert batch.summary.maybe_paid_twice == batch.summary.unanswered >= lost.total()
