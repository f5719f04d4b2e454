"""Calls that a journal does not have: they were recorded in a file that is lost, of which this one is an older copy.

Nobody knows their requests, so they have no rows: two sums in `meta` count them, and all totals include them, as calls
that were perhaps billed. Their requests are asked again, so all of them were perhaps paid twice.
"""

import time
from pathlib import Path

from kaizen_batch.journal import faults, statements
from kaizen_batch.journal.files import transaction
from kaizen_batch.journal.opening import close_writer, open_writer, write_lock


def add_lost_calls(path: Path, calls: int, usd: float) -> None:
    """Count so many calls more, which cost at most so much. Raises: JournalError."""
    with write_lock(path), faults.translated(path):
        opened = open_writer(path, creator="kaizen-batch", now=time.time())  # noqa: TID251 - times outlive a process
        try:
            with transaction(opened.connection):
                opened.connection.executemany(statements.ADD_LOST, (("lost calls", calls), ("lost usd", usd)))
        finally:
            close_writer(opened)
