"""Parquet in: record batches of bounded size, as rows."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, BinaryIO, Self

from kaizen_batch.files import faults
from kaizen_batch.files.delimited import check_names

_BATCH_ROWS = 1024
_BATCH_BYTES = 4 * 2**20
_BUFFER = 2**20


def pyarrow_parquet() -> Any:
    """The library, imported on first use. Raises: RecordError with the command that installs it."""
    try:
        import pyarrow.parquet as library
    except ModuleNotFoundError:
        raise faults.needs("Parquet", "parquet") from None
    return library


class ParquetReader:
    """The rows of a Parquet file; `columns`, `total` and `schema` are what its footer says."""

    def __init__(self, stream: BinaryIO) -> None:
        library = pyarrow_parquet()
        self._spooled: Any = None
        if not stream.seekable():  # the footer comes last
            self._spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            shutil.copyfileobj(stream, self._spooled)
            stream = self._spooled
        # Not whole column chunks at once: a row group may be a gigabyte.
        self._file = library.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
        self.schema: Any = self._file.schema_arrow
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        self.total: int = self._file.metadata.num_rows
        check_names(self.columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._spooled is not None:
            self._spooled.close()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows; while those of one batch are used, a thread decodes the next."""
        batches = self._batches()
        with ThreadPoolExecutor(1, "kaizen-batch parquet") as thread:
            coming = thread.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = thread.submit(next, batches, None)
                yield from self._as_rows(batch)

    def _batches(self) -> Iterator[Any]:
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            size = _rows_at_once(group.total_byte_size, group.num_rows)
            yield from self._file.iter_batches(batch_size=size, row_groups=[number], use_threads=False)

    def _as_rows(self, batch: Any) -> Iterator[dict[str, Any]]:
        names = self.columns
        values = [_values(name, column) for name, column in zip(names, batch.columns, strict=True)]
        for cells in zip(*values, strict=True):
            yield dict(zip(names, cells, strict=True))


def _rows_at_once(group_bytes: int, rows: int) -> int:
    bytes_each = max(1, group_bytes // max(1, rows))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // bytes_each))


def _values(name: str, column: Any) -> list[Any]:
    try:
        values: list[Any] = _readable(column).to_pylist()
    except ValueError as error:
        if "anosecond" not in str(error):
            raise
        raise faults.BadRow(
            f"the column {name!r} has nanoseconds inside of lists or structs, which Python has no form for: "
            "cast it to microseconds"
        ) from None
    return values


def _readable(column: Any) -> Any:
    """Nanoseconds as text, where Python's own types have microseconds; written again, they are what they were."""
    import pyarrow as pa

    kind = column.type
    if (pa.types.is_timestamp(kind) or pa.types.is_time64(kind)) and kind.unit == "ns":
        return column.cast(pa.string())
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pa.int64())
    return column
