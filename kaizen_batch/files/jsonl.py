"""JSON Lines: an object in each line.

Reading keeps the text of each object, and writing splices the new columns into it, so that no number is changed by a
detour through a Python float: `-0`, `1e999` and 30 digits stay as they are. What is written is always JSON, as RFC 8259
has it: `NaN`, which Python's own json reads and writes, becomes null.
"""

import json
from collections.abc import Iterator
from typing import TextIO

from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.json_text import after_space, as_json_text, joined_members, members, spliced
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import JsonRow, Row
from kaizen_batch.files.streams import lines_of, undecodable
from kaizen_batch.results.values import as_json

_PRETTY = "it is one JSON document over several lines: name it .json, or pass input_format='json'"
_NEAR_END = 16  # characters; no token but a string is longer, a number apart, which ends an object nowhere


def read_jsonl(text: TextIO) -> Iterator[Row]:
    """The rows; blank lines are ignored. Raises: BadRow."""
    parser = ObjectParser()
    for number, line in enumerate(lines_of(text), 1):
        if line.isspace():
            continue
        if undecodable.seen:
            undecodable.check(line, number, text.encoding)
        try:
            yield parser.row(line)
        except BadRow as error:
            message = _PRETTY if line.rstrip() in ("{", "[") else error.message
            raise BadRow(message, code=error.code, line=number) from None


class ObjectParser:
    """Parses the objects that are rows.

    Neither orjson nor msgspec does: they make floats of integers above 2**64, and keep one of two equal names.
    """

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=self._constant)
        self._has_constant = False

    def row(self, line: str) -> JsonRow:
        """The row of a text that is one object. Raises: BadRow."""
        row, end = self.row_at(line, after_space(line, 0))
        rest = after_space(line, end)
        if rest != len(line):
            raise BadRow(f"it is not JSON: Extra data at character {rest + 1}")
        return row

    def row_at(self, text: str, start: int) -> tuple[JsonRow, int]:
        """The row of the object that begins here, and where it ends. Raises: BadRow, Incomplete."""
        self._has_constant = False
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise Incomplete(f"it is not JSON: {error.msg} at character {error.pos + 1}", error) from None
        except (ValueError, RecursionError) as error:
            why = "an integer is too long" if isinstance(error, ValueError) else "it is nested too deeply"
            raise BadRow(f"it cannot be read: {why}") from None
        if not isinstance(value, dict):
            raise BadRow(f"it must be a JSON object; found: {_described(value)}")
        source = text[start:end]
        return JsonRow(value, as_json_text(value, source) if self._has_constant else source), end

    def _constant(self, name: str) -> float:
        self._has_constant = True
        return float(name.replace("Infinity", "inf"))


class Incomplete(BadRow):
    """The text is not JSON; `cut` says whether it may be the beginning of JSON."""

    def __init__(self, message: str, cause: json.JSONDecodeError) -> None:
        super().__init__(message)
        near_end = cause.pos >= len(cause.doc) - _NEAR_END
        self.cut: bool = near_end or cause.msg.startswith("Unterminated string")


class JsonlEncoder:
    """Rows as JSON Lines: every JSON type survives, dates become ISO 8601, bytes text or base64, the rest text."""

    def __init__(self, output: Output) -> None:
        self._write = output.open_text().write

    def add(self, row: Row, more: dict[str, object]) -> None:
        """Write an input row with more columns."""
        if not isinstance(row, JsonRow):
            self.write({**row.cells(), **more})
            return
        self._put(spliced(row.text, more))

    def write(self, row: dict[str, object]) -> None:
        """Write one row."""
        self._put(row.text if isinstance(row, JsonRow) else as_json(row))

    def finish(self) -> None:
        """Nothing is missing."""

    def abandon(self) -> None:
        """Nothing is held."""

    def _put(self, text: str) -> None:
        if "\n" in text:  # between the parts of an object: inside a string it is escaped
            text = joined_members(members(text)).replace("\n", " ")
        self._write(text + "\n")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"the name {twice!r} occurs twice in an object", code="bad_columns")
    return found


def _described(value: object) -> str:
    if isinstance(value, list):
        return "an array (for a JSON array of rows, name the file .json or pass input_format='json')"
    return {str: "a string", bool: "true or false", type(None): "null"}.get(type(value), "a number")
