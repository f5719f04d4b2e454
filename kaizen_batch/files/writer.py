"""RecordWriter: rows into a file, which appears whole or not at all."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from kaizen_batch.files import faults
from kaizen_batch.files.delimited_writer import DelimitedEncoder
from kaizen_batch.files.dialect import DELIMITERS, Dialect
from kaizen_batch.files.json_array import JsonEncoder
from kaizen_batch.files.jsonl import JsonlEncoder
from kaizen_batch.files.layout import Layout
from kaizen_batch.files.names import BATCH_LINES, Kind, path_text, written_kind_of
from kaizen_batch.files.output import Output
from kaizen_batch.files.reader import Records
from kaizen_batch.files.rows import Row


class Encoder(Protocol):
    """Writes rows in one format into the parts of an output."""

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with more columns."""

    def write(self, row: dict[str, object]) -> None:
        """Write one row."""

    def finish(self) -> None:
        """Write what is missing."""

    def abandon(self) -> None:
        """Let go of what is held; the output will be thrown away."""


class RecordWriter:
    """Writes rows, one after another, in constant memory.

    >>> with record_writer("answers.jsonl") as writer:
    ...     writer.write({"id": 1, "label": "spam"})

    The file is written next to its final place and renamed on a clean exit, when it is safe on the disk; after an
    exception there is no trace of it, and an older file of that name is unchanged. `rows_written` counts the rows;
    `before_publishing` is called with the finished file, its final path and that count, before it is renamed.

    Raises: RecordError, for example for a full disk or a folder that cannot be written to.
    """

    def __init__(self, target: str, kind: Kind, layout: Layout) -> None:
        self.rows_written: int = 0
        self.before_publishing: Callable[[Path, Path, int], object] | None = None
        self._kind = kind
        self._layout = layout
        self._output = Output(target, kind)
        self._encoder: Encoder | None = None
        self._abandoned = False

    def __enter__(self) -> Self:
        with self._all_or_nothing():
            self._output.begin()
            self._encoder = self._encoder_of(self._kind.format)
        return self

    def write(self, row: dict[str, object]) -> None:
        """Write one row; a value that the format has no type for is written as text."""
        self.add(Row(row), {})

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write a row of an input as the input stores it, with more columns, whose names it does not have."""
        assert self._encoder is not None, "rows are written inside the `with` block"
        try:
            self._encoder.add(row, more)
        except OSError as error:
            raise faults.while_writing(self._output.name, error) from error
        self.rows_written += 1

    def push(self) -> None:
        """Have a stream get what was written so far, as far as the format allows."""
        try:
            self._output.push()
        except OSError as error:
            raise faults.while_writing(self._output.name, error) from error

    def abandon(self) -> None:
        """Write nothing after all: an older file stays."""
        self._abandoned = True

    def rename(self, target: str) -> None:
        """Become another file of the same folder, in place of the one that was named; a stream stays what it is."""
        if self._output.can_restart:
            self._output.rename(target)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or self._abandoned:
            self._discard()
            return
        with self._all_or_nothing():
            if self._encoder is not None:
                self._encoder.finish()
            self._output.publish(self._finished)

    def _finished(self, part: Path, path: Path) -> None:
        if self.before_publishing is not None:
            self.before_publishing(part, path, self.rows_written)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._discard()
            raise faults.while_writing(self._output.name, error) from error
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        if self._encoder is not None:
            self._encoder.abandon()
        self._output.discard()

    def _encoder_of(self, format: str) -> Encoder:
        layout = self._layout
        if format == "jsonl":
            return JsonlEncoder(self._output)
        if format == "json":
            return JsonEncoder(self._output)
        if format == BATCH_LINES:
            from kaizen_batch.files.openai_batch import BatchLineEncoder

            return BatchLineEncoder(self._output)
        if format == "xlsx":
            from kaizen_batch.files.excel import ExcelEncoder

            return ExcelEncoder(self._output, layout.columns)
        if format in ("parquet", "arrow"):
            from kaizen_batch.files.columnar_formats import ArrowFormat, ParquetFormat
            from kaizen_batch.files.columnar_writer import ColumnarEncoder

            return ColumnarEncoder(self._output, layout, ParquetFormat() if format == "parquet" else ArrowFormat())
        dialect = layout.dialect or Dialect(DELIMITERS[format])
        return DelimitedEncoder(self._output, format, dialect, layout.columns)


def record_writer(
    target: str | os.PathLike[str],
    *,
    format: str | None = None,
    like: Records | None = None,
    columns: Iterable[str] = (),
) -> RecordWriter:
    """A writer for a file; `"-"` is standard output. Formats and suffixes are those of `open_records`.

    `like` is the input whose rows are written on: its columns come first, and an Arrow table keeps their types.
    `columns` are more columns that are known beforehand; any other is added when a row has it. All text is UTF-8.

    Raises: ConfigError for a format that is not known; RecordError when the block is entered and later.
    """
    path = path_text(target)
    return RecordWriter(path, written_kind_of(path, format), Layout.like(like, tuple(columns)))
