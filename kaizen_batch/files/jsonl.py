"""JSONL: an object in each line."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

from kaizen_batch.files.faults import BadRow
from kaizen_batch.files.output import Output
from kaizen_batch.files.streams import marks
from kaizen_batch.files.values import plain

_encode = json.JSONEncoder(ensure_ascii=False, default=plain).encode


def read_jsonl(text: TextIO) -> Iterator[dict[str, Any]]:
    """The rows; blank lines are passed over. Raises: BadRow."""
    # Not orjson: it makes a float of an integer above 2**64, and keeps one of two equal names.
    decode = json.JSONDecoder(object_pairs_hook=_object).decode
    for number, line in enumerate(text, 1):
        if line.isspace():
            continue
        if marks.seen:
            marks.check(line, number, text.encoding)
        try:
            row = decode(line)
        except BadRow as error:
            raise BadRow(error.message, code=error.code, line=number) from None
        except json.JSONDecodeError as error:
            raise BadRow(f"it is not JSON: {error.msg} at character {error.pos + 1}", line=number) from None
        except (ValueError, RecursionError) as error:
            why = "an integer too long" if isinstance(error, ValueError) else "nested too deeply"
            raise BadRow(f"it cannot be read: {why}", line=number) from None
        if not isinstance(row, dict):
            raise BadRow(f"it must be a JSON object; found: {_named(row)}", line=number)
        yield row


class JsonlEncoder:
    """Rows as JSONL: every type of JSON survives; dates are ISO, bytes text or base64, other things their text.

    What is not a number is `NaN`, as Python's own json has it: it is read again, though JSON has no such thing.
    """

    def __init__(self, output: Output) -> None:
        self._write = output.open_text().write

    def write(self, row: dict[str, Any]) -> None:
        """Write one row."""
        self._write(_encode(row) + "\n")

    def finish(self) -> None:
        """Nothing is missing."""

    def abandon(self) -> None:
        """Nothing is held."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"the name {twice!r} occurs twice in an object", code="bad_columns")
    return found


def _named(value: Any) -> str:
    if isinstance(value, list):
        return "an array (a JSON array becomes JSONL by one object a line)"
    return {str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
