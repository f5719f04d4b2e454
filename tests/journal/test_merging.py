"""Journals as one: sums add up, the first answer stays, items are counted through."""

import asyncio
from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, Journal, ParallelBatchStrategy
from kaizen_batch.agents import create_agent
from kaizen_batch.journal.merging import JournalPart, merge_journals


def journal(path: Path, items: list[str], **options: object) -> JournalPart:
    config = BatchConfig(llm_provider="mock", journal=path, price={"input": 1, "output": 2}, **options)  # type: ignore[arg-type]
    asyncio.run(ParallelBatchStrategy.from_config(config).run_batch(create_agent(config), items))
    return JournalPart(path, 0)


def test_sums_add_up_and_equal_requests_are_counted(tmp_path: Path) -> None:
    one = journal(tmp_path / "1.db", ["a", "b", "c"])
    two = JournalPart(journal(tmp_path / "2.db", ["c", "d"]).path, 3)
    assert merge_journals([one, two], tmp_path / "all.db") == 1
    with Journal(tmp_path / "all.db") as merged:
        parts = [Journal(part.path).totals() for part in (one, two)]
        totals = merged.totals()
        assert totals.attempts == 5 and totals.spent_usd == pytest.approx(sum(part.spent_usd for part in parts))
        assert [entry.item for entry in merged] == [0, 1, 2, 4]
        assert [entry.attempts for entry in merged] == [1, 1, 2, 1]
        assert len(merged.runs()) == 2


def test_an_answer_of_any_journal_wins_over_a_failure(tmp_path: Path) -> None:
    failing = {"failures": {400: 1.0}}
    failed = journal(tmp_path / "1.db", ["a", "b"], provider_options=failing)
    done = journal(tmp_path / "2.db", ["b", "a"])
    for order in ([failed, done], [done, failed]):
        merge_journals(order, tmp_path / "all.db")
        with Journal(tmp_path / "all.db") as merged:
            assert merged.count()["done"] == 2
            assert all(entry.error is None and entry.answer is not None for entry in merged)


def test_a_merged_journal_can_be_used_as_any_other(tmp_path: Path) -> None:
    parts = [journal(tmp_path / "1.db", ["a", "b"]), journal(tmp_path / "2.db", ["c"])]
    merge_journals(parts, tmp_path / "all.db")
    journal(tmp_path / "all.db", ["a", "b", "c", "d"])
    assert Journal(tmp_path / "all.db").totals().attempts == 4


def test_nothing_merges_to_an_empty_journal(tmp_path: Path) -> None:
    assert merge_journals([], tmp_path / "all.db") == 0
    assert len(Journal(tmp_path / "all.db")) == 0
