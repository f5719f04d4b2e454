"""The rows of the input, checked before anything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaizen_batch.errors import ConfigError
from kaizen_batch.files import Records, open_records
from kaizen_batch.files.names import STANDARD, path_text
from kaizen_batch.files.templates import PromptTemplate


@contextmanager
def records_of(options: dict[str, Any], template: PromptTemplate | None) -> Iterator[Records]:
    """The input, open. Raises: ConfigError for a column that the prompt needs and the rows lack."""
    with open_records(options["input"], format=options["input_format"], encoding=options["encoding"]) as records:
        if records.columns is not None:
            _check_columns(records.columns, template)
        yield records


def check_input(options: dict[str, Any], template: PromptTemplate | None) -> None:
    """Check the columns of the input; a stream can be read only once, and is left alone."""
    path = Path(path_text(options["input"]))
    if options["input"] == STANDARD or (path.exists() and not path.is_file()):
        return
    with records_of(options, template):
        pass


def _check_columns(columns: tuple[str, ...], template: PromptTemplate | None) -> None:
    if template is not None:
        template.check(columns)
    elif "prompt" not in columns:
        raise ConfigError(
            f"there is no --prompt, and no column 'prompt' among {', '.join(repr(name) for name in columns)}:"
            f' give a prompt, such as --prompt "Classify: {{{columns[0] if columns else "text"}}}"'
        )
