"""One batch while its rows are chosen: limits, what is on the disk at each moment."""

import hashlib
from pathlib import Path

from kaizen_batch import Journal
from kaizen_batch.journal.batches import Batch
from kaizen_batch.journal.records import BatchRow
from kaizen_batch.providers.batch import BatchLimits
from kaizen_batch.strategies.batches.part import Part, file_of, folder_of, forget_files
from kaizen_batch.strategies.batches.requests import Wanted

BATCH = Batch(id=5, intent="abc", endpoint="http://fake/v1", model="m", state="cutting", begun_at=1.0)


def wanted(number: int, size: int = 10, tokens: int = 3) -> Wanted:
    key = hashlib.sha256(str(number).encode()).digest()
    return Wanted(BatchRow(key, number, "{}", 0.5), b"x" * size + b"\n", tokens)


async def test_rows_requests_bytes_and_tokens_are_limited(path: Path) -> None:
    async with Journal(path).writing() as journal:
        for limits, most in (
            (BatchLimits(requests=2), 2),
            (BatchLimits(bytes=35), 3),
            (BatchLimits(enqueued_tokens=10), 3),
            (BatchLimits(bytes=1), 1),
        ):
            part = Part(journal, BATCH, limits)
            await part.open()
            number = 0
            while part.fits(wanted(number)):
                part.write(wanted(number))
                number += 1
            await part.close()
            assert number == most, "the first row always has its place"


async def test_the_intent_comes_first_then_the_rows_then_the_complete_file(path: Path) -> None:
    async with Journal(path).writing() as journal:
        part = Part(journal, BATCH, BatchLimits())
        await part.open()
        assert [(batch.state, batch.rows) for batch in Journal(path).batches()] == [("cutting", 0)]
        part.write(wanted(1))
        part.write(wanted(2))
        await part.written()
        assert Journal(path).left_in(BATCH) == (2, 1.0)
        batch = await part.close()
    assert [batch] == Journal(path).batches()
    assert (batch.state, batch.rows, batch.at_risk_usd, batch.counts["tokens"]) == ("ready", 2, 1.0, 6)
    content = file_of(path, batch).read_bytes()
    assert content == wanted(1).encoded + wanted(2).encoded
    assert batch.counts["name"] == f"kaizen-batch-{hashlib.sha256(content).hexdigest()[:32]}.jsonl"
    assert folder_of(path).stat().st_mode & 0o077 == 0, "prompts in clear text"
    forget_files(path, batch)
    assert not folder_of(path).exists()
