"""A job from file to file, and what it did: plain values."""

import os
from dataclasses import dataclass
from pathlib import Path

from kaizen_batch.errors import ConfigError
from kaizen_batch.files.columns import check_columns
from kaizen_batch.files.names import STANDARD, is_stream, kind_of, partial_of, path_text, stem_of
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.results import BatchSummary

Paths = str | os.PathLike[str]

FAILED = ".failed"
"""What the name of a file of failed rows ends with, before its suffix."""


@dataclass(frozen=True)
class FileJob:
    """Rows from one file, answers into another.

    >>> job = FileJob("tickets.csv", "answers.csv", template=PromptTemplate("Classify: {text}"))

    - `input`, `output`: paths, or `"-"` for a standard stream; the format is what the name says, or `input_format`,
      `output_format`. `encoding` is that of a text input (default: UTF-8, or what its byte-order mark says).
    - `template`: a PromptTemplate, or its text; without one each row goes to the agent as a dict.
    - `failed`: where the rows go that failed or were not attempted, with the columns `row` (the number of the row, from
      1), `error_code`, `error` and `response` (the model's answer, shortened); default:
      `<output without its suffix>.failed.csv`. There is none if no row failed; an older one is removed.
    - `id`: the column that names rows in `row`, in place of their numbers.
    - `columns`: more columns for answered rows: `finish_reason`, `usage`, `cost`, `attempts`, `reasoning`, `model`.
    - `limit`: only the first rows, so many. `sample`: only so many, drawn evenly from all (or from the first `limit`),
      in the order of the file, the same ones each time.

    Raises: ConfigError.
    """

    input: Paths
    output: Paths
    template: PromptTemplate | str | None = None
    failed: Paths | None = None
    limit: int | None = None
    sample: int | None = None
    input_format: str | None = None
    output_format: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] = ()
    id: str | None = None

    def __post_init__(self) -> None:
        source, target = path_text(self.input), path_text(self.output)
        kind_of(source, self.input_format)
        kind_of(target, self.output_format)
        for name in ("limit", "sample"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"{name} must be a number of rows, at least 1; given: {value!r}")
        if self.template is not None and not isinstance(self.template, PromptTemplate):
            object.__setattr__(self, "template", PromptTemplate(self.template))
        if self.failed is None:
            object.__setattr__(self, "failed", _beside(source, target))
        kind_of(path_text(self.failed or ""))
        check_columns(self.columns)

    @property
    def partial(self) -> str:
        """Where answered rows go if the run ends early; "-" for a stream, which has them already."""
        output = path_text(self.output)
        if is_stream(output):
            return output
        return partial_of(os.path.realpath(output) if Path(output).is_symlink() else output)


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job did: `rows_read = rows_written + rows_failed`, each of them in `output` or in `failed_output`.

    `failed_output` is None if no row failed. `summary` is that of the run; `summary.stopped` says why it ended before
    its last row, or is None. Unless the job is `complete`, `output` is the partial file.
    """

    summary: BatchSummary
    rows_read: int
    rows_written: int
    rows_failed: int
    output: str
    failed_output: str | None
    complete: bool = True


def _beside(source: str, target: str) -> str:
    """Where failed rows go: beside the output, or the input if that is a stream."""
    where = source if target == STANDARD else target
    return f"{'kaizen-batch' if where == STANDARD else stem_of(where)}{FAILED}.csv"
