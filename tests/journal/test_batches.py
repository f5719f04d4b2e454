"""Batches of providers in the journal: their rows are submitted, taken back, or doubtful; money is conserved."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

from kaizen_batch import Journal, StoredAnswer
from kaizen_batch.journal import JournalWriter
from kaizen_batch.journal.batches import Batch, doubt_rows, free_rows, save_batch
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.results import ItemError

BATCH = Batch(id=2**55, intent="abc", endpoint="http://x/v1", model="m", state="cutting", begun_at=1.5, deadline_at=9.0)
KEYS = [hashlib.sha256(str(number).encode()).digest() for number in range(4)]


async def submit(journal: JournalWriter, keys: list[bytes]) -> None:
    for item, key in enumerate(keys):
        await journal.submit(BatchRow(key, item, "{}", 0.25), BATCH.id)


async def test_a_batch_is_kept_as_it_was_saved_last(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await save_batch(journal, BATCH)
        later = replace(BATCH, state="submitted", remote_id="batch_1", rows=4, counts={"status": "in_progress"})
        await save_batch(journal, later)
    assert Journal(path).batches() == [later]
    assert (later.is_open, later.status) == (True, "in_progress")
    assert (BATCH.is_open, BATCH.status, replace(BATCH, state="collected").is_open) == (True, "cutting", False)


async def test_rows_survive_reopening_and_are_what_they_were_when_taken_back(path: Path) -> None:
    error = ItemError("ServerError", "it stumbles", "server_error", True)
    async with Journal(path).writing() as journal:
        await journal.begin(KEYS[0], item=0, request="{}", at_risk_usd=0.1)
        await journal.failed(KEYS[0], error)
        await save_batch(journal, BATCH)
        await submit(journal, KEYS)
    assert Journal(path).left_in(BATCH) == (4, 1.0)
    assert Journal(path).totals().at_risk_usd == 1.0
    async with Journal(path).writing() as journal:
        await free_rows(journal, BATCH)
        [entry] = [await journal.look_up(key) for key in KEYS if journal.may_know(key) and await journal.look_up(key)]
    assert entry is not None and (entry.state, entry.attempts, entry.error, entry.at_risk_usd) == (
        "failed",
        1,
        error,
        0,
    )
    assert Journal(path).totals().at_risk_usd == 0.0
    assert len(Journal(path)) == 1


async def test_rows_without_an_outcome_are_doubts_until_they_are_answered(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await submit(journal, KEYS)
        await journal.done(KEYS[0], StoredAnswer(text="yes"), spent_usd=0.125, via="batch")
        await doubt_rows(journal, BATCH)
        entry = await journal.look_up(KEYS[1])
        assert entry is not None and (entry.state, entry.unanswered, entry.unanswered_usd) == ("unknown", 1, 0.25)
    totals = Journal(path).totals()
    assert (totals.spent_usd, totals.unanswered_usd, totals.at_risk_usd) == (0.125, 0.75, 0.0)


async def test_rows_can_be_submitted_again_after_they_were_taken_back(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await submit(journal, KEYS)
        await free_rows(journal, BATCH)
        await submit(journal, KEYS[:2])
        entry = await journal.look_up(KEYS[0])
        assert entry is not None and (entry.state, entry.attempts) == ("submitted", 1)
    assert Journal(path).count()["submitted"] == 2


async def test_an_answer_that_cannot_be_used_can_be_rejected(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await submit(journal, KEYS[:1])
        await journal.done(KEYS[0], StoredAnswer(text="no JSON"), spent_usd=0.125, via="batch")
        journal.reject(KEYS[0], ItemError("InvalidOutputError", "no JSON", "invalid_output", True))
        entry = await journal.look_up(KEYS[0])
    assert entry is not None and (entry.state, entry.spent_usd) == ("failed", 0.125)
    assert entry.error is not None and entry.error.code == "invalid_output"
    assert entry.answer is not None and entry.answer.text == "no JSON"


async def test_the_mean_latency_is_that_of_live_calls(path: Path) -> None:
    async with Journal(path).writing() as journal:
        await submit(journal, KEYS[:1])
        await journal.done(KEYS[0], StoredAnswer(text="batch"), via="batch")
        assert Journal(path).mean_latency_s() is None
        for key, seconds in zip(KEYS[1:3], (1.0, 3.0), strict=True):
            await journal.begin(key, item=1, request="{}")
            await journal.done(key, StoredAnswer(text="live", latency_s=seconds))
    assert Journal(path).mean_latency_s() == 2.0


def test_a_journal_of_the_first_format_has_no_batches(tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(__file__).parent / "data" / "format_1.zip") as files:
        files.extract("mock.db", tmp_path)
    assert Journal(tmp_path / "mock.db").batches() == []
