"""Prompt templates: `"Classify: {text}"` and a row make a prompt.

A placeholder is a pair of braces around the name of a column; `{{` and `}}` are literal braces. A name that holds
`{`, `}`, `:`, `!` or a quote is written in quotes: `{"Dataset Name:"}`, a quote inside is doubled. Where there is no
such column, a name with dots reaches into nested values: `{user.name}`. What a row holds is never interpreted.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.errors import ConfigError, InputError, did_you_mean
from kaizen_batch.files.options import RENDERING
from kaizen_batch.files.rows import BrokenRow
from kaizen_batch.tables.values import as_text, is_blank, is_missing, plain_row

OnMissing = Literal["fail", "ask", "skip"]
ON_MISSING = ("fail", "ask", "skip")

_TOKEN = re.compile(r'(?P<literal>\{\{|\}\})|\{"(?P<quoted>(?:[^"]|"")*)"\}|\{(?P<name>[^{}:!"]+)\}|(?P<brace>[{}])')
_ABSENT = object()


class PromptTemplate:
    """A text with `{column}` placeholders; `{{` and `}}` are literal braces.

    >>> PromptTemplate("Classify: {text}").render({"text": "a {brace} is safe here"})
    'Classify: a {brace} is safe here'
    >>> PromptTemplate('{user.name}: {"Dataset Name:"}').render({"user": {"name": "Ada"}, "Dataset Name:": "iris"})
    'Ada: iris'

    Raises: ConfigError for a template that is empty, has no placeholder, or has a brace that belongs to none.
    """

    def __init__(self, template: str) -> None:
        if not isinstance(template, str) or not template.strip():
            raise ConfigError(f"a prompt template is a text such as 'Classify: {{text}}'; given: {template!r}")
        self.text: str = template
        self._parts = tuple(_parse(template))
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(name for _, name in self._parts if name is not None))
        if not self.columns:
            raise ConfigError("the prompt template has no {column}: every row would ask the same question")

    def check(self, columns: Iterable[str]) -> None:
        """Raise ConfigError if the template names a column that is not among these."""
        there = list(columns)
        missing = [name for name in self.columns if source_column(name, there) is None]
        if missing:
            hint = did_you_mean(missing[0], there).strip()
            raise ConfigError(
                f"the prompt template names {', '.join(repr(name) for name in missing)}, "
                f"and the rows have {', '.join(repr(name) for name in there) or 'no columns'}{hint and f': {hint}'}"
            )

    def used(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The columns that the placeholders read."""
        there = list(columns)
        found = (source_column(name, there) for name in self.columns)
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def render(self, row: Mapping[str, object], *, rendering: int = RENDERING) -> str | None:
        """The prompt of one row, or None if the row lacks a value that the template needs.

        Text goes in as it is, None and NaN as nothing, a date as ISO 8601, anything else as JSON: as in a cell of CSV.
        """
        values = self.values(row)
        return None if _ABSENT in values.values() else self._filled(values, rendering)

    def _filled(self, values: Mapping[str, object], rendering: int) -> str:
        found = []
        for text, name in self._parts:
            found.append(text)
            if name is not None:
                value = values[name]
                found.append(value if type(value) is str else prompt_text(value, rendering))
        return "".join(found)

    def prompt(self, row: Any, *, fails_empty: bool = True, rendering: int = RENDERING) -> str:
        """The prompt of one row. Raises: InputError for a row that cannot be asked."""
        if not isinstance(row, Mapping):
            raise InputError(f"a prompt template needs rows that are dicts; given: a {type(row).__name__}")
        values = self.values(row)
        for name, value in values.items():
            if value is _ABSENT:
                raise InputError(f"the row has no column {name!r}, which the prompt template names")
        if fails_empty and _all_blank(values):
            named = ", ".join(map(repr, self.columns))
            raise InputError(f"nothing to ask about: {named} of this row is empty", code="missing_values")
        return self._filled(values, rendering)

    def is_empty(self, row: Mapping[str, object]) -> bool:
        """Whether every placeholder is missing or blank: None, NaN, a text without a visible character."""
        return _all_blank(self.values(row))

    def values(self, row: Mapping[str, object]) -> dict[str, object]:
        """The value of each placeholder."""
        return {name: row[name] if name in row else _nested(row, name) for name in self.columns}


def _all_blank(values: Mapping[str, object]) -> bool:
    # A loop, not all(...): nearly always the first value ends it.
    for value in values.values():  # noqa: SIM110
        if value is not _ABSENT and not is_blank(value):
            return False
    return True


def prompt_text(value: object, rendering: int = RENDERING) -> str:
    """A value as the text of a prompt."""
    return "" if rendering > 1 and is_missing(value) else as_text(value)


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
        return _ABSENT
    value = row[column]
    for key in name[len(column) + 1 :].split("."):
        if is_missing(value):
            return None
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list | tuple) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _parse(template: str) -> Iterable[tuple[str, str | None]]:
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


Template = PromptTemplate | str
"""A template, or its text."""


class RowAgent(AgentWrapper):
    """An agent whose items are rows: a template turns each into a prompt; without one, the row is the item.

    A row that lacks a column fails without a call, and so does one whose placeholders are all empty, unless
    `on_missing` is "ask".
    """

    def __init__(
        self,
        agent: Agent,
        template: PromptTemplate | None,
        *,
        on_missing: OnMissing = "fail",
        rendering: int = RENDERING,
        id: str | None = None,
    ) -> None:
        super().__init__(agent)
        self.lists_rows: bool = True
        self.keeps_inputs: bool = True
        self._id = id
        self._template = template
        self._fails_empty = on_missing != "ask"
        self._rendering = rendering
        self.fallbacks: list[RowAgent] = [
            RowAgent(fallback, template, on_missing=on_missing, rendering=rendering) for fallback in agent.fallbacks
        ]

    def row_name(self, inputs: Any) -> str | None:
        """The value of the column that names rows, if there is one."""
        name = inputs.get(self._id) if self._id is not None and isinstance(inputs, dict) else None
        return None if name is None else str(name)

    def prepare(self, row: Any) -> object:
        """The request of one row. Raises: InputError."""
        if isinstance(row, BrokenRow):
            raise row.error
        if self._template is None:
            return self.wrapped.prepare(plain_row(row))
        return self.wrapped.prepare(
            self._template.prompt(row, fails_empty=self._fails_empty, rendering=self._rendering)
        )


def check_on_missing(value: object) -> None:
    """Raise ConfigError unless it is one of the three words."""
    if value not in ON_MISSING:
        raise ConfigError(f"on_missing is 'fail', 'ask' or 'skip'; given: {value!r}")
