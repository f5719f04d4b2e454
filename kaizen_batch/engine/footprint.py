"""How much memory a value takes, about: what bounds the results and rows that wait."""

from collections.abc import Iterable
from sys import getsizeof

from msgspec import Struct


def footprint(value: object) -> int:
    """Bytes of a value and all that it holds; what occurs in it several times counts once.

    A value may say by an attribute `footprint` what it takes: a row that shares its storage with others.
    """
    seen, total, todo = set[int](), 0, [value]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        total += getsizeof(each)
        if not isinstance(each, str | bytes | int | float):
            own = getattr(each, "footprint", None)
            if isinstance(own, int):
                total += own
            else:
                todo.extend(_parts(each))
    return total


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values(), *_fields(value))
    if isinstance(value, list | tuple | set | frozenset):
        return value
    return _fields(value)


def _fields(value: object) -> Iterable[object]:
    """The values of the attributes that the class names, and those of the instance."""
    names = value.__struct_fields__ if isinstance(value, Struct) else getattr(type(value), "__slots__", ())
    named = (getattr(value, name, None) for name in ((names,) if isinstance(names, str) else names))
    return (*named, *(vars(value).values() if hasattr(value, "__dict__") else ()))
