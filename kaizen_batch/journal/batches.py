"""Batches of a provider, as a journal keeps them.

A batch begins as an intent on the disk and ends when its answers are in the journal:

    cutting ──> ready ──> uploaded ──> creating ──> submitted ──> ended ──> collected
       └──────────┴───────────┴────────────┴──> dropped         its rows were never asked, or are asked anew

- `cutting`: its rows are being chosen; a crash here takes them back, since nothing was sent.
- `ready`: its file is complete on this disk. `uploaded`: the provider has the file.
- `creating`: the call that makes the batch is about to be sent; a crash here leaves the question whether it was made.
- `submitted`: it has an id. `ended`: the provider is done with it. `collected`: every row has its outcome.

The rows of a batch are `submitted` in `calls` from the moment they are chosen, each with the most it can cost.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kaizen_batch.journal import statements
from kaizen_batch.journal.checksums import row_checksum
from kaizen_batch.journal.writer import JournalWriter

OPEN_STATES = ("cutting", "ready", "uploaded", "creating", "submitted", "ended")


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a provider: what was intended, how far it is, what it can cost.

    `id` is its number in `Entry.batch`; `intent` is known to the provider as metadata; `rows` counts its requests and
    `at_risk_usd` what they can cost at most. Times are Unix times: `deadline_at` is when the run that made it has to be
    done, `expires_at` when the provider gives up. `counts` holds the provider's own `status` and its counts.
    """

    id: int
    intent: str
    endpoint: str
    model: str
    state: str
    begun_at: float
    input_file: str | None = None
    remote_id: str | None = None
    rows: int = 0
    at_risk_usd: float = 0.0
    deadline_at: float | None = None
    expires_at: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done about it."""
        return self.state in OPEN_STATES

    @property
    def status(self) -> str:
        """How far it is, in the provider's word where there is one."""
        return str(self.counts.get("status") or self.state) if self.state == "submitted" else self.state


def batch_of(row: Sequence[Any]) -> Batch:
    """A row of `statements.BATCHES` as a batch."""
    values = dict(zip(statements.BATCH, row, strict=True))
    return Batch(**{**values, "counts": json.loads(values["counts"] or "{}")})


def save_batch(journal: JournalWriter, batch: Batch) -> "asyncio.Future[None]":
    """Keep a batch as it is now; awaited, it is on the disk."""
    cells = [getattr(batch, name) for name in statements.BATCH]
    cells[statements.BATCH.index("counts")] = json.dumps(batch.counts)
    return journal.operate((statements.BATCH_SAVED, _key(batch), (*cells, row_checksum(cells))))


def free_rows(journal: JournalWriter, batch: Batch) -> "asyncio.Future[None]":
    """The rows of a batch that was never made are what they were before it."""
    return journal.operate((statements.BATCH_FREED, _key(batch), (batch.id,)))


def doubt_rows(journal: JournalWriter, batch: Batch) -> "asyncio.Future[None]":
    """The rows of a batch without an outcome may have been billed: they are `unknown`, and are asked again."""
    return journal.operate((statements.BATCH_DOUBTED, _key(batch), (journal.now(), batch.id)))


def _key(batch: Batch) -> bytes:
    return b"batch" + batch.id.to_bytes(8, "big")
