"""Records: the rows of a file, one after another."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from types import TracebackType
from typing import Any, BinaryIO, Self

from kaizen_batch.errors import KaizenBatchError
from kaizen_batch.files import faults
from kaizen_batch.files.delimited import DELIMITERS, read_delimited
from kaizen_batch.files.jsonl import read_jsonl
from kaizen_batch.files.names import Kind, kind_of, path_text, shown
from kaizen_batch.files.streams import decoded, open_bytes


class Records:
    """The rows of a file as dicts, read while they are iterated, in constant memory.

    >>> with open_records("tickets.csv") as records:
    ...     for row in records:
    ...         print(records.columns, row["text"])

    `columns` are the names of the columns, None for JSONL, whose rows each have their own. `total` is the number of
    rows where the file says it (Parquet), else None. `rows_read` counts the rows given so far.

    CSV and TSV give texts and pass over blank lines; JSONL gives what JSON has, and passes over blank lines; Parquet
    gives Python's own values, and nanoseconds as texts. A row that cannot be read, one with too many or too few cells
    included, ends the reading: when one row is off, so may be those after it, and none is dropped or guessed.

    Raises: RecordError that names the file and the row, which counts from 1 without the header.
    """

    def __init__(self, source: str, kind: Kind, encoding: str | None) -> None:
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None
        self.rows_read: int = 0
        self.format: str = kind.format
        self.schema: Any = None
        self._source = source
        self._kind = kind
        self._encoding = encoding
        self._name = shown(source, reading=True)
        self._dropped: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._rows: Iterator[dict[str, Any]] = iter(())

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                self._begin(stack)
            except KaizenBatchError:
                raise
            except Exception as error:
                raise faults.while_reading(self._name, 0, error) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows = iter(())
        self._stack.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        try:
            row = next(self._rows)
        except (StopIteration, KaizenBatchError):
            raise
        except Exception as error:
            raise faults.while_reading(self._name, self.rows_read + 1, error) from error
        self.rows_read += 1
        for name in self._dropped:
            row.pop(name, None)
        return row

    def names(self) -> tuple[str, ...]:
        """The names of the columns; those of JSONL are what the first row has."""
        if self.columns is not None:
            return self.columns
        first = next(self, None)
        if first is None:
            return ()
        self.rows_read -= 1
        self._rows = chain([first], self._rows)
        return tuple(first)

    def drop(self, columns: tuple[str, ...]) -> None:
        """Read on without these columns."""
        self._dropped = columns
        if self.columns is not None:
            self.columns = tuple(name for name in self.columns if name not in columns)

    def _begin(self, stack: ExitStack) -> None:
        stream = stack.enter_context(open_bytes(self._source, self._kind.compression))
        if self.format == "parquet":
            self._begin_parquet(stream, stack.enter_context)
            return
        newline = "\n" if self.format == "jsonl" else ""
        text = stack.enter_context(decoded(stream, self._encoding, newline))
        if self.format == "jsonl":
            self._rows = read_jsonl(text)
        else:
            self.columns, self._rows = read_delimited(text, DELIMITERS[self.format])

    def _begin_parquet(self, stream: BinaryIO, enter: Callable[[AbstractContextManager[Any]], Any]) -> None:
        from kaizen_batch.files.parquet import ParquetReader

        reader = enter(ParquetReader(stream))
        self.columns, self.total, self.schema = reader.columns, reader.total, reader.schema
        self._rows = reader.rows()


def open_records(source: str | os.PathLike[str], *, format: str | None = None, encoding: str | None = None) -> Records:
    """The rows of a file; `"-"` is standard input.

    `format` is one of FORMATS, by default what the name says (`.jsonl`, `.ndjson`, `.csv`, `.tsv`, `.parquet`, and
    `.gz`, `.bz2`, `.xz` or `.zst` behind those of text). `encoding` is that of a text; by default UTF-8, or what a
    byte-order mark says.

    Raises: ConfigError for a format or encoding that is not known; RecordError when the block is entered.
    """
    path = path_text(source)
    return Records(path, kind_of(path, format), encoding)
