"""The dialect of delimited text: given by options, or detected from the first records.

Detection parses a sample once for each candidate. A candidate fits if every record has the same number of cells, two
or more. A comma that fits wins, unless each one is followed by a blank, as in prose, and another candidate makes more
columns; else the candidate with the most columns wins. If none fits, the header decides.

TSV follows the IANA definition (text/tab-separated-values): no quoting, so no tab or line break inside a cell. Files
whose header is quoted throughout are read with quotes all the same.
"""

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kaizen_batch.files.options import ReadOptions

DELIMITERS = {"csv": ",", "tsv": "\t", "psv": "|"}

SAMPLE_CHARACTERS = 2**16

CANDIDATES = (",", ";", "|", "\t")
_SAMPLE_RECORDS = 100
_NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar"}
_DECLARED = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # the first line that some programs write for Excel
_QUOTED_HEADER = re.compile(r'"(?:[^"]|"")*"(?:\t"(?:[^"]|"")*")*(?:[\r\n]|$)')


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are delimited and quoted; `quote` None means that quotes are ordinary characters."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None

    def reader_options(self) -> dict[str, Any]:
        """The keywords of csv.reader."""
        quoting = csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL
        options = {"delimiter": self.delimiter, "escapechar": self.escape, "quoting": quoting, "strict": True}
        return options if self.quote is None else {**options, "quotechar": self.quote}


def declared_delimiter(first_line: str) -> str | None:
    """The delimiter that a line such as `sep=;` declares; the line is not the header then."""
    found = _DECLARED.fullmatch(first_line)
    return found[1] if found else None


def dialect_of(format: str, sample: str, options: ReadOptions, rendering: int) -> tuple[Dialect, str | None]:
    """The dialect of a text by its first records, and a note for the user if something was detected."""
    delimiter, note = options.delimiter or DELIMITERS[format], None
    if options.delimiter is None and format == "csv":
        detect = detected_delimiter if rendering > 1 else _detected_by_header
        delimiter = detect(sample, options.quote)
        if delimiter != ",":
            note = f"the delimiter is a {_NAMES[delimiter]}; if it is not, pass delimiter=','"
    return Dialect(delimiter, _quote_of(format, sample, options, rendering), options.escape), note


def detected_delimiter(sample: str, quote: str | None = None) -> str:
    """The most likely delimiter of a text that begins so."""
    widths = {candidate: _widths(sample, candidate, quote) for candidate in CANDIDATES}
    fitting = {candidate: found[0] for candidate, found in widths.items() if len(set(found)) == 1 and found[0] > 1}
    if not fitting:
        return _of_header(widths)
    best = max(fitting, key=fitting.__getitem__)
    in_prose = fitting[best] > fitting.get(",", 0) and sample.count(",") == sample.count(", ")
    return "," if "," in fitting and not in_prose else best


def _of_header(widths: dict[str, list[int]]) -> str:
    """A comma if it divides the header, or nothing does; else what divides it most."""
    headers = {candidate: found[0] for candidate, found in widths.items() if found}
    return "," if headers.get(",", 2) > 1 else max(headers, key=headers.__getitem__)


def _widths(sample: str, delimiter: str, quote: str | None) -> list[int]:
    """The number of cells of each whole record in the sample; empty if it cannot be parsed so."""
    dialect = Dialect(delimiter, '"' if quote is None else quote or None)
    try:
        rows = list(islice(csv.reader(io.StringIO(sample, newline=""), **dialect.reader_options()), _SAMPLE_RECORDS))
    except csv.Error:
        return []
    found = [len(row) for row in rows if row]
    return found[:-1] if len(found) > 1 and len(sample) >= SAMPLE_CHARACTERS else found


def _detected_by_header(sample: str, quote: str | None) -> str:
    """As version 1 of the rendering did."""
    first = sample.partition("\n")[0]
    return ";" if "," not in first and ";" in first else ","


def _quote_of(format: str, sample: str, options: ReadOptions, rendering: int) -> str | None:
    if options.quote is not None:
        return options.quote or None
    if format == "tsv" and rendering > 1 and not _QUOTED_HEADER.match(sample):
        return None
    return '"'
