"""CSV and TSV: every cell is a text; the first line names the columns."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TextIO

from kaizen_batch.errors import RecordError
from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.output import Output
from kaizen_batch.files.streams import marks
from kaizen_batch.files.values import as_text

DELIMITERS = {"csv": ",", "tsv": "\t"}

_LONGEST_CELL = 2**28
_SAID = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


def read_delimited(text: TextIO, delimiter: str) -> tuple[tuple[str, ...], Iterator[dict[str, Any]]]:
    """The columns, and the rows. Raises: BadRow, here for the header and from the iterator for a row."""
    # For the process, and never less than it was: Python knows no limit for one reader.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    delimiter, lines = _as_written(text, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    with _explained(reader):
        columns = next(filter(None, reader), None)
    if columns is None:
        raise BadRow("it is empty; such a file begins with a line of column names", code="empty_file")
    _check_header(columns, reader.line_num, text.encoding)
    return tuple(columns), _rows(reader, tuple(columns), text.encoding)


def _as_written(text: TextIO, delimiter: str) -> tuple[str, Iterator[str]]:
    """What delimits the cells, and the lines.

    Where the comma is a decimal sign, Excel writes semicolons into its CSV; some programs say so in a first line
    `sep=;`.
    """
    first = next(text, "")
    said = _SAID.fullmatch(first)
    if said is not None:
        return said[1], iter(text)
    if delimiter == "," and "," not in first and ";" in first:
        delimiter = ";"
    return delimiter, chain([first] if first else [], text)


def check_names(columns: Iterable[str]) -> None:
    """Raise BadRow if a name occurs twice: one of the two would be lost."""
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise BadRow(
            f"columns occur twice: {', '.join(map(repr, twice))}; give each a name of its own", code="bad_columns"
        )


class DelimitedEncoder:
    """Rows as CSV or TSV: None is an empty cell, dates are ISO, anything else that is no text is JSON.

    A key that no earlier row had becomes a column at the end; the file is then written a second time at the finish,
    with that column empty in the rows before.
    """

    def __init__(self, output: Output, delimiter: str, columns: Sequence[str]) -> None:
        self._output = output
        self._delimiter = delimiter
        self._columns = list(columns)
        self._known = frozenset(columns)
        self._width: int | None = None
        self._lines: _Lines

    def write(self, row: dict[str, Any]) -> None:
        """Write one row. Raises: RecordError for a new column when the beginning is out of our hands."""
        if not self._known.issuperset(row):
            self._add(row)
        if self._width is None:
            self._begin()
        self._lines.write([value if type(value) is str else as_text(value) for value in map(row.get, self._columns)])

    def finish(self) -> None:
        """Write what is missing."""
        if self._width is None:
            self._begin()
        if self._width == len(self._columns):
            return
        self._output.flush()
        with self._output.read_part() as text:
            old = csv.reader(text, delimiter=self._delimiter, strict=True)
            next(old, None)
            lines = self._begin()
            for cells in old:
                lines.write(cells + [""] * (len(self._columns) - len(cells)))

    def abandon(self) -> None:
        """Nothing is held."""

    def _add(self, row: dict[str, Any]) -> None:
        new = [name for name in row if name not in self._known]
        if self._width is not None and not self._output.can_restart:
            raise RecordError(
                f"a row has the new column {new[0]!r}, and the line of column names is written: "
                "write to a file, or as jsonl",
                code="new_column",
            )
        self._columns += new
        self._known = frozenset(self._columns)

    def _begin(self) -> "_Lines":
        self._lines = _Lines(self._output.open_text(), self._delimiter)
        self._width = len(self._columns)
        if self._columns:
            self._lines.write(self._columns)
        return self._lines


class _Lines:
    """A csv.writer that also quotes a lone carriage return, which readers take for the end of a line."""

    def __init__(self, text: TextIO, delimiter: str) -> None:
        self._write = csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow
        self._quoted = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow

    def write(self, cells: list[str]) -> None:
        """Write one line."""
        if "\r" in "".join(cells):
            self._quoted(cells)
        else:
            self._write(cells)


def _check_header(columns: list[str], line: int, encoding: str) -> None:
    for name in columns:
        marks.check(name, line, encoding)
    if any("\0" in name for name in columns):
        raise BadRow("the column names hold NUL bytes: pass encoding='utf-16' if it is that", code="bad_encoding")
    check_names(columns)


def _rows(reader: Any, columns: tuple[str, ...], encoding: str) -> Iterator[dict[str, Any]]:
    width = len(columns)
    with _explained(reader):
        for cells in reader:
            if marks.seen:
                for cell in cells:
                    marks.check(cell, reader.line_num, encoding)
            if len(cells) == width:
                yield dict(zip(columns, cells, strict=True))
            elif cells:
                raise BadRow(_ragged(len(cells), columns), line=reader.line_num)


def _ragged(found: int, columns: tuple[str, ...]) -> str:
    return (
        f"it has {found} cell{'s' * (found != 1)}, and there are {len(columns)} columns ({', '.join(columns[:10])}"
        f"{', ...' * (len(columns) > 10)}): quote cells that hold the delimiter, a quote or a line break"
    )


@contextmanager
def _explained(reader: Any) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        why = f"the quotes are wrong ({error})"
        if "field larger" in str(error):
            why = f"a cell is longer than {csv.field_size_limit():,} characters; is a quote not closed?"
        raise BadRow(why, line=reader.line_num) from error
