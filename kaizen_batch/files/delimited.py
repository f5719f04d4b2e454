"""Delimited text (CSV, TSV, PSV) in: every cell is text; the first record names the columns."""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TextIO

from kaizen_batch.files.dialect import SAMPLE_CHARACTERS, Dialect, declared_delimiter, dialect_of
from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.options import ReadOptions
from kaizen_batch.files.rows import Row
from kaizen_batch.files.stream_reader import is_silent
from kaizen_batch.files.streams import lines_of, undecodable

_LONGEST_CELL = 2**28


class DelimitedReader:
    """The rows of a delimited text; `columns`, `dialect` and `notes` are known once it is made.

    Raises: BadRow, here for the header and from the iterator for a row.
    """

    def __init__(self, text: TextIO, format: str, options: ReadOptions, rendering: int) -> None:
        # The limit is the process's, there is none for one reader; it is never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
        self.notes: list[str] = []
        self._encoding = text.encoding
        self._pads = options.ragged == "pad"
        self._lines = _Lines(text, options)
        self.dialect: Dialect = self._dialect(format, options, rendering)
        source = self._lines if options.comment is not None else self._lines.rest()
        self._reader = csv.reader(source, **self.dialect.reader_options())
        self._pending: list[list[str]] = []
        self.columns: tuple[str, ...] = self._header(options.header)

    def rows(self) -> Iterator[Row]:
        """The rows. Raises: BadRow."""
        columns, width = self.columns, len(self.columns)
        with self._explained():
            for cells in chain(self._pending, self._records()):
                if undecodable.seen:
                    for cell in cells:
                        undecodable.check(cell, self._line, self._encoding)
                if len(cells) != width:
                    cells = self._fitted(cells)
                yield Row(zip(columns, cells, strict=True))

    def line(self) -> int:
        """The line that was read last, counted from 1."""
        return self._line

    def seek(self, byte: int) -> None:
        """Go on with the record that begins at this byte."""
        self._lines.seek(byte)
        self._pending = []
        self._reader = csv.reader(self._lines.rest(), **self.dialect.reader_options())

    def _records(self) -> Iterator[list[str]]:
        """All records but blank lines."""
        lines = self._lines
        if not lines.has_comments:
            return filter(None, self._reader)
        return self._records_between_comments(lines)

    def _records_between_comments(self, lines: "_Lines") -> Iterator[list[str]]:
        lines.between_records = True
        for cells in self._reader:
            if cells:
                yield cells
            lines.between_records = True

    @property
    def _line(self) -> int:
        """The line that was read last, counted from 1."""
        return self._lines.number if self._lines.has_comments else self._lines.number + int(self._reader.line_num)

    def _dialect(self, format: str, options: ReadOptions, rendering: int) -> Dialect:
        sample = self._lines.sample()
        declared = declared_delimiter(sample[0]) if sample else None
        if declared is not None:
            self._lines.drop_first()
            quote = None if options.quote == "" else options.quote or '"'
            return Dialect(options.delimiter or declared, quote, options.escape)
        dialect, note = dialect_of(format, "".join(sample), options, rendering)
        if note is not None:
            self.notes.append(note)
        return dialect

    def _header(self, header: bool) -> tuple[str, ...]:
        with self._explained():
            first = next(self._records(), None)
        if first is None:
            raise BadRow("it is empty; such a file begins with a line of column names", code="empty_file")
        if not header:
            self._pending = [first]
            return tuple(f"column_{number}" for number in range(1, len(first) + 1))
        for name in first:
            undecodable.check(name, self._line, self._encoding)
        return named_columns(first, self.notes)

    def _fitted(self, cells: list[str]) -> list[str]:
        width = len(self.columns)
        if self._pads and len(cells) < width:
            return cells + [""] * (width - len(cells))
        if self._pads and not any(cells[width:]):
            return cells[:width]
        raise BadRow(self._ragged(len(cells)), line=self._line)

    def _ragged(self, found: int) -> str:
        columns = self.columns
        names = ", ".join(columns[:10]) + ", ..." * (len(columns) > 10)
        quote = self.dialect.quote
        fix = (
            "pass quote='\"' if the cells are quoted"
            if quote is None
            else f"enclose cells that hold {self.dialect.delimiter!r}, {quote} or a line break in {quote}"
        )
        also = "; ragged='pad' fills the missing cells" if found < len(columns) else ""
        return f"it has {found} cell{'s' * (found != 1)}, and there are {len(columns)} columns ({names}): {fix}{also}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            why = f"the quotes are wrong ({error}); if quotes are ordinary characters here, pass quote=''"
            if "field larger" in str(error):
                why = f"a cell is longer than {csv.field_size_limit():,} characters; is a quote not closed?"
            raise BadRow(why, line=self._line) from error


class _Lines:
    """The lines of a text, as csv.reader wants them: without skipped lines, and without comments between records.

    `number` counts the lines taken; those that are taken through `rest` csv.reader counts.
    """

    def __init__(self, text: TextIO, options: ReadOptions) -> None:
        self.number = 0
        self.between_records = True
        self._text = text
        self._lines = lines_of(text)
        self._comment = options.comment
        self.has_comments = options.comment is not None
        self._first: deque[str] = deque()
        for _ in range(options.skip):
            next(self._lines, "")
            self.number += 1

    def sample(self) -> list[str]:
        """The first lines, which are read again afterwards; comments left out."""
        size = 0
        for line in self._lines:
            self._first.append(line)
            size += len(line)
            if size >= SAMPLE_CHARACTERS or (len(self._first) > 1 and is_silent(self._text)):
                break
        return [line for line in self._first if not self._is_comment(line)]

    def seek(self, byte: int) -> None:
        """Go on with the line that begins at this byte."""
        self._first.clear()
        self._text.seek(byte)
        self._lines = lines_of(self._text)  # the one before may have ended

    def drop_first(self) -> None:
        """Leave out the first line."""
        first = next(line for line in self._first if not self._is_comment(line))
        self._first.remove(first)
        self.number += 1

    def rest(self) -> Iterator[str]:
        """The lines of a text without comments: nothing is done for each of them."""
        return chain(self._first, self._lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            line = self._first.popleft() if self._first else next(self._lines)
            self.number += 1
            if not (self.between_records and self._is_comment(line)):
                self.between_records = False
                return line

    def _is_comment(self, line: str) -> bool:
        return self._comment is not None and line.startswith(self._comment)


def named_columns(names: Iterable[str], notes: list[str]) -> tuple[str, ...]:
    """The names, with `column_3` in place of a blank third and `a_2` in place of a second `a`; notes say so."""
    given = list(names)
    taken, found = set(given), list[str]()
    for number, name in enumerate(given, 1):
        blank = not name.strip()
        wanted = f"column_{number}" if blank else name
        new = _free(wanted, taken) if blank or name in found else name
        if new != name:
            why = "has no name" if blank else f"has the name {name!r} of an earlier one"
            notes.append(f"column {number} {why}: it is called {new!r} here")
        taken.add(new)
        found.append(new)
    return tuple(found)


def check_names(columns: Iterable[str]) -> None:
    """Raise BadRow if a name occurs twice: one of the two columns would be lost."""
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise BadRow(
            f"columns occur twice: {', '.join(map(repr, twice))}; give each column its own name", code="bad_columns"
        )


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
