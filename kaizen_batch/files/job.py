"""FileJob: what a batch from file to file is, checked when it is made; and JobResult, what came of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.columns import check_columns
from kaizen_batch.files.inputs import Input, Paths, is_folder
from kaizen_batch.files.names import (
    BATCH_LINES,
    DOCUMENTS,
    STANDARD,
    WRITABLE,
    is_stream,
    kind_of,
    partial_of,
    path_text,
    stem_of,
    written_kind_of,
)
from kaizen_batch.files.openai_batch import FACTS
from kaizen_batch.files.options import ReadOptions
from kaizen_batch.files.rows import Selection
from kaizen_batch.files.templates import OnMissing, PromptTemplate, check_on_missing
from kaizen_batch.results import BatchSummary

FAILED = ".failed"
"""What the name of a file of failed rows ends with, before its suffix."""


@dataclass(frozen=True)
class FileJob(ReadOptions):
    """Rows from a file, answers into another.

    >>> job = FileJob("tickets.csv", "answers.csv", template="Classify: {text}")

    - `input`: a path, a pattern such as `"data/*.csv"`, a list of paths, a folder of documents, or `"-"` for standard
      input. `output`: a path, or `"-"`. The name says the format, or `input_format` and `output_format` do.
    - `template`: a PromptTemplate, or its text; without one each row goes to the agent as a dict.
    - `failed`: where rows go that failed or were not attempted, with the columns `row` (the number of the row, from
      1), `error_code`, `error` and `response` (the model's answer, shortened); default:
      `<output without its suffix>.failed`, in the format of the input. There is none if no row failed; an older one is
      removed.
    - `rows`: `(start, stop)`, only these rows, counted from 0 without `stop`: a shard of the input.
    - `limit`: only the first so many rows. `sample`: only so many, drawn evenly from all (or from the first `limit`)
      in the order of the file; the same `seed` draws the same ones.
    - `select`, `drop`: the input's columns that go to the output, all others, or all but these.
    - `id`: the column that names rows in `row` and in log records, in place of their numbers.
    - `columns`: more columns for answered rows: `finish_reason`, `usage`, `cost`, `attempts`, `reasoning`, `model`.
    - `safe_cells`: answers that a spreadsheet would take for a formula get a leading apostrophe.
    - `overwrite`: False refuses to replace a file that no run in the journal wrote, one that was changed since, and an
      output with more rows than the job has.
    - `on_missing`: a row whose placeholders are all empty fails ("fail"), is asked ("ask"), or is written without an
      answer ("skip").

    The other options are those of ReadOptions. Raises: ConfigError.
    """

    input: Input
    output: Paths
    template: PromptTemplate | str | None = None
    failed: Paths | None = None
    rows: tuple[int, int] | None = None
    limit: int | None = None
    sample: int | None = None
    input_format: str | None = None
    output_format: str | None = None
    seed: int = 0
    select: Sequence[str] | None = None
    drop: Sequence[str] = ()
    id: str | None = None
    columns: tuple[str, ...] = ()
    safe_cells: bool = False
    on_missing: OnMissing = "fail"
    overwrite: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        first, target = _first_of(self.input), path_text(self.output)
        written_kind_of(target, self.output_format)
        for name in ("limit", "sample"):
            value = getattr(self, name)
            if value is not None:
                self._check_count(name, value, least=1)
        self._check_count("seed", self.seed, least=0)
        _check_rows(self.rows)
        check_on_missing(self.on_missing)
        if self.template is not None and not isinstance(self.template, PromptTemplate):
            object.__setattr__(self, "template", PromptTemplate(self.template))
        for name in ("select", "drop"):
            object.__setattr__(self, name, _column_names(name, getattr(self, name)))
        if self.failed is None:
            object.__setattr__(self, "failed", _beside(first, target, _failed_format(first, self.input_format)))
        written_kind_of(path_text(self.failed or ""))
        self._adopt_lines()
        check_columns(self.columns)

    def _adopt_lines(self) -> None:
        """What lines of batch files need, or bring: columns, names, messages. Raises: ConfigError for a template."""
        if self.output_format == BATCH_LINES:
            object.__setattr__(self, "columns", tuple(dict.fromkeys((*self.columns, *FACTS))))
        if self.input_format != BATCH_LINES:
            return
        if self.template is not None:
            raise ConfigError(f"input_format={BATCH_LINES!r} brings its own messages: leave out the template")
        if self.id is None:
            object.__setattr__(self, "id", "custom_id")

    @property
    def partial(self) -> str:
        """Where answered rows go if the run ends early; "-" for a stream, which has them already."""
        output = path_text(self.output)
        if is_stream(output):
            return output
        return partial_of(os.path.realpath(output) if Path(output).is_symlink() else output)

    @property
    def prompt_template(self) -> PromptTemplate | None:
        """The template, parsed."""
        return PromptTemplate(self.template) if isinstance(self.template, str) else self.template

    @property
    def selection(self) -> Selection:
        """Which of the input's columns go to the output."""
        return Selection(None if self.select is None else tuple(self.select), tuple(self.drop))


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job did: `rows_read = rows_written + rows_failed`, each row in `output` or in `failed_output`.

    `rows_skipped` counts rows of `output` that were not asked, because their placeholders are empty. `failed_output`
    is None if no row failed. `summary` is that of the run; `summary.stopped` says why it ended before its last row,
    or is None. Unless the job is `complete`, `output` is the partial file. `notes` says what was detected or renamed in
    the input.
    """

    summary: BatchSummary
    rows_read: int
    rows_written: int
    rows_failed: int
    output: str
    failed_output: str | None
    complete: bool = True
    rows_skipped: int = 0
    notes: tuple[str, ...] = ()


def _column_names(name: str, given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The columns of an option. Raises: ConfigError for a text, which would be taken for its letters."""
    if isinstance(given, str):
        raise ConfigError(f"{name} must be a list of column names; given: {given!r}; write [{given!r}]")
    return None if given is None else tuple(given)


def _check_rows(rows: object) -> None:
    """Raise ConfigError for what is no range of rows."""
    if rows is None:
        return
    whole = isinstance(rows, tuple) and len(rows) == 2 and all(type(each) is int for each in rows)
    if not whole or not 0 <= rows[0] <= rows[1]:  # type: ignore[index]
        raise ConfigError(f"rows is a tuple (start, stop) of whole numbers, start from 0 up to stop; given: {rows!r}")


def _first_of(source: Input) -> str:
    """The name that says what the input is. Raises: ConfigError for what is no input."""
    if isinstance(source, list | tuple):
        if not source:
            raise ConfigError("the list of input files is empty: name at least one")
        return path_text(source[0])
    return path_text(source)  # type: ignore[arg-type]


def _failed_format(first: str, given: str | None) -> str:
    """The format of the failed rows: the input's where it can be written, else JSONL."""
    if is_folder(first) or (given is None and Path(first).suffix.lower() in DOCUMENTS):
        return "jsonl"
    found = kind_of(first, given).format
    return found if found in WRITABLE else "jsonl"


def _beside(source: str, target: str, format: str) -> str:
    """Where failed rows go: beside the output, or the input if that is a stream."""
    where = source if target == STANDARD else target
    return f"{'kaizen-batch' if where == STANDARD else stem_of(where)}{FAILED}.{format}"
