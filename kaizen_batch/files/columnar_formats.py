"""The file formats of Arrow tables, as the writer of tables needs them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kaizen_batch.files.arrow_file import pyarrow_ipc
from kaizen_batch.files.parquet import pyarrow_parquet

if TYPE_CHECKING:
    import pyarrow


class ColumnarFormat(Protocol):
    """A file format of Arrow tables: Parquet or Arrow."""

    def writer(self, stream: object, schema: object) -> Any:
        """An object with `write_table` and `close`."""

    def batches(self, path: Path, columns: list[str] | None, rows: int) -> "Iterator[pyarrow.RecordBatch]":
        """The record batches of a part, which is whole."""


class ParquetFormat:
    """Parquet files."""

    def __init__(self) -> None:
        self._library = pyarrow_parquet()

    def writer(self, stream: object, schema: object) -> object:
        """A writer of row groups."""
        return self._library.ParquetWriter(stream, schema)

    def batches(self, path: Path, columns: list[str] | None, rows: int) -> Iterator[object]:
        """The record batches of a part."""
        with self._library.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=rows, columns=columns, use_threads=False)


class ArrowFormat:
    """Arrow (IPC) files."""

    def __init__(self) -> None:
        self._library = pyarrow_ipc()

    def writer(self, stream: object, schema: object) -> object:
        """A writer of record batches."""
        return _ArrowWriter(self._library, stream, schema)

    def batches(self, path: Path, columns: list[str] | None, rows: int) -> "Iterator[pyarrow.RecordBatch]":
        """The record batches of a part."""
        with path.open("rb") as stream, self._library.open_file(stream) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                yield batch if columns is None else batch.select(columns)


class _ArrowWriter:
    """Extends the dictionaries from batch to batch: an Arrow file must not replace one."""

    def __init__(self, library: Any, stream: object, schema: object) -> None:
        options = library.IpcWriteOptions(emit_dictionary_deltas=True)
        self._writer = library.new_file(stream, schema, options=options)
        self._dictionaries: dict[str, object] = {}
        self.close = self._writer.close

    def write_table(self, table: "pyarrow.Table") -> None:
        """Write a table as record batches."""
        import pyarrow as pa

        for position, field in enumerate(table.schema):
            if pa.types.is_dictionary(field.type) and table.num_rows:
                chunk = table.column(position).combine_chunks()
                before = self._dictionaries.get(field.name)
                if before is not None:
                    chunk = pa.chunked_array([before, chunk]).unify_dictionaries().chunk(1)
                self._dictionaries[field.name] = chunk.slice(0, 0)
                table = table.set_column(position, field, chunk)
        self._writer.write_table(table)
