"""A batch input file as INPUT: the model that it asks."""

import click
from click.core import ParameterSource

from kaizen_batch.commands.file_options import open_input
from kaizen_batch.commands.settings import Options
from kaizen_batch.files.inputs import expanded
from kaizen_batch.files.names import BATCH_LINES, is_stream
from kaizen_batch.files.openai_batch import model_of_lines


def take_model(ctx: click.Context, options: Options) -> None:
    """Have the run ask the model that the lines of a batch input file ask, unless --model says another one.

    Raises: ConfigError for several models.
    """
    if options["input_format"] != BATCH_LINES or ctx.get_parameter_source("model") is not ParameterSource.DEFAULT:
        return
    if any(map(is_stream, expanded(options["input"], options["glob"], options["input_format"]).paths)):
        return
    with open_input(options) as records:
        options["model"] = model_of_lines(records) or options["model"]
