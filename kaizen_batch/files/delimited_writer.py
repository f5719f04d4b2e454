"""Delimited text (CSV, TSV, PSV) out."""

import csv
from collections.abc import Callable, Sequence
from typing import TextIO

from kaizen_batch.errors import RecordError
from kaizen_batch.files.dialect import CANDIDATES, Dialect
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import Row
from kaizen_batch.results.values import as_text

_Write = Callable[[list[str]], object]
_TO_QUOTE = ("\t", "\n", "\r")


class DelimitedEncoder:
    """Rows as delimited text: None is an empty cell, dates are ISO 8601, anything else that is not text is JSON.

    A key that no earlier row had becomes a column at the end; the file is then written a second time at the finish,
    with that column empty in the rows before. TSV is written without quotes, as IANA has it, until a cell holds a tab
    or a line break: then the whole file is quoted throughout. A stream, which cannot be written twice, is so from its
    beginning.
    """

    def __init__(self, output: Output, format: str, dialect: Dialect, columns: Sequence[str]) -> None:
        self._output = output
        self._dialect = dialect
        self._columns = list(columns)
        self._known = frozenset(columns)
        self._width: int | None = None
        self._is_tsv = format == "tsv"
        self._quotes_all = self._is_tsv and not output.can_restart
        self._write: _Write

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with more columns."""
        self.write({**row.cells(), **more})

    def write(self, row: dict[str, object]) -> None:
        """Write one row. Raises: RecordError for a new column when the beginning has left our hands."""
        if not self._known.issuperset(row):
            self._add_columns(row)
        cells = [value if type(value) is str else as_text(value) for value in map(row.get, self._columns)]
        if self._is_tsv and not self._quotes_all and _needs_quotes(cells):
            self._quote_all()
        if self._width is None:
            self._begin()
        self._write(cells)

    def finish(self) -> None:
        """Write what is missing."""
        if self._width is None:
            self._begin()
        elif self._width != len(self._columns):
            self._begin_again()

    def abandon(self) -> None:
        """Nothing is held."""

    def _add_columns(self, row: dict[str, object]) -> None:
        new = [name for name in row if name not in self._known]
        if self._width is not None and not self._output.can_restart:
            raise RecordError(
                f"a row has the new column {new[0]!r}, and the header is written already: "
                "write to a file, or in the format jsonl",
                code="new_column",
            )
        self._columns += new
        self._known = frozenset(self._columns)

    def _quote_all(self) -> None:
        before, self._quotes_all = self._dialect_now(), True
        if self._width is not None:
            self._begin_again(before)

    def _begin_again(self, before: Dialect | None = None) -> None:
        """Copy what is written so far into a new part, with all columns."""
        self._output.flush()
        with self._output.read_part() as text:
            old = csv.reader(text, **(before or self._dialect_now()).reader_options())
            if self._width:
                next(old, None)
            self._begin()
            for cells in old:
                self._write(cells + [""] * (len(self._columns) - len(cells)))

    def _begin(self) -> None:
        text = self._output.open_text()
        self._write = self._line_writer(text)
        self._width = len(self._columns)
        if self._columns:
            if self._is_tsv and not self._quotes_all and _needs_quotes(self._columns, header=True):
                self._quotes_all = True
                self._write = self._line_writer(text)
            self._header_writer(text)(self._columns)

    def _header_writer(self, text: TextIO) -> _Write:
        """Quotes a header in which readers might detect another delimiter."""
        if self._is_tsv or not any(sign in "".join(self._columns) for sign in CANDIDATES):
            return self._write
        return self._quoting_writer(text)

    def _quoting_writer(self, text: TextIO) -> _Write:
        quote, delimiter = self._dialect.quote or '"', self._dialect.delimiter
        return csv.writer(
            text, delimiter=delimiter, quotechar=quote, lineterminator="\n", quoting=csv.QUOTE_ALL
        ).writerow

    def _dialect_now(self) -> Dialect:
        if not self._is_tsv:
            return self._dialect
        return Dialect(self._dialect.delimiter, '"' if self._quotes_all else None)

    def _line_writer(self, text: TextIO) -> _Write:
        delimiter = self._dialect.delimiter
        if self._is_tsv and not self._quotes_all:
            return lambda cells: text.write(delimiter.join(cells) + "\n")
        quote, quoted = self._dialect.quote or '"', self._quoting_writer(text)
        plain = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator="\n").writerow
        if self._quotes_all:
            return quoted
        # csv.writer does not quote a lone carriage return, which readers take for the end of a line.
        return lambda cells: quoted(cells) if "\r" in "".join(cells) else plain(cells)


def _needs_quotes(cells: Sequence[str], *, header: bool = False) -> bool:
    """Whether plain TSV would not be read back as these cells."""
    joined = "".join(cells)
    if any(sign in joined for sign in _TO_QUOTE):
        return True
    return (not joined and len(cells) == 1) or (header and cells[0].startswith('"'))
