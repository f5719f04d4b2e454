"""Prompt templates: `"Classify: {text}"` and a row make a prompt."""

import string
from collections.abc import Iterable, Mapping
from typing import Any

from kaizen_batch.agents import Agent, AgentWrapper
from kaizen_batch.errors import ConfigError, InputError, did_you_mean
from kaizen_batch.files.values import as_text, plain_row


class PromptTemplate:
    """A text with `{column}` places; `{{` and `}}` are literal braces.

    >>> PromptTemplate("Classify: {text}").render({"text": "a {brace} is safe here"})
    'Classify: a {brace} is safe here'

    Only plain names are places: what stands in a row is never interpreted.
    Raises: ConfigError for a template that is empty, has no place, or one that is not a plain name.
    """

    def __init__(self, template: str) -> None:
        if not isinstance(template, str) or not template.strip():
            raise ConfigError(f"a prompt template is a text such as 'Classify: {{text}}'; given: {template!r}")
        try:
            self._parts = [(text, name) for text, name, _, _ in _parse(template)]
        except ValueError as error:
            raise ConfigError(
                f"the prompt template cannot be read: {error}; a literal brace is written {{{{ or }}}}"
            ) from None
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(name for _, name in self._parts if name is not None))
        if not self.columns:
            raise ConfigError("the prompt template has no {column}: every row would ask the same question")

    def check(self, columns: Iterable[str]) -> None:
        """Raise ConfigError if the template names a column that is not among these."""
        there = list(columns)
        missing = [name for name in self.columns if name not in there]
        if missing:
            hint = did_you_mean(missing[0], there).strip()
            raise ConfigError(
                f"the prompt template names {', '.join(repr(name) for name in missing)}, "
                f"and the rows have {', '.join(repr(name) for name in there) or 'no columns'}{hint and f': {hint}'}"
            )

    def render(self, row: Mapping[str, Any]) -> str | None:
        """The prompt of one row, or None if the row lacks a value that the template needs.

        A text goes in as it is, None as nothing, a date in ISO form, anything else as JSON: as in a cell of CSV.
        """
        if any(name not in row for name in self.columns):
            return None
        return "".join(text + ("" if name is None else as_text(row[name])) for text, name in self._parts)


def _parse(template: str) -> Iterable[tuple[str, str | None, str | None, str | None]]:
    for text, name, spec, conversion in string.Formatter().parse(template):
        if name is not None and (not name or spec or conversion or any(sign in name for sign in ".[]")):
            raise ValueError(f"{{{name}}} is not the plain name of a column")
        yield text, name, spec, conversion


class RowAgent(AgentWrapper):
    """An agent whose items are rows of a file: a template turns each into a prompt; without one, the row is the item.

    A row that lacks a column fails without a call.
    """

    def __init__(self, agent: Agent, template: PromptTemplate | None) -> None:
        super().__init__(agent)
        self._template = template
        self.fallbacks: list[RowAgent] = [RowAgent(fallback, template) for fallback in agent.fallbacks]

    def prepare(self, row: dict[str, Any]) -> Any:
        """The request of one row. Raises: InputError."""
        if self._template is None:
            return self.wrapped.prepare(plain_row(row))
        prompt = self._template.render(row)
        if prompt is None:
            lacks = next(name for name in self._template.columns if name not in row)
            raise InputError(f"the row has no column {lacks!r}, which the prompt template names")
        return self.wrapped.prepare(prompt)
