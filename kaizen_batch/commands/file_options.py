"""The options that say how rows are read and where they go, and what `FileJob` and `Records` make of them."""

import click

from kaizen_batch.commands.settings import Options
from kaizen_batch.errors import ConfigError
from kaizen_batch.files.columns import check_columns
from kaizen_batch.files.job import FileJob
from kaizen_batch.files.names import BATCH_LINES, FORMATS, WRITABLE
from kaizen_batch.files.options import ReadOptions
from kaizen_batch.files.reader import Records
from kaizen_batch.files.templates import ON_MISSING, PromptTemplate

_JOB = (
    "failed",
    "limit",
    "sample",
    "seed",
    "on_missing",
    "id",
    "columns",
    "safe_cells",
    "drop",
    "input_format",
    "output_format",
)
_READ = (
    "encoding",
    "delimiter",
    "quote",
    "escape",
    "skip",
    "comment",
    "ragged",
    "sheet",
    "json_path",
    "glob",
    "chunk_tokens",
    "source_column",
)


def _inputs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str | tuple[str, ...]:
    """One input as it is, several as a tuple: a pattern without quotes comes as several from the shell."""
    return value[0] if len(value) == 1 else value


def _column_names(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in (text or "").split(","))))
    try:
        check_columns(names)
    except ConfigError as error:
        raise click.BadParameter(error.message, ctx, parameter) from None
    return names


INPUT = click.argument("input", metavar="INPUT...", nargs=-1, required=True, callback=_inputs)

# The order is that of the help text.
FILE_OPTIONS = (
    click.option("--failed", metavar="FILE", help="File for failed rows.  [default: OUTPUT's name with .failed]"),
    click.option(
        "--input-format",
        type=click.Choice((*FORMATS, BATCH_LINES)),
        help="Format of INPUT, if its name does not say it.",
    ),
    click.option(
        "--output-format",
        type=click.Choice((*WRITABLE, BATCH_LINES)),
        help="Format of the output, if its name does not say it.",
    ),
    click.option("--encoding", metavar="NAME", help="Encoding of INPUT, if not UTF-8: latin-1, cp1252, ..."),
    click.option("--delimiter", metavar="CHAR", help="Between cells: ',' ';' '|' tab ...  [default: detected]"),
    click.option("--quote", metavar="CHAR", help="Around cells; '' for none.  [default: \", in TSV none]"),
    click.option("--escape", metavar="CHAR", help="Before a character that is meant literally, such as \\."),
    click.option("--no-header", is_flag=True, help="The first record is a row; columns are column_1, column_2, ..."),
    click.option("--skip", type=click.IntRange(0), default=0, metavar="N", help="Lines to ignore at the beginning."),
    click.option("--comment", metavar="TEXT", help="Ignore lines that begin with it, such as '#'."),
    click.option(
        "--ragged",
        type=click.Choice(["error", "pad"]),
        default="error",
        show_default=True,
        help="Records that are too short: refuse them, or fill them with empty cells.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a spreadsheet, by name or number.  [default: the first]"),
    click.option("--json-path", metavar="PATH", help="Where the array of rows is in a JSON document: data.items."),
    click.option("--glob", metavar="PATTERN", help="Files of a folder: '**/*.pdf'.  [default: every document]"),
    click.option(
        "--chunk-tokens",
        type=click.IntRange(20),
        metavar="N",
        help="Split long documents into rows of about N tokens.",
    ),
    click.option("--source-column", metavar="NAME", help="Add a column with the name of the file a row is from."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Process only the first N rows."),
    click.option("--sample", type=click.IntRange(1), metavar="N", help="Process N rows sampled evenly from INPUT."),
    click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Seed for --sample."),
    click.option("--select", multiple=True, metavar="COLUMN", help="Input column to keep; repeatable.  [default: all]"),
    click.option("--drop", multiple=True, metavar="COLUMN", help="Input column to leave out; repeatable."),
    click.option("--id", metavar="COLUMN", help="Column that names rows, in place of their numbers."),
    click.option(
        "--columns",
        metavar="NAMES",
        callback=_column_names,
        help="More columns in the output: finish_reason,usage,cost,attempts,reasoning,model.",
    ),
    click.option(
        "--safe-cells", is_flag=True, help="Write answers that look like formulas so that spreadsheets show text."
    ),
    click.option(
        "--on-missing",
        type=click.Choice(ON_MISSING),
        default="fail",
        show_default=True,
        help="A row without any value for the prompt: fail it, send it anyway, or write it without an answer.",
    ),
)


def job_of(options: Options, template: PromptTemplate | None, *, overwrite: bool = False) -> FileJob:
    """The job that the options describe. Raises: ConfigError."""
    given = {name: options[name] for name in (*_JOB, *_READ)}
    return FileJob(
        options["input"],
        options["output"],
        template=template,
        header=not options["no_header"],
        select=options["select"] or None,
        overwrite=overwrite,
        **given,
    )


def open_input(options: Options) -> Records:
    """The input that the options describe. Raises: ConfigError."""
    read = ReadOptions(header=not options["no_header"], **{name: options[name] for name in _READ})
    return Records(options["input"], options["input_format"], read)
