"""JSON documents: an array of objects, at the top or at a path; each object is a row.

The document is read through a window that holds one row at a time, so its length does not matter. What is not on the
path is skipped without being parsed. Each row keeps its text, as in JSON Lines.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import TextIO, TypeVar

from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.jsonl import Incomplete, JsonlEncoder, ObjectParser
from kaizen_batch.files.output import Output
from kaizen_batch.files.rows import Row
from kaizen_batch.files.streams import undecodable

_CHUNK = 2**16
_LONGEST_ROW = 2**28
_SPACE = re.compile(r"[ \t\n\r]*")
_STRUCTURE = re.compile(r'["{}\[\]]')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]*")

_Parsed = TypeVar("_Parsed")


def read_json(text: TextIO, path: str | None) -> Iterator[Row]:
    """The rows of a document. Raises: BadRow."""
    window = _Window(text)
    for part in path.split(".") if path else ():
        window.enter(part, path or "")
    start = window.peek()
    if start == "[":
        return _elements(window, whole=path is None)
    if path is not None:
        raise BadRow(f"there is no array at json_path={path!r}, but {_named(start)}")
    if start not in ("{", ""):
        raise BadRow(f"it is not a JSON array of objects; it begins with {start!r}")
    return _sequence(window)


def _elements(window: "_Window", *, whole: bool) -> Iterator[Row]:
    parser = ObjectParser()
    window.at += 1
    if window.peek() == "]":
        return
    while True:
        yield window.parsed(parser.row_at)
        sign = window.take()
        if sign == "]":
            break
        if sign != ",":
            raise BadRow(f"after this object there must be ',' or ']'; found: {sign or 'the end of the file'!r}")
    if whole and window.peek():
        raise BadRow("there is more after the end of the array")


def _sequence(window: "_Window") -> Iterator[Row]:
    """Objects one after another: JSON Lines under the wrong name, or a document that is one object."""
    parser, first = ObjectParser(), None
    if window.peek():
        first = window.parsed(parser.row_at)
        arrays = [name for name, value in first.items() if isinstance(value, list) and value and _all_objects(value)]
        if arrays and not window.peek():
            raise BadRow(
                f"it is one object, and its rows may be in {', '.join(map(repr, arrays))}: pass json_path={arrays[0]!r}"
            )
        yield first
    while window.peek():
        yield window.parsed(parser.row_at)


class _Window:
    """The part of a document that is looked at; `text[at]` is the next character."""

    def __init__(self, text: TextIO) -> None:
        self.text = ""
        self.at = 0
        self._source = text

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self) -> str:
        """The same, and go past it."""
        sign = self.peek()
        self.at += 1
        return sign

    def parsed(self, parse: Callable[[str, int], tuple[_Parsed, int]]) -> _Parsed:
        """What is parsed from here on, as much text as that takes. Raises: BadRow."""
        self.peek()
        while True:
            try:
                value, self.at = parse(self.text, self.at)
                return value
            except Incomplete as error:
                if not error.cut or not self._more():
                    raise BadRow(error.message) from None

    def enter(self, name: str, path: str) -> None:
        """Go to the value of a member. Raises: BadRow if there is none of the name."""
        if self.take() != "{":
            raise BadRow(f"there is nothing at json_path={path!r}: {name!r} is looked for in what is no object")
        seen: list[str] = []
        while self.peek() == '"':
            seen.append(self.parsed(_string))
            self.take()
            if seen[-1] == name:
                return
            self._skip()
            if self.peek() == ",":
                self.at += 1
        names = ", ".join(map(repr, seen[:10])) or "no members"
        raise BadRow(f"there is nothing at json_path={path!r}: instead of {name!r} the object has {names}")

    def _skip(self) -> None:
        """Go past a value."""
        if self.peek() not in ('"', "{", "["):
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else self.at
            return
        depth = 0
        while True:
            sign = self._next_structure()
            if sign == '"':
                self._skip_string()
            else:
                depth += 1 if sign in "{[" else -1
                self.at += 1
            if depth == 0:
                return

    def _next_structure(self) -> str:
        while (found := _STRUCTURE.search(self.text, self.at)) is None:
            self.at = len(self.text)
            if not self._more():
                raise BadRow("the document ends too early")
        self.at = found.start()
        return found[0]

    def _skip_string(self) -> None:
        while (found := _STRING.match(self.text, self.at)) is None:
            if not self._more():
                raise BadRow("the document ends inside a string")
        self.at = found.end()

    def _more(self) -> bool:
        held = len(self.text) - self.at
        if held > _LONGEST_ROW:
            raise BadRow(
                f"an object is longer than {_LONGEST_ROW:,} characters; if the rows are inside, pass json_path"
            )
        chunk = self._source.read(max(_CHUNK, held))  # twice as much each time: a long row costs linear time
        if undecodable.seen:
            undecodable.check(chunk, 0, self._source.encoding)
        self.text, self.at = self.text[self.at :] + chunk, 0
        return bool(chunk)


class JsonEncoder(JsonlEncoder):
    """Rows as one JSON array, a row in each line."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._separator = "["

    def finish(self) -> None:
        """Close the array."""
        self._write("\n]\n" if self._separator == "," else "[]\n")

    def _put(self, text: str) -> None:
        self._write(f"{self._separator}\n{text}")
        self._separator = ","


def _string(text: str, start: int) -> tuple[str, int]:
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise Incomplete(f"it is not JSON: {error.msg} at character {error.pos + 1}", error) from None


def _all_objects(values: list[object]) -> bool:
    return all(isinstance(value, dict) for value in values)


def _named(start: str) -> str:
    return {"": "the end of the file", "{": "an object"}.get(start, f"a value that begins with {start}")
