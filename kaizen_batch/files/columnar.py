"""Arrow tables in: record batches of bounded size, as rows. Parquet and Arrow files share it.

A reader decodes a batch in a thread while the rows of the one before are used. The rows have Python values of the
columns that are used; all others stay in the batch.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.rows import ArrowBatch, ArrowRow

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 1024
BATCH_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Piece:
    """A record batch and where it is from; `first_row` counts from 0, `group` from 1 (a row group, or a batch)."""

    data: "pyarrow.RecordBatch"
    first_row: int
    group: int


class ColumnarSource(Protocol):
    """A file of Arrow data; `schema`, `columns` and `total` are known once it is open."""

    schema: "pyarrow.Schema"
    columns: tuple[str, ...]
    total: int | None
    group_name: str

    def pieces(self, rows: int) -> Iterator[Piece]:
        """The data in order, in batches of at most so many rows. Raises: BadRow for what cannot be decoded."""

    def skip(self, rows: int) -> int:
        """Begin with a later group, and return how many rows are passed over: at most so many."""


def rows_of(source: ColumnarSource, used: tuple[str, ...] | None, *, shortest: bool) -> Iterator[ArrowRow]:
    """The rows, with Python values of the used columns (None: of all)."""
    names = [name for name in source.columns if used is None or name in used]
    pieces = source.pieces(BATCH_ROWS)
    with ThreadPoolExecutor(1, "kaizen-batch columns") as thread:
        coming = thread.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = thread.submit(next, pieces, None)
            batch = ArrowBatch(piece.data, shortest=shortest)
            columns = [values_of(source, piece, name, shortest=shortest) for name in names]
            if used is None:
                batch.values = dict(zip(names, columns, strict=True))
            for index in range(piece.data.num_rows):
                yield ArrowRow(zip(names, [values[index] for values in columns], strict=True), batch, index)


def check_pieces(source: ColumnarSource, used: Iterable[str]) -> Iterator[int]:
    """Decode all data once, and convert the used columns where that can fail; yields the rows checked so far.

    Raises: BadRow.
    """
    from kaizen_batch.results.arrow import can_fail

    convert = [name for name in source.columns if name in set(used) and can_fail(source.schema.field(name).type)]
    done = 0
    for piece in source.pieces(BATCH_ROWS * 8):
        for name, column in zip(source.columns, piece.data.columns, strict=True):
            try:
                column.validate(full=True)
            except Exception as error:
                raise BadRow(
                    f"{_place(source, piece, name, _first_invalid(column))}: {one_line(error)}", located=True
                ) from None
        for name in convert:
            values_of(source, piece, name, shortest=True)
        done = piece.first_row + piece.data.num_rows
        yield done
    if source.total is not None and done != source.total:
        raise BadRow(
            f"its footer says {source.total:,} rows, and it holds {done:,}: write the file again",
            code="file_damaged",
            located=True,
        )


def values_of(source: ColumnarSource, piece: Piece, name: str, *, shortest: bool) -> list[object]:
    """A column of a batch as Python values. Raises: BadRow that names the column and the row."""
    from kaizen_batch.results.arrow import to_python

    column = piece.data.column(source.columns.index(name))
    try:
        return to_python(column, shortest=shortest)
    except Exception as error:
        index = _first_failing(column, lambda one: to_python(one, shortest=shortest))
        why = f"{one_line(error)}; Python has no form for it: leave the column out of the prompt, or write Parquet"
        raise BadRow(f"{_place(source, piece, name, index)}: {why}", code="bad_value", located=True) from None


def _place(source: ColumnarSource, piece: Piece, name: str, index: int) -> str:
    return f"column {name!r}, {source.group_name} {piece.group}, row {piece.first_row + index + 1:,}"


def _first_invalid(column: object) -> int:
    return _first_failing(column, lambda one: one.validate(full=True))


def _first_failing(column: "pyarrow.Array", attempt: Any) -> int:
    """The first value with which it fails."""
    for index in range(len(column)):
        try:
            attempt(column.slice(index, 1))
        except Exception:
            return index
    return 0


def one_line(error: Exception) -> str:
    """What an error says, or its kind."""
    return " ".join(str(error).split()) or type(error).__name__


class NamedSource:
    """A source with one more column that holds the same text in each row."""

    def __init__(self, source: ColumnarSource, name: str, text: str) -> None:
        import pyarrow as pa

        self.schema: pyarrow.Schema = source.schema.append(pa.field(name, pa.string()))
        self.columns: tuple[str, ...] = (*source.columns, name)
        self.total: int | None = source.total
        self.group_name: str = source.group_name
        self._source = source
        self._name = name
        self._text = pa.scalar(text, pa.string())

    def skip(self, rows: int) -> int:
        """Begin with a later group."""
        return self._source.skip(rows)

    def pieces(self, rows: int) -> Iterator[Piece]:
        """The data in order."""
        import pyarrow as pa

        for piece in self._source.pieces(rows):
            texts = pa.repeat(self._text, piece.data.num_rows)
            yield Piece(piece.data.append_column(self._name, texts), piece.first_row, piece.group)
