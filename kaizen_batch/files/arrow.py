"""Columns of Python values as Arrow arrays: of a given type, of the one they show, or as text."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from kaizen_batch.files.values import as_text

_MISFITS = (pa.ArrowException, OverflowError, UnicodeError, ValueError, TypeError)


def array_of(values: list[Any], kind: Any = None) -> Any:
    """The values as an array of the type they show, or as texts; `kind` is the one they were read as, if any."""
    array = None if kind is None else _typed(values, kind)
    if array is not None:
        return array
    try:
        array = pa.array(values)
    except _MISFITS:
        return texts(values)
    return array if _storable(array.type) else texts(values)


def texts(values: Iterable[Any]) -> Any:
    """The values as texts; None stays None, half a surrogate pair is written as its escape."""
    shown = [None if value is None else as_text(value) for value in values]
    return pa.array([value if value is None else _encodable(value) for value in shown], pa.string())


def wider(one: Any, other: Any) -> Any:
    """The type that can hold both; text, if no other can. None is no type yet."""
    if one is None or one.equals(other):
        return other
    fields = [pa.schema([("", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except _MISFITS:
        return pa.string()


def as_type(array: Any, kind: Any) -> Any | None:
    """The array as this type, or None if a value would be lost; everything has a text."""
    if array.type.equals(kind):
        return array
    if pa.types.is_string(kind) and not pa.types.is_null(array.type):
        return texts(array.to_pylist())
    try:
        return array.cast(kind)
    except _MISFITS:
        return None


def _typed(values: list[Any], kind: Any) -> Any | None:
    try:
        if _has_nanoseconds(kind):
            return _nanoseconds(values, kind)
        array = pa.array(values, kind)
    except _MISFITS:
        return None
    # Told a type, Arrow makes 2 of 2.5, a list of a text, and drops what a struct has no field for.
    shown = array.to_pylist()
    return array if shown == values or repr(shown) == repr(values) else None


def _nanoseconds(values: list[Any], kind: Any) -> Any:
    """From what Parquet's reader makes of them: texts, and numbers for durations."""
    if pa.types.is_duration(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(kind)
    moments = [value and f"1970-01-01 {value}" for value in values]  # Arrow reads no time of day by itself
    return pa.array(moments, pa.string()).cast(pa.timestamp("ns")).cast(kind)


def _has_nanoseconds(kind: Any) -> bool:
    temporal = pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind)
    return bool(temporal and kind.unit == "ns")


def _storable(kind: Any) -> bool:
    """Whether Parquet has a place for it: it has none for an object that never has a field."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_storable(field.type) for field in kind)
    return _storable(kind.value_type) if pa.types.is_list(kind) else True


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
