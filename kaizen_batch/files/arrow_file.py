"""Arrow files (Feather version 2, IPC files and streams) in: their record batches, cut to bounded size."""

import io
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from kaizen_batch.files import faults
from kaizen_batch.files.columnar import BATCH_BYTES, Piece
from kaizen_batch.files.delimited import check_names
from kaizen_batch.files.libraries import library

if TYPE_CHECKING:
    import pyarrow

_MAGIC = b"ARROW1"
_FEATHER_1 = b"FEA1"


def pyarrow_ipc() -> Any:
    """The part of pyarrow that reads and writes it. Raises: RecordError."""
    return library("pyarrow.ipc", "parquet", "Arrow")


class ArrowSource:
    """An Arrow file; `total` is None, for only its batches know it. Raises: BadRow, RecordError."""

    group_name = "batch"
    total = None

    def __init__(self, stream: BinaryIO) -> None:
        ipc = pyarrow_ipc()
        if not stream.seekable():
            stream = io.BytesIO(stream.read())
        start = stream.read(6)
        if start.startswith(_FEATHER_1):
            raise faults.BadRow(
                "it is Feather version 1, which is obsolete: read it with pyarrow.feather and write it again",
                code="wrong_format",
            )
        stream.seek(0)
        self._stream = stream
        self._is_file = start == _MAGIC
        self._open = ipc.open_file if self._is_file else ipc.open_stream
        with self._open(stream) as reader:
            self.schema: pyarrow.Schema = reader.schema
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        check_names(self.columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whoever opened the stream closes it."""

    def skip(self, rows: int) -> int:
        """No row is passed over: its batches must be read to be counted."""
        return 0

    def pieces(self, rows: int) -> Iterator[Piece]:
        """The data in order. Raises: BadRow."""
        self._stream.seek(0)
        done = 0
        with self._open(self._stream) as reader:
            for number, batch in enumerate(_batches(reader, self._is_file), 1):
                size = max(1, min(rows, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)))
                for start in range(0, batch.num_rows, size):
                    part = batch.slice(start, size)
                    yield Piece(part, done, number)
                    done += part.num_rows


def _batches(reader: Any, is_file: bool) -> "Iterator[pyarrow.RecordBatch]":
    if not is_file:
        yield from reader
        return
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)
