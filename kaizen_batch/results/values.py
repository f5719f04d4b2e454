"""Values as text and as JSON, and what counts as missing.

JSON has no form for NaN and the infinities. They are written as `null` and as `1e999`, which every reader that parses
numbers as IEEE doubles takes for infinity.
"""

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

_MISSING_TYPES = ("NaTType", "NAType")  # those of pandas, which is not imported for their sake


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NaT or NA."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value
    return type(value).__name__ in _MISSING_TYPES


def is_blank(value: object) -> bool:
    """Whether a value is missing or a text without a visible character."""
    return not value.strip() if isinstance(value, str) else is_missing(value)


def as_text(value: Any) -> str:
    """A value as the text of a cell.

    Text stays as it is, None becomes the empty text, dates and times are ISO 8601, bytes are decoded as UTF-8 (base64
    if that fails), anything else is JSON: `true`, `1.5`, `{"a": [1, 2]}`.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return _encode_any(value)
    if isinstance(value, bool | list | dict | tuple):
        return as_json(value)
    return str(plain(value))


def as_json(value: Any) -> str:
    """A value as JSON; what JSON has no type for as `plain` gives it."""
    try:
        return _encode(value)
    except ValueError:
        return _with_infinities(value)


def plain(value: Any) -> Any:
    """A value that JSON has no type for as one that it has; made for `json.dumps(default=...)`."""
    if type(value).__name__ in _MISSING_TYPES:
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def plain_row(row: Mapping[str, object]) -> dict[str, object]:
    """The row if all its values are JSON scalars, else a copy with JSON values only."""
    if type(row) is dict and all(value is None or type(value) in (str, int, float, bool) for value in row.values()):
        return row
    copy: dict[str, object] = json.loads(_encode_any(dict(row)))
    return copy


def _with_infinities(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null" if math.isnan(value) else f"{'-' * (value < 0)}1e999"
    if isinstance(value, dict):
        members = (f"{_encode(key if isinstance(key, str) else str(key))}: {as_json(v)}" for key, v in value.items())
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(as_json, value))}]"
    return _encode(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()


_encode = json.JSONEncoder(ensure_ascii=False, default=plain, allow_nan=False).encode
_encode_any = json.JSONEncoder(ensure_ascii=False, default=plain).encode
