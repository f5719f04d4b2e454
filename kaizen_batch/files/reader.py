"""Records: the rows of one file or several, one after another."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, Unpack

from kaizen_batch.errors import ConfigError, KaizenBatchError
from kaizen_batch.files import faults
from kaizen_batch.files.columnar import ColumnarSource, NamedSource, rows_of
from kaizen_batch.files.delimited import DelimitedReader
from kaizen_batch.files.dialect import Dialect
from kaizen_batch.files.documents import DocumentReader
from kaizen_batch.files.inputs import Input, Inputs, expanded
from kaizen_batch.files.json_array import read_json
from kaizen_batch.files.json_text import spliced
from kaizen_batch.files.jsonl import read_jsonl
from kaizen_batch.files.names import TEXT_FORMATS, Kind, kind_of, shown
from kaizen_batch.files.options import RENDERING, ReadKeywords, ReadOptions
from kaizen_batch.files.rows import JsonRow, Row
from kaizen_batch.files.streams import check_is_text, decoded, open_bytes

if TYPE_CHECKING:
    import pyarrow

_Rows = Callable[[tuple[str, ...] | None], Iterator[Row]]


@dataclass(slots=True)
class _File:
    """An open file; `rows` gives its rows, with Python values of at least the columns it is given (None: of all)."""

    rows: _Rows
    columns: tuple[str, ...] | None = None
    total: int | None = None
    dialect: Dialect | None = None
    notes: list[str] = field(default_factory=list)
    source: ColumnarSource | None = None
    seek: Callable[[int], object] | None = None
    line: Callable[[], int] | None = None


class Records:
    """The rows of an input as dicts, read while they are iterated, in constant memory.

    >>> with open_records("tickets.csv") as records:
    ...     for row in records:
    ...         print(records.columns, row["text"])

    `columns` are the names of the columns, None for JSON, whose rows each have their own. `total` is the number of
    rows where the file says it (Parquet), else None. `rows_read` counts the rows given so far. `notes` says what was
    detected or renamed. `place` is a row, and the byte at which it begins, where somebody knows one: `skip` goes there.

    Delimited text gives text; JSON gives JSON's types; Parquet and Arrow give Python's types, and nanoseconds as
    text; spreadsheets give their cells; documents give path, name, text and pages. Blank lines are ignored. A row that
    cannot be read ends the reading: when one row is wrong, those after it may be too, and none is dropped or guessed.

    Raises: RecordError that names the file and the row, which counts from 1 without the header.
    """

    def __init__(self, source: Input, format: str | None, options: ReadOptions, rendering: int = RENDERING) -> None:
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None
        self.rows_read: int = 0
        self.schema: pyarrow.Schema = None
        self.dialect: Dialect | None = None
        self.notes: list[str] = []
        self.place: tuple[int, int] | None = None
        self.inputs: Inputs = expanded(source, options.glob, format)
        self.format: str = "documents" if self.inputs.documents else kind_of(self.inputs.paths[0], format).format
        self._given_format = format
        self._options = options
        self.rendering: int = rendering
        self._used: tuple[str, ...] | None = None
        self._name = shown(self.inputs.paths[0], reading=True)
        self._read_before = 0
        self._stack = ExitStack()
        self._file = _File(lambda used: iter(()))
        self._rows: Iterator[Row] | None = None

    def __enter__(self) -> Self:
        self._file = self._opened(self.inputs.paths[0])
        self.columns = self._file.columns
        self.dialect = self._file.dialect
        self.notes = self._file.notes
        if len(self.inputs.paths) == 1 or self.inputs.documents:
            self.total = self._file.total
        if self._file.source is not None:
            self.schema = self._file.source.schema
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows = iter(())  # a generator among them closes its thread
        self._stack.close()

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        if self._rows is None:
            self._rows = self._all_rows()
        try:
            row = next(self._rows)
        except (StopIteration, KaizenBatchError):
            raise
        except Exception as error:
            raise faults.while_reading(self._name, self.rows_read - self._read_before + 1, error) from error
        self.rows_read += 1
        return row

    def use(self, columns: tuple[str, ...] | None) -> None:
        """Convert only these columns of an Arrow table to Python values; to be called before the first row."""
        self._used = columns

    def skip(self, rows: int) -> None:
        """Pass over the first rows, before the first is read. Raises: RecordError if one of them cannot be read.

        Row groups of Parquet are not decoded, and of text with a known `place` nothing is read.
        """
        passed = self._pass_over(rows)
        for _ in range(rows - passed):
            next(self, None)
        self.rows_read = rows

    def _pass_over(self, rows: int) -> int:
        """How many of these rows need not be read."""
        if len(self.inputs.paths) > 1:
            return 0
        if self.place is not None and self.place[0] <= rows and self._file.seek is not None:
            self._file.seek(self.place[1])
            return self.place[0]
        return 0 if self._file.source is None else self._file.source.skip(rows)

    @property
    def can_seek(self) -> bool:
        """Whether `skip` can go to a byte."""
        return self._file.seek is not None

    @property
    def line(self) -> int | None:
        """The line of delimited text that was read last, from 1; None where `skip` could not go to a line."""
        return None if self._file.line is None else self._file.line()

    def names(self) -> tuple[str, ...]:
        """The names of the columns; those of JSON are what the first row has."""
        if self.columns is not None:
            return self.columns
        first = next(self, None)
        if first is None:
            return ()
        self.rows_read -= 1
        self._rows = chain([first], self._rows or ())
        return tuple(first)

    def columnar_sources(self) -> Iterator[ColumnarSource]:
        """The files as Arrow data, one after another; none if they are not. The rows are not read any more then."""
        if self._file.source is None:
            return
        yield self._file.source
        for path in self.inputs.paths[1:]:
            self._next_file(path)
            if self._file.source is not None:
                yield self._file.source

    def explained(self, error: Exception) -> Exception:
        """An error that a columnar source raised, with the name of the file."""
        return faults.while_reading(self._name, 0, error)

    def _all_rows(self) -> Iterator[Row]:
        yield from self._file.rows(self._used)
        if self.inputs.documents:
            return
        for path in self.inputs.paths[1:]:
            self._next_file(path)
            yield from self._file.rows(self._used)

    def _next_file(self, path: str) -> None:
        self._stack.close()
        self._name, self._read_before = shown(path, reading=True), self.rows_read
        self._file = self._opened(path)
        problem = self._difference(shown(self.inputs.paths[0], reading=True))
        if problem is not None:
            error = faults.BadRow(f"{problem}: give files of one schema", code="bad_columns")
            raise faults.while_reading(self._name, 0, error)

    def _difference(self, first: str) -> str | None:
        """How the schema of this file differs from that of the first."""
        file = self._file
        if self.columns is None or file.columns is None:
            return None
        odd = min(set(file.columns) ^ set(self.columns), default=None)
        if odd is not None:
            return f"the column {odd!r} is only in {'this file' if odd in file.columns else first}"
        return None if file.source is None else _other_type(file.source.schema, self.schema, first)

    def _opened(self, path: str) -> _File:
        with ExitStack() as stack:
            try:
                file = self._open(path, stack)
                self._add_source_column(file, path)
            except KaizenBatchError:
                raise
            except Exception as error:
                raise faults.while_reading(self._name, 0, error) from error
            self._stack = stack.pop_all()
        return file

    def _open(self, path: str, stack: ExitStack) -> _File:
        if self.inputs.documents:
            documents = DocumentReader(list(self.inputs.paths), self._options.chunk_tokens)
            return _File(lambda used: documents.rows(), documents.columns, documents.total)
        kind = kind_of(path, self._given_format)
        if kind.format != self.format:
            raise ConfigError(f"{path!r} is {kind.format}, and the first input {self.format}: give files of one format")
        stream = stack.enter_context(open_bytes(path, kind.compression))
        if kind.format in TEXT_FORMATS:
            return self._open_text(stream, kind, stack)
        if kind.format in ("parquet", "arrow"):
            return self._open_columnar(stream, kind.format, stack)
        from kaizen_batch.files.excel import ExcelReader

        sheet = ExcelReader(stream, self._options)
        return _File(lambda used: sheet.rows(), sheet.columns, notes=sheet.notes)

    def _open_text(self, stream: BinaryIO, kind: Kind, stack: ExitStack) -> _File:
        check_is_text(stream, kind.format, self._options.encoding)
        newline = "\n" if kind.format in ("jsonl", "json") else ""
        text = stack.enter_context(decoded(stream, self._options.encoding, newline))
        is_plain = kind.compression is None and text.encoding in ("utf-8", "utf-8-sig")
        if kind.format == "jsonl":
            lines = read_jsonl(text)
            return _File(lambda used: lines, seek=text.seek if is_plain else None)
        if kind.format == "json":
            elements = read_json(text, self._options.json_path)
            return _File(lambda used: elements)
        cells = DelimitedReader(text, kind.format, self._options, self.rendering)
        seek = cells.seek if is_plain and self._options.comment is None else None
        file = _File(lambda used: cells.rows(), cells.columns, dialect=cells.dialect, notes=cells.notes, seek=seek)
        file.line = cells.line if seek is not None else None
        return file

    def _open_columnar(self, stream: BinaryIO, format: str, stack: ExitStack) -> _File:
        if format == "parquet":
            from kaizen_batch.files.parquet import ParquetSource as Source
        else:
            from kaizen_batch.files.arrow_file import ArrowSource as Source  # type: ignore[assignment]
        source: ColumnarSource = stack.enter_context(Source(stream))
        return self._columnar(source)

    def _columnar(self, source: ColumnarSource) -> _File:
        shortest = self.rendering > 1
        return _File(lambda used: rows_of(source, used, shortest=shortest), source.columns, source.total, source=source)

    def _add_source_column(self, file: _File, path: str) -> None:
        name = self._options.source_column
        if name is None:
            return
        if name in (file.columns or ()):
            raise ConfigError(f"the input has a column {name!r} already: give source_column another name")
        if file.source is not None:
            named = self._columnar(NamedSource(file.source, name, path))
            file.rows, file.columns, file.source = named.rows, named.columns, named.source
            return
        rows = file.rows
        file.columns = None if file.columns is None else (*file.columns, name)
        file.rows = lambda used: (_named_row(row, name, path) for row in rows(used))


def _other_type(schema: "pyarrow.Schema", wanted: "pyarrow.Schema", first: str) -> str | None:
    """The first column whose type or other properties differ."""
    if schema.equals(wanted):
        return None
    odd = next(name for name in schema.names if schema.field(name) != wanted.field(name))
    return f"column {odd!r} has the type {schema.field(odd).type}, and {wanted.field(odd).type} in {first}"


def _named_row(row: Row, name: str, path: str) -> Row:
    if name in row:
        raise faults.BadRow(f"it has a member {name!r} already: give source_column another name", code="bad_columns")
    row[name] = path
    if isinstance(row, JsonRow):
        row.text = spliced(row.text, {name: path})
    return row


def open_records(source: Input, *, format: str | None = None, **options: Unpack[ReadKeywords]) -> Records:
    """The rows of a file; `"-"` is standard input. A pattern (`"data/*.csv"`) or a list reads several as one.

    `format` is one of FORMATS, by default what the name says (`.jsonl`, `.csv`, `.parquet`, `.xlsx` and so on, and
    `.gz`, `.bz2`, `.xz`, `.zst` or `.zip` behind those of text). The options are those of ReadOptions.

    Raises: ConfigError for a format or option that is not known; RecordError when the block is entered.
    """
    return Records(source, format, ReadOptions(**options))
