"""One batch while its rows are chosen: its file on this disk, and its rows in the journal."""

import asyncio
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import IO

from kaizen_batch.journal import JournalWriter
from kaizen_batch.journal.batches import Batch, save_batch
from kaizen_batch.providers.batch import BatchLimits
from kaizen_batch.strategies.batches.requests import Wanted


def folder_of(journal: Path) -> Path:
    """Where the files of a journal's batches are."""
    return journal.with_name(f"{journal.name}.batches")


def file_of(journal: Path, batch: Batch, kind: str = "requests") -> Path:
    """The file of a batch: its `requests`, `output` or `errors`."""
    return folder_of(journal) / f"{batch.intent}.{kind}.jsonl"


def forget_files(journal: Path, batch: Batch) -> None:
    """Delete the files of a batch that is over."""
    for kind in ("requests", "output", "errors"):
        file_of(journal, batch, kind).unlink(missing_ok=True)
    folder = folder_of(journal)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


class Part:
    """Rows on their way into one batch.

    The intent is on the disk before the first row; each row is `submitted` there before the file is complete. So a
    crash leaves either a batch that is `cutting`, whose rows are taken back, or one that is `ready`.
    """

    def __init__(self, journal: JournalWriter, batch: Batch, limits: BatchLimits) -> None:
        self._journal = journal
        self.batch: Batch = batch
        self._limits = limits
        self._hash = sha256()
        self.rows: int = 0
        self.bytes: int = 0
        self.tokens: int = 0
        self._at_risk_usd = 0.0
        self._file: IO[bytes] | None = None
        self._last: asyncio.Future[None] | None = None

    def fits(self, wanted: Wanted) -> bool:
        """Whether one more row keeps the limits of a file; the first always does."""
        limits = self._limits
        if not self.rows:
            return True
        if self.rows >= limits.requests or self.bytes + len(wanted.encoded) > limits.bytes:
            return False
        return limits.enqueued_tokens is None or self.tokens + wanted.tokens <= limits.enqueued_tokens

    async def open(self) -> None:
        """Put the intent on the disk."""
        await save_batch(self._journal, self.batch)
        path = file_of(self._journal.path, self.batch)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = path.open("wb")

    def write(self, wanted: Wanted) -> None:
        """Write a row to the file, and hand it to the journal."""
        assert self._file is not None
        self._file.write(wanted.encoded)
        self._hash.update(wanted.encoded)
        self.rows += 1
        self.bytes += len(wanted.encoded)
        self.tokens += wanted.tokens
        self._at_risk_usd += wanted.row.at_risk_usd
        self._last = self._journal.submit(wanted.row, self.batch.id)

    async def written(self) -> None:
        """Wait until the journal has the rows on the disk."""
        if self._last is not None:
            await self._last

    async def close(self) -> Batch:
        """Complete the file; the batch is ready to be uploaded."""
        assert self._file is not None
        await self.written()
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        counts = {"name": f"kaizen-batch-{self._hash.hexdigest()[:32]}.jsonl", "tokens": self.tokens}
        self.batch = replace(self.batch, state="ready", rows=self.rows, at_risk_usd=self._at_risk_usd, counts=counts)
        await save_batch(self._journal, self.batch)
        return self.batch
