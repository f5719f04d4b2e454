"""Values that a format has no place for, as text."""

import json
from base64 import b64encode
from datetime import date, time, timedelta
from typing import Any


def as_text(value: Any) -> str:
    """A value as the text of a cell or a prompt.

    A text as it is, None as nothing, a date or time in ISO form, bytes as their text (base64 if they are none),
    anything else as JSON: `true`, `1.5`, `{"a": [1, 2]}`.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, bool | float | list | dict | tuple):
        return _encode(value)
    return str(plain(value))


def plain(value: Any) -> Any:
    """What JSON has no form for, as something that it has; made for `json.dumps(default=...)`."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _bytes_as_text(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row if it is JSON-able, else a copy that is."""
    if all(value is None or type(value) in (str, int, float, bool) for value in row.values()):
        return row
    copy: dict[str, Any] = json.loads(_encode(row))
    return copy


def _bytes_as_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()


_encode = json.JSONEncoder(ensure_ascii=False, default=plain).encode
