"""Calls that were recorded in a file that is lost: every total includes them."""

import asyncio
from pathlib import Path

from kaizen_batch import BatchConfig, Journal, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal.lost import add_lost_calls
from kaizen_batch.journal.merging import JournalPart, merge_journals
from kaizen_batch.journal.records import Totals


def journal_at(path: Path) -> Path:
    config = BatchConfig(llm_provider="mock", journal=path, price={"input": 1, "output": 1})
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), [path.stem, "x", "y"]))
    return path


def more(before: Totals, after: Totals) -> tuple[int, int, int, float]:
    return (
        after.attempts - before.attempts,
        after.unanswered - before.unanswered,
        after.maybe_paid_twice - before.maybe_paid_twice,
        round(after.committed_usd - before.committed_usd, 9),
    )


def test_lost_calls_count_as_perhaps_paid(tmp_path: Path) -> None:
    path = journal_at(tmp_path / "a.db")
    before = Journal(path).totals()
    add_lost_calls(path, 3, 0.25)
    add_lost_calls(path, 2, 0.5)
    assert more(before, Journal(path).totals()) == (5, 5, 5, 0.75)
    assert Journal(path).totals().maybe_paid_twice_usd == 0.75
    assert len(Journal(path)) == 3  # they have no rows


def test_a_copy_and_a_merge_keep_them(tmp_path: Path) -> None:
    paths = [journal_at(tmp_path / f"{name}.db") for name in "ab"]
    for path in paths:
        add_lost_calls(path, 2, 0.25)
    merge_journals([JournalPart(path, 0) for path in paths], tmp_path / "merged.db")
    Journal(tmp_path / "merged.db").snapshot(tmp_path / "copy.db")
    totals = Journal(tmp_path / "copy.db").totals()
    assert (totals.unanswered, totals.unanswered_usd, totals.attempts) == (4, 0.5, 10)


def test_doubts_that_are_released_are_free(tmp_path: Path) -> None:
    path = journal_at(tmp_path / "a.db")
    add_lost_calls(path, 2, 0.25)
    assert Journal(path).release_doubts() == 0.25
    totals = Journal(path).totals()
    assert (totals.unanswered, totals.unanswered_usd) == (2, 0.0)


def test_the_next_run_says_so_and_its_budget_counts_them(tmp_path: Path) -> None:
    path = journal_at(tmp_path / "a.db")
    add_lost_calls(path, 2, 0.25)
    config = BatchConfig(
        llm_provider="mock", journal=path, price={"input": 1, "output": 1}, max_tokens=5, budget_usd=0.2
    )
    result = asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), ["x", "new"]))
    assert result.summary.maybe_paid_twice == 2 and result.summary.maybe_paid_twice_usd == 0.25
    assert [each["status"] for each in result.results] == ["ok", "error"] and result.summary.not_attempted == 1
    assert "BudgetExhaustedError" in str(result.summary.stopped)
