"""Parquet in: row groups as record batches of bounded size."""

import shutil
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from kaizen_batch.errors import RecordError
from kaizen_batch.files import faults
from kaizen_batch.files.columnar import BATCH_BYTES, Piece, one_line
from kaizen_batch.files.delimited import check_names
from kaizen_batch.files.libraries import library

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    import pyarrow

_BUFFER = 2**20


def pyarrow_parquet() -> Any:
    """The part of pyarrow that reads and writes it. Raises: RecordError."""
    return library("pyarrow.parquet", "parquet", "Parquet")


class ParquetSource:
    """A Parquet file; `columns`, `total` and `schema` are what its footer says. Raises: BadRow, RecordError."""

    group_name = "row group"

    def __init__(self, stream: BinaryIO) -> None:
        parquet = pyarrow_parquet()
        self._spooled: Any = None
        if not stream.seekable():  # the footer comes last
            self._spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
            shutil.copyfileobj(stream, self._spooled)
            stream = self._spooled
        self._file = self._opened(parquet, stream)
        self._metadata = self._file.metadata
        self.schema: pyarrow.Schema = self._file.schema_arrow
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        self.total: int | None = self._metadata.num_rows
        self._first_group = self._first_row = 0
        self._check_footer()
        check_names(self.columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._spooled is not None:
            self._spooled.close()

    def _check_footer(self) -> None:
        groups = sum(self._metadata.row_group(number).num_rows for number in range(self._metadata.num_row_groups))
        if groups != self.total:
            raise faults.BadRow(
                f"its footer says {self.total:,} rows, and its row groups {groups:,}: write the file again, "
                "with the program that has the rows",
                code="file_damaged",
                located=True,
            )

    def skip(self, rows: int) -> int:
        """Begin with the row group that holds the row after these; returns the rows before it."""
        groups = self._metadata.num_row_groups
        while self._first_group < groups:
            held = self._metadata.row_group(self._first_group).num_rows
            if self._first_row + held > rows:
                break
            self._first_group, self._first_row = self._first_group + 1, self._first_row + held
        return self._first_row

    def pieces(self, rows: int) -> Iterator[Piece]:
        """The data in order. Raises: BadRow that names the column, the row group and the row."""
        first_row = self._first_row
        for number in range(self._first_group, self._metadata.num_row_groups):
            group = self._metadata.row_group(number)
            batches = self._file.iter_batches(
                batch_size=_rows_at_once(group.total_byte_size, group.num_rows, rows),
                row_groups=[number],
                use_threads=False,
            )
            done = 0
            while True:
                try:
                    batch = next(batches, None)
                except Exception as error:
                    raise self._damage(number, first_row + done, error) from None
                if batch is None:
                    break
                yield Piece(batch, first_row + done, number + 1)
                done += batch.num_rows
            if done != group.num_rows:
                raise faults.BadRow(
                    f"row group {number + 1} says {group.num_rows:,} rows, and {done:,} can be read: "
                    "write the file again",
                    code="file_damaged",
                    located=True,
                )
            first_row += done

    def _damage(self, number: int, row: int, error: Exception) -> Exception:
        """The error of a row group: its columns are decoded one by one, to find the one at fault."""
        for index, name in enumerate(self.columns):
            done = 0
            try:
                for batch in self._file.iter_batches(64, row_groups=[number], columns=[name], use_threads=False):
                    done += batch.num_rows
            except Exception as cause:
                start = sum(self._metadata.row_group(before).num_rows for before in range(number))
                where = f"column {self.columns[index]!r}, row group {number + 1}, row {start + done + 1:,}"
                return faults.BadRow(f"{where} cannot be decoded: {one_line(cause)}", code="file_damaged", located=True)
        return faults.BadRow(
            f"row group {number + 1}, row {row + 1:,}: {one_line(error)}", code="file_damaged", located=True
        )

    @staticmethod
    def _opened(parquet: Any, stream: BinaryIO) -> Any:
        try:
            # Not whole column chunks at once: a row group may be a gigabyte.
            return parquet.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
        except RecordError:
            raise
        except Exception as error:
            if "crypt" in str(error).lower() or _is_encrypted(stream):
                raise faults.BadRow(
                    "the file is encrypted, and no key can be given here: write it again without encryption",
                    code="file_encrypted",
                    located=True,
                ) from None
            raise


def _is_encrypted(stream: BinaryIO) -> bool:
    """Whether the footer is encrypted: such a file ends with PARE instead of PAR1."""
    try:
        stream.seek(-4, 2)
        return stream.read(4) == b"PARE"
    except (OSError, ValueError):
        return False


def _rows_at_once(group_bytes: int, rows: int, most: int) -> int:
    bytes_each = max(1, group_bytes // max(1, rows))
    return max(1, min(most, BATCH_BYTES // bytes_each))
