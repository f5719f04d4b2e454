"""The rows of the input, checked before anything else."""

from collections.abc import Iterator
from contextlib import contextmanager

from kaizen_batch.commands.command import show_lines
from kaizen_batch.commands.file_options import open_input
from kaizen_batch.commands.settings import Options
from kaizen_batch.errors import ConfigError
from kaizen_batch.files import Records
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.names import BATCH_LINES, is_stream
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.results.texts.summary import Line


@contextmanager
def records_of(options: Options, template: PromptTemplate | None) -> Iterator[Records]:
    """The input, open. Raises: ConfigError for a column that the prompt needs and the rows lack."""
    with open_input(options) as records:
        if records.columns is not None:
            _check_columns(records.columns, template)
        yield records


def check_input(options: Options, template: PromptTemplate | None) -> None:
    """Check the columns of the input; a stream can be read only once, and is left alone."""
    if options["input_format"] == BATCH_LINES:
        return  # each line brings its own messages
    if any(map(is_stream, expanded(options["input"], options["glob"], options["input_format"]).paths)):
        return
    with records_of(options, template) as records:
        for note in records.notes:
            show_lines([Line("note", note)])


def _check_columns(columns: tuple[str, ...], template: PromptTemplate | None) -> None:
    if template is not None:
        template.check(columns)
    elif "prompt" not in columns and "messages" not in columns:
        raise ConfigError(
            f"there is no --prompt, and no column 'prompt' among {', '.join(repr(name) for name in columns)}:"
            f' give a prompt, such as --prompt "Classify: {{{columns[0] if columns else "text"}}}"'
        )
