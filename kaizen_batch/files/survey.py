"""A first reading: how many rows there are, what columns they have, and that each can be read; and samples."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kaizen_batch.files.reader import Records

_SEED = 0
_TURN = 1000  # rows that are read before the loop has its turn
_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of the rows before the first is used; `total` is None if they can be read only once."""

    total: int | None = None
    columns: tuple[str, ...] = ()


async def surveyed(records: Records, limit: int | None = None) -> Survey:
    """Read all rows, or the first ones, unless the file itself says how many it has. Raises: RecordError."""
    if records.total is not None:
        total = records.total if limit is None else min(records.total, limit)
        return Survey(total, records.columns or ())
    names: dict[str, None] = dict.fromkeys(records.columns or ())
    for row in islice(records, limit):
        if records.columns is None and len(names) < _MOST_COLUMNS:
            names.update(dict.fromkeys(row))
        if records.rows_read % _TURN == 0:
            await asyncio.sleep(0)
    return Survey(records.rows_read, tuple(names))


async def sampled(rows: Iterable[dict[str, Any]], wanted: int, total: int) -> AsyncIterator[dict[str, Any]]:
    """So many of the rows, in their order; each has the same chance, and the same ones are taken each time.

    Source: D. E. Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
    """
    dice = random.Random(_SEED)
    for passed, row in enumerate(rows):
        if dice.random() * (total - passed) < wanted:
            wanted -= 1
            yield row
        if not wanted:
            return
        if passed % _TURN == 0:
            await asyncio.sleep(0)


class Counted:
    """An iterable that knows its length."""

    def __init__(self, rows: Iterator[dict[str, Any]], size: int) -> None:
        self._rows = rows
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._rows


class CountedAsync:
    """The same for an asynchronous one."""

    def __init__(self, rows: AsyncIterator[dict[str, Any]], size: int) -> None:
        self._rows = rows
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self._rows
