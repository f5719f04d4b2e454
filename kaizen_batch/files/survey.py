"""A first reading of the input: how many rows and which columns it has, and that every row can be read; and samples.

It costs no call, so a damaged page or a record with a missing cell is an error before anything is paid. Text formats
are read row by row. Of an Arrow table every column is decoded, in a thread and in bounded memory, and the columns that
the prompt uses are converted. The rows of a later reading are counted against the survey's.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from kaizen_batch.files.columnar import check_pieces
from kaizen_batch.files.reader import Records
from kaizen_batch.files.rows import Row

_TURN = 1000  # rows that are read before the event loop gets its turn
MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of the rows before the first is used; `total` is None if they can be read only once.

    `skipped` counts those of them that will not be asked. `place` is a row and the byte at which it begins, for a job
    that does not begin with the first row.
    """

    total: int | None = None
    columns: tuple[str, ...] = ()
    skipped: int = 0
    place: tuple[int, int] | None = None

    def at_most(self, sample: int | None) -> int | None:
        """The rows of a job, or of a sample of it; None if unknown."""
        return self.total if sample is None or self.total is None else min(sample, self.total)


async def surveyed(
    records: Records, *, limit: int | None = None, used: Iterable[str] = (), rows: Iterable[Row] | None = None
) -> Survey:
    """Read all rows, the first ones, or `rows`; `used` are the columns that become Python values. Raises: RecordError.

    Arrow tables are read from their beginning.
    """
    columns = records.columns or ()
    if records.inputs.documents and records.total is not None:
        return Survey(_at_most(records.total, limit), columns)
    if records.schema is not None:
        return Survey(_at_most(await _check_columnar(records, limit, used), limit), columns)
    names: dict[str, None] = dict.fromkeys(columns)
    total = 0
    for row in islice(records, limit) if rows is None else rows:
        total += 1
        if records.columns is None and len(names) < MOST_COLUMNS:
            names.update(dict.fromkeys(row))
        if records.rows_read % _TURN == 0:
            await asyncio.sleep(0)
    return Survey(total, tuple(names))


async def count_skipped(records: Records, rows: Iterable[Row], skips: Callable[[Mapping[str, object]], bool]) -> int:
    """How many of these rows of the input will not be asked."""
    skipped = 0
    for row in rows:
        skipped += skips(row)
        if records.rows_read % _TURN == 0:
            await asyncio.sleep(0)
    return skipped


def _at_most(total: int, limit: int | None) -> int:
    return total if limit is None else min(total, limit)


async def _check_columnar(records: Records, limit: int | None, used: Iterable[str]) -> int:
    total, loop = 0, asyncio.get_running_loop()
    # The thread's end is waited for, so that no file is closed under it.
    with ThreadPoolExecutor(1, "kaizen-batch survey") as thread:
        for source in records.columnar_sources():
            counts, done = check_pieces(source, used), 0
            try:
                while (count := await loop.run_in_executor(thread, next, counts, None)) is not None:
                    done = count
                    if limit is not None and total + done >= limit:
                        return total + done
            except Exception as error:
                raise records.explained(error) from error
            total += done
    return total


async def sampled(rows: Iterable[Row], wanted: int, total: int, seed: int) -> AsyncIterator[Row]:
    """So many of the rows, in their order; each has the same chance, and one seed takes the same rows each time.

    Source: D. E. Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
    """
    dice = random.Random(seed)
    for passed, row in enumerate(rows):
        if dice.random() * (total - passed) < wanted:
            wanted -= 1
            yield row
        if not wanted:
            return
        if passed % _TURN == 0:
            await asyncio.sleep(0)


class SizedRows:
    """An iterable of rows that knows how many there are."""

    def __init__(self, rows: Iterator[Row], size: int) -> None:
        self._rows = rows
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class AsyncSizedRows:
    """The same for an asynchronous one; after a stop it is read on, as it never waits for anything."""

    reads_on = True

    def __init__(self, rows: AsyncIterator[Row], size: int) -> None:
        self._rows = rows
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __aiter__(self) -> AsyncIterator[Row]:
        return self._rows
