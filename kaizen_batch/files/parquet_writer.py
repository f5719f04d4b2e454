"""Parquet out: rows become record batches, and batches row groups, both of bounded size."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from kaizen_batch.errors import RecordError
from kaizen_batch.files.delimited import DELIMITERS
from kaizen_batch.files.output import Output
from kaizen_batch.files.parquet import pyarrow_parquet
from kaizen_batch.files.reader import Records

_CHUNK_ROWS = 1024
_CHUNK_BYTES = 4 * 2**20
_GROUP_ROWS = 131_072
_GROUP_BYTES = 16 * 2**20
_VALUE_BYTES = 16


class ParquetEncoder:
    """Rows as Parquet; the columns of the input keep their types, those of others are found from their values.

    A type that turns out too narrow (a column that began with nothing, or with integers before a float came) is
    widened: what follows goes into a new part, and at the finish all parts become one file of the final types. What
    no type can hold together is text. A column that never has a value has the type null.
    """

    def __init__(self, output: Output, columns: Sequence[str], like: Records | None) -> None:
        self._library = pyarrow_parquet()
        self._output = output
        self._types: dict[str, Any] = dict.fromkeys(columns)
        self._given = _types_of(like)
        self._types.update(self._given)
        self._rows: list[dict[str, Any]] = []
        self._weight = 0
        self._group = _Group()
        self._parts: list[Any] = []
        self._writer: Any = None
        # A row group takes the CPU for a tenth of a second, too long for whoever shares an event loop with it.
        self._thread = ThreadPoolExecutor(1, "kaizen-batch parquet")
        self._writing: Future[None] | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Take one row; every so often some are written."""
        self._rows.append(row)
        self._weight += _weight(row)
        if len(self._rows) >= _CHUNK_ROWS or self._weight >= _CHUNK_BYTES:
            self._end_chunk()
            if self._group.is_full:
                self._end_group()

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
        """Leave the writer such that it does not try again when it is collected."""
        self._thread.shutdown()
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()
            self._writer.is_open = False

    def _end_chunk(self) -> None:
        from kaizen_batch.files.arrow import array_of, wider

        rows, self._rows, self._weight = self._rows, [], 0
        if not rows:
            return
        for name in {name: None for row in rows for name in row}:
            self._types.setdefault(name, None)
        arrays = {}
        for name, kind in self._types.items():
            arrays[name] = array_of([row.get(name) for row in rows], self._given.get(name))
            self._types[name] = wider(kind, arrays[name].type)
        self._group.add(arrays, len(rows))

    def _end_group(self) -> None:
        tables = self._group.tables(self._types)
        self._group = _Group()
        schema = _schema(self._types)
        if self._writer is None or self._writer.schema != schema:
            self._begin_part(schema)
        for table in tables:
            self._written()
            self._writing = self._thread.submit(_write, self._writer, table)

    def _written(self) -> None:
        """Wait for the row group that is on its way; at most one is. Raises what its writing raised."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _begin_part(self, schema: Any) -> None:
        if self._writer is not None and not self._output.can_restart:
            changed = next(field.name for field in schema if field not in self._writer.schema)
            raise RecordError(
                f"the type of the column {changed!r} has changed to {schema.field(changed).type} after the "
                "beginning was written: write to a file, or as jsonl",
                code="new_column",
            )
        self._close()
        self._writer = self._library.ParquetWriter(self._output.open_bytes(), schema)
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
        self._begin_part(_schema(self._types))
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
        narrow = [field for field in self._parts[number - 1] if not field.type.equals(before[field.name])]
        if narrow:
            for arrays, _ in self._batches(number, [field.name for field in narrow]):
                _cast_all(arrays, self._types)
        return before == self._types

    def _batches(self, number: int, columns: list[str] | None = None) -> Iterator[tuple[dict[str, Any], int]]:
        with self._library.ParquetFile(self._output.part(number), buffer_size=2**20, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_CHUNK_ROWS, columns=columns, use_threads=False):
                yield dict(zip(batch.schema.names, batch.columns, strict=True)), batch.num_rows


class _Group:
    """The record batches that become one row group."""

    def __init__(self) -> None:
        self.rows = 0
        self._bytes = 0
        self._chunks: list[tuple[dict[str, Any], int]] = []

    @property
    def is_full(self) -> bool:
        """Whether it is time to write."""
        return self.rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES

    def add(self, arrays: dict[str, Any], rows: int) -> None:
        """Take some rows."""
        self._chunks.append((arrays, rows))
        self.rows += rows
        self._bytes += sum(array.nbytes for array in arrays.values())

    def tables(self, types: dict[str, Any]) -> list[Any]:
        """The table to write, in a list that is empty for no rows; types that cannot hold all become text."""
        import pyarrow as pa

        if not self._chunks:
            return []
        before: dict[str, Any] = {}
        while before != types:
            before = dict(types)
            chunks = [_cast_all(arrays, types) for arrays, _ in self._chunks]
        schema = _schema(types)
        batches = [
            pa.record_batch([arrays.get(name, pa.nulls(rows, kind)) for name, kind in types.items()], schema=schema)
            for arrays, (_, rows) in zip(chunks, self._chunks, strict=True)
        ]
        return [pa.Table.from_batches(batches, schema)]


def _write(writer: Any, table: Any) -> None:
    writer.write_table(table.unify_dictionaries().combine_chunks())


def _cast_all(arrays: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    import pyarrow as pa

    from kaizen_batch.files.arrow import as_type

    cast = {}
    for name, array in arrays.items():
        cast[name] = as_type(array, types[name])
        if cast[name] is None:
            types[name] = pa.string()
            cast[name] = as_type(array, types[name])
    return cast


def _schema(types: dict[str, Any]) -> Any:
    import pyarrow as pa

    return pa.schema([(name, pa.null() if kind is None else kind) for name, kind in types.items()])


def _types_of(like: Records | None) -> dict[str, Any]:
    import pyarrow as pa

    if like is None:
        return {}
    if like.format in DELIMITERS:
        return dict.fromkeys(like.columns or (), pa.string())
    return {field.name: field.type for field in like.schema or () if field.name in (like.columns or ())}


def _weight(value: Any) -> int:
    """About the bytes of a value."""
    if isinstance(value, str | bytes):
        return len(value) + _VALUE_BYTES
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + _VALUE_BYTES
    if isinstance(value, list):
        return sum(map(_weight, value)) + _VALUE_BYTES
    return _VALUE_BYTES
