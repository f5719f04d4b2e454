"""Prompt templates: `"Classify: {text}"` and a row make a prompt, a conversation, or content parts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Literal

from kaizen_batch.agents import BatchItem
from kaizen_batch.errors import ConfigError, InputError, did_you_mean
from kaizen_batch.files.options import RENDERING
from kaizen_batch.files.placeholders import ABSENT, Part, columns_of, parse, source_column, values_of
from kaizen_batch.results.values import as_text, is_blank, is_missing
from kaizen_batch.signature.media import Document, Image, Message, media_of, part_of
from kaizen_batch.signature.messages import conversation, with_system

OnMissing = Literal["fail", "ask", "skip"]
ON_MISSING = ("fail", "ask", "skip")


class PromptTemplate:
    """A text with `{column}` placeholders; `{{` and `}}` are literal braces.

    >>> PromptTemplate("Classify: {text}").render({"text": "a {brace} is safe here"})
    'Classify: a {brace} is safe here'
    >>> PromptTemplate('{user.name}: {"Dataset Name:"}').render({"user": {"name": "Ada"}, "Dataset Name:": "iris"})
    'Ada: iris'

    `text` is all of it as one text.

    `system` is a template too, for the system message. `images` and `files` are columns of images and PDFs, which
    follow the prompt. `messages` is a column with whole conversations, in place of the template. `model` is a column
    with the models to ask; where it is blank, the agent's is asked.

    Raises: ConfigError for a template that is empty, has no placeholder, or has a brace that belongs to none.
    """

    def __init__(
        self,
        template: str | None = None,
        *,
        system: str | None = None,
        images: Sequence[str] = (),
        files: Sequence[str] = (),
        messages: str | None = None,
        model: str | None = None,
    ) -> None:
        self._parts = tuple(_placeholders(template)) if messages is None else _none_of(template, images, files)
        self._system = () if system is None else tuple(parse(system))
        self._media: dict[str, type[Image | Document]] = {
            **dict.fromkeys(_names(images, "images"), Image),
            **dict.fromkeys(_names(files, "files"), Document),
        }
        self._messages = messages
        self._asked = columns_of(self._parts)
        self._model = model
        self._rendering = RENDERING
        own = filter(None, (messages, model))
        self.columns: tuple[str, ...] = tuple(
            dict.fromkeys((*self._asked, *columns_of(self._system), *self._media, *own))
        )
        self.text: str = template or ""
        if self.is_rich:
            self.text = json.dumps([template, system, list(images), list(files), messages, model])
        if not self.columns:
            raise ConfigError("the prompt template has no {column}: every row would ask the same question")

    def rendered_as(self, rendering: int) -> "PromptTemplate":
        """The same template, whose values become text as in that version of the rendering."""
        other = copy(self)
        other._rendering = rendering
        return other

    @property
    def is_rich(self) -> bool:
        """Whether a row becomes more than one text."""
        return bool(self._system or self._media or self._messages or self._model)

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

    def render(self, row: Mapping[str, object]) -> str | None:
        """The prompt of one row, or None if the row lacks a value that the template needs.

        Text goes in as it is, None and NaN as nothing, a date as ISO 8601, anything else as JSON: as in a cell of CSV.
        """
        values = self.values(row)
        return None if ABSENT in values.values() else _filled(self._parts, values, self._rendering)

    def prompt(self, row: object, *, fails_empty: bool = True) -> str:
        """The prompt of one row. Raises: InputError for a row that cannot be asked."""
        values = self._there(row, self._asked)
        if fails_empty and _all_blank(values) and not self._media:
            named = ", ".join(map(repr, self._asked))
            raise InputError(f"nothing to ask about: {named} of this row is empty", code="missing_values")
        return _filled(self._parts, values, self._rendering)

    def item(self, row: object, *, fails_empty: bool = True) -> object:
        """What a row asks: its prompt, content parts, a conversation, or one of them for a model of its own.

        Raises: InputError.
        """
        if not self.is_rich:
            return self.prompt(row, fails_empty=fails_empty)
        asked = self._question(row, fails_empty)
        if self._model is None:
            return asked
        name = self._there(row, (self._model,))[self._model]
        return asked if is_blank(name) else BatchItem(asked, model=as_text(name))

    def _question(self, row: object, fails_empty: bool) -> object:
        if self._messages is not None:
            messages = _conversation(self._there(row, (self._messages,))[self._messages])
        else:
            messages = [{"role": "user", "content": self._content(row, fails_empty)}]
            if not self._system:
                return messages[0]["content"]
        if not self._system:
            return {"messages": messages}
        values = self._there(row, columns_of(self._system))
        return {"messages": with_system(messages, _filled(self._system, values, self._rendering))}

    def _content(self, row: object, fails_empty: bool) -> str | list[Message]:
        prompt = self.prompt(row, fails_empty=fails_empty)
        if not self._media:
            return prompt
        parts: list[Message] = [{"type": "text", "text": prompt}]
        for name, value in self._there(row, tuple(self._media)).items():
            if not is_blank(value):
                parts.append(part_of(media_of(self._media[name], value)))
            elif fails_empty:
                raise InputError(f"nothing to ask about: {name!r} of this row is empty", code="missing_values")
        return parts

    def _there(self, row: object, names: tuple[str, ...]) -> dict[str, object]:
        """The values of a row. Raises: InputError for a column that it does not have."""
        if not isinstance(row, Mapping):
            raise InputError(f"a prompt template needs rows that are dicts; given: a {type(row).__name__}")
        values = values_of(row, names)
        for name, value in values.items():
            if value is ABSENT:
                raise InputError(f"the row has no column {name!r}, which the prompt template names")
        return values

    def is_empty(self, row: Mapping[str, object]) -> bool:
        """Whether everything to ask about is missing or blank: None, NaN, a text without a visible character."""
        own = () if self._messages is None else (self._messages,)
        return _all_blank(values_of(row, (*self._asked, *self._media, *own)))

    def values(self, row: Mapping[str, object]) -> dict[str, object]:
        """The value of each placeholder."""
        return values_of(row, self._asked)


def _conversation(value: object) -> list[Message]:
    """The messages in a cell: a list, or the JSON of one. Raises: InputError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InputError("the column of messages holds a text that is not JSON") from None
    return conversation(value)


def _names(columns: Sequence[str], what: str) -> Sequence[str]:
    if isinstance(columns, str):
        raise ConfigError(f"{what} must be a list of column names; given: {columns!r}; write [{columns!r}]")
    return columns


def _none_of(*others: object) -> tuple[()]:
    if any(others):
        raise ConfigError("messages is the whole conversation of a row: leave out the template, images and files")
    return ()


def _placeholders(template: object) -> Iterable[Part]:
    if not isinstance(template, str) or not template.strip():
        raise ConfigError(f"a prompt template is a text such as 'Classify: {{text}}'; given: {template!r}")
    return parse(template)


def _filled(parts: Iterable[Part], values: Mapping[str, object], rendering: int) -> str:
    found = []
    for text, name in parts:
        found.append(text)
        if name is not None:
            value = values[name]
            found.append(value if type(value) is str else prompt_text(value, rendering))
    return "".join(found)


def _all_blank(values: Mapping[str, object]) -> bool:
    # A loop, not all(...): nearly always the first value ends it.
    for value in values.values():  # noqa: SIM110
        if value is not ABSENT and not is_blank(value):
            return False
    return True


def prompt_text(value: object, rendering: int = RENDERING) -> str:
    """A value as the text of a prompt."""
    return "" if rendering > 1 and is_missing(value) else as_text(value)


Template = PromptTemplate | str
"""A template, or its text."""


def check_on_missing(value: object) -> None:
    """Raise ConfigError unless it is one of the three words."""
    if value not in ON_MISSING:
        raise ConfigError(f"on_missing is 'fail', 'ask' or 'skip'; given: {value!r}")
