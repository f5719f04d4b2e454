"""The placeholders of a text: what they are called, and what they read from a row.

A placeholder is a pair of braces around the name of a column; `{{` and `}}` are literal braces. A name that holds
`{`, `}`, `:`, `!` or a quote is written in quotes: `{"Dataset Name:"}`, a quote inside is doubled. Where there is no
such column, a name with dots reaches into nested values: `{user.name}`. What a row holds is never interpreted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kaizen_batch.errors import ConfigError
from kaizen_batch.results.values import is_missing

Part = tuple[str, str | None]
"""A text, and the name of the placeholder behind it."""

ABSENT: Final = object()
"""In place of a value that a row does not have."""

_TOKEN = re.compile(r'(?P<literal>\{\{|\}\})|\{"(?P<quoted>(?:[^"]|"")*)"\}|\{(?P<name>[^{}:!"]+)\}|(?P<brace>[{}])')


def parse(template: str) -> Iterator[Part]:
    """The parts of a template: a text, and the placeholder behind it; None behind the last. Raises: ConfigError."""
    text, end = "", 0
    for found in _TOKEN.finditer(template):
        text, end = text + template[end : found.start()], found.end()
        if found["literal"]:
            text += found["literal"][0]
            continue
        if found["brace"]:
            raise ConfigError(_misplaced(template, found.start()))
        name = found["name"] if found["quoted"] is None else found["quoted"].replace('""', '"')
        yield text, name
        text = ""
    yield text + template[end:], None


def _misplaced(template: str, at: int) -> str:
    close = template.find("}", at)
    inside = template[at + 1 : close] if template[at] == "{" and close > at else ""
    if inside and "{" not in inside and '"' not in inside:
        return (
            f"the prompt template has {{{inside}}}, which is not the plain name of a column; a name with ':' or '!' is "
            f'written {{"{inside}"}}, and a literal brace {{{{ or }}}}'
        )
    return (
        f"the prompt template has a stray {template[at]} at character {at + 1}; a literal brace is written {{{{ or }}}}"
    )


def columns_of(parts: Iterable[Part]) -> tuple[str, ...]:
    """The names of the placeholders, each once."""
    return tuple(dict.fromkeys(name for _, name in parts if name is not None))


def is_template(text: str) -> bool:
    """Whether a text is a template: it has a placeholder, and no stray brace."""
    try:
        return bool(columns_of(parse(text)))
    except ConfigError:
        return False


def values_of(row: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """The value of each placeholder in a row, ABSENT where the row has none."""
    return {name: row[name] if name in row else _nested(row, name) for name in names}


def source_column(name: str, columns: Iterable[str]) -> str | None:
    """The column that a placeholder reads: the one of its name, else the longest that its dotted name begins with."""
    there = columns if isinstance(columns, Mapping) else set(columns)
    while name not in there:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


def _nested(row: Mapping[str, Any], name: str) -> Any:
    column = source_column(name, row)
    if column is None:
        return ABSENT
    value = row[column]
    for key in name[len(column) + 1 :].split("."):
        if is_missing(value):
            return None
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list | tuple) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value
