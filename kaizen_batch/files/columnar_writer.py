"""Arrow tables out: rows become record batches, and batches row groups, both of bounded size.

Columns of the input that come as Arrow are copied as they are, with all that the schema says of them: types, field
metadata, nullability, the metadata of pandas, Hugging Face and GeoParquet. New columns get the type that their values
show. A type that turns out too narrow (a column that began with nulls, or with integers before a float came) is
widened: what follows goes into a new part, and at the finish all parts become one file of the final types. What no
type can hold together is text. A column that never has a value has the type null.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kaizen_batch.errors import RecordError
from kaizen_batch.files.columnar_formats import ColumnarFormat
from kaizen_batch.files.layout import Layout
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import ArrowBatch, ArrowRow, Row

if TYPE_CHECKING:
    import pyarrow

_CHUNK_ROWS = 1024
_CHUNK_BYTES = 4 * 2**20
_GROUP_ROWS = 131_072
_GROUP_BYTES = 16 * 2**20
_VALUE_BYTES = 16


class ColumnarEncoder:
    """Rows as an Arrow table in a file."""

    def __init__(self, output: Output, layout: Layout, format: ColumnarFormat) -> None:
        self._format = format
        self._output = output
        self._layout = layout
        self._given = layout.arrow_types()
        self._types: dict[str, object] = {**dict.fromkeys(layout.columns), **self._given}
        self._rows: list[dict[str, object]] = []
        self._batch: ArrowBatch | None = None
        self._indices: list[int] = []
        self._weight = 0
        self._group = _Group()
        self._parts: list[Any] = []
        self._writer: Any = None
        self._schema: pyarrow.Schema = None
        # Writing a row group takes a tenth of a second of CPU: too long for those who share an event loop with it.
        self._thread = ThreadPoolExecutor(1, "kaizen-batch columns")
        self._writing: Future[None] | None = None

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with more columns."""
        if not isinstance(row, ArrowRow):
            self.write({**row.cells(), **more})
            return
        if row.batch is not self._batch:
            self._end_chunk()
            self._batch = row.batch
        self._indices.append(row.index)
        self._take(more)

    def write(self, row: dict[str, object]) -> None:
        """Take one row; every so often some are written."""
        if self._batch is not None:
            self._end_chunk()
        self._take(row)

    def finish(self) -> None:
        """Write the rest, and one file if there are several parts."""
        self._end_chunk()
        if self._group.rows or self._writer is None:
            self._end_group()
        self._close()
        if len(self._parts) > 1:
            self._merge()
        self._thread.shutdown()

    def abandon(self) -> None:
        """Close the writer such that it does not write its footer when it is collected."""
        self._thread.shutdown()
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()

    def _take(self, row: dict[str, object]) -> None:
        self._rows.append(row)
        self._weight += _weight(row)
        if len(self._rows) >= _CHUNK_ROWS or self._weight >= _CHUNK_BYTES:
            self._end_chunk()

    def _end_chunk(self) -> None:
        from kaizen_batch.results.arrow import array_of, wider

        rows, self._rows, self._weight = self._rows, [], 0
        batch, self._batch = self._batch, None
        indices, self._indices = self._indices, []
        if not rows:
            return
        arrays = {} if batch is None else _picked(batch, indices)
        for name in {name: None for row in rows for name in row}:
            self._types.setdefault(name, None)
        for name, kind in self._types.items():
            if name not in arrays:
                arrays[name] = array_of([row.get(name) for row in rows], self._given.get(name))
            self._types[name] = wider(kind, arrays[name].type)
        self._group.add(arrays, len(rows))
        if self._group.is_full:
            self._end_group()

    def _end_group(self) -> None:
        tables = self._group.tables(self._types, self._layout)
        self._group = _Group()
        schema = self._layout.arrow_schema(self._types)
        if self._writer is None or self._schema != schema:
            self._begin_part(schema)
        for table in tables:
            self._written()
            self._writing = self._thread.submit(_write, self._writer, table)

    def _written(self) -> None:
        """Wait for the row group being written; there is at most one. Raises what its writing raised."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _begin_part(self, schema: "pyarrow.Schema") -> None:
        if self._writer is not None and not self._output.can_restart:
            changed = next(field.name for field in schema if field not in self._schema)
            raise RecordError(
                f"the type of the column {changed!r} has changed to {schema.field(changed).type} after the "
                "beginning was written: write to a file, or in the format jsonl",
                code="new_column",
            )
        self._close()
        self._writer = self._format.writer(self._output.open_bytes(), schema)
        self._schema = schema
        self._parts.append(schema)

    def _close(self) -> None:
        self._written()
        if self._writer is not None:
            self._writer.close()
            self._output.flush()
            self._writer = None

    def _merge(self) -> None:
        numbers = range(1, len(self._parts) + 1)
        while not all(self._fits(number) for number in numbers):
            pass  # a type was widened to text
        self._begin_part(self._layout.arrow_schema(self._types))
        for number in numbers:
            for arrays, rows in self._batches(number):
                self._group.add(arrays, rows)
                if self._group.is_full:
                    self._end_group()
        if self._group.rows:
            self._end_group()
        self._close()

    def _fits(self, number: int) -> bool:
        """Whether all that a part holds can be cast; columns that cannot become text."""
        before = dict(self._types)
        narrow = [field.name for field in self._parts[number - 1] if not field.type.equals(before[field.name])]
        if narrow:
            for arrays, _ in self._batches(number, narrow):
                _cast_all(arrays, self._types)
        return before == self._types

    def _batches(self, number: int, columns: list[str] | None = None) -> Iterator[tuple[dict[str, object], int]]:
        for batch in self._format.batches(self._output.part(number), columns, _CHUNK_ROWS):
            yield dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows


class _Group:
    """The record batches that become one row group."""

    def __init__(self) -> None:
        self.rows = 0
        self._bytes = 0
        self._chunks: list[tuple[dict[str, object], int]] = []

    @property
    def is_full(self) -> bool:
        """Whether it is time to write."""
        return self.rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES

    def add(self, arrays: "dict[str, pyarrow.Array]", rows: int) -> None:
        """Take some rows."""
        self._chunks.append((arrays, rows))
        self.rows += rows
        self._bytes += sum(array.nbytes for array in arrays.values())

    def tables(self, types: dict[str, object], layout: Layout) -> list[object]:
        """The table to write, in a list that is empty for no rows; types that cannot hold all become text."""
        import pyarrow as pa

        if not self._chunks:
            return []
        before: dict[str, pyarrow.Array] = {}
        while before != types:
            before = dict(types)
            chunks = [_cast_all(arrays, types) for arrays, _ in self._chunks]
        schema = layout.arrow_schema(types)
        batches = [
            pa.record_batch(
                [arrays[name] if name in arrays else pa.nulls(rows, kind) for name, kind in types.items()],
                schema=schema,
            )
            for arrays, (_, rows) in zip(chunks, self._chunks, strict=True)
        ]
        return [pa.Table.from_batches(batches, schema)]


def _picked(batch: ArrowBatch, indices: list[int]) -> "dict[str, pyarrow.Array]":
    """The columns of some rows of a batch; copied, so that they do not keep the whole batch in memory."""
    import pyarrow as pa

    if len(indices) == batch.data.num_rows:  # each row once, and in order
        return dict(batch.columns())
    rows = pa.array(indices, pa.int64())
    return {name: _taken(column, rows, indices) for name, column in batch.columns()}


def _taken(column: "pyarrow.Array", rows: object, indices: Iterable[int]) -> object:
    import pyarrow as pa

    try:
        return column.take(rows)
    except pa.ArrowNotImplementedError:  # a type that `take` does not know
        return pa.concat_arrays([column.slice(index, 1) for index in indices])


def _write(writer: Any, table: "pyarrow.Table") -> None:
    writer.write_table(table.unify_dictionaries().combine_chunks())


def _cast_all(arrays: dict[str, object], types: dict[str, object]) -> dict[str, object]:
    import pyarrow as pa

    from kaizen_batch.results.arrow import as_type

    cast = {}
    for name, array in arrays.items():
        cast[name] = as_type(array, types[name])
        if cast[name] is None:
            types[name] = pa.string()
            cast[name] = as_type(array, types[name])
    return cast


def _weight(value: object) -> int:
    """About the bytes of a value."""
    if isinstance(value, str | bytes):
        return len(value) + _VALUE_BYTES
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + _VALUE_BYTES
    if isinstance(value, list):
        return sum(map(_weight, value)) + _VALUE_BYTES
    return _VALUE_BYTES
