"""Arrow arrays to Python values and back: of a given type, of the type the values show, or as text.

Python has no type for some Arrow types. Inside any nesting, nanosecond times become text and nanosecond durations
integers; 32-bit and 16-bit floats become the double with the same shortest text, so that 0.1 stays 0.1. Extension
types become what they store, but for those that Python knows (UUID, bool); a tensor becomes nested lists.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kaizen_batch.results.values import as_text, is_missing

if TYPE_CHECKING:
    import pyarrow

_CONVERSION_ERRORS = (pa.ArrowException, OverflowError, UnicodeError, ValueError, TypeError)


def to_python(array: "pyarrow.Array", *, shortest: bool = True) -> list[Any]:
    """The values as Python objects; with `shortest=False` small floats are widened bit by bit.

    Raises: ValueError or OverflowError for a date or time that Python has no form for.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(array, kind, shortest)
    for target in _detours(kind, shortest):
        array = array.cast(target)
    values: list[object] = array.to_pylist()
    return values


def can_fail(kind: "pyarrow.DataType") -> bool:
    """Whether a valid array of this type can hold values that Python has no form for."""
    if isinstance(kind, pa.BaseExtensionType):
        return can_fail(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return can_fail(kind.value_type)
    return bool(pa.types.is_temporal(kind) or pa.types.is_nested(kind))


def array_of(values: list[object], kind: object = None) -> object:
    """The values as an array of the type they show, or as text; `kind` is the type they were read with, if any."""
    array = None if kind is None else _typed(values, kind)
    if array is not None:
        return array
    try:
        array = pa.array([None if is_missing(value) and type(value) is not float else value for value in values])
    except _CONVERSION_ERRORS:
        return texts(values)
    return array if _storable(array.type) else texts(values)


def texts(values: Iterable[object]) -> object:
    """The values as text; None stays None, half a surrogate pair is written as its escape."""
    shown = [None if value is None else as_text(value) for value in values]
    return pa.array([value if value is None else _encodable(value) for value in shown], pa.string())


def wider(one: "pyarrow.DataType", other: object) -> object:
    """The type that holds the values of both, text if no other does. None stands for no type yet."""
    if one is None or one.equals(other):
        return other
    fields = [pa.schema([("", kind)]) for kind in (one, other)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except _CONVERSION_ERRORS:
        return pa.string()


def as_type(array: "pyarrow.Array", kind: object) -> "pyarrow.Array | None":
    """The array as this type, or None if a value would be lost. Every value has a text."""
    if array.type.equals(kind):
        return array
    if pa.types.is_string(kind) and not pa.types.is_null(array.type):
        return texts(to_python(array))
    try:
        return array.cast(kind)
    except _CONVERSION_ERRORS:
        return None


def _detours(kind: object, shortest: bool) -> list[object]:
    """The types to cast to, one after the other, before the values become Python objects."""
    by_text = _mapped(kind, lambda leaf: pa.string() if _by_text(leaf, shortest) else leaf)
    final = _mapped(kind, lambda leaf: _final(leaf, shortest))
    steps = [] if by_text.equals(kind) else [by_text]
    return steps if final.equals(by_text) else [*steps, final]


def _by_text(leaf: object, shortest: bool) -> bool:
    small_float = pa.types.is_float32(leaf) or pa.types.is_float16(leaf)
    return (shortest and small_float) or (_is_nanosecond(leaf) and not pa.types.is_duration(leaf))


def _final(leaf: object, shortest: bool) -> object:
    if pa.types.is_float32(leaf) or pa.types.is_float16(leaf):
        return pa.float64() if shortest else leaf
    if _is_nanosecond(leaf):
        return pa.int64() if pa.types.is_duration(leaf) else pa.string()
    return leaf


def _mapped(kind: "pyarrow.DataType", change: Any) -> Any:
    """The type with each leaf changed."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_mapped(field.type, change)) for field in kind])
    if pa.types.is_map(kind):
        key, item = (field.with_type(_mapped(field.type, change)) for field in (kind.key_field, kind.item_field))
        return pa.map_(key, item, keys_sorted=kind.keys_sorted)
    for is_list, make in _LISTS:
        if is_list(kind):
            value = kind.value_field.with_type(_mapped(kind.value_type, change))
            return make(value, kind.list_size) if is_list is pa.types.is_fixed_size_list else make(value)
    if pa.types.is_dictionary(kind):
        changed = _mapped(kind.value_type, change)
        return kind if changed.equals(kind.value_type) else changed
    return change(kind)


_LISTS = (
    (pa.types.is_list, pa.list_),
    (pa.types.is_large_list, pa.large_list),
    (pa.types.is_fixed_size_list, pa.list_),
)


def _of_extension(array: "pyarrow.Array", kind: "pyarrow.DataType", shortest: bool) -> list[object]:
    storage = array.storage if hasattr(array, "storage") else array.cast(kind.storage_type)
    if isinstance(kind, pa.FixedShapeTensorType):
        return [None if flat is None else _folded(flat, list(kind.shape)) for flat in to_python(storage)]
    if type(kind) in (pa.UuidType, pa.Bool8Type):
        values: list[object] = array.to_pylist()
        return values
    return to_python(storage, shortest=shortest)


def _folded(flat: list[object], shape: list[int]) -> list[object]:
    """A flat list as nested lists, in the order in which it is stored."""
    for size in reversed(shape[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)] if size else []
    return flat


def _typed(values: list[object], kind: object) -> object | None:
    try:
        array = _nanoseconds(values, kind) if _is_nanosecond(kind) else _array(values, kind)
        # Given a type, Arrow makes 2 of 2.5, a list of a text, and drops what a struct has no field for.
        shown = to_python(array)
    except _CONVERSION_ERRORS:
        return None
    return array if shown == values or repr(shown) == repr(values) else None


def _array(values: list[object], kind: object) -> object:
    if type(kind) is pa.Bool8Type:  # which pa.array makes a plain bool
        numbers = [None if value is None else bool(value) for value in values]
        return pa.ExtensionArray.from_storage(kind, pa.array(numbers, pa.bool_()).cast(pa.int8()))
    return pa.array(values, kind)


def _nanoseconds(values: list[object], kind: object) -> object:
    """From what `to_python` makes of them: text, and integers for durations."""
    if pa.types.is_duration(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(kind)
    moments = [value and f"1970-01-01 {value}" for value in values]  # Arrow parses no time of day by itself
    return pa.array(moments, pa.string()).cast(pa.timestamp("ns")).cast(kind)


def _is_nanosecond(kind: "pyarrow.DataType") -> bool:
    temporal = pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind)
    return bool(temporal and kind.unit == "ns")


def _storable(kind: "pyarrow.DataType") -> bool:
    """Whether Parquet can store the type: it cannot store a struct without fields."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_storable(field.type) for field in kind)
    return _storable(kind.value_type) if pa.types.is_list(kind) else True


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
