"""How an input is read: the options that FileJob and `open_records` share."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from kaizen_batch.errors import ConfigError

RENDERING = 2
"""The version of how cells become text in prompts; a journal keeps the one it began with.

Version 1 widened small floats bit by bit, wrote NaN as text, and took quotes in TSV for quotes.
"""

Ragged = Literal["error", "pad"]

_TAB_NAMES = ("\\t", "tab")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""How an input is read; each option has a default that fits most files.

    - `encoding`: of a text; default UTF-8, or what its byte-order mark says.
    - `delimiter`, `quote`, `escape`: of delimited text, one character each. The default delimiter is detected among
      `,`, `;`, `|` and tab. `quote=""` takes quotes literally. `delimiter` may be written `"tab"` or `"\\t"`.
    - `header=False`: the first record is a row; columns are called `column_1`, `column_2`, ...
    - `skip`: lines to ignore at the beginning. `comment`: lines that begin so are ignored.
    - `ragged`: `"pad"` fills records that are too short with empty cells; `"error"` refuses them.
    - `sheet`: the name of a spreadsheet's sheet, or its number from 1; default: the first.
    - `json_path`: where the array of rows is in a JSON document, such as `"data.items"`.
    - `glob`: which files of a folder, such as `"**/*.pdf"`; default: every document in it.
    - `chunk_tokens`: split longer documents into several rows of about so many tokens, which overlap by a tenth.
    - `source_column`: a column of this name is added that holds the name of the file each row is from.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool = True
    skip: int = 0
    comment: str | None = None
    ragged: Ragged = "error"
    sheet: str | int | None = None
    json_path: str | None = None
    glob: str | None = None
    chunk_tokens: int | None = None
    source_column: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter in _TAB_NAMES:
            object.__setattr__(self, "delimiter", "\t")
        for name in ("delimiter", "escape"):
            self._check_character(name, getattr(self, name))
        if self.quote:
            self._check_character("quote", self.quote)
        if self.ragged not in ("error", "pad"):
            raise ConfigError(f"ragged is 'error' or 'pad'; given: {self.ragged!r}")
        self._check_count("skip", self.skip, least=0)
        if self.chunk_tokens is not None:
            self._check_count("chunk_tokens", self.chunk_tokens, least=20)
        if self.comment == "":
            raise ConfigError("comment must not be empty: pass what comment lines begin with, such as '#'")

    @staticmethod
    def _check_character(name: str, value: str | None) -> None:
        if value is not None and (not isinstance(value, str) or len(value) != 1 or value in "\r\n"):
            raise ConfigError(f"{name} must be one character, such as {_EXAMPLES[name]!r}; given: {value!r}")

    @staticmethod
    def _check_count(name: str, value: object, *, least: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name} must be a whole number, at least {least}; given: {value!r}")


_EXAMPLES = {"delimiter": ";", "escape": "\\", "quote": '"'}


class ReadKeywords(TypedDict, total=False):
    """The fields of ReadOptions, as keywords."""

    encoding: str | None
    delimiter: str | None
    quote: str | None
    escape: str | None
    header: bool
    skip: int
    comment: str | None
    ragged: Ragged
    sheet: str | int | None
    json_path: str | None
    glob: str | None
    chunk_tokens: int | None
    source_column: str | None
