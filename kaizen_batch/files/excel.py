"""Spreadsheets: .xlsx, .xls and .ods in by python-calamine, .xlsx out by XlsxWriter.

A sheet is read whole: the format has no other way. Cells keep their types; a number without a fraction is an integer,
since spreadsheets know only doubles. Empty cells are None, and empty rows are ignored.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, BinaryIO

from kaizen_batch.errors import RecordError
from kaizen_batch.files.delimited import named_columns
from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.libraries import library
from kaizen_batch.files.options import ReadOptions
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import Row
from kaizen_batch.results.values import as_text

MOST_ROWS = 2**20 - 1  # below the header
_LONGEST_CELL = 32_767
_WHOLE = 2**53


class ExcelReader:
    """The rows of a sheet; `columns` and `notes` are known once it is made. Raises: BadRow, RecordError."""

    def __init__(self, stream: BinaryIO, options: ReadOptions) -> None:
        self.notes: list[str] = []
        self._sheet = _sheet(stream, options.sheet)
        self._options = options
        self._cells = self._rows()
        first = next(self._cells, None)
        if first is None:
            raise BadRow("the sheet is empty; a sheet begins with a row of column names", code="empty_file")
        self._pending = [] if options.header else [first]
        if options.header:
            self.columns: tuple[str, ...] = named_columns([as_text(_value(cell)) for cell in first], self.notes)
        else:
            self.columns = tuple(f"column_{number}" for number in range(1, len(first) + 1))

    def rows(self) -> Iterator[Row]:
        """The rows."""
        for cells in (*self._pending, *self._cells):
            yield Row(zip(self.columns, map(_value, cells), strict=True))

    def _rows(self) -> Iterator[list[object]]:
        if self._sheet.start is None:
            return
        for number, cells in enumerate(self._sheet.iter_rows()):
            if number >= self._options.skip and any(cell != "" for cell in cells):
                yield cells


class ExcelEncoder:
    """Rows as a sheet; text is never taken for a formula or a link, what has no type in a sheet becomes its text.

    Raises: RecordError for more rows or longer cells than a sheet can hold.
    """

    def __init__(self, output: Output, columns: Sequence[str]) -> None:
        xlsxwriter = library("xlsxwriter", "excel", "a spreadsheet")
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(output.open_bytes(), options)
        self._sheet = self._book.add_worksheet()
        self._formats = {
            datetime: self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            date: self._book.add_format({"num_format": "yyyy-mm-dd"}),
            time: self._book.add_format({"num_format": "hh:mm:ss"}),
        }
        self._columns = list(columns)
        self._rows = 0

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with more columns."""
        self.write({**row.cells(), **more})

    def write(self, row: dict[str, object]) -> None:
        """Write one row."""
        if not self._rows:
            self._columns += [name for name in row if name not in self._columns]
            self._write_header()
        new = next((name for name in row if name not in self._columns), None)
        if new is not None:
            raise RecordError(
                f"a row has the new column {new!r}, and the sheet's header is written already: write .csv or .jsonl",
                code="new_column",
            )
        self._rows += 1
        if self._rows > MOST_ROWS:
            raise RecordError(f"a sheet holds {MOST_ROWS:,} rows: write .csv or .parquet", code="file_unwritable")
        for number, name in enumerate(self._columns):
            value = row.get(name)
            if value is not None:
                self._write_cell(number, value)

    def finish(self) -> None:
        """Write the workbook."""
        if not self._rows:
            self._write_header()
        self._book.close()

    def abandon(self) -> None:
        """Let go of the workbook without writing it."""
        if not self._book.fileclosed:
            self._book.filename = io.BytesIO()  # closing is what removes its temporary files
            with suppress(Exception):
                self._book.close()

    def _write_header(self) -> None:
        for number, name in enumerate(self._columns):
            self._sheet.write_string(0, number, name)

    def _write_cell(self, column: int, value: object) -> None:
        form = self._formats.get(type(value))
        if isinstance(value, bool):
            self._sheet.write_boolean(self._rows, column, value)
        elif _is_number(value):
            self._sheet.write_number(self._rows, column, value)
        elif form is not None and _has_serial_number(value):
            self._sheet.write_datetime(self._rows, column, value, form)
        else:
            text = as_text(value)
            if len(text) > _LONGEST_CELL:
                raise RecordError(
                    f"row {self._rows:,}: the cell {self._columns[column]!r} has {len(text):,} characters, and a sheet "
                    f"holds {_LONGEST_CELL:,}: write .csv, .jsonl or .parquet",
                    code="file_unwritable",
                )
            self._sheet.write_string(self._rows, column, text)


def _is_number(value: object) -> bool:
    """Whether a sheet holds the number as it is: as a finite double."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) <= _WHOLE


def _has_serial_number(value: Any) -> bool:
    """Whether a sheet can count the days to it, without a time zone and a fraction of a millisecond."""
    if isinstance(value, datetime | time) and (value.tzinfo is not None or value.microsecond):
        return False
    return isinstance(value, time) or value.year > 1900


def _value(cell: object) -> object:
    if cell == "" and isinstance(cell, str):
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _WHOLE:
        return int(cell)
    return cell


def _sheet(stream: BinaryIO, wanted: str | int | None) -> Any:
    calamine = library("python_calamine", "excel", "a spreadsheet")
    try:
        book = calamine.load_workbook(stream)
    except calamine.PasswordError:
        raise BadRow("the workbook is encrypted: save it without a password", code="file_encrypted") from None
    except calamine.CalamineError as error:
        raise BadRow(f"it is damaged, or not a workbook: {error}", code="file_damaged") from None
    names = book.sheet_names
    if isinstance(wanted, str) and wanted.isdecimal() and wanted not in names:
        wanted = int(wanted)
    position = names.index(wanted) if wanted in names else (wanted or 1) - 1 if not isinstance(wanted, str) else -1
    if not 0 <= position < len(names):
        listed = ", ".join(map(repr, names))
        raise BadRow(f"there is no sheet {wanted!r}: the workbook has {listed}", code="bad_sheet")
    return book.get_sheet_by_index(position)
